"""Charts over result files: box plots over runs, and how a setting moves the scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np

from passerby.figures.result_files import SCORES, Result, check_scores, grouped
from passerby.figures.saving import check_target, new_figure, save_figure
from passerby.types import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_box_plots(
    results: Sequence[Result],
    target: str | Path,
    *,
    scores: Sequence[str] = ("rank_1", "mean_ap_step"),
) -> None:
    """Draws for each configuration a box over its runs (MSReID, Figure 5).

    The box reaches from the first to the third quartile, the line is the median, whiskers reach to
    the last run within 1.5 times the box's height; every run is a dot too.

    Args:
        results: those that differ in nothing but the seed go into one box.
        target: the .png or .svg, written atomically.
        scores: names in `SCORES`, a panel each.

    Raises:
        InputError: no results, an unknown score, or one that a result has not.
    """
    check_target(target, "box plots")
    check_scores(scores)
    groups = grouped(results)
    figure, panels = new_figure(len(scores), height=1.6 + 0.6 * len(groups))
    for axes, score in zip(panels, scores, strict=True):
        values = [[100 * _score(result, score) for result in group] for group in groups.values()]
        places = np.arange(len(values), 0, -1)
        axes.boxplot(values, positions=places, orientation="horizontal", widths=0.5,
                     showfliers=False)  # fmt: skip
        for place, dots in zip(places, values, strict=True):
            axes.plot(dots, np.full(len(dots), place), ".", color="tab:blue", alpha=0.7)
        first = axes is panels[0]
        labels = [
            f"{fill(label, 36)}\n({len(group)} run{'s' * (len(group) > 1)})"
            for label, group in groups.items()
        ]
        axes.set_yticks(places, labels if first else [""] * len(labels))
        axes.set_xlabel(f"{SCORES[score]} (%)")
    figure.suptitle(_where(results))
    save_figure(figure, target)


def draw_sweep(
    results: Sequence[Result],
    over: str,
    target: str | Path,
    *,
    scores: Sequence[str] = ("rank_1", "mean_ap_step"),
) -> None:
    """Draws scores over one setting of the recipe, a line for each kind of run otherwise.

    The line goes through the means over the seeds; the band reaches from the least to the best.

    Args:
        results: of runs that differ in the setting.
        over: dotted name of a field of the recipe, e.g. `threshold`, `parts`, `intra_weight`.
        target: the .png or .svg, written atomically.
        scores: names in `SCORES`, a panel each.

    Raises:
        InputError: no results, a recipe without the field, fewer than two values of it, or as
            `draw_box_plots`.
    """
    check_target(target, "sweeps")
    check_scores(scores)
    name = f"recipe.{over}"
    for result in results:
        if name not in result.settings:
            raise InputError(f"{result.file}: its recipe has no field {over!r}")
    values = list(dict.fromkeys(result.settings[name] for result in results))
    if len(values) < 2:
        raise InputError(f"a sweep over {over} needs at least two values of it: given {values}")
    figure, panels = new_figure(len(scores))
    # A feature's description may say the swept value again.
    lines = grouped(results, leave_out=(name, "feature"))
    for axes, score in zip(panels, scores, strict=True):
        for label, group in lines.items():
            _line(axes, group, name, score, label)
        axes.set_xlabel(over.replace("_", " "))
        axes.set_ylabel(f"{SCORES[score]} (%)")
        if len(lines) > 1:
            axes.legend()
    figure.suptitle(_where(results))
    save_figure(figure, target)


def _line(axes: Axes, group: Sequence[Result], name: str, score: str, label: str) -> None:
    found: dict[object, list[float]] = {}
    for result in group:
        found.setdefault(result.settings[name], []).append(100 * _score(result, score))
    numbers = all(
        isinstance(value, (int, float)) and not isinstance(value, bool) for value in found
    )
    known = sorted(found, key=float) if numbers else list(found)  # type: ignore[arg-type]
    places = [float(value) if numbers else str(value) for value in known]  # type: ignore[arg-type]
    drawn = axes.plot(places, [np.mean(found[value]) for value in known], marker="o", label=label)
    if any(len(seeds) > 1 for seeds in found.values()):
        least, most = ([end(found[value]) for value in known] for end in (min, max))
        axes.fill_between(places, least, most, color=drawn[0].get_color(), alpha=0.2)


def _score(result: Result, name: str) -> float:
    if name not in result.scores:
        raise InputError(f"{result.file}: holds no {name}")
    return result.scores[name]


def _where(results: Sequence[Result]) -> str:
    told = {
        " ".join(filter(None, (str(r.settings[k] or "") for k in ("data", "folder", "variant"))))
        + f", {r.settings['protocol']}"
        for r in results
    }
    return "; ".join(sorted(told))
