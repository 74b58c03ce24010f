"""Attention maps of the Attention Driven network over what it sees (its Figure 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from passerby.figures.masks import font, grid, heat_map
from passerby.files import atomic
from passerby.types import CueSource, InputError, Sample

HEIGHT, WIDTH = 160, 80
"""Of the whole body, and of its four parts one below the other, in pixels."""
_LINE, _PALE = 16, (110, 110, 110)


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
    """The mean over the channels of m_2, m_3, m_4.

    Args:
        model: of a method whose network has `attention_maps(**inputs)`.
        samples: N pictures.
        cues: masks and joints.

    Returns:
        (N, 2, 3, h, w) from 0 to 1: the whole body's, and the four parts' one below the other;
        blocks 2, 3, 4.

    Raises:
        InputError: the network has no attention, or a picture cannot be read.
    """
    if not callable(getattr(model.network, "attention_maps", None)):
        raise InputError(f"the method {model.method.name} has no attention maps to draw")
    return embed_samples(_MapsAlone(model.network), model.inputs, samples, cues=cues)


def draw_attention(
    model: Embedder,
    samples: Sequence[Sample],
    target_png: str | Path,
    *,
    cues: CueSource | None = None,
    title: str = "",
    columns: int = 3,
) -> None:
    """Draws for each picture two rows: the whole body and the parts, each under its three maps.

    Colours run from each map's least value to its greatest, which stand below.

    Args:
        model: as for `attention_of`.
        samples: at least one picture.
        target_png: written atomically.
        cues: masks and joints.
        title: first line of the figure.
        columns: pictures in a row.

    Raises:
        InputError: no pictures, columns below 1, a target that is not .png, or as `attention_of`.
    """
    if Path(target_png).suffix.lower() != ".png":
        raise InputError(f"attention maps are drawn as .png: given {target_png}")
    if not samples or columns < 1:
        raise InputError(
            "a figure of attention maps needs at least one picture and one column: "
            f"given {len(samples)} pictures, {columns} columns"
        )
    maps = attention_of(model, samples, cues=cues)
    cells = []
    for sample, of_sample in zip(samples, maps, strict=True):
        picture = load_picture(sample, model.inputs.cues, cues)
        cells.append(_cell(model.inputs.make(picture), of_sample))
    figure = grid(cells, title, columns)
    with atomic(target_png) as temporary:
        figure.save(temporary, format="PNG")


def _cell(made: Mapping[str, NDArray[np.uint8]], maps: NDArray[np.floating]) -> Image.Image:
    whole, *parts = (Image.fromarray(made[name]) for name in REGION_NAMES)
    stacked = Image.new("RGB", (WIDTH, HEIGHT))
    for index, part in enumerate(parts):
        tall = HEIGHT // 4
        stacked.paste(part.resize((WIDTH, tall), Image.Resampling.LANCZOS), (0, index * tall))
    rows = (whole.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS), stacked)
    cell = Image.new("RGB", (4 * WIDTH, 2 * (HEIGHT + _LINE)), "white")
    for row, (picture, of_row) in enumerate(zip(rows, maps, strict=True)):
        top = row * (HEIGHT + _LINE)
        cell.paste(picture, (0, top))
        grey = picture.convert("L").convert("RGB")
        for column, values in enumerate(of_row, 1):
            heat = Image.fromarray(heat_map(values, HEIGHT, WIDTH))
            cell.paste(Image.blend(grey, heat, 0.55), (column * WIDTH, top))
            text = f"{values.min():.2f} - {values.max():.2f}"
            middle = (column * WIDTH + WIDTH // 2, top + HEIGHT + 1)
            ImageDraw.Draw(cell).text(middle, text, _PALE, font(), anchor="ma")
    return cell
