"""Curves: how often the person is among the first k (CMC), and what a threshold costs (ROC)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from passerby.figures.result_files import Result, where
from passerby.figures.saving import new_figure, save_figure
from passerby.types import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from passerby.ranking.verification import Verification


def draw_cmc_and_roc(
    cmc: Mapping[str, NDArray[np.float64]], roc: Mapping[str, Verification], target: str | Path
) -> None:
    """Draws CMC and ROC side by side; the rate of false matches is on a logarithmic axis.

    Args:
        cmc: label -> (ranks,) shares of the queries, 0-1, e.g. `Scores.cmc`.
        roc: label -> from `passerby.ranking.verification`.
        target: the .png or .svg, written atomically.

    Raises:
        InputError: there is no curve, or an empty one.
    """
    figure, (left, right) = new_figure(2)
    _cmc(left, cmc)
    _roc(right, roc)
    save_figure(figure, target)


def draw_result_curves(results: Mapping[str, Sequence[Result]], target: str | Path) -> None:
    """Draws curves of result files: CMC, and 1 - FNMR over FMR where pairs were verified.

    Args:
        results: label -> runs that differ in the seed alone; the curve is their mean.
        target: the .png or .svg, written atomically.

    Raises:
        InputError: there is no curve, or an empty one.
    """
    if any(not result.cmc for group in results.values() for result in group):
        raise InputError("a CMC figure needs at least one curve of at least one rank")
    verified = {name: group for name, group in results.items() if all(r.points for r in group)}
    figure, panels = new_figure(2 if verified else 1)
    _cmc(panels[0], {name: _mean([r.cmc for r in group]) for name, group in results.items()})
    for name, group in verified.items():
        rates = [rate for rate, _ in group[0].points if all(rate in dict(r.points) for r in group)]
        found = _mean([[1 - dict(r.points)[rate] for rate in rates] for r in group])
        panels[1].plot(100 * np.array(rates), 100 * found, marker="o", label=name)
    figure.suptitle(where([result for group in results.values() for result in group]))
    if verified:
        _label_roc(panels[1])
        panels[1].legend(loc="lower right")
    save_figure(figure, target)


def _mean(curves: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    ranks = min(map(len, curves))
    mean: NDArray[np.float64] = np.array([curve[:ranks] for curve in curves]).mean(axis=0)
    return mean


def _cmc(axes: Axes, curves: Mapping[str, NDArray[np.float64]]) -> None:
    if not curves or any(len(curve) == 0 for curve in curves.values()):
        raise InputError("a CMC figure needs at least one curve of at least one rank")
    for label, curve in curves.items():
        ranks = np.arange(1, len(curve) + 1)
        mark = "." if len(curve) <= 20 else ""
        axes.plot(ranks, 100 * np.asarray(curve), marker=mark, label=label)
    axes.set_xlabel("rank k")
    axes.set_ylabel("queries with their person among the first k (%)")
    low = low_end(min(float(np.min(curve)) for curve in curves.values()))
    axes.set_ylim(low, 100 + (100 - low) / 100)
    axes.set_xlim(left=0.5)
    axes.legend(loc="lower right")


def low_end(least: float) -> int:
    """Where an axis of CMC curves starts, per cent: 0, or where they are all high, the ten below.

    Args:
        least: of the curves, 0-1.
    """
    return 10 * (ceil(10 * least) - 1) if least > 0.5 else 0


def _roc(axes: Axes, curves: Mapping[str, Verification]) -> None:
    if not curves:
        raise InputError("a ROC figure needs at least one curve")
    least = max(1e-5, min(1 / found.impostor for found in curves.values()))
    for label, found in curves.items():
        # A logarithmic axis has no 0: what is found without a false match stands at its left end.
        first = max(0, int(np.searchsorted(found.false_match_rates, least)) - 1)
        rates = np.maximum(found.false_match_rates[first:], least)
        axes.plot(100 * rates, 100 * found.true_match_rates[first:], label=label)
    _label_roc(axes)
    axes.set_xlim(100 * least, 100)
    axes.legend(loc="lower right")


def _label_roc(axes: Axes) -> None:
    axes.set_xscale("log")
    axes.set_ylim(0, 101)
    axes.set_xlabel("pairs of two persons accepted (%): FMR")
    axes.set_ylabel("pairs of one person accepted (%): 1 - FNMR")
