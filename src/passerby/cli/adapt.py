"""`passerby adapt`: trains a model further on pictures of which nobody says who is in them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rich.console import Console

from passerby.cli.dataset import data_options, load_split
from passerby.cli.options import flat, parse_options, value_of
from passerby.data.unlabelled import unlabelled
from passerby.embedding.shipped import SHIPPED
from passerby.terminal import say, show, terminal
from passerby.types import InputError, Sample, Source, Split

if TYPE_CHECKING:
    from passerby.methods.cluster_contrast import Recipe

STARTS = ("bag_of_tricks", "cluster_contrast")
"""Methods whose networks adaptation starts from."""

_NETWORK = (
    "trunk", "last_stride", "pooling", "height", "width", "feature", "mirror", "metric",
)  # fmt: skip
"""Fields of a recipe that make the network and its embedding."""


@dataclass(frozen=True)
class Options:
    """Where the run goes and what it does."""

    weights: str = "passerby"
    """Model to start from: the one that comes with passerby, or a run of bag_of_tricks or
    cluster_contrast."""
    out: Path = Path("runs/adapted")
    """Folder of the run."""
    part: Literal["train", "query", "gallery", "all"] | None = None
    """Part of the data set to learn from. If not given: all pictures of your own (folder,
    manifest), the training part of any other data set."""
    epochs: int | None = None
    """Number of epochs; each clusters the pictures anew. If not given, the defaults of this and the
    next options are those that `passerby train cluster_contrast --preset small --help` shows."""
    steps: int | None = None
    """Number of batches in an epoch."""
    limit: float | None = None
    """Largest distance between neighbours in a cluster, 0 to 1; less gives smaller, purer
    clusters."""
    k1: int | None = None
    """Number of neighbours compared for this distance; about the number of pictures of a person."""
    learning_rate: float | None = None
    """Learning rate of the optimizer."""
    seed: int = 0
    """Random seed."""
    workers: int = 0
    """Number of processes that decode pictures; the result does not depend on it."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Number type to compute in; bf16 is faster where the processor supports it."""
    resume: bool = False
    """Continue from the run's last checkpoint."""
    skip_broken: bool = False
    """Skip broken pictures, and count them, instead of stopping."""


def run(arguments: list[str]) -> None:
    """Runs the command."""
    data = flat(data_options(value_of(arguments, "--data", "folder")))
    fields: list[Any] = [
        ("data", data),
        ("run", flat(Options), dataclasses.field(default_factory=Options)),
    ]
    command = dataclasses.make_dataclass("Adapt", fields, frozen=True)
    about = "Train a model further on pictures without labels."
    parsed: Any = parse_options(command, arguments, "passerby adapt", description=about)
    from passerby.evaluation.results import results_table
    from passerby.experiment import evaluate_run, train
    from passerby.training.processes import is_first_process
    from passerby.training.settings import Settings

    options: Options = parsed.run
    console = terminal(errors=True)
    split = split_to_adapt(parsed.data, options.part, console)
    describe(split.train, console)
    model = train(
        "cluster_contrast",
        split,
        options.out,
        recipe=recipe_of(options),
        settings=Settings(options.seed, workers=options.workers, precision=options.precision),
        resume=options.resume,
        evaluate=False,
        skip_broken=options.skip_broken,
        console=console,
    )
    if not is_first_process():
        return
    if split.query and split.gallery:
        workers, skip = options.workers, options.skip_broken
        found = evaluate_run(
            model, split, options.out, workers=workers, skip_broken=skip, console=console
        )
        terminal().print(results_table(found))
    show(f"run: {options.out}")


def split_to_adapt(data: Any, part: str | None, console: Console) -> Split:
    """The pictures to learn from as the training part, without a label.

    What is queried and searched stays, with its labels, where it is not learned from: of data that
    are not one's own, unless another part is asked for.

    Raises:
        InputError: from the loader; fewer than two pictures.
    """
    from passerby.cli.gallery_pictures import OWN, pictures_to_add

    if data.data not in OWN and part in (None, "train"):
        split = load_split(data, console)
        found = replace(split, train=unlabelled(split.train))
    else:
        samples, root = pictures_to_add(data, part, console)
        source = Source(data.data, Path(data.root).absolute())
        found = Split(data.data, root, unlabelled(samples), (), (), source=source)
    if len(found.train) < 2:
        raise InputError(
            f"{found.root}: adaptation needs pictures of several people; there "
            + ("is 1" if found.train else "are none")
        )
    return found


def describe(samples: tuple[Sample, ...], console: Console) -> None:
    """Says what is known of the pictures."""
    cameras = {sample.camera_id for sample in samples if sample.camera_id >= 0}
    tracks = {(sample.camera_id, sample.track_id) for sample in samples if sample.track_id}
    say(
        console,
        f"{len(samples):,} pictures, {len(cameras) or 'no'} known "
        f"camera{'' if len(cameras) == 1 else 's'}, {len(tracks) or 'no'} tracks",
    )
    if len(cameras) < 2:
        why = "there is one camera" if cameras else "no camera is known"
        say(console, f"note: {why}: pictures are clustered without the camera-aware part")


def recipe_of(options: Options) -> Recipe:
    """The small recipe for the network that training starts from, with the options' changes.

    Raises:
        InputError: no such model, or one of another method.
    """
    from passerby.embedding.model_files import read_model
    from passerby.methods.cluster_contrast import Recipe
    from passerby.recipes import override

    place = SHIPPED if options.weights == "passerby" else Path(options.weights)
    if not place.is_dir():
        raise InputError(f"--weights must be passerby or the folder of a run; {place} is neither")
    files = read_model(place, None)
    if files.method not in STARTS:
        raise InputError(
            f"{place} is of the method {files.method!r}: adaptation starts from "
            f"{' or '.join(STARTS)}"
        )
    changes = {name: files.recipe[name] for name in _NETWORK if name in files.recipe}
    for name in ("epochs", "steps", "limit", "k1", "learning_rate"):
        if getattr(options, name) is not None:
            changes[name] = getattr(options, name)
    return override(Recipe.small(), {**changes, "weights": options.weights})
