"""Masks: where a method's network is told to look, as heat over the pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor, nn

from passerby.data.images import read_image
from passerby.embedding.embedder import Embedder
from passerby.extract import embed_samples
from passerby.figures.lettering import INK, PALE, font, wrapped
from passerby.figures.saving import check_target, save_image
from passerby.types import CueSource, InputError, Sample

HEIGHT = 160
"""Of every picture, in pixels."""
COLOURS = ((0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164))
"""From the mask's least value to its greatest, evenly spaced: dark violet to pale yellow."""
_GAP, _MARGIN, _LINE, _LEAST_WIDTH = 10, 16, 16, 320


class _MaskAlone(nn.Module):
    """A network whose output is its mask, so that pictures reach it as they reach the network."""

    def __init__(self, source: Any, name: str) -> None:
        super().__init__()
        self.source, self.name = source, name
        # `embed_samples` leaves what it is given in the mode that it came in.
        self.train(source.training)

    def forward(self, **inputs: Tensor) -> Tensor:
        mask: Tensor = getattr(self.source, self.name)(**inputs)
        return mask


def masks_of(
    model: Embedder,
    samples: Sequence[Sample],
    *,
    cues: CueSource | None = None,
    source: nn.Module | None = None,
    name: str = "mask",
) -> NDArray[np.float32]:
    """The masks that a method lays over its features or its pictures.

    Args:
        model: of the method.
        samples: N pictures.
        cues: masks and joints, if the method looks at any.
        source: what has `mask(**inputs) -> (B, 1, h, w)`, where that is not the model's network
            (`passerby.figures.drawing_part`).
        name: which of its masks: `mask`, or of mask_pooling `first_mask`, the one after conv1.

    Returns:
        (N, h, w) float32.

    Raises:
        InputError: the network has no mask, or a picture cannot be read.
    """
    source = model.network if source is None else source
    if not callable(getattr(source, name, None)):
        which = "mask" if name == "mask" else "mask after conv1"
        raise InputError(f"the method {model.method.name} has no {which} to draw")
    found = embed_samples(_MaskAlone(source, name), model.inputs, samples, cues=cues)
    return found[:, 0]


def heat_map(mask: NDArray[np.floating], height: int, width: int) -> NDArray[np.uint8]:
    """A mask (h, w) as colours (height, width, 3): its least value dark, its greatest bright."""
    least, greatest = float(mask.min()), float(mask.max())
    share = (mask - least) / (greatest - least) if greatest > least else np.zeros_like(mask)
    grown = Image.fromarray(share.astype(np.float32))
    shares = np.asarray(grown.resize((width, height), Image.Resampling.BILINEAR)).clip(0, 1)
    stops = np.linspace(0, 1, len(COLOURS))
    channels = [np.interp(shares, stops, [colour[c] for colour in COLOURS]) for c in range(3)]
    return np.stack(channels, axis=2).round().astype(np.uint8)


def draw_masks(
    samples: Sequence[Sample],
    masks: NDArray[np.floating],
    target: str | Path,
    *,
    title: str = "",
    columns: int = 6,
    reverse: bool = False,
) -> None:
    """Draws each picture beside itself under the heat of its mask, and of the mask's reverse.

    Colours run from each mask's least value to its greatest, which stand below.

    Args:
        samples: N pictures; the files are read.
        masks: (N, h, w), each over the whole picture.
        target: the .png or .svg, written atomically.
        title: first line of the figure.
        columns: pictures in a row.
        reverse: draw 1 - mask beside each mask (MSReID, Figure 1).

    Raises:
        InputError: no pictures, another number of masks, columns below 1, masks that are not
            finite, a reverse of masks outside 0 to 1, a target that is neither .png nor .svg, an
            unreadable picture.
    """
    check_target(target, "masks")
    if not samples or columns < 1 or masks.ndim != 3 or len(masks) != len(samples):
        raise InputError(
            "a figure of masks needs at least one picture, one mask (h, w) for each and at least "
            f"one column: given {len(samples)} pictures, masks {masks.shape}, {columns} columns"
        )
    if not np.isfinite(masks).all():
        raise InputError("masks to draw must be finite numbers")
    if reverse and (masks.min() < 0 or masks.max() > 1):
        raise InputError(
            "only masks from 0 to 1 have a reverse, 1 - mask: "
            f"these go from {masks.min():.3g} to {masks.max():.3g}"
        )
    cells = []
    for sample, mask in zip(samples, masks, strict=True):
        shown = [mask, 1 - mask] if reverse else [mask]
        cells.append(with_text(heat_strip(whole_picture(sample), shown), range_of(shown)))
    figure = grid(cells, title, columns)
    save_image(figure, target)


def whole_picture(sample: Sample) -> Image.Image:
    """A sample's picture, its box cut out."""
    return Image.fromarray(read_image(sample.file, sample.box))


def shown_size(picture: Image.Image) -> tuple[int, int]:
    """Width and height that a picture has in a figure; very wide ones are pressed together."""
    return max(1, min(round(picture.width * HEIGHT / picture.height), 2 * HEIGHT)), HEIGHT


def under_heat(picture: Image.Image, mask: NDArray[np.floating]) -> Image.Image:
    """The picture in grey under the colours of a mask (h, w)."""
    heat = Image.fromarray(heat_map(mask, picture.height, picture.width))
    return Image.blend(picture.convert("L").convert("RGB"), heat, 0.55)


def heat_strip(picture: Image.Image, masks: Sequence[NDArray[np.floating]]) -> Image.Image:
    """A picture beside itself under the heat of each mask (h, w)."""
    size = shown_size(picture)
    picture = picture.resize(size, Image.Resampling.LANCZOS)
    return beside([picture, *(under_heat(picture, mask) for mask in masks)])


def beside(pictures: Sequence[Image.Image]) -> Image.Image:
    """Pictures of one height side by side."""
    width = sum(picture.width for picture in pictures)
    strip, left = Image.new("RGB", (width, pictures[0].height)), 0
    for picture in pictures:
        strip.paste(picture, (left, 0))
        left += picture.width
    return strip


def range_of(masks: Sequence[NDArray[np.floating]]) -> str:
    """Least and greatest value of each mask, with a third digit where two do not tell."""
    return " | ".join(_range(float(mask.min()), float(mask.max())) for mask in masks)


def _range(least: float, greatest: float) -> str:
    said = [(f"{least:.{digits}f}", f"{greatest:.{digits}f}") for digits in (2, 3)]
    return " - ".join(next((ends for ends in said if ends[0] != ends[1]), said[1]))


def with_text(strip: Image.Image, text: str) -> Image.Image:
    """A strip with a line of text below."""
    cell = Image.new("RGB", (strip.width, strip.height + _LINE + 2), "white")
    cell.paste(strip, (0, 0))
    middle = (cell.width // 2, strip.height + 2)
    ImageDraw.Draw(cell).text(middle, text, PALE, font(), anchor="ma")
    return cell


def grid(cells: list[Image.Image], title: str, columns: int) -> Image.Image:
    """Cells of one height side by side and one below the other, under a title."""
    columns = min(columns, len(cells))
    wide, tall = max(cell.width for cell in cells) + _GAP, cells[0].height + _GAP
    rows = -(-len(cells) // columns)
    longest = max(map(font().getlength, title.split()), default=0)
    width = max(columns * wide - _GAP, _LEAST_WIDTH, round(longest))
    title = wrapped(title, width)
    top = _MARGIN + (title.count("\n") + 1) * _LINE + 4
    canvas = Image.new("RGB", (width + 2 * _MARGIN, top + rows * tall + _MARGIN - _GAP), "white")
    for index, line in enumerate(title.split("\n")):
        place = (_MARGIN, _MARGIN + index * _LINE)
        ImageDraw.Draw(canvas).text(place, line, INK, font())
    for index, cell in enumerate(cells):
        row, column = divmod(index, columns)
        canvas.paste(cell, (_MARGIN + column * wide, top + row * tall))
    return canvas
