"""Charts over result files: box plots over runs, and how a setting moves the scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np

from passerby.figures.result_files import SCORES, Result, check_scores, grouped, where
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
    figure.suptitle(where(results))
    save_figure(figure, target)


def draw_sweep(
    results: Sequence[Result],
    over: str,
    target: str | Path,
    *,
    scores: Sequence[str] = ("rank_1", "mean_ap_step"),
    ranges: Sequence[tuple[float, float]] = (),
) -> None:
    """Draws scores over one setting of the recipe, a line for each kind of run otherwise.

    The line goes through the means over the seeds; the band reaches from the least to the best.
    With `ranges` a point is all runs whose value lies in it (MPM-LTL, Figure 8).

    Args:
        results: of runs that differ in the setting.
        over: dotted name of a field of the recipe, e.g. `threshold`, `parts`, `intra_weight`.
        target: the .png or .svg, written atomically.
        scores: names in `SCORES`, a panel each.
        ranges: least and greatest value of each, both included; none: each value is a point.

    Raises:
        InputError: no results, a recipe without the field, fewer than two values of it, runs
            that all differ in more, values that are no numbers or lie in no range, or as
            `draw_box_plots`.
    """
    check_target(target, "sweeps")
    check_scores(scores)
    name = f"recipe.{over}"
    for result in results:
        if name not in result.settings:
            raise InputError(f"{result.file}: its recipe has no field {over!r}")
    places = _places([result.settings[name] for result in results], over, ranges)
    order: list[float | str] = list(dict.fromkeys(places.values()))
    # A feature's description may say the swept value again.
    lines = grouped(results, leave_out=(name, "feature"))
    if all(len({str(r.settings[name]) for r in group}) < 2 for group in lines.values()):
        raise InputError(
            f"a sweep over {over} needs runs that differ in it and their seeds alone: "
            f"here are {'; '.join(lines)}, each with one value of it"
        )
    figure, panels = new_figure(len(scores), height=4.5)
    for axes, score in zip(panels, scores, strict=True):
        names = [place for place in order if isinstance(place, str)]
        if names:
            axes.set_xticks(range(len(names)), names)
        for label, group in lines.items():
            found: dict[float | str, list[float]] = {place: [] for place in order}
            for result in group:
                found[places[str(result.settings[name])]].append(100 * _score(result, score))
            at = {
                place if isinstance(place, float) else order.index(place): given
                for place, given in found.items()
                if given
            }
            _line(axes, at, label)
        axes.set_xlabel(over.replace("_", " "))
        axes.set_ylabel(f"{SCORES[score]} (%)")
        if len(lines) > 1 and axes is panels[0]:
            axes.legend(fontsize="small")
    figure.suptitle(where(results))
    save_figure(figure, target)


def _places(
    values: Sequence[object], over: str, ranges: Sequence[tuple[float, float]]
) -> dict[str, float | str]:
    """Where each value stands on the axis, by its text; in the order of the places."""
    known: dict[str, object] = {str(value): value for value in values}
    if len(known) < 2:
        raise InputError(f"a sweep over {over} needs at least two values of it: given {[*known]}")
    numbers = {
        text: float(value)
        for text, value in known.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }
    if len(numbers) < len(known):
        if ranges:
            raise InputError(f"ranges need numbers: {over} is {', '.join(known)}")
        return {text: text for text in known}
    found: dict[str, float | str] = {}
    for text, number in sorted(numbers.items(), key=lambda item: item[1]):
        if not ranges:
            found[text] = number
            continue
        inside = [f"{least:g} - {most:g}" for least, most in ranges if least <= number <= most]
        if len(inside) != 1:
            raise InputError(
                f"{over} {text} lies in {len(inside)} of the ranges, not in exactly one"
            )
        found[text] = inside[0]
    return found


def _line(axes: Axes, found: Mapping[float, Sequence[float]], label: str) -> None:
    places = list(found)
    drawn = axes.plot(places, [np.mean(found[one]) for one in places], marker="o", label=label)
    if any(len(values) > 1 for values in found.values()):
        least, most = ([end(found[one]) for one in places] for end in (min, max))
        axes.fill_between(places, least, most, color=drawn[0].get_color(), alpha=0.2)


def _score(result: Result, name: str) -> float:
    if name not in result.scores:
        raise InputError(f"{result.file}: contains no {name}")
    return result.scores[name]
