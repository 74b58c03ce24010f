"""`passerby export MODEL`: a model as ONNX, or as two small files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from passerby.cli.models import open_model
from passerby.cli.options import parse_options
from passerby.embedding.shipped import SHIPPED
from passerby.terminal import show
from passerby.types import InputError

if TYPE_CHECKING:
    from passerby.embedding.embedder import Embedder


@dataclass(frozen=True)
class Options:
    """Write a model as ONNX or as two small files, and compare what it computes with its own."""

    run: tyro.conf.Positional[Path] = SHIPPED
    """A run, or a folder with a model's two files; passerby's own if not given."""
    onnx: Path | None = None
    """The .onnx file; FILE.onnx.json beside it says how pictures become its inputs."""
    model: Path | None = None
    """A folder for the model's two files alone, its weights as float16: half as large."""
    stage: str | None = None
    """The network as this stage of the run left it; the last one's if not given."""
    method: str | None = None
    """path/to/file.py:METHOD, for a run of a method of one's own. Without it passerby asks before
    it runs the file that the run remembers."""


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
