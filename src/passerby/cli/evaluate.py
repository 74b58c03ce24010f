"""`passerby evaluate`: a run, a file of embeddings, or the colour histogram as a baseline."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from rich.console import Console

from passerby.cli.changes import parse_changes
from passerby.cli.dataset import (
    data_options,
    load_run_split,
    load_split,
    run_data_options,
)
from passerby.cli.models import open_model, results_folder
from passerby.cli.options import flat, named, parse_options, value_of
from passerby.cli.search import SearchOptions, protocol_of, reranking_of, show
from passerby.data.datasets import DATASETS
from passerby.data.distractors import PREFIX, with_distractors
from passerby.data.join import trained_on
from passerby.embedding.shipped import SHIPPED
from passerby.evaluation.mean import mean_results, mean_table
from passerby.evaluation.results import write_plain, write_results
from passerby.terminal import say, terminal
from passerby.training.provenance import read_config, source_of
from passerby.types import InputError, Sample, Split

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from passerby.evaluation.protocols import EvaluationProtocol
    from passerby.evaluation.ranker import Reranking

DESCRIPTION = """Evaluate a run, or a file of embeddings:
  passerby evaluate RUN                  a run, on its own data or on other data
  passerby evaluate --data NAME ...      the model that comes with passerby
  passerby evaluate --embeddings FILE    embeddings from elsewhere
  passerby evaluate --histogram STRIPES  a data set by its colours alone
  passerby evaluate --mean-of FILES      the mean of results of several splits

Each has options of its own: add --help to it. Of a run:"""


@dataclass(frozen=True)
class FileOptions:
    """Rank a file of embeddings."""

    embeddings: Path
    """An .npz with the arrays query, gallery, query_ids, gallery_ids and, if known, query_cameras,
    gallery_cameras. --multi-query also takes multi_query, multi_query_ids and multi_query_cameras;
    if not given, the gallery's pictures. Or a folder with query.npy, gallery.npy and so on, which
    are read from disk as needed, for embeddings that do not fit into memory."""
    metric: Literal["euclidean", "cosine"] = "euclidean"
    """Distance between embeddings."""
    json: Path | None = None
    """Result file to write."""


@dataclass(frozen=True)
class RunOptions:
    """Rank the test pictures of a data set by a finished run."""

    run: Annotated[tyro.conf.Positional[Path], named("[RUN]")] = SHIPPED
    """Model: a run, a folder with config.json and model.safetensors, or an ONNX file. If not given,
    the one that comes with passerby; it needs --data and --root."""
    method: str | None = None
    """Method of your own, path/to/file.py:METHOD, for a run that was trained with it. If not given,
    passerby asks before it runs the file that the run names."""
    stage: str | None = None
    """Evaluate the network as it was after this stage, e.g. extractor. If not given, after the last
    one."""
    change: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """NAME=VALUE: change a field of the run's recipe, e.g. feature=grn for another feature of the
    same weights; can be given more than once. Needs --json: RUN/results.json belongs to the run as
    it is."""
    device: str = "cpu"
    """Device to compute on, e.g. cuda."""
    workers: int = 0
    """Number of processes that decode pictures."""
    skip_broken: bool = False
    """Skip broken pictures, and count them, instead of stopping."""
    distractors: Path | None = None
    """Folder of pictures to add to the gallery as distractors, 500,000 or more."""
    json: Path | None = None
    """Result file to write. If not given, RUN/results.json, or RUN/results-WHAT.json if the data
    set, the protocol or anything else differs from the run's own; NAME-results.json beside an ONNX
    file NAME.onnx; results-WHAT.json in this folder without a RUN."""


@dataclass(frozen=True)
class HistogramOptions:
    """Rank the test pictures of a data set by their colours alone, as a baseline."""

    histogram: int
    """Number of horizontal stripes, each with an HSV 8x8x8 histogram; 1: the whole picture."""
    distractors: Path | None = None
    """Folder of pictures to add to the gallery as distractors."""
    json: Path | None = None
    """Result file to write."""


@dataclass(frozen=True)
class MeanOptions:
    """The mean of the results of several splits, e.g. CUHK03's 20 original ones."""

    mean_of: tuple[Path, ...]
    """Result files that differ only in their split."""
    json: Path | None = None
    """Result file to write."""


MODES = {
    "--mean-of": MeanOptions,
    "--embeddings": FileOptions,
    "--histogram": HistogramOptions,
}
"""By the option that must be given; without any of them a run is evaluated."""


def run(arguments: list[str]) -> None:
    """Runs the command."""
    given = {argument.split("=")[0] for argument in arguments}
    if given & {"-h", "--help"}:
        mode = next((kind for option, kind in MODES.items() if option in given), RunOptions)
        # The option that names the mode may stand there without its value.
        parse(mode, [argument for argument in arguments if argument not in MODES])
    if "--mean-of" in given:
        take_mean(parse(MeanOptions, arguments).evaluation)
    elif "--embeddings" in given:
        rank_file(parse(FileOptions, arguments))
    elif "--histogram" in given:
        rank_colours(parse(HistogramOptions, arguments))
    else:
        rank_run(parse(RunOptions, arguments))


def parse(kind: Any, arguments: list[str]) -> Any:
    """The command line as a dataclass with the fields evaluation, search and data."""
    fields: list[Any] = [("evaluation", flat(kind))]
    if kind is RunOptions:
        fields.append(("data", flat(run_data_options(arguments))))
    elif kind is HistogramOptions:
        data = data_options(value_of(arguments, "--data", "market1501"))
        fields.append(("data", flat(data)))
    if kind is not MeanOptions:
        fields.append(("search", flat(SearchOptions), dataclasses.field(default=SearchOptions())))
    command = dataclasses.make_dataclass("Evaluate", fields, frozen=True)
    return parse_options(command, arguments, "passerby evaluate", description=DESCRIPTION)


def take_mean(options: MeanOptions) -> None:
    """Takes the mean of result files."""
    found = mean_results(options.mean_of)
    if options.json is not None:
        write_plain(options.json, found)
    terminal().print(mean_table(found))


def rank_file(command: Any) -> None:
    """Ranks a file of embeddings."""
    from passerby.evaluation.embeddings_file import read_embeddings
    from passerby.evaluation.protocols import evaluate_arrays

    options: FileOptions = command.evaluation
    found = evaluate_arrays(
        read_embeddings(options.embeddings),
        metric=options.metric,
        protocol=protocol_of(command.search, "single-query"),
        reranking=reranking_of(command.search),
        same_camera_filter=not command.search.keep_same_camera,
        verification=command.search.needs_pairs,
    )
    if options.json is not None:
        write_results(options.json, found, {"embeddings": str(options.embeddings)})
    show(found, command.search)


def rank_colours(command: Any) -> None:
    """Ranks a data set by colour histograms."""
    from passerby.evaluation.colour_histogram import histogram_embeddings
    from passerby.evaluation.protocols import MultiQuery, evaluate_split

    options: HistogramOptions = command.evaluation
    console = terminal(errors=True)
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
        same_camera_filter=not command.search.keep_same_camera,
        verification=command.search.needs_pairs,
    )
    if options.json is not None:
        write_results(options.json, found, {"histogram": options.histogram})
    show(found, command.search)


def rank_run(command: Any) -> None:
    """Ranks a data set by a run."""
    from passerby.experiment import evaluate_run

    options: RunOptions = command.evaluation
    console = terminal(errors=True)
    changes = parse_changes(options.change)
    if changes and options.json is None:
        raise InputError(
            "with --change the results are not the run's own: say with --json FILE where to "
            "write them "
            f"({options.run / 'results.json'} stays as it is)"
        )
    model = open_model(
        options.run, options.method, device=options.device, changes=changes, stage=options.stage
    )
    own = load_run_split(command.data, options.run, console)
    split = with_folder(own, options.distractors, console)
    protocol, reranking = protocol_of(command.search, split.protocol), reranking_of(command.search)
    keep = command.search.keep_same_camera
    target = options.json or results_file(options, split, protocol, reranking, keep)
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
        same_camera_filter=not keep,
        verification=command.search.needs_pairs,
    )
    show(found, command.search)
    say(terminal(), f"results: {target}")


def with_folder(split: Split, distractors: Path | None, console: Console) -> Split:
    """The split with the distractors of a folder, if one is given."""
    if distractors is None:
        return split
    found = with_distractors(split, distractors)
    say(console, f"note: {found.warnings[-1]}")
    return found


def results_file(
    options: RunOptions,
    split: Split,
    protocol: EvaluationProtocol,
    reranking: Reranking | None,
    keep_same_camera: bool,
) -> Path:
    """`RUN/results.json`, or `RUN/results-WHAT.json`: WHAT is all that is not the run's own.

    Of a model in one file they lie beside it: `NAME-results.json`.
    """
    from passerby.evaluation.protocols import PROTOCOLS
    from passerby.evaluation.ranker import Reranking

    own = trained_on(split)[0]
    # A model without a run says nothing of what it was trained on: then all is other data.
    unknown = [] if options.run == SHIPPED else [own]
    trained = read_config(options.run).get("trained_on") or unknown
    settings = changed(protocol, PROTOCOLS[protocol.name]())
    if protocol.name != split.protocol:
        settings = [protocol.name, *settings]
    if reranking is not None:
        settings += ["re-ranked", *changed(reranking, Reranking())]
    if options.distractors is not None:
        added = sum(sample.name.startswith(f"{PREFIX}/") for sample in split.gallery)
        settings += ["distractors", str(added), options.distractors.resolve().name]
    parts = [
        *([options.stage] if options.stage is not None else []),
        *([own] if own not in trained[:1] else []),
        *other_options(options.run, split),
        *settings,
        *(["same-camera"] if keep_same_camera else []),
    ]
    words = [word for part in parts for word in re.findall(r"[\w.]+", part)]
    name = "-".join(["results", *words]) + ".json"
    if options.run.is_file():
        return options.run.with_name(f"{options.run.stem}-{name}")
    return results_folder(options.run) / name


def changed(settings: Any, defaults: Any) -> list[str]:
    """The fields of a dataclass that are not as in `defaults`, by name and value."""
    given, normal = dataclasses.asdict(settings), dataclasses.asdict(defaults)
    return [f"{name} {value}" for name, value in given.items() if value != normal[name]]


def other_options(run: Path, split: Split) -> list[str]:
    """The options of the data set that the run was trained with otherwise, by name and value."""
    trained, given = source_of(run), split.source
    if trained is None or trained.root is None or given is None or given.data != trained.data:
        return []
    normal = {key: p.default for key, p in signature(DATASETS[given.data]).parameters.items()}
    return [
        f"{name} {given.options.get(name, normal.get(name))}"
        for name in sorted({*trained.options, *given.options})
        if given.options.get(name) != trained.options.get(name)
    ]
