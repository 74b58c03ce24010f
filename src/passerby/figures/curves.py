"""Curves: how often the person is among the first k (CMC), and what a threshold costs (ROC)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from passerby.files import atomic
from passerby.ranking.verification import Verification
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
    figure, (axes,) = _figure(1)
    _cmc(axes, curves)
    _save(figure, target_png)


def draw_roc(curves: Mapping[str, Verification], target_png: str | Path) -> None:
    """Draws ROC curves into one picture; the rate of false matches is on a logarithmic axis.

    Args:
        curves: label -> from `passerby.ranking.verification`.
        target_png: written atomically.

    Raises:
        InputError: there is no curve.
    """
    figure, (axes,) = _figure(1)
    _roc(axes, curves)
    _save(figure, target_png)


def draw_cmc_and_roc(
    cmc: Mapping[str, NDArray[np.float64]], roc: Mapping[str, Verification], target_png: str | Path
) -> None:
    """Draws both side by side, as `draw_cmc` and `draw_roc`.

    Raises:
        InputError: there is no curve, or an empty one.
    """
    figure, (left, right) = _figure(2)
    _cmc(left, cmc)
    _roc(right, roc)
    _save(figure, target_png)


def _cmc(axes: Axes, curves: Mapping[str, NDArray[np.float64]]) -> None:
    if not curves or any(len(curve) == 0 for curve in curves.values()):
        raise InputError("a CMC figure needs at least one curve of at least one rank")
    for label, curve in curves.items():
        ranks = np.arange(1, len(curve) + 1)
        mark = "." if len(curve) <= 20 else ""
        axes.plot(ranks, 100 * np.asarray(curve), marker=mark, label=label)
    axes.set_xlabel("rank k")
    axes.set_ylabel("queries with their person among the first k (%)")
    axes.set_ylim(0, 101)
    axes.set_xlim(left=0.5)
    axes.legend(loc="lower right")


def _roc(axes: Axes, curves: Mapping[str, Verification]) -> None:
    if not curves:
        raise InputError("a ROC figure needs at least one curve")
    least = max(1e-5, min(1 / found.impostor for found in curves.values()))
    for label, found in curves.items():
        # A logarithmic axis has no 0: what is found without a false match stands at its left end.
        first = max(0, int(np.searchsorted(found.false_match_rates, least)) - 1)
        rates = np.maximum(found.false_match_rates[first:], least)
        axes.plot(100 * rates, 100 * found.true_match_rates[first:], label=label)
    axes.set_xscale("log")
    axes.set_xlim(100 * least, 100)
    axes.set_ylim(0, 101)
    axes.set_xlabel("pairs of two persons accepted (%): FMR")
    axes.set_ylabel("pairs of one person accepted (%): 1 - FNMR")
    axes.legend(loc="lower right")


def _figure(count: int) -> tuple[Figure, list[Axes]]:
    # The figure alone: pyplot would keep it, and choose a window system.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6 * count, 4), dpi=150, layout="constrained")
    axes = [figure.add_subplot(1, count, number + 1) for number in range(count)]
    for one in axes:
        one.grid(alpha=0.3)
    return figure, axes


def _save(figure: Figure, target_png: str | Path) -> None:
    with atomic(target_png) as temporary:
        figure.savefig(temporary, format="png")
