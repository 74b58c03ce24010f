"""`passerby evaluate`: a run, a file of embeddings, or the colour histogram as a baseline."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tyro
import yaml
from rich.console import Console

from passerby.cli.dataset import data_options, flat, load_split, value_of
from passerby.embedding.embedder import Embedder
from passerby.evaluation.colour_histogram import histogram_embeddings
from passerby.evaluation.embeddings_file import read_embeddings
from passerby.evaluation.protocols import evaluate_arrays, evaluate_split
from passerby.evaluation.results import results_table, write_results
from passerby.experiment import evaluate_run
from passerby.methods import import_method
from passerby.types import InputError

DESCRIPTION = """Rank the test pictures of a data set by a finished run. Or, with --embeddings
FILE.npz alone, a file of embeddings; or, with --histogram STRIPES in place of RUN, by colour."""


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
    change: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """NAME=VALUE: a field of the run's recipe that is another now, e.g. feature=grn for another
    feature of the same weights; may be given again. Needs --json: RUN/results.json is the run's."""
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


@dataclass(frozen=True)
class HistogramOptions:
    """Rank the test pictures of a data set by their colours alone, as a baseline."""

    histogram: int
    """Number of horizontal stripes that get an HSV 8x8x8 histogram each; 1: the whole picture."""
    average_precision: Literal["step", "trapezoid"] = "step"
    """The definition of AP that the table shows; the result file always has both."""
    json: Path | None = None
    """The result file to write."""


def run(arguments: list[str]) -> None:
    """Runs the command."""
    given = {argument.split("=")[0] for argument in arguments}
    if "--embeddings" in given:
        rank_file(tyro.cli(FileOptions, args=arguments, prog="passerby evaluate"))
    elif "--histogram" in given:
        rank_colours(parse(HistogramOptions, arguments))
    else:
        rank_run(parse(RunOptions, arguments))


def parse(kind: Any, arguments: list[str]) -> Any:
    """The command line as a dataclass of the command's options and the data set's."""
    data = data_options(value_of(arguments, "--data", "market1501"))
    fields: list[Any] = [("evaluation", flat(kind)), ("data", flat(data))]
    return tyro.cli(
        dataclasses.make_dataclass("Evaluate", fields, frozen=True),
        args=arguments,
        prog="passerby evaluate",
        description=DESCRIPTION,
    )


def parse_changes(given: Sequence[str]) -> dict[str, Any]:
    """`NAME=VALUE`, values as YAML has them, to a mapping.

    Raises:
        InputError: one has no `=`, or its value cannot be read.
    """
    changes = {}
    for change in given:
        name, sign, value = change.partition("=")
        try:
            changes[name] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise InputError(f"--change {change}: its value cannot be read") from error
        if not sign or not name:
            raise InputError(f"--change takes NAME=VALUE; given {change!r}")
    return changes


def rank_file(options: FileOptions) -> None:
    """Ranks a file of embeddings."""
    arrays = read_embeddings(options.embeddings)
    found = evaluate_arrays(arrays, metric=options.metric)
    if options.json is not None:
        write_results(options.json, found, {"embeddings": str(options.embeddings)})
    Console().print(results_table(found, options.average_precision))


def rank_colours(command: Any) -> None:
    """Ranks a data set by colour histograms."""
    options: HistogramOptions = command.evaluation
    split = load_split(command.data, Console(stderr=True))
    found = evaluate_split(
        histogram_embeddings(split.query, options.histogram),
        histogram_embeddings(split.gallery, options.histogram),
        split,
        metric="euclidean",
        feature=f"square root of HSV 8x8x8 histograms, {options.histogram} stripes",
        fingerprint="colour histogram",
    )
    if options.json is not None:
        write_results(options.json, found, {"histogram": options.histogram})
    Console().print(results_table(found, options.average_precision))


def rank_run(command: Any) -> None:
    """Ranks a data set by a run."""
    options: RunOptions = command.evaluation
    console = Console(stderr=True)
    method = import_method(options.method) if options.method else None
    changes = parse_changes(options.change)
    if changes and options.json is None:
        raise InputError(
            f"with --change the results are not those of the run: --json FILE says where they go "
            f"({options.run / 'results.json'} stays as it is)"
        )
    model = Embedder.load(options.run, method=method, device=options.device, changes=changes)
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
