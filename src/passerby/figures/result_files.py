"""Result files side by side: what they differ in, and which differ in nothing but the seed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from passerby.evaluation.results import read_results
from passerby.types import InputError

EVALUATION = (
    "data", "folder", "variant", "protocol", "settings", "same_camera_filter", "reranking",
    "metric", "feature",
)  # fmt: skip
"""Of a result file: what decides on the numbers beside the run itself."""
_MODE = ("protocol", "settings", "reranking")
_FIRST, _LAST = ("method", "stage"), ("metric", "feature")

SCORES = {
    "rank_1": "rank-1", "rank_5": "rank-5", "rank_10": "rank-10", "rank_20": "rank-20",
    "mean_ap_step": "mAP", "mean_ap_trapezoid": "mAP (trapezoid)",
    "mean_ap_step_50": "mAP (cut at rank 50)", "mean_inp": "mINP",
}  # fmt: skip
"""Scores of a result file, and their names in figures."""


@dataclass(frozen=True)
class Result:
    """One result file."""

    file: Path
    """Where it lies."""
    scores: Mapping[str, float]
    """By the names of `SCORES`, shares from 0 to 1."""
    cmc: tuple[float, ...]
    """Shares from rank 1 on."""
    points: tuple[tuple[float, float], ...]
    """FMR and FNMR, where the evaluation verified pairs; else none."""
    settings: Mapping[str, Any]
    """What decides on the numbers: `EVALUATION`, method, stage, and the recipe's fields by their
    dotted names; without the seed."""


def read_many(places: Iterable[str | Path]) -> list[Result]:
    """Result files, of files and of folders.

    A folder stands for the results.json in it, or else for those in the folders below it.

    Raises:
        InputError: there is none, or one cannot be read.
    """
    files: list[Path] = []
    for place in map(Path, places):
        if not place.is_dir():
            files.append(place)
        elif (place / "results.json").is_file():
            files.append(place / "results.json")
        else:
            below = sorted(place.rglob("results.json"))
            if not below:
                raise InputError(f"{place}: contains no results.json")
            files += below
    if not files:
        raise InputError("a figure of results needs at least one result file")
    return [_read(file) for file in dict.fromkeys(files)]


def grouped(results: Sequence[Result], leave_out: Sequence[str] = ()) -> dict[str, list[Result]]:
    """Results by a label that says what they differ in from the others, seeds aside.

    Args:
        results: at least one.
        leave_out: settings that do not count, e.g. the axis of a sweep.
    """
    names = [name for name in EVALUATION if name not in _LAST]
    recipe = {name for result in results for name in result.settings} - {*EVALUATION, *_FIRST}
    names = [*_FIRST, *names, *sorted(recipe), *_LAST]
    telling: list[str] = []
    for name in names:
        # What parts no results that are together so far says nothing new.
        if name not in leave_out and len(_parted(results, [*telling, name])) > len(
            _parted(results, telling)
        ):
            telling.append(name)
    labelled: dict[str, list[Result]] = {}
    for group in _parted(results, telling):
        parts = [_label(group[0], name) for name in telling]
        label = ", ".join(part for part in parts if part) or str(group[0].settings["method"])
        # Shortened values may be the same.
        twin = "" if label not in labelled else f" [{len(labelled) + 1}]"
        labelled[label + twin] = group
    return labelled


def mean_of_modes(results: Sequence[Result]) -> list[Result]:
    """One result for each run's folder: the mean over its evaluations (MPM-LTL, Figure 7).

    Evaluations of a run differ in protocol and re-ranking alone: single-query and multi-query,
    each as it is and re-ranked. CMC and verification have no mean here.

    Args:
        results: as many evaluations of each run, of the same kinds.

    Raises:
        InputError: runs that were evaluated otherwise than the first, or evaluations of one run
            that differ in more.
    """
    runs: dict[Path, list[Result]] = {}
    for result in results:
        runs.setdefault(result.file.parent, []).append(result)
    kinds = {
        place: sorted(str({key: one.settings[key] for key in _MODE}) for one in group)
        for place, group in runs.items()
    }
    first = next(iter(kinds), Path())
    merged = []
    for place, group in runs.items():
        if kinds[place] != kinds[first] or len(set(kinds[place])) < len(group):
            raise InputError(
                f"a mean over query modes needs the same modes of every run, each once: {place} "
                f"has {len(group)}, {first} {len(runs[first])}"
            )
        if len(_parted(group, [name for name in group[0].settings if name not in _MODE])) > 1:
            raise InputError(f"{place}: its results differ in more than the query mode")
        names = [name for name in SCORES if all(name in one.scores for one in group)]
        scores = {name: sum(one.scores[name] for one in group) / len(group) for name in names}
        protocols = ", ".join(dict.fromkeys(_mode(one) for one in group))
        settings = {**group[0].settings, **dict.fromkeys(_MODE)}
        settings["protocol"] = f"mean of {protocols}"
        merged.append(Result(place, scores, (), (), settings))
    return merged


def _mode(result: Result) -> str:
    again = " re-ranked" if result.settings["reranking"] else ""
    return f"{result.settings['protocol']}{again}"


def _parted(results: Sequence[Result], names: Sequence[str]) -> list[list[Result]]:
    groups: dict[tuple[str, ...], list[Result]] = {}
    for result in results:
        key = tuple(repr(result.settings.get(name)) for name in names)
        groups.setdefault(key, []).append(result)
    return list(groups.values())


def where(results: Sequence[Result]) -> str:
    """Data sets and protocols of results, a figure's title."""
    told: dict[str, set[str]] = {}
    for result in results:
        names = (str(result.settings[key] or "") for key in ("data", "folder", "variant"))
        place = " ".join(filter(None, names))
        told.setdefault(place, set()).add(str(result.settings["protocol"]))
    return "; ".join(f"{place}, {', '.join(sorted(told[place]))}" for place in sorted(told))


def check_scores(names: Sequence[str]) -> None:
    """Says which scores there are.

    Raises:
        InputError: one is none of `SCORES`, or there is none.
    """
    for name in names:
        if name not in SCORES:
            raise InputError(f"a score must be one of {', '.join(SCORES)}: given {name!r}")
    if not names:
        raise InputError(f"a figure needs at least one score of {', '.join(SCORES)}")


def _read(file: Path) -> Result:
    found = read_results(file)
    run = found["run"]
    settings = {name: found.get(name) for name in EVALUATION}
    settings["method"] = run.get("method", found["feature"])
    settings["stage"] = run.get("stage")
    settings |= {f"recipe.{name}": value for name, value in _dotted(run.get("recipe") or {})}
    verified = (found.get("verification") or {}).get("points", ())
    points = tuple(
        (point["false_match_rate"], point["false_non_match_rate"])
        for point in verified
        if point["false_non_match_rate"] is not None
    )
    scores = {name: float(found["scores"][name]) for name in SCORES if name in found["scores"]}
    return Result(file, scores, tuple(found.get("cmc", ())), points, settings)


def _dotted(recipe: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    for name, value in recipe.items():
        parts: dict[str, Any] = dict(value) if isinstance(value, dict) else {}
        if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
            parts = {str(index): one for index, one in enumerate(value)}
        if parts:
            yield from ((f"{name}.{inner}", found) for inner, found in _dotted(parts))
        else:
            yield name, value


def _label(result: Result, name: str) -> str:
    value = result.settings.get(name)
    short = name.removeprefix("recipe.").replace("_", " ")
    if name not in result.settings:
        return ""
    if name == "reranking":
        return "re-ranked" if value else "not re-ranked"
    if value is None or value is False:
        return f"no {short}"
    if value is True:
        return short
    if name in EVALUATION or name in _FIRST:
        return str(value)
    if isinstance(value, str) and "/" in value:
        # A file's whole place would fill the figure.
        value = "/".join(Path(value).parts[-2:])
    return f"{short} {value}"
