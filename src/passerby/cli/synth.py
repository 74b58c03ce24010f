"""`passerby synth ROOT`."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from passerby.cli.options import named, parse_options
from passerby.drawing import (
    DrawingRecipe,
    SyntheticRecipe,
    VideoRecipe,
    write_synthetic,
    write_video_set,
)
from passerby.terminal import show, terminal
from passerby.training.progress import counting


@dataclass(frozen=True)
class Options:
    """Write a set of synthetic people in Market-1501 layout, with masks and joints."""

    root: Annotated[tyro.conf.Positional[Path], named("FOLDER")]
    """Folder to write to; a finished one is left unchanged."""
    version: Literal[1, 2] = 1
    """Version of the drawing; `--version 2 --help` shows the options of version 2."""
    video: tyro.conf.FlagCreatePairsOff[bool] = False
    """Draw videos instead; `--video --help` shows their options."""
    recipe: Annotated[SyntheticRecipe, tyro.conf.arg(name="")] = field(
        default_factory=SyntheticRecipe
    )
    """What is drawn."""
    workers: int | None = None
    """Number of processes that draw. If not given, one for each core; the pictures do not depend on
    it."""


@dataclass(frozen=True)
class Options2:
    """Write a set of people of version 2 in Market-1501 layout, with masks and joints."""

    root: Annotated[tyro.conf.Positional[Path], named("FOLDER")]
    """Folder to write to; a finished one is left unchanged."""
    version: Literal[1, 2] = 2
    """Version of the drawing."""
    recipe: Annotated[DrawingRecipe, tyro.conf.arg(name="")] = field(default_factory=DrawingRecipe)
    """What is drawn."""
    workers: int | None = None
    """Number of processes that draw. If not given, one for each core; the pictures do not depend on
    it."""


@dataclass(frozen=True)
class VideoOptions:
    """Write videos of people who walk through several cameras' views, with exact truth."""

    root: Annotated[tyro.conf.Positional[Path], named("FOLDER")]
    """Folder to write to; a finished one is left unchanged."""
    recipe: Annotated[VideoRecipe, tyro.conf.arg(name="")] = field(default_factory=VideoRecipe)
    """What is drawn."""
    workers: int = 1
    """Number of processes; each draws a camera."""


def run(arguments: list[str]) -> None:
    """Runs the command."""
    if "--video" in arguments:
        _draw_videos(arguments)
        return
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    first.add_argument("--version")
    second = "2" in (first.parse_known_args(arguments)[0].version or "")
    options: Options | Options2
    if second:
        options = parse_options(Options2, arguments, "passerby synth")
    else:
        options = parse_options(Options, arguments, "passerby synth")
    console = terminal(errors=True)
    with counting("drawing people", console) as progress:
        write_synthetic(options.root, options.recipe, workers=options.workers, progress=progress)
    show(f"written: {options.root}")


def _draw_videos(arguments: list[str]) -> None:
    others = [argument for argument in arguments if argument != "--video"]
    options: VideoOptions = parse_options(VideoOptions, others, "passerby synth --video")
    with counting("drawing cameras", terminal(errors=True)) as progress:
        write_video_set(options.root, options.recipe, workers=options.workers, progress=progress)
    show(f"written: {options.root}")
