"""Attention maps over what a network sees (Attention Driven network, Figure 7; MSReID)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor, nn

from passerby.cues.parts import REGION_NAMES
from passerby.data.training_data import load_picture
from passerby.embedding.embedder import Embedder
from passerby.extract import embed_samples
from passerby.figures.lettering import INK, PALE, font, shortened
from passerby.figures.masks import grid, range_of, under_heat
from passerby.figures.saving import check_target, save_image
from passerby.types import CueSource, InputError, Sample

HEIGHT, WIDTH = 160, 80
"""Of the whole body, and of its four parts one below the other, in pixels."""
MAPS = {
    "attention_driven": ("block 2", "block 3", "block 4"),
    "msreid": ("layer1", "layer2", "layer3", "layer4"),
}
"""By method: what its maps lie behind, for the line above them."""
_LINE, _SMOOTH = 16, Image.Resampling.LANCZOS


class _MapsAlone(nn.Module):
    """A network whose output is its maps, so that pictures reach it as they reach the network."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network
        self.train(network.training)

    def forward(self, **inputs: Tensor) -> Tensor:
        maps: Tensor = self.network.attention_maps(**inputs)
        return maps


def attention_of(
    model: Embedder, samples: Sequence[Sample], *, cues: CueSource | None = None
) -> NDArray[np.float32]:
    """The means over the channels of a network's attention maps.

    Args:
        model: of a method whose network has `attention_maps(**inputs)`, (B, rows, maps, h, w).
        samples: N pictures.
        cues: masks and joints.

    Returns:
        (N, rows, maps, h, w) from 0 to 1. attention_driven: two rows, the whole body's and the
        four parts' one below the other, of blocks 2, 3, 4. msreid: one, behind layer1 to layer4.

    Raises:
        InputError: the network has no attention, or a picture cannot be read.
    """
    if not callable(getattr(model.network, "attention_maps", None)):
        raise InputError(f"the method {model.method.name} has no attention maps to draw")
    return embed_samples(_MapsAlone(model.network), model.inputs, samples, cues=cues)


def draw_attention(
    model: Embedder,
    samples: Sequence[Sample],
    target: str | Path,
    *,
    cues: CueSource | None = None,
    title: str = "",
    columns: int = 3,
) -> None:
    """Draws for each picture its maps; of attention_driven, the whole body's above the parts'.

    Colours run from each map's least value to its greatest, which stand below.

    Args:
        model: as for `attention_of`.
        samples: at least one picture.
        target: the .png or .svg, written atomically.
        cues: masks and joints.
        title: first line of the figure.
        columns: pictures in a row.

    Raises:
        InputError: no pictures, columns below 1, a target that is neither .png nor .svg,
            or as `attention_of`.
    """
    check_target(target, "attention maps")
    if not samples or columns < 1:
        raise InputError(
            "a figure of attention maps needs at least one picture and one column: "
            f"given {len(samples)} pictures, {columns} columns"
        )
    save_image(grid(attention_cells(model, samples, cues), title, columns), target)


def attention_cells(
    model: Embedder, samples: Sequence[Sample], cues: CueSource | None
) -> list[Image.Image]:
    """Each picture with its maps; arguments and errors as `attention_of`."""
    maps = attention_of(model, samples, cues=cues)
    cells = []
    for sample, of_sample in zip(samples, maps, strict=True):
        made = model.inputs.make(load_picture(sample, model.inputs.cues, cues))
        rows = [Image.fromarray(made["whole" if "whole" in made else "image"])]
        if len(of_sample) == 2:
            rows.append(_stacked([made[name] for name in REGION_NAMES[1:]]))
        shown = [row.resize((WIDTH, HEIGHT), _SMOOTH) for row in rows]
        cells.append(_cell(shown, of_sample, MAPS.get(model.method.name, ())))
    return cells


def _stacked(parts: Sequence[NDArray[np.uint8]]) -> Image.Image:
    tall = HEIGHT // len(parts)
    stacked = Image.new("RGB", (WIDTH, HEIGHT))
    for index, part in enumerate(parts):
        stacked.paste(Image.fromarray(part).resize((WIDTH, tall), _SMOOTH), (0, index * tall))
    return stacked


def _cell(
    rows: Sequence[Image.Image], maps: NDArray[np.floating], names: Sequence[str]
) -> Image.Image:
    size = ((1 + maps.shape[1]) * WIDTH, _LINE + len(rows) * (HEIGHT + _LINE))
    cell = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(cell)

    def say(text: str, column: int, top: int, ink: tuple[int, int, int]) -> None:
        middle = (column * WIDTH + WIDTH // 2, top)
        draw.text(middle, shortened(text, WIDTH), ink, font(), anchor="ma")

    for column in range(1, maps.shape[1] + 1):
        say(names[column - 1] if column <= len(names) else f"map {column}", column, 0, INK)
    for row, (picture, of_row) in enumerate(zip(rows, maps, strict=True)):
        top = _LINE + row * (HEIGHT + _LINE)
        cell.paste(picture, (0, top))
        for column, values in enumerate(of_row, 1):
            cell.paste(under_heat(picture, values), (column * WIDTH, top))
            say(range_of([values]), column, top + HEIGHT + 1, PALE)
    return cell
