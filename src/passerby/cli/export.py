"""`passerby export MODEL --onnx FILE`: a model as ONNX."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from passerby.cli.models import open_model
from passerby.cli.options import parse_options


@dataclass(frozen=True)
class Options:
    """Write a model as ONNX, and compare what ONNX Runtime and torch compute."""

    model: tyro.conf.Positional[Path]
    """A run, or a folder with a model's two files."""
    onnx: Path
    """The .onnx file; FILE.onnx.json beside it says how pictures become its inputs."""
    stage: str | None = None
    """The network as this stage of the run left it; the last one's if not given."""
    method: str | None = None
    """path/to/file.py:METHOD, for a run of a method of one's own. Without it passerby asks before
    it runs the file that the run remembers."""


def run(arguments: list[str]) -> None:
    """Runs the command."""
    options: Options = parse_options(Options, arguments, "passerby export")
    from passerby.embedding.export import export_onnx
    from passerby.embedding.onnx_network import note_file

    model = open_model(options.model, options.method, stage=options.stage)
    found = export_onnx(model, options.onnx)
    print(f"inputs   {', '.join(found.inputs)}")
    print(f"output   embedding, {found.width} numbers; cosine with torch {found.cosine:.7f}")
    print(f"written: {found.file}, {note_file(found.file)}")
