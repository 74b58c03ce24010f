"""A contact sheet of masks and joints over their pictures, to look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from passerby.data.images import read_image
from passerby.files import atomic
from passerby.types import JOINT_NAMES, CueSource, InputError, Sample

HEIGHT = 192
"""Of every picture, in pixels."""
BONES = (
    ("nose", "neck"), ("right_eye", "right_ear"), ("left_eye", "left_ear"),
    ("nose", "right_eye"), ("nose", "left_eye"),
    ("neck", "right_shoulder"), ("right_shoulder", "right_elbow"), ("right_elbow", "right_wrist"),
    ("neck", "left_shoulder"), ("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist"),
    ("neck", "right_hip"), ("right_hip", "right_knee"), ("right_knee", "right_ankle"),
    ("neck", "left_hip"), ("left_hip", "left_knee"), ("left_knee", "left_ankle"),
)  # fmt: skip
"""Joints that are drawn with a line between them."""
RIGHT, LEFT, MIDDLE = (255, 90, 0), (0, 150, 255), (60, 220, 60)
"""Colours of the person's own right and left, and of what has no side."""
_OUTLINE, _GAP, _LINE = (255, 220, 0), 8, 16


def draw_cues(
    samples: Sequence[Sample],
    cues: CueSource,
    target_png: str | Path,
    *,
    title: str = "",
    columns: int = 8,
) -> None:
    """Draws each picture beside itself with its mask (background dark, outline) and its joints.

    Args:
        samples: N pictures; the files are read.
        cues: their masks and joints.
        target_png: written atomically.
        title: first line of the sheet.
        columns: pictures in a row.

    Raises:
        InputError: no pictures, columns below 1, a target that is not .png, or a picture or a cue
            that cannot be read.
    """
    if Path(target_png).suffix.lower() != ".png":
        raise InputError(f"a contact sheet must be a .png: given {target_png}")
    if not samples or columns < 1:
        raise InputError(
            f"a contact sheet needs at least one picture and one column: given {len(samples)}, "
            f"{columns}"
        )
    cells = [_cell(sample, cues) for sample in samples]
    columns = min(columns, len(cells))
    wide, tall = max(cell.width for cell in cells) + _GAP, cells[0].height + _GAP
    rows = -(-len(cells) // columns)
    least = round(ImageFont.load_default(size=12).getlength(title)) + 2 * _GAP
    sheet = Image.new("RGB", (max(columns * wide + _GAP, least), rows * tall + 3 * _GAP), "white")
    ImageDraw.Draw(sheet).text((_GAP, _GAP // 2), title, "black", ImageFont.load_default(size=12))
    for place, cell in enumerate(cells):
        row, column = divmod(place, columns)
        sheet.paste(cell, (_GAP + column * wide, 3 * _GAP + row * tall))
    with atomic(target_png) as temporary:
        sheet.save(temporary, format="PNG")


def _cell(sample: Sample, cues: CueSource) -> Image.Image:
    image = read_image(sample.file, sample.box)
    mask, joints = cues.mask(sample), cues.joints(sample)
    scale = HEIGHT / image.shape[0]
    size = (max(1, min(round(image.shape[1] * scale), 2 * HEIGHT)), HEIGHT)
    plain = Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)
    drawn = plain.copy()
    said = []
    if mask is not None:
        drawn = _masked(drawn, mask)
        said.append(f"{100 * (mask > 0).mean():.0f} %")
    if joints is not None:
        stretch = np.array([size[0] / image.shape[1], scale])
        _skeleton(ImageDraw.Draw(drawn), (joints[:, :2] + 0.5) * stretch, joints[:, 2])
        said.append(f"{(joints[:, 2] > 0).sum()} joints")
    cell = Image.new("RGB", (2 * size[0] + 2, HEIGHT + _LINE), "white")
    cell.paste(plain, (0, 0))
    cell.paste(drawn, (size[0] + 2, 0))
    text = ", ".join(said) or "nothing"
    ImageDraw.Draw(cell).text((0, HEIGHT + 1), text, "black", ImageFont.load_default(size=11))
    return cell


def _masked(picture: Image.Image, mask: NDArray[np.uint8]) -> Image.Image:
    grown = np.asarray(Image.fromarray(mask).resize(picture.size, Image.Resampling.NEAREST)) > 0
    pixels = np.array(picture)
    pixels[~grown] //= 3
    inner = grown.copy()
    for axis in (0, 1):
        for step in (1, -1):
            inner &= np.roll(grown, step, axis)
    pixels[grown & ~inner] = _OUTLINE
    return Image.fromarray(pixels)


def _skeleton(
    draw: ImageDraw.ImageDraw, points: NDArray[np.floating], confidence: NDArray[np.floating]
) -> None:
    places = {
        name: (float(x), float(y))
        for name, (x, y), sure in zip(JOINT_NAMES, points, confidence, strict=True)
        if sure > 0
    }
    for first, second in BONES:
        if first in places and second in places:
            draw.line([places[first], places[second]], fill=_colour(second), width=2)
    for name, (x, y) in places.items():
        draw.ellipse([x - 2, y - 2, x + 2, y + 2], fill=_colour(name))


def _colour(name: str) -> tuple[int, int, int]:
    return RIGHT if name.startswith("right") else LEFT if name.startswith("left") else MIDDLE
