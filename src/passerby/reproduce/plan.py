"""The plan: which runs exist, which are to be trained, and about how long that takes."""

from __future__ import annotations

import csv
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rich.table import Table as ShownTable

from passerby.recipes import to_plain
from passerby.reproduce.declared import Search, Table
from passerby.reproduce.found import Found, Library
from passerby.reproduce.wanted import Task, Wanted, all_wanted

State = Literal["done", "to evaluate", "to resume", "to train"]

SHAPE = ("trunk", "height", "width", "channels", "filters", "part_height", "part_width")
"""Fields of recipes that decide on the speed of training, as far as a recipe has them."""


@dataclass(frozen=True)
class Step:
    """One run of the plan."""

    run: Wanted
    """The run."""
    missing: tuple[Search, ...]
    """Searches without a result yet."""
    state: State
    """What is to be done."""
    seconds: float | None
    """Expected time of training; None: no run tells."""


def make_plan(task: Task, tables: Sequence[Table], library: Library) -> list[Step]:
    """A step for each run that the tables need; runs that others start from stand before them."""
    runs = all_wanted(task, tables)
    missing = {
        id(run): tuple(s for s in searches if library.result(run, s) is None)
        for run, searches in runs
    }
    started = [run.start for run, _ in runs if run.start and _untrained(run, missing, library)]
    steps = []
    for run, _ in runs:
        needed = bool(missing[id(run)]) or _serves(run, started, library)
        steps.append(_step(run, missing[id(run)], needed, library))
    return steps


def _untrained(run: Wanted, missing: dict[int, tuple[Search, ...]], library: Library) -> bool:
    return bool(missing[id(run)]) and library.finished(run) is None


def _serves(run: Wanted, started: Sequence[Wanted], library: Library) -> bool:
    """Whether a run is needed only as the start of another one."""
    mine = (run.training.method, run.training.name, run.seed)
    return library.finished(run) is None and any(
        (other.training.method, other.training.name, other.seed) == mine for other in started
    )


def _step(run: Wanted, missing: tuple[Search, ...], needed: bool, library: Library) -> Step:
    if not needed:
        return Step(run, missing, "done", 0.0)
    if library.finished(run) is not None:
        return Step(run, missing, "to evaluate", 0.0)
    state: State = "to resume" if library.begun(run) else "to train"
    return Step(run, missing, state, expected_seconds(run, library))


def expected_seconds(run: Wanted, library: Library) -> float | None:
    """Time of training by the speed that runs of the same method and size recorded.

    An epoch is taken to see each training picture once. None where no such run is known.
    """
    similar = [found for found in library.runs if _similar(found, run)]
    speeds = next((s for found in similar if (s := recorded_speeds(found.path))), None)
    epochs = stage_epochs(to_plain(run.recipe))
    if not speeds or not epochs:
        return None
    names = list(speeds)
    taken = names.index(run.training.start_stage) + 1 if run.training.start_stage in names else 0
    rates = [*speeds.values()] + [list(speeds.values())[-1]] * len(epochs)
    pictures = len(library.task.split.train)
    return sum(count * pictures / rates[i] for i, count in enumerate(epochs) if i >= taken)


def stage_epochs(recipe: dict[str, Any]) -> list[int]:
    """Epochs of each stage, as recipes write them: `stages` with `epochs`, or `epochs`."""
    stages = recipe.get("stages") or [recipe]
    return [stage["epochs"] for stage in stages if isinstance(stage, dict) and "epochs" in stage]


def recorded_speeds(run: Path) -> dict[str, float]:
    """Median pictures a second of each stage, from the run's `metrics.csv`."""
    file = run / "metrics.csv"
    if not file.is_file():
        return {}
    speeds: dict[str, list[float]] = {}
    with file.open(newline="", encoding="utf-8") as opened:
        for row in csv.DictReader(opened):
            if row["name"] == "images_per_second":
                speeds.setdefault(row["stage"], []).append(float(row["value"]))
    return {stage: statistics.median(values) for stage, values in speeds.items()}


def _similar(found: Found, run: Wanted) -> bool:
    recipe, other = to_plain(run.recipe), found.says.get("recipe")
    return (
        found.says.get("method") == run.training.method
        and isinstance(other, dict)
        and all(other.get(name) == recipe.get(name) for name in SHAPE)
    )


def plan_table(steps: Sequence[Step]) -> ShownTable:
    """The plan for the terminal: a line for each configuration."""
    shown = ShownTable(title="runs", caption=_time(steps))
    shown.add_column("", overflow="fold")
    for name in ("done", "evaluate", "resume", "train", "about"):
        shown.add_column(name, justify="right", no_wrap=True)
    groups: dict[tuple[str, str], list[Step]] = {}
    for step in steps:
        training = step.run.training
        groups.setdefault((training.method, training.name), []).append(step)
    for group in groups.values():
        counts = [
            str(sum(step.state == state for step in group) or "")
            for state in ("done", "to evaluate", "to resume", "to train")
        ]
        shown.add_row(_label(group[0].run), *counts, _hours(group))
    return shown


def outline_table(task: Task, tables: Sequence[Table]) -> ShownTable:
    """What the tables need, for the terminal, where the data and what exists are not known."""
    shown = ShownTable(
        title="runs", caption="--root DIR tells what of it is done, and how long the rest takes"
    )
    shown.add_column("", overflow="fold")
    for name in ("runs", "epochs of each"):
        shown.add_column(name, justify="right", no_wrap=True)
    wanted = [run for run, _ in all_wanted(task, tables) if run.seed == task.settings.seed]
    for run in wanted:
        epochs = " + ".join(map(str, stage_epochs(to_plain(run.recipe))))
        shown.add_row(_label(run), str(task.runs), epochs)
    return shown


def _label(run: Wanted) -> str:
    start = run.training.start
    return f"{run.training.method} {run.training.name}" + (f" (from {start.name})" if start else "")


def _hours(steps: Sequence[Step]) -> str:
    seconds = [step.seconds for step in steps]
    known = [s for s in seconds if s is not None]
    if len(known) < len(seconds):
        return "unknown"
    return clock(sum(known)) if sum(known) else ""


def _time(steps: Sequence[Step]) -> str:
    known = [step.seconds for step in steps if step.seconds is not None]
    unknown = len(steps) - len(known)
    text = f"training: about {clock(sum(known))}" if sum(known) or not unknown else "training"
    if unknown:
        text += f"; {unknown} runs of unknown time: no similar run has recorded its speed"
    return text


def clock(seconds: float) -> str:
    """Seconds as hours and minutes."""
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"
