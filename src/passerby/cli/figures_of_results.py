"""`passerby figures` that need result files alone: box plots, sweeps, curves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from passerby.cli.options import named, parse_options
from passerby.figures.result_files import grouped, mean_of_modes, read_many
from passerby.terminal import show
from passerby.types import InputError


@dataclass(frozen=True)
class BoxOptions:
    """Draw box plots over runs that differ in nothing but the seed (MSReID, Figure 5)."""

    results: Annotated[tyro.conf.Positional[tuple[Path, ...]], named("RESULTS ...")]
    """Result files, runs, or folders of runs."""
    out: Path
    """Draw to this .png or .svg."""
    scores: tuple[str, ...] = ("rank_1", "mean_ap_step")
    """Scores, one panel each: rank_1, rank_5, rank_10, rank_20, mean_ap_step, mean_ap_trapezoid,
    mean_ap_step_50, mean_inp."""


@dataclass(frozen=True)
class SweepOptions:
    """Draw how one setting of the recipe moves the scores, from runs that differ in it."""

    results: Annotated[tyro.conf.Positional[tuple[Path, ...]], named("RESULTS ...")]
    """Result files, runs, or folders of runs."""
    over: str
    """Name of the setting, dotted if it belongs to a stage: threshold, parts, intra_weight, beta,
    stages.1.learning_rate."""
    out: Path
    """Draw to this .png or .svg."""
    ranges: tuple[str, ...] = ()
    """Show means over ranges of the setting instead, each LOW:HIGH: 0:0.3 0.4:0.7 0.8:1."""
    mean_of_modes: tyro.conf.FlagCreatePairsOff[bool] = False
    """Take the mean over each run's result files, one for each query mode."""
    scores: tuple[str, ...] = ("rank_1", "mean_ap_step")
    """Scores, one panel each: rank_1, rank_5, rank_10, rank_20, mean_ap_step, mean_ap_trapezoid,
    mean_ap_step_50, mean_inp."""


@dataclass(frozen=True)
class CurveOptions:
    """Draw CMC curves of results, and 1 - FNMR over FMR where pairs were verified."""

    results: Annotated[tyro.conf.Positional[tuple[Path, ...]], named("RESULTS ...")]
    """Result files, runs, or folders of runs; those that differ only in the seed become one
    curve."""
    out: Path
    """Draw to this .png or .svg."""


def box_plots(arguments: list[str]) -> None:
    """Draws box plots."""
    options: BoxOptions = parse_options(BoxOptions, arguments, "passerby figures box-plots")
    from passerby.figures.runs import draw_box_plots

    draw_box_plots(read_many(options.results), options.out, scores=options.scores)
    show(f"written: {options.out}")


def sweep(arguments: list[str]) -> None:
    """Draws a sweep."""
    options: SweepOptions = parse_options(SweepOptions, arguments, "passerby figures sweep")
    from passerby.figures.runs import draw_sweep

    results = read_many(options.results)
    if options.mean_of_modes:
        results = mean_of_modes(results)
    ranges = [_range(text) for text in options.ranges]
    draw_sweep(results, options.over, options.out, scores=options.scores, ranges=ranges)
    show(f"written: {options.out}")


def _range(text: str) -> tuple[float, float]:
    least, _, most = text.partition(":")
    try:
        return float(least), float(most)
    except ValueError as error:
        raise InputError(f"a range must look like 0.4:0.7: given {text!r}") from error


def curves(arguments: list[str]) -> None:
    """Draws curves."""
    options: CurveOptions = parse_options(CurveOptions, arguments, "passerby figures curves")
    from passerby.figures.curves import draw_result_curves

    draw_result_curves(grouped(read_many(options.results)), options.out)
    show(f"written: {options.out}")
