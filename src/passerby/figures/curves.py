"""Curves: how often the person is among the first k (CMC)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from passerby.files import atomic
from passerby.types import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw_cmc(curves: Mapping[str, NDArray[np.float64]], target_png: str | Path) -> None:
    """Draws CMC curves into one picture.

    Args:
        curves: label -> (ranks,) shares of the queries, 0-1, e.g. `Scores.cmc`.
        target_png: written atomically.

    Raises:
        InputError: there is no curve, or an empty one.
    """
    if not curves or any(len(curve) == 0 for curve in curves.values()):
        raise InputError("a CMC figure needs at least one curve of at least one rank")
    figure, axes = _figure()
    for label, curve in curves.items():
        ranks = np.arange(1, len(curve) + 1)
        mark = "." if len(curve) <= 20 else ""
        axes.plot(ranks, 100 * np.asarray(curve), marker=mark, label=label)
    axes.set_xlabel("rank k")
    axes.set_ylabel("queries with their person among the first k (%)")
    axes.set_ylim(0, 101)
    axes.set_xlim(left=0.5)
    axes.legend(loc="lower right")
    _save(figure, target_png)


def _figure() -> tuple[Figure, Axes]:
    # The figure alone: pyplot would keep it, and choose a window system.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    axes.grid(alpha=0.3)
    return figure, axes


def _save(figure: Figure, target_png: str | Path) -> None:
    with atomic(target_png) as temporary:
        figure.savefig(temporary, format="png")
