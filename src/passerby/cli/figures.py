"""`passerby figures FIGURE`: pictures of what a run does."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
from rich.console import Console

from passerby.cli.dataset import load_run_split
from passerby.cli.figure_options import (
    AttentionOptions,
    HiddenOptions,
    MaskOptions,
    OnPersonOptions,
)
from passerby.cli.figures_of_results import box_plots, curves, sweep
from passerby.cli.figures_of_runs import distances, embeddings, grad_cam, lists, report
from passerby.cli.run_figure import parse
from passerby.cues.joined import cues_of
from passerby.cues.source import find_cues
from passerby.embedding.embedder import Embedder
from passerby.figures.attention import draw_attention
from passerby.figures.drawing_part import drawing_part
from passerby.figures.hidden import draw_hidden, hidden_of
from passerby.figures.masks import draw_masks, masks_of
from passerby.figures.on_person import on_person
from passerby.files import write_text
from passerby.methods import import_method
from passerby.recipes import to_plain
from passerby.types import CueSource, InputError, Sample

USAGE = """usage: passerby figures FIGURE ...

Draw what a finished run does.

figures:
{figures}

`passerby figures FIGURE --help` explains every option."""


def run(arguments: list[str]) -> None:
    """Runs the command."""
    if arguments and arguments[0] in FIGURES:
        FIGURES[arguments[0]][0](arguments[1:])
        return
    lines = (f"  {name:<10}  {text}" for name, (_, text) in FIGURES.items())
    print(USAGE.format(figures="\n".join(lines)))
    if not arguments or arguments[0] not in ("-h", "--help"):
        raise InputError(f"figures needs the name of a figure first: {', '.join(FIGURES)}")


def masks(arguments: list[str]) -> None:
    """Draws masks."""
    command = parse(MaskOptions, arguments, "masks")
    options: MaskOptions = command.figure
    model, chosen, cues, title = _chosen(command)
    source = drawing_part(model, options.run, "mask")
    found = masks_of(model, chosen, cues=cues, source=source)
    draw_masks(chosen, found, options.out, title=title, reverse=options.reverse)
    print(f"written: {options.out}")


def attention(arguments: list[str]) -> None:
    """Draws attention maps."""
    command = parse(AttentionOptions, arguments, "attention")
    model, chosen, cues, title = _chosen(command)
    draw_attention(model, chosen, command.figure.out, cues=cues, title=title)
    print(f"written: {command.figure.out}")


def hidden(arguments: list[str]) -> None:
    """Draws hidden pictures."""
    command = parse(HiddenOptions, arguments, "hidden")
    options: HiddenOptions = command.figure
    model, chosen, cues, title = _chosen(command)
    found = hidden_of(model, options.run, chosen, cues=cues)
    draw_hidden(chosen, *found, options.out, title=title)
    print(f"written: {options.out}")


def on_person_command(arguments: list[str]) -> None:
    """Measures masks beside the true masks of the people."""
    command = parse(OnPersonOptions, arguments, "on-person")
    options: OnPersonOptions = command.figure
    model, chosen, cues, _ = _chosen(command)
    source = drawing_part(model, options.run, "mask")
    found, hidden = masks_of(model, chosen, cues=cues, source=source), None
    if callable(getattr(source, "hidden_pixels", None)):
        _, hidden = hidden_of(model, options.run, chosen, cues=cues)
    split = load_run_split(command.data, options.run, Console(stderr=True))
    true = cues_of(split)
    if true is None:
        raise InputError(f"{split.root}: holds no true person masks (a folder masks/)")
    result = to_plain(on_person(chosen, found, true, hidden))
    target = options.out or options.run / "on_person.json"
    told = {"run": str(options.run), "data": split.name, "part": options.part, **result}
    write_text(target, json.dumps(told, indent=2) + "\n")
    for name, value in result.items():
        print(f"{name}: {value if not isinstance(value, float) else round(value, 4)}")
    print(f"written: {target}")


def _chosen(command: Any) -> tuple[Embedder, list[Sample], CueSource | None, str]:
    """The run's model, the pictures to draw with their cues, and the figure's title."""
    options: MaskOptions | AttentionOptions | HiddenOptions | OnPersonOptions = command.figure
    method = import_method(options.method) if options.method else None
    model = Embedder.load(options.run, method=method, device=options.device)
    split = load_run_split(command.data, options.run, Console(stderr=True))
    samples = getattr(split, options.part)
    count = len(samples) if options.count is None else options.count
    if count < 1 or not samples:
        raise InputError(
            f"a figure needs a count of at least 1 and pictures: given {count}; "
            f"{split.root} has {len(samples)} {options.part} pictures"
        )
    order = np.random.Generator(np.random.PCG64(options.seed)).permutation(len(samples))
    chosen = [samples[index] for index in sorted(order[:count])]
    cues = find_cues(split.root) if model.inputs.cues else None
    title = f"{model.method.name}: {len(chosen)} of {len(samples)} {options.part} pictures"
    return model, chosen, cues, title


FIGURES: dict[str, tuple[Callable[[list[str]], None], str]] = {
    "report": (report, "everything below that fits a run, on one HTML page"),
    "lists": (lists, "queries and what is found for them; two runs side by side"),
    "masks": (masks, "where a method's mask lets its network look, as heat over pictures"),
    "attention": (attention, "attention maps of attention_driven and msreid"),
    "hidden": (hidden, "what generated_masks hides from its network in training"),
    "on-person": (on_person_command, "in numbers: how much of a mask lies on the person"),
    "grad-cam": (grad_cam, "which places a score rests on, of any method"),
    "embeddings": (embeddings, "pictures of some people in two dimensions"),
    "distances": (distances, "how far pictures of one person, and of two, are apart"),
    "curves": (curves, "CMC curves of result files, and what thresholds cost"),
    "box-plots": (box_plots, "scores of result files over seeds"),
    "sweep": (sweep, "scores of result files over one setting"),
}
"""By name: what draws it, and what it shows."""
