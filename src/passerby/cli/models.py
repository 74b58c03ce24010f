"""The model that a command line names; a method of one's own with it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from passerby.embedding.shipped import NOTE, SHIPPED
from passerby.methods import import_method
from passerby.terminal import say, show, terminal
from passerby.training.provenance import read_config
from passerby.types import InputError

if TYPE_CHECKING:
    from passerby.embedding.embedder import Embedder
    from passerby.method import Method


def open_model(
    place: Path, method: str | None, *, device: str = "cpu", beside: bool = False, **more: Any
) -> Embedder:
    """The model of a run, of another folder with a model's two files, or of an ONNX file.

    Args:
        place: where it lies; `SHIPPED`: nobody named one, which is told.
        method: `path/to/file.py:METHOD` or a name, as `--method` gives it; None: the run's own.
        device: where to compute.
        beside: it stands beside another run, which `method` is for first of all.
        more: as `Embedder.load` takes it.

    Raises:
        InputError: as `Embedder.load` and `method_of`.
    """
    from passerby.embedding.embedder import Embedder

    if place == SHIPPED:
        say(terminal(errors=True), NOTE)
    found = method_of(place, method, beside=beside)
    return Embedder.load(place, method=found, device=device, **more)


def results_folder(run: Path) -> Path:
    """Where files about a run go that no option places: into it, or here for passerby's own."""
    return Path() if run == SHIPPED else run


def method_of(place: Path, given: str | None, *, beside: bool = False) -> Method | None:
    """The method that a run needs beside its files; None: one of passerby's own.

    A run remembers the file of a method of one's own. That file is code: it runs when the user
    names it, or agrees on the terminal.

    Args:
        place: the run.
        given: what `--method` says.
        beside: take `given` only if the run is of that method.

    Raises:
        InputError: the run is of another method; the user does not agree, or cannot be asked; as
            `import_method`.
    """
    config = read_config(place)
    trained_by = config.get("method")
    if given is not None:
        method = import_method(given)
        if trained_by in (None, method.name):
            return method
        if not beside:
            raise InputError(f"{place} is of the method {trained_by!r}, not of {method.name!r}")
    named = config.get("method_file")
    if not isinstance(named, str):
        return None
    if not Path(named.rpartition(":")[0]).is_file():
        raise InputError(
            f"{place} was trained with the method {named}, but there is no such file: "
            "give --method path/to/file.py:METHOD"
        )
    if not _agrees(f"{place} was trained with the method {named}: run the code in this file?"):
        raise InputError(
            f"{place} is of the method {trained_by!r}, which passerby does not have: "
            f"give --method {named}"
        )
    return import_method(named)


def _agrees(question: str) -> bool:
    if not sys.stdin.isatty():
        return False
    show(f"{question} [y/N] ", errors=True, end="")
    return sys.stdin.readline().strip().lower() in ("y", "yes")
