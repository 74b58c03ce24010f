"""The model that comes with passerby: a small network that was trained on drawn people alone."""

from __future__ import annotations

from pathlib import Path

SHIPPED = Path(__file__).parents[1] / "model"
"""Its folder: the model's two files, and CARD.md, which says what it is good for and what not."""

NOTE = (
    "note: no model given: using the one that comes with passerby, trained on drawn people only "
    f"({SHIPPED / 'CARD.md'})"
)
"""What commands say that take it."""
