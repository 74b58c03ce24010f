"""`passerby embed MODEL PLACE... --out FOLDER`: pictures to files of embeddings."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from passerby.cli.cue_options import cues_in
from passerby.cli.models import open_model
from passerby.cli.options import named, parse_options
from passerby.cli.unlikely_crops import note_unlikely_crops
from passerby.embedding.shipped import SHIPPED
from passerby.terminal import say, show, terminal
from passerby.training.progress import counting
from passerby.types import Engine, InputError, Precision

if TYPE_CHECKING:
    from passerby.embedding.embedder import Embedder
    from passerby.embedding.to_files import Outcome


@dataclass(frozen=True)
class Options:
    """Pictures in, Parquet files of embeddings out; goes on where it was interrupted."""

    places: Annotated[tyro.conf.Positional[tuple[Path, ...]], named("[MODEL] PICTURES ...")]
    """The model first (a run, a folder with config.json and model.safetensors, or an ONNX file; if
    left out, the one that comes with passerby), then pictures, folders and manifests."""
    out: Path
    """Folder to write the files to."""
    device: str = "cpu"
    """Device to compute on, e.g. cuda."""
    precision: Precision = "float32"
    """Number type to compute in; auto: bfloat16 where the processor supports it."""
    engine: Engine = "auto"
    """Engine that computes the network; auto: openvino on a CPU where it is installed (a run: for
    1,000 pictures or more), else torch, and onnxruntime for ONNX files."""
    tracks: tyro.conf.FlagCreatePairsOff[bool] = False
    """Write one mean embedding for each track instead of one for each picture."""
    min_height: int = 0
    """Skip pictures (boxes) with fewer pixels in height, and count them."""
    min_sharpness: float = 0.0
    """Skip pictures that are less sharp (variance of the Laplacian, e.g. 30), and count them."""
    cues: Path | None = None
    """Folder with masks/ or joints, for methods that need them. If not given, beside the
    pictures."""
    cues_from: str | None = None
    """Name of what made these files, if they do not state it; use the same name each time. If not
    given, their content is the name, and adding a file makes it another source."""
    shard_size: int = 4096
    """Approximate number of pictures in each file."""
    batch_size: int = 64
    """Number of pictures computed at a time."""
    threads: int = 2
    """Number of threads that decode pictures."""
    retry: tyro.conf.FlagCreatePairsOff[bool] = False
    """Compute files with failed pictures again."""
    method: str | None = None
    """Method of your own, path/to/file.py:METHOD, for a run that was trained with it. If not given,
    passerby asks before it runs the file that the run names."""


def run(arguments: list[str]) -> None:
    """Runs the command; several processes share the work under torchrun.

    Raises:
        SystemExit: with 1 where pictures could not be read; all others are done.
    """
    options: Options = parse_options(Options, arguments, "passerby embed")
    from passerby.embedding.places import list_places
    from passerby.embedding.quality import Quality
    from passerby.embedding.to_files import EmbedSettings, embed_to_files

    console = terminal(errors=True)
    rank, world = (
        int(os.environ.get(name, text)) for name, text in (("RANK", "0"), ("WORLD_SIZE", "1"))
    )
    settings = EmbedSettings(
        options.tracks,
        Quality(options.min_height, options.min_sharpness),
        options.shard_size,
        options.batch_size,
        options.threads,
        options.retry,
    )
    place, places = model_and_places(options.places)
    listed = list_places(places)
    model = load(place, options, world, len(listed.samples))
    if rank == 0:
        note_unlikely_crops(listed.samples, console)
    with counting("embedding", console if rank == 0 else None) as progress:
        outcome = embed_to_files(
            model,
            listed,
            options.out,
            settings,
            cues=cues_in(model, options.cues, listed.root, options.cues_from),
            process=(rank, world),
            progress=progress,
        )
    # Under torchrun a process that fails ends the others: the last one speaks for all; where all
    # was there before, the first one.
    if outcome.finished and (outcome.computed or rank == 0):
        report(outcome, options.out)


def model_and_places(given: Sequence[Path]) -> tuple[Path, Sequence[Path]]:
    """The model, passerby's own where the first place is none, and the pictures' places.

    Raises:
        InputError: the first place is not there, or there are no pictures.
    """
    first = given[0] if given else Path()
    named = first.suffix == ".onnx" or any(
        (first / file).is_file() for file in ("config.json", "config.yaml")
    )
    if given and not first.exists():
        # Neither: before a model is taken that nobody meant.
        raise InputError(f"{first}: no such run, model, picture or folder")
    places = given[1:] if named else given
    if not places:
        raise InputError("name what to embed after the model: pictures, folders or manifests")
    return (first if named else SHIPPED), places


def load(place: Path, options: Options, world: int, pictures: int) -> Embedder:
    """The model, on this process's own device where there are several."""
    import torch

    device = options.device
    if device == "cuda" and world > 1:
        device = (
            f"cuda:{int(os.environ.get('LOCAL_RANK', '0')) % max(torch.cuda.device_count(), 1)}"
        )
    model = open_model(place, options.method, device=device)
    return model.optimised(options.precision, options.engine, pictures=pictures)


def report(outcome: Outcome, out: Path) -> None:
    """Says what was done; exits with 1 where pictures failed."""
    from passerby.embedding.to_files import FAILED, LEFT_OUT

    tally = outcome.tally
    show(f"{tally.pictures:,} pictures, {outcome.rows:,} embeddings: {out}")
    if outcome.computed < outcome.shards:
        others = outcome.shards - outcome.computed
        show(f"{others} of {outcome.shards} files were computed before, or by other processes")
    if tally.left_out:
        reasons = list(tally.left_out.values())
        counts = ", ".join(f"{reasons.count(r):,} {r}" for r in sorted(set(reasons)))
        show(f"left out: {counts} ({out / LEFT_OUT})")
    for cue, count in tally.missing.items():
        if count:
            show(f"without {cue}: {count:,}")
    if tally.failed:
        say(
            terminal(errors=True),
            f"passerby: {len(tally.failed):,} of {tally.pictures:,} pictures could not be read: "
            f"{out / FAILED}",
        )
        raise SystemExit(1)
