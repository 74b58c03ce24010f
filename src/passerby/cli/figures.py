"""`passerby figures FIGURE`: pictures of what a run does."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from passerby.cli.dataset import load_run_split
from passerby.cli.figure_options import (
    AttentionOptions,
    ChosenOptions,
    HiddenOptions,
    MaskOptions,
    OnPersonOptions,
)
from passerby.cli.figures_of_results import box_plots, curves, sweep
from passerby.cli.figures_of_runs import distances, embeddings, grad_cam, lists, report
from passerby.cli.models import open_model, results_folder
from passerby.cli.run_figure import parse
from passerby.cues.joined import cues_of
from passerby.figures.saving import check_target
from passerby.files import write_text
from passerby.recipes import to_plain
from passerby.terminal import show, terminal
from passerby.types import CueSource, InputError, Sample, Split

if TYPE_CHECKING:
    from passerby.embedding.embedder import Embedder

USAGE = """usage: passerby figures FIGURE ...

Draw what a finished run does.

figures:
{figures}

`passerby figures FIGURE --help` explains every option."""
HEAT = "from its least value (dark) to its greatest (bright), which stand below"
"""What a figure says of its colours."""


def run(arguments: list[str]) -> None:
    """Runs the command."""
    if arguments and arguments[0] in FIGURES:
        FIGURES[arguments[0]][0](arguments[1:])
        return
    lines = (f"  {name:<10}  {text}" for name, (_, text) in FIGURES.items())
    show(USAGE.format(figures="\n".join(lines)))
    if not arguments or arguments[0] not in ("-h", "--help"):
        raise InputError(f"name a figure first: {', '.join(FIGURES)}")


def masks(arguments: list[str]) -> None:
    """Draws masks."""
    command = parse(MaskOptions, arguments, "masks")
    from passerby.figures.drawing_part import drawing_part
    from passerby.figures.masks import draw_masks, masks_of

    options: MaskOptions = command.figure
    check_target(options.out, "masks")
    chosen = _chosen(options, command.data)
    which = "first_mask" if options.after == "conv1" else "mask"
    source = drawing_part(chosen.model, options.run, "mask")
    found = masks_of(chosen.model, chosen.samples, cues=chosen.cues, source=source, name=which)
    shown = "its mask and 1 - mask" if options.reverse else "its mask"
    title = f"{chosen.title}: picture, {shown}; {HEAT}"
    draw_masks(chosen.samples, found, options.out, title=title, reverse=options.reverse)
    show(f"written: {options.out}")


def attention(arguments: list[str]) -> None:
    """Draws attention maps."""
    command = parse(AttentionOptions, arguments, "attention")
    from passerby.figures.attention import PARTS_ALONE, draw_attention

    options: AttentionOptions = command.figure
    check_target(options.out, "attention maps")
    chosen = _chosen(options, command.data)
    title = f"{chosen.title}: what the network sees, its attention maps; {HEAT}"
    if chosen.model.method.name == "attention_driven":
        title += f"; {PARTS_ALONE}"
    draw_attention(chosen.model, chosen.samples, options.out, cues=chosen.cues, title=title)
    show(f"written: {options.out}")


def hidden(arguments: list[str]) -> None:
    """Draws hidden pictures."""
    command = parse(HiddenOptions, arguments, "hidden")
    from passerby.figures.hidden import draw_hidden, hidden_of

    options: HiddenOptions = command.figure
    check_target(options.out, "hidden pictures")
    chosen = _chosen(options, command.data)
    found = hidden_of(chosen.model, options.run, chosen.samples, cues=chosen.cues)
    title = f"{chosen.title}: picture, its mask (0 white, 1 black), what training hides (black)"
    draw_hidden(chosen.samples, *found, options.out, title=title)
    show(f"written: {options.out}")


def on_person_command(arguments: list[str]) -> None:
    """Measures masks beside the true masks of the people."""
    command = parse(OnPersonOptions, arguments, "on-person")
    from passerby.figures.hidden import masks_and_hidden
    from passerby.figures.on_person import on_person

    options: OnPersonOptions = command.figure
    target = options.out or results_folder(options.run) / "on_person.json"
    if target.suffix.lower() != ".json":
        raise InputError(f"--out of on-person must end in .json: given {target}")
    chosen = _chosen(options, command.data)
    true = cues_of(chosen.split)
    if true is None:
        raise InputError(f"{chosen.split.root}: contains no true person masks (folder masks/)")
    found = masks_and_hidden(chosen.model, options.run, chosen.samples, cues=chosen.cues)
    result = to_plain(on_person(chosen.samples, found[0], true, found[1]))
    told = {"run": str(options.run), "data": chosen.split.name, "part": options.part, **result}
    write_text(target, json.dumps(told, indent=2) + "\n")
    for name, value in result.items():
        # A method that hides nothing has no share of it.
        if value is not None:
            show(f"{name}: {round(value, 4) if isinstance(value, float) else value}")
    show(f"written: {target}")


@dataclass(frozen=True)
class _Chosen:
    """A run's model, and the pictures that a figure is of."""

    model: Embedder
    split: Split
    samples: list[Sample]
    cues: CueSource | None
    title: str


def _chosen(options: ChosenOptions, data: Any) -> _Chosen:
    import numpy as np

    model = open_model(options.run, options.method, device=options.device)
    split = load_run_split(data, options.run, terminal(errors=True))
    samples = getattr(split, options.part)
    count = len(samples) if options.count is None else options.count
    if count < 1 or not samples:
        raise InputError(
            f"a figure needs a count of at least 1 and pictures: given {count}; "
            f"{split.root} has {len(samples)} {options.part} pictures"
        )
    order = np.random.Generator(np.random.PCG64(options.seed)).permutation(len(samples))
    chosen = [samples[index] for index in sorted(order[:count])]
    cues = cues_of(split) if model.inputs.cues else None
    run = f"{model.method.name} ({options.run.resolve().name})"
    title = f"{run}, {len(chosen)} of {len(samples)} {options.part} pictures"
    return _Chosen(model, split, chosen, cues, title)


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
