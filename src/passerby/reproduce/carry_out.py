"""Carrying out a plan: what is finished is never done again, what was interrupted goes on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console

from passerby.embedding.embedder import Embedder
from passerby.evaluation.ranker import Reranking
from passerby.experiment import evaluate_run, train
from passerby.reproduce.declared import Search
from passerby.reproduce.found import Library
from passerby.reproduce.plan import Step
from passerby.reproduce.wanted import Wanted, seeded
from passerby.terminal import say
from passerby.training.settings import Settings
from passerby.types import InputError


def carry_out(
    steps: Sequence[Step],
    library: Library,
    console: Console,
    *,
    part: tuple[int, int] = (1, 1),
) -> None:
    """Trains and evaluates what the plan lacks.

    Interrupted at any time and started again, it goes on where it stood: runs by their
    checkpoints, evaluations by the result files that exist. Masks and joints are those that lie
    beside the data.

    Args:
        steps: the plan.
        library: what exists; looked through again as runs are finished.
        console: where progress is shown.
        part: (i, n): do the i-th of n parts alone, counted from 1; runs of one seed that share
            stages fall into one part.

    Raises:
        InputError: as `passerby.experiment.train` and `evaluate_run`.
        Interrupted: the user asked for it.
    """
    todo = [step for step in steps if step.state != "done" and _is_mine(step.run, steps, part)]
    for number, step in enumerate(todo, 1):
        run = step.run
        name = f"{run.training.method} {run.training.name}, seed {run.seed}"
        say(console, f"{number} of {len(todo)}: {name}")
        folder = library.finished(run) or _train(run, library, console)
        for search in {search.name: search for search in step.missing}.values():
            _evaluate(run, search, folder, library, console)


def device_of(settings: Settings) -> str:
    """Where to embed: `auto` takes a GPU when there is one."""
    if settings.accelerator == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return settings.accelerator


def parse_part(text: str) -> tuple[int, int]:
    """`i/n` as two numbers.

    Raises:
        InputError: it has another form, or i is not from 1 to n.
    """
    first, slash, second = text.partition("/")
    if not (slash and first.isdigit() and second.isdigit() and 1 <= int(first) <= int(second)):
        raise InputError(f"--part must be I/N with I from 1 to N; given {text!r}")
    return int(first), int(second)


def _is_mine(run: Wanted, steps: Sequence[Step], part: tuple[int, int]) -> bool:
    roots = list(dict.fromkeys(_root(step.run) for step in steps))
    return roots.index(_root(run)) % part[1] == part[0] - 1


def _root(run: Wanted) -> tuple[str, str, int]:
    while run.start is not None:
        run = run.start
    return run.training.method, run.training.name, run.seed


def _train(run: Wanted, library: Library, console: Console) -> Path:
    """Trains a run, or goes on with it; returns its folder."""
    task = library.task
    folder = library.home(run)
    origin = None
    if run.start is not None:
        origin = library.stage(run.start, run.training.start_stage)
        if origin is None:
            raise InputError(
                f"{run.training.name} starts from {run.start.training.name} of seed {run.seed}, "
                f"which lacks its stage {run.training.start_stage}"
            )
    train(
        task.methods[run.training.method],
        task.split,
        folder,
        recipe=run.recipe,
        settings=seeded(task.settings, run.seed),
        resume=True,
        init_from=origin,
        evaluate=False,
        console=console,
    )
    library.look()
    return folder


def _evaluate(
    run: Wanted,
    search: Search,
    folder: Path,
    library: Library,
    console: Console,
) -> None:
    task = library.task
    method = task.methods[run.training.method]
    device = device_of(task.settings)
    model = Embedder.load(
        folder, method=method, device=device, changes=search.changes, stage=search.stage
    )
    # Results of runs that lie elsewhere do not go there: those folders are somebody's.
    target = library.home(run) / f"{search.name}.json"
    evaluate_run(
        model,
        task.split,
        folder,
        protocol="multi-query" if search.multi_query else None,
        reranking=Reranking() if search.reranking else None,
        same_camera_filter=search.same_camera_filter,
        workers=task.settings.workers,
        console=console,
        results=target,
    )
