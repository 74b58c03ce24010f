"""An experiment, whole: fit a method, embed the test pictures, evaluate, write the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import nn
from torch.nn.utils import convert_conv2d_weight_memory_format

from passerby.cues.joined import cues_of
from passerby.data.check import Broken, cache_folder, check_pictures, without
from passerby.data.join import trained_on
from passerby.data.loader import training_data
from passerby.embedding.embedded import cue_use
from passerby.embedding.embedder import Embedder
from passerby.evaluation.protocols import (
    Evaluation,
    EvaluationProtocol,
    MultiQuery,
    evaluate_split,
    find_protocol,
)
from passerby.evaluation.ranker import Reranking
from passerby.evaluation.results import write_results
from passerby.evaluation.streaming import embed_in_chunks
from passerby.method import Method
from passerby.methods import find_method
from passerby.methods.weights import start_fingerprint
from passerby.recipes import override, to_plain
from passerby.terminal import say, terminal
from passerby.training.earlier_run import take_over
from passerby.training.interrupt import StopRequest
from passerby.training.loop import fit
from passerby.training.processes import connect, disconnect
from passerby.training.progress import TrainingProgress, counting
from passerby.training.provenance import (
    claim,
    data_fingerprint,
    environment,
    numeric_settings,
    read_config,
    source_as_plain,
)
from passerby.training.record import Record
from passerby.training.run import Run, check_stages
from passerby.training.settings import Settings
from passerby.training.unchanged import alone, check_unchanged
from passerby.training.validation import hold_out, validator
from passerby.types import CueSource, InputError, Progress, Sample, Split

Preset = Literal["paper", "small", "transfer"]
"""The paper's recipe; one for a CPU; one for cameras that were not trained on."""


def make_recipe(
    method: Method, split_name: str, preset: Preset, changes: Mapping[str, Any] | None = None
) -> Any:
    """The method's recipe for a data set, or another preset of it, with changes by dotted names.

    Raises:
        InputError: an unknown preset or an unknown name among the changes.
    """
    if preset not in get_args(Preset):
        raise InputError(f"preset must be one of {', '.join(get_args(Preset))}; given {preset!r}")
    if preset != "paper" and not hasattr(method.recipe, preset):
        raise InputError(f"the recipe of {method.name} has no {preset} preset")
    if preset == "paper":
        recipe = method.recipe.for_data(split_name)
    else:
        recipe = getattr(method.recipe, preset)()
    return override(recipe, changes or {})


def train(
    method: str | Method,
    split: Split,
    out: str | Path,
    *,
    preset: Preset = "paper",
    recipe: Any = None,
    settings: Settings | None = None,
    cues: CueSource | None = None,
    resume: bool = False,
    init_from: str | Path | None = None,
    evaluate: bool = True,
    skip_broken: bool = False,
    console: Console | None = None,
) -> Embedder:
    """Trains a method and writes the run: weights, checkpoints, metrics, results.

    Args:
        method: a name in `METHODS`, or a `Method` of one's own.
        split: what to train and to evaluate on.
        out: the run's folder; must not hold a run unless `resume`.
        preset: the paper's recipe for this data set, the method's small one for a CPU, or the one
            for cameras that were not trained on (`transfer`, of bag_of_tricks alone).
        recipe: changes to it, by dotted names, e.g. `{"epochs": 60}`; or a whole recipe of the
            method's own class, which takes the preset's place.
        settings: seed, workers, precision and the like.
        cues: masks and joints; None: those found beside the data, if the method looks at any.
        resume: go on from the run's last checkpoint; starts anew where there is none.
        init_from: an earlier run of the method on the same training pictures, whose finished
            stages are taken over instead of being trained again: `RUN` (all but the method's last
            stage) or `RUN/stages/NAME.safetensors` (up to that one).
        evaluate: rank the test pictures at the end and write `results.json`.
        skip_broken: leave broken pictures out instead of stopping; they are counted.
        console: where progress is shown; standard error if not given.

    Returns:
        The trained model, as `Embedder.load(out)` gives it.

    Raises:
        InputError: unknown names, contradictory settings, broken pictures, a run in the way.
        FloatingPointError: a loss is not finite.
        Interrupted: the user asked for it (Ctrl-C); a checkpoint was written.
    """
    method = find_method(method)
    settings = settings or Settings()
    console = console or terminal(errors=True)
    out = Path(out)
    if evaluate:
        check_ranked(split, ": evaluate=False trains alone")
    chosen = recipe
    if not isinstance(recipe, method.recipe):
        chosen = make_recipe(method, split.name, preset, recipe)
    split = checked(split, skip_broken, console)
    inputs = method.inputs(chosen)
    if cues is None and inputs.cues:
        cues = cues_of(split)
    samples, held = split.train, split.train[:0]
    if settings.validation:
        samples, held = hold_out(split.train, settings.validation, settings.seed)
    data = training_data(samples, inputs, cues, settings.seed)
    fabric = connect(settings)
    first = fabric.is_global_zero
    console = console if first else terminal(quiet=True)
    network, criterion = build(method, chosen, data.identities, settings, fabric.device)
    stages = method.stages(chosen, network, criterion)
    check_stages(stages)
    origin = None
    if init_from is not None:
        origin, stages = take_over(
            Path(init_from),
            network,
            criterion,
            stages,
            method=method.name,
            data=data_fingerprint(data),
        )
    for stage in stages:
        # A recipe that does not fit the data fails here, before anything is written.
        if stage.at_epoch_start is None:
            stage.sampler.batches(data.labels, seed=settings.seed, epoch=0)
    identity = {
        "method": method.name,
        "recipe": to_plain(chosen),
        "seed": settings.seed,
        "training": numeric_settings(settings, fabric.world_size),
        "data": data_fingerprint(data),
        "init_from": origin and {"stage": origin.stage, "weights": origin.weights},
    }
    setup = {
        **identity,
        "init_from": to_plain(origin),
        "started_from": start_fingerprint(getattr(chosen, "weights", "none")),
        "trained_on": trained_on(split),
        "source": source_as_plain(split.source),
        **({"method_file": method.source} if method.source else {}),
        "settings": to_plain(settings),
        **environment(fabric.device),
    }
    with ExitStack() as locked:
        if first:
            claim(out, resume, setup)
            locked.enter_context(alone(out))
            check_unchanged(out, data.samples, cues)
        fabric.barrier()
        validate = None
        if held:
            validate = validator(network, inputs, method.descriptor(chosen), held, cues)
        names, minutes = [stage.name for stage in stages], settings.checkpoint_minutes
        record = Record(out, identity, names, minutes=minutes, writes=first)
        if origin:
            record.save_stage(origin.stage, network, criterion)
        epochs = sum(stage.epochs for stage in stages)
        with TrainingProgress(epochs, console) as shown, StopRequest() as stop:
            work = Run(
                fabric, network, criterion, stages, data, settings, record, shown, stop, validate
            )  # fmt: skip
            fit(work)
        model = Embedder(method, chosen, network)
        if first:
            model.save(out)
    disconnect(fabric)
    if evaluate and first:
        evaluate_run(model, split, out, cues=cues, workers=settings.workers, console=console)
    return model


def build(
    method: Method, recipe: Any, identities: int, settings: Settings, device: torch.device
) -> tuple[nn.Module, nn.Module]:
    """Network and criterion of a method, their random weights fixed by the seed."""
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        network = method.network(recipe).to(device)
        criterion = method.criterion(recipe, network, identities).to(device)
    if settings.sync_batchnorm:
        synchronised: Any = nn.SyncBatchNorm.convert_sync_batchnorm
        network, criterion = synchronised(network), synchronised(criterion)
    # The loader's batches are channels_last too: convolutions are faster so.
    convert_conv2d_weight_memory_format(network, torch.channels_last)
    return network, criterion


def evaluate_run(
    model: Embedder,
    split: Split,
    run: str | Path,
    *,
    protocol: str | EvaluationProtocol | None = None,
    reranking: Reranking | None = None,
    cues: CueSource | None = None,
    workers: int = 0,
    skip_broken: bool = False,
    console: Console | None = None,
    results: str | Path | None = None,
    same_camera_filter: bool = True,
    verification: bool = False,
) -> Evaluation:
    """Evaluates the model of a run and writes its result file, with the run's settings in it.

    Args:
        model: `Embedder.load(run)`.
        split: whose query and gallery pictures to use.
        run: the run's folder.
        protocol: as for `evaluate_model`, and likewise `reranking`, `cues` and `workers`.
        reranking: k-reciprocal re-ranking.
        cues: masks and joints.
        workers: processes that decode pictures.
        skip_broken: leave broken pictures out instead of stopping; they are counted.
        console: where progress is shown; nowhere if not given.
        results: the file to write; `RUN/results.json` if not given.
        same_camera_filter: as for `evaluate_model`, and likewise `verification`.
        verification: ROC and FNMR at given FMR too.

    Raises:
        InputError: as `evaluate_model`, and for broken pictures.
        OSError: from the operating system.
    """
    run = Path(run)
    split = checked(split, skip_broken, console)
    found = evaluate_model(
        model,
        split,
        protocol=protocol,
        reranking=reranking,
        cues=cues,
        workers=workers,
        console=console,
        same_camera_filter=same_camera_filter,
        verification=verification,
    )
    settings = read_config(run)
    # Where pictures and code lie is this machine's affair; which they are stands in the results.
    for place in ("source", "method_file"):
        settings.pop(place, None)
    if "recipe" in settings:
        # The model may have been loaded with changes.
        settings["recipe"] = to_plain(model.recipe)
    if model.stage is not None:
        settings["stage"] = model.stage
    write_results(results or run / "results.json", found, settings)
    return found


def evaluate_model(
    model: Embedder,
    split: Split,
    *,
    protocol: str | EvaluationProtocol | None = None,
    reranking: Reranking | None = None,
    cues: CueSource | None = None,
    workers: int = 0,
    console: Console | None = None,
    same_camera_filter: bool = True,
    verification: bool = False,
) -> Evaluation:
    """Embeds queries and gallery of a split and ranks them.

    Galleries whose embeddings do not fit the memory are embedded to a temporary file.

    Args:
        model: the embedder.
        split: whose query and gallery pictures to use.
        protocol: a name in `passerby.evaluation.protocols.PROTOCOLS`, or one of them with its
            settings, e.g. `MultiQuery(pooling="max")`; None: the one of the split's published
            numbers.
        reranking: k-reciprocal re-ranking on top, e.g. `Reranking()`; None: none.
        cues: masks and joints; None: those found beside the data, if the method looks at any.
        workers: processes that decode pictures.
        console: where progress is shown; nowhere if not given.
        same_camera_filter: leave pictures of the query's identity and camera out of its ranking.
        verification: ROC and FNMR at given FMR too, in `Evaluation.verification`.

    Raises:
        InputError: no query or gallery pictures, an unreadable one, an unknown protocol, or as the
            protocol's `scores`.
    """
    check_ranked(split)
    chosen = find_protocol(split.protocol if protocol is None else protocol)
    if cues is None and model.inputs.cues:
        cues = cues_of(split)

    missing: Counter[str] = Counter()
    seen = 0

    def embed(samples: Sequence[Sample], progress: Progress) -> NDArray[np.float32]:
        nonlocal seen
        seen += len(samples)
        return model.embed_samples(
            samples, cues=cues, workers=workers, progress=progress, missing=missing
        )

    def part(name: str, samples: Sequence[Sample]) -> NDArray[np.float32]:
        with counting(f"embedding {name}", console) as progress:
            return embed_in_chunks(embed, samples, progress)

    query = part("query", split.query)
    gallery = query if split.gallery == split.query else part("gallery", split.gallery)
    more = None
    if isinstance(chosen, MultiQuery) and split.multi_query:
        more = part("multi-query", split.multi_query)
    return evaluate_split(
        query,
        gallery,
        split,
        metric=model.descriptor.metric,
        feature=model.descriptor.feature,
        fingerprint=model.fingerprint_with(cues.fingerprint if cues else ""),
        cues=cue_use(model.inputs.cues, cues, seen, missing),
        protocol=chosen,
        reranking=reranking,
        multi_query_embeddings=more,
        same_camera_filter=same_camera_filter,
        verification=verification,
    )


def check_ranked(split: Split, advice: str = "") -> None:
    """Refuses a split of which nothing can be ranked: before training, and not only after it.

    Args:
        split: the data set.
        advice: stands behind the message.

    Raises:
        InputError: no query or no gallery pictures.
    """
    for name, samples in (("query", split.query), ("gallery", split.gallery)):
        if not samples:
            raise InputError(f"{split.name} in {split.root} has no {name} pictures to rank{advice}")


def checked(split: Split, skip_broken: bool, console: Console | None = None) -> Split:
    """The split with every picture decoded once; broken ones stop the work or are left out.

    Raises:
        InputError: pictures are broken and `skip_broken` is off; names the first and the count.
    """
    parts = (*split.train, *split.query, *split.gallery, *split.multi_query)
    # A picture may be in two parts: of one's own folders the queries are in the gallery too.
    samples = list({(sample.file, sample.box): sample for sample in parts}.values())
    broken = broken_among(samples, skip_broken, console)
    return without(split, broken) if broken else split


def broken_among(
    samples: Sequence[Sample], skip_broken: bool, console: Console | None = None
) -> Broken:
    """Decodes every picture once; those that cannot be used, with the reason.

    Raises:
        InputError: there are some and `skip_broken` is off; names the first and the count.
    """
    with counting("checking pictures", console) as progress:
        broken = check_pictures(samples, cache_folder(), progress)
    if not broken:
        return []
    names = "; ".join(reason for _, reason in broken[:3])
    message = f"{len(broken)} of {len(samples)} pictures cannot be used: {names}"
    if not skip_broken:
        raise InputError(f"{message} (--skip-broken skips them)")
    if console is not None:
        say(console, f"skipped: {message}")
    return broken
