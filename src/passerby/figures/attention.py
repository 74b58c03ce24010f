"""Attention maps over what a network sees (Attention Driven network, Figure 7; MSReID)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
from passerby.figures.masks import beside, grid, range_of, under_heat
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

    Colours run from each map's least value to its greatest, which stand below; of the parts from
    each part's own, and below stand those of all four.

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
    """Each picture with its maps, named and with their values; else as `attention_of`."""
    names = map_names(model)
    return [_cell(*found, names) for found in _rows(model, samples, cues)]


def attention_strips(
    model: Embedder, samples: Sequence[Sample], cues: CueSource | None
) -> list[tuple[Image.Image, str]]:
    """The same without letters, and the least and greatest values in words."""
    return [
        (_strip(rows, maps, 0), "; ".join(range_of(list(of_row)) for of_row in maps))
        for rows, maps in _rows(model, samples, cues)
    ]


PARTS_ALONE = "of the four parts each by itself, below stand the values of all four"
"""What a figure of attention_driven says of its colours besides."""


def map_names(model: Embedder) -> tuple[str, ...]:
    """What the maps lie behind; numbers for methods that are not in `MAPS`."""
    return MAPS.get(model.method.name, tuple(f"map {number}" for number in range(1, 10)))


def _rows(
    model: Embedder, samples: Sequence[Sample], cues: CueSource | None
) -> Iterator[tuple[list[Image.Image], NDArray[np.float32]]]:
    """What the network sees of each picture, a row for each row of maps; and the maps."""
    maps = attention_of(model, samples, cues=cues)
    for sample, of_sample in zip(samples, maps, strict=True):
        made = model.inputs.make(load_picture(sample, model.inputs.cues, cues))
        rows = [Image.fromarray(made["whole" if "whole" in made else "image"])]
        if len(of_sample) == 2:
            rows.append(_stacked([made[name] for name in REGION_NAMES[1:]]))
        yield [row.resize((WIDTH, HEIGHT), _SMOOTH) for row in rows], of_sample


def _stacked(parts: Sequence[NDArray[np.uint8]]) -> Image.Image:
    tall = HEIGHT // len(parts)
    stacked = Image.new("RGB", (WIDTH, HEIGHT))
    for index, part in enumerate(parts):
        stacked.paste(Image.fromarray(part).resize((WIDTH, tall), _SMOOTH), (0, index * tall))
    return stacked


def _strip(rows: Sequence[Image.Image], maps: NDArray[np.floating], space: int) -> Image.Image:
    """Pictures at left, each row of maps beside; with white space above and below each row."""
    size = ((1 + maps.shape[1]) * WIDTH, space + len(rows) * (HEIGHT + space))
    strip = Image.new("RGB", size, "white")
    for row, (picture, of_row) in enumerate(zip(rows, maps, strict=True)):
        heat = under_heat if row == 0 else _parts_under_heat
        shown = [picture, *(heat(picture, values) for values in of_row)]
        strip.paste(beside(shown), (0, space + row * (HEIGHT + space)))
    return strip


def _parts_under_heat(picture: Image.Image, maps: NDArray[np.floating]) -> Image.Image:
    """The four parts one below the other, the colours of each from its own least value on.

    With colours over all four, how much a branch weights would hide where in its part it looks.
    """
    shown = Image.new("RGB", picture.size)
    count = len(REGION_NAMES) - 1
    tall = picture.height // count
    for part, values in enumerate(np.split(maps, count)):
        top = part * tall
        below = under_heat(picture.crop((0, top, picture.width, top + tall)), values)
        shown.paste(below, (0, top))
    return shown


def _cell(
    rows: Sequence[Image.Image], maps: NDArray[np.floating], names: Sequence[str]
) -> Image.Image:
    cell = _strip(rows, maps, _LINE)
    draw = ImageDraw.Draw(cell)

    def say(text: str, column: int, top: int, ink: tuple[int, int, int]) -> None:
        middle = (column * WIDTH + WIDTH // 2, top)
        draw.text(middle, shortened(text, WIDTH), ink, font(), anchor="ma")

    for column, name in enumerate(names[: maps.shape[1]], 1):
        say(name, column, 0, INK)
    for row, of_row in enumerate(maps, 1):
        if len(rows) == 2:
            say(("whole body", "four parts")[row - 1], 0, row * (HEIGHT + _LINE) + 1, PALE)
        for column, values in enumerate(of_row, 1):
            say(range_of([values]), column, row * (HEIGHT + _LINE) + 1, PALE)
    return cell
