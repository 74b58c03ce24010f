"""`passerby evaluate`: a run, a file of embeddings, or the colour histogram as a baseline."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tyro
import yaml
from numpy.typing import NDArray
from rich.console import Console

from passerby.cli.dataset import data_options, flat, load_split, value_of
from passerby.cli.search import SearchOptions, protocol_of, reranking_of, show
from passerby.data.distractors import with_distractors
from passerby.data.join import trained_on
from passerby.embedding.embedder import Embedder
from passerby.evaluation.colour_histogram import histogram_embeddings
from passerby.evaluation.embeddings_file import read_embeddings
from passerby.evaluation.mean import mean_results, mean_table
from passerby.evaluation.protocols import (
    EvaluationProtocol,
    MultiQuery,
    evaluate_arrays,
    evaluate_split,
)
from passerby.evaluation.ranker import Reranking
from passerby.evaluation.results import write_plain, write_results
from passerby.experiment import evaluate_run
from passerby.methods import import_method
from passerby.types import InputError, Sample, Split

DESCRIPTION = """Rank the test pictures of a data set by a finished run. Or, with --embeddings
FILE.npz alone, a file of embeddings; or, with --histogram STRIPES in place of RUN, by colour.
With --mean-of FILES: the mean of the result files of several splits."""


@dataclass(frozen=True)
class FileOptions:
    """Rank a file of embeddings."""

    embeddings: Path
    """An .npz with the arrays query, gallery, query_ids, gallery_ids and, where there are any,
    query_cameras, gallery_cameras; for --multi-query also multi_query, multi_query_ids and
    multi_query_cameras, else it takes the gallery's pictures."""
    metric: Literal["euclidean", "cosine"] = "euclidean"
    """Distance between embeddings."""
    json: Path | None = None
    """The result file to write."""


@dataclass(frozen=True)
class RunOptions:
    """Rank the test pictures of a data set by a finished run."""

    run: tyro.conf.Positional[Path]
    """The run's folder."""
    method: str | None = None
    """path/to/file.py:METHOD, for a run of a method of one's own."""
    stage: str | None = None
    """The network as this stage left it, e.g. extractor; the last one if not given."""
    change: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """NAME=VALUE: a field of the run's recipe that is another now, e.g. feature=grn for another
    feature of the same weights; may be given again. Needs --json: RUN/results.json is the run's."""
    device: str = "cpu"
    """Where to compute, e.g. cuda."""
    workers: int = 0
    """Processes that decode pictures."""
    skip_broken: bool = False
    """Leave broken pictures out, counted, instead of stopping."""
    distractors: Path | None = None
    """A folder of pictures to append to the gallery, up to 500,000 and more."""
    json: Path | None = None
    """The result file to write; if not given RUN/results.json, or RUN/results-WHAT.json where the
    data set, the protocol or anything else is not the run's own."""


@dataclass(frozen=True)
class HistogramOptions:
    """Rank the test pictures of a data set by their colours alone, as a baseline."""

    histogram: int
    """Number of horizontal stripes that get an HSV 8x8x8 histogram each; 1: the whole picture."""
    distractors: Path | None = None
    """A folder of pictures to append to the gallery."""
    json: Path | None = None
    """The result file to write."""


@dataclass(frozen=True)
class MeanOptions:
    """The mean of the results of several splits, e.g. CUHK03's 20 original ones."""

    mean_of: tuple[Path, ...]
    """Result files that differ in their split alone."""
    json: Path | None = None
    """The result file to write."""


def run(arguments: list[str]) -> None:
    """Runs the command."""
    given = {argument.split("=")[0] for argument in arguments}
    if "--mean-of" in given:
        take_mean(tyro.cli(MeanOptions, args=arguments, prog="passerby evaluate"))
    elif "--embeddings" in given:
        rank_file(parse(FileOptions, arguments, with_data=False))
    elif "--histogram" in given:
        rank_colours(parse(HistogramOptions, arguments))
    else:
        rank_run(parse(RunOptions, arguments))


def parse(kind: Any, arguments: list[str], with_data: bool = True) -> Any:
    """The command line as a dataclass with the fields evaluation, search and data."""
    fields: list[Any] = [("evaluation", flat(kind))]
    if with_data:
        data = data_options(value_of(arguments, "--data", "market1501"))
        fields.append(("data", flat(data)))
    fields.append(("search", flat(SearchOptions), dataclasses.field(default=SearchOptions())))
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


def take_mean(options: MeanOptions) -> None:
    """Takes the mean of result files."""
    found = mean_results(options.mean_of)
    if options.json is not None:
        write_plain(options.json, found)
    Console().print(mean_table(found))


def rank_file(command: Any) -> None:
    """Ranks a file of embeddings."""
    options: FileOptions = command.evaluation
    found = evaluate_arrays(
        read_embeddings(options.embeddings),
        metric=options.metric,
        protocol=protocol_of(command.search, "single-query"),
        reranking=reranking_of(command.search),
    )
    if options.json is not None:
        write_results(options.json, found, {"embeddings": str(options.embeddings)})
    show(found, command.search)


def rank_colours(command: Any) -> None:
    """Ranks a data set by colour histograms."""
    options: HistogramOptions = command.evaluation
    console = Console(stderr=True)
    split = with_folder(load_split(command.data, console), options.distractors, console)
    protocol = protocol_of(command.search, split.protocol)

    def embed(samples: Sequence[Sample]) -> NDArray[np.float32]:
        return histogram_embeddings(samples, options.histogram)

    pools = isinstance(protocol, MultiQuery) and split.multi_query
    found = evaluate_split(
        embed(split.query),
        embed(split.gallery),
        split,
        metric="euclidean",
        feature=f"square root of HSV 8x8x8 histograms, {options.histogram} stripes",
        fingerprint="colour histogram",
        protocol=protocol,
        reranking=reranking_of(command.search),
        multi_query_embeddings=embed(split.multi_query) if pools else None,
    )
    if options.json is not None:
        write_results(options.json, found, {"histogram": options.histogram})
    show(found, command.search)


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
    model = Embedder.load(
        options.run, method=method, device=options.device, changes=changes, stage=options.stage
    )
    split = with_folder(load_split(command.data, console), options.distractors, console)
    protocol, reranking = protocol_of(command.search, split.protocol), reranking_of(command.search)
    target = options.json or results_file(options, split, protocol, reranking)
    found = evaluate_run(
        model,
        split,
        options.run,
        protocol=protocol,
        reranking=reranking,
        workers=options.workers,
        skip_broken=options.skip_broken,
        console=console,
        results=target,
    )
    show(found, command.search)
    print(f"results: {target}")


def with_folder(split: Split, distractors: Path | None, console: Console) -> Split:
    """The split with the distractors of a folder, if one is given."""
    if distractors is None:
        return split
    found = with_distractors(split, distractors)
    console.print(f"note: {found.warnings[-1]}", highlight=False, soft_wrap=True)
    return found


def results_file(
    options: RunOptions,
    split: Split,
    protocol: EvaluationProtocol,
    reranking: Reranking | None,
) -> Path:
    """`RUN/results.json`, or `RUN/results-WHAT.json` where WHAT is not the run's own."""
    config = options.run / "config.yaml"
    settings = yaml.safe_load(config.read_text(encoding="utf-8")) if config.is_file() else {}
    own = trained_on(split)[0]
    trained = settings.get("trained_on") or [own]
    parts = [
        *([options.stage] if options.stage is not None else []),
        *(re.findall(r"\w+", own) if own != trained[0] else []),
        *([protocol.name] if protocol.name != split.protocol else []),
        *(["re-ranked"] if reranking is not None else []),
        *(["distractors"] if options.distractors is not None else []),
    ]
    return options.run / ("-".join(["results", *parts]) + ".json")
