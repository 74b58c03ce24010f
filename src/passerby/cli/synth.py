"""`passerby synth ROOT`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from passerby.cli.options import parse_options
from passerby.drawing import SyntheticRecipe, write_synthetic
from passerby.training.progress import counting


@dataclass(frozen=True)
class Options:
    """Write a set of synthetic people in Market-1501 layout, with masks and joints."""

    root: tyro.conf.Positional[Path]
    """The folder to write; one that is finished is left as it is."""
    recipe: Annotated[SyntheticRecipe, tyro.conf.arg(name="")] = field(
        default_factory=SyntheticRecipe
    )
    """What is drawn."""
    workers: int | None = None
    """Processes that draw; all cores if not given. The pictures do not depend on it."""


def run(arguments: list[str]) -> None:
    """Runs the command."""
    options = parse_options(Options, arguments, "passerby synth")
    console = Console(stderr=True)
    with counting("drawing people", console) as progress:
        write_synthetic(options.root, options.recipe, workers=options.workers, progress=progress)
    print(f"written: {options.root}")
