"""`passerby export MODEL`: a model as ONNX, in int8 too, or as two small files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from passerby.cli.cue_options import cues_in
from passerby.cli.models import open_model
from passerby.cli.options import named, parse_options
from passerby.embedding.shipped import SHIPPED
from passerby.terminal import show
from passerby.types import InputError

if TYPE_CHECKING:
    from passerby.embedding.embedder import Embedder


@dataclass(frozen=True)
class Options:
    """Write a model as ONNX, in int8, or as two small files, and compare what it computes."""

    run: Annotated[tyro.conf.Positional[Path], named("[RUN]")] = SHIPPED
    """Model: a run, or a folder with config.json and model.safetensors. If not given, the one that
    comes with passerby."""
    onnx: Path | None = None
    """Write an .onnx file, and FILE.onnx.json beside it, which states the preprocessing."""
    int8: Path | None = None
    """Write an .onnx file in int8, calibrated on --pictures: a faster model with a fingerprint of
    its own."""
    pictures: tuple[Path, ...] = ()
    """Pictures, folders and manifests like those that the int8 model will see: 64 pictures or more;
    at most 320 of them are used."""
    cues: Path | None = None
    """Folder with masks/ or joints of --pictures, for methods that need them. If not given, beside
    the pictures."""
    model: Path | None = None
    """Write config.json and model.safetensors to this folder, with weights in float16."""
    stage: str | None = None
    """Export the network as it was after this stage. If not given, after the last one."""
    method: str | None = None
    """Method of your own, path/to/file.py:METHOD, for a run that was trained with it. If not given,
    passerby asks before it runs the file that the run names."""


def run(arguments: list[str]) -> None:
    """Runs the command."""
    options: Options = parse_options(Options, arguments, "passerby export")
    if (options.int8 is None) != (not options.pictures):
        raise InputError("--int8 FILE and --pictures PLACE ... must be given together")
    if options.onnx is None and options.model is None and options.int8 is None:
        raise InputError("export needs --onnx FILE, --int8 FILE or --model FOLDER")
    model = open_model(options.run, options.method, stage=options.stage)
    if options.model is not None:
        write_files(model, options.model)
    if options.onnx is not None:
        write_onnx(model, options.onnx)
    if options.int8 is not None:
        write_int8(model, options.int8, options.pictures, options.cues)


def write_files(model: Embedder, folder: Path) -> None:
    """Writes the model's two files, and says what was written."""
    from passerby.embedding.model_files import WEIGHTS
    from passerby.embedding.small import write_small

    made = write_small(model, folder)
    size = (folder / WEIGHTS).stat().st_size / 1e6
    show(f"weights  float16, {size:.2f} MB; cosine with float32 {made.cosine:.7f}")
    show(f"model    {made.fingerprint}")
    show(f"written: {folder}")


def write_onnx(model: Embedder, file: Path) -> None:
    """Writes the model as ONNX, and says what was written."""
    from passerby.embedding.export import export_onnx
    from passerby.embedding.onnx_network import note_file

    found = export_onnx(model, file)
    show(f"inputs   {', '.join(found.inputs)}")
    show(f"output   embedding, {found.width} numbers; cosine with torch {found.cosine:.7f}")
    show(f"written: {found.file}, {note_file(found.file)}")


def write_int8(model: Embedder, file: Path, places: Sequence[Path], cues: Path | None) -> None:
    """Writes the model in int8, and says what was written."""
    from passerby.embedding.int8 import export_int8
    from passerby.embedding.onnx_network import note_file
    from passerby.embedding.places import list_places

    listed = list_places(places)
    found = export_int8(model, listed.samples, file, cues=cues_in(model, cues, listed.root, None))
    others = f"{found.checked} others" if found.checked else "them"
    show(
        f"int8     calibrated on {found.calibrated} pictures; on {others}, mean cosine with "
        f"float32 {found.cosine:.4f}"
    )
    show(f"model    {found.fingerprint}: galleries are filled and calibrated anew")
    show(f"written: {found.file}, {note_file(found.file)}")
