"""The model that comes with passerby: a small network that was trained on drawn people alone."""

from __future__ import annotations

from pathlib import Path

SHIPPED = Path(__file__).parents[1] / "model"
"""Its folder: the model's two files, and CARD.md, which says what it is good for and what not."""

NOTE = f"note: no model is named: passerby's own, of drawn people alone ({SHIPPED / 'CARD.md'})"
"""What commands say that take it."""
