"""`passerby evaluate RUN` and `passerby evaluate --embeddings FILE.npz`."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tyro
from rich.console import Console

from passerby.cli.dataset import data_options, load_split, value_of
from passerby.embedding.embedder import Embedder
from passerby.evaluation.embeddings_file import read_embeddings
from passerby.evaluation.protocols import evaluate_arrays
from passerby.evaluation.results import results_table, write_results
from passerby.experiment import evaluate_run
from passerby.methods import import_method


@dataclass(frozen=True)
class FileOptions:
    """Rank a file of embeddings."""

    embeddings: Path
    """An .npz with the arrays query, gallery, query_ids, gallery_ids and, where there are any,
    query_cameras, gallery_cameras."""
    metric: Literal["euclidean", "cosine"] = "euclidean"
    """Distance between embeddings."""
    average_precision: Literal["step", "trapezoid"] = "step"
    """The definition of AP that the table shows; the result file always has both."""
    json: Path | None = None
    """The result file to write."""


@dataclass(frozen=True)
class RunOptions:
    """Rank the test pictures of a data set by a finished run."""

    run: tyro.conf.Positional[Path]
    """The run's folder."""
    method: str | None = None
    """path/to/file.py:METHOD, for a run of a method of one's own."""
    device: str = "cpu"
    """Where to compute, e.g. cuda."""
    workers: int = 0
    """Processes that decode pictures."""
    skip_broken: bool = False
    """Leave broken pictures out, counted, instead of stopping."""
    average_precision: Literal["step", "trapezoid"] = "step"
    """The definition of AP that the table shows; the result file always has both."""
    json: Path | None = None
    """The result file to write; RUN/results.json if not given."""


def run(arguments: list[str]) -> None:
    """Runs the command."""
    if any(argument.split("=")[0] == "--embeddings" for argument in arguments):
        rank_file(tyro.cli(FileOptions, args=arguments, prog="passerby evaluate"))
    else:
        rank_run(arguments)


def rank_file(options: FileOptions) -> None:
    """Ranks a file of embeddings."""
    arrays = read_embeddings(options.embeddings)
    found = evaluate_arrays(arrays, metric=options.metric)
    if options.json is not None:
        write_results(options.json, found, {"embeddings": str(options.embeddings)})
    Console().print(results_table(found, options.average_precision))


def rank_run(arguments: list[str]) -> None:
    """Ranks a data set by a run."""
    flat: Any = tyro.conf.OmitArgPrefixes
    data = data_options(value_of(arguments, "--data", "market1501"))
    fields: list[Any] = [("options", flat[RunOptions]), ("data", flat[data])]
    command: Any = tyro.cli(
        dataclasses.make_dataclass("Evaluate", fields, frozen=True),
        args=arguments,
        prog="passerby evaluate",
        description="Rank the test pictures of a data set by a finished run "
        "(or, with --embeddings FILE.npz alone, a file of embeddings).",
    )
    options: RunOptions = command.options
    console = Console(stderr=True)
    method = import_method(options.method) if options.method else None
    model = Embedder.load(options.run, method=method, device=options.device)
    found = evaluate_run(
        model,
        load_split(command.data, console),
        options.run,
        workers=options.workers,
        skip_broken=options.skip_broken,
        console=console,
        results=options.json,
    )
    Console().print(results_table(found, options.average_precision))
