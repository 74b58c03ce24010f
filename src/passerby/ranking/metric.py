"""Which distances there are: apart from what computes them, so that settings need no torch."""

from __future__ import annotations

from passerby.types import InputError

METRICS = ("euclidean", "squared_euclidean", "cosine")
"""Cosine distance is 1 - cosine."""


def check_metric(metric: str) -> None:
    """Refuses an unknown metric."""
    if metric not in METRICS:
        raise InputError(f"the metric must be one of {', '.join(METRICS)}: given {metric!r}")
