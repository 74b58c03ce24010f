"""`passerby export MODEL`: a model as ONNX, or as two small files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from passerby.cli.models import open_model
from passerby.cli.options import named, parse_options
from passerby.embedding.shipped import SHIPPED
from passerby.terminal import show
from passerby.types import InputError

if TYPE_CHECKING:
    from passerby.embedding.embedder import Embedder


@dataclass(frozen=True)
class Options:
    """Write a model as ONNX or as two small files, and compare what it computes with its own."""

    run: Annotated[tyro.conf.Positional[Path], named("[RUN]")] = SHIPPED
    """Model: a run, or a folder with config.json and model.safetensors. If not given, the one that
    comes with passerby."""
    onnx: Path | None = None
    """Write an .onnx file, and FILE.onnx.json beside it, which states the preprocessing."""
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
    if options.onnx is None and options.model is None:
        raise InputError("export needs --onnx FILE or --model FOLDER")
    model = open_model(options.run, options.method, stage=options.stage)
    if options.model is not None:
        write_files(model, options.model)
    if options.onnx is not None:
        write_onnx(model, options.onnx)


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
