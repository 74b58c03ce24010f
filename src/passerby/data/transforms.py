"""Geometry that picture, mask and joints share, random erasing, and bytes to numbers.

Joints count in pixel centres: the centre of the top left pixel is (0, 0), so that a picture of
width W reaches from -0.5 to W - 0.5. A joint that leaves the picture becomes (0, 0, 0): missing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from passerby.data.enlarging import enlarge
from passerby.types import JOINT_NAMES, Augmentation, Batch, InputError, InputSpec, Picture

_OTHER_SIDE = {"left": "right", "right": "left"}
MIRRORED_JOINTS = np.array(
    [
        JOINT_NAMES.index("_".join(_OTHER_SIDE.get(word, word) for word in name.split("_")))
        for name in JOINT_NAMES
    ]
)
"""Where each joint's mirror image stands in `JOINT_NAMES`."""


def resize(picture: Picture, height: int, width: int) -> Picture:
    """The picture at another size: bilinear, antialiased when it shrinks; the mask by nearest."""
    if height < 1 or width < 1:
        raise InputError(f"height and width must be at least 1; given {height} x {width}")
    old_height, old_width = picture.image.shape[:2]
    if (old_height, old_width) == (height, width):
        return picture
    mask, joints = picture.mask, picture.joints
    if mask is not None:
        mask = _resampled(mask, height, width, Image.Resampling.NEAREST)
    if joints is not None:
        # Pixel centres: the edge at -0.5 stays an edge.
        scale = np.array([width / old_width, height / old_height])
        joints = _placed(joints, (joints[:, :2] + 0.5) * scale - 0.5, height, width)
    image = enlarge(picture.image, height, width)
    if image is None:
        image = _resampled(picture.image, height, width, Image.Resampling.BILINEAR)
    return Picture(image, mask, joints)


def flip(picture: Picture) -> Picture:
    """The mirror image; left and right joints change places, being the person's own."""
    height, width = picture.image.shape[:2]
    joints = picture.joints
    if joints is not None:
        points = np.stack([width - 1 - joints[:, 0], joints[:, 1]], axis=1)
        joints = _placed(joints, points, height, width)[MIRRORED_JOINTS]
    mask = None if picture.mask is None else picture.mask[:, ::-1]
    mirrored = np.empty_like(picture.image)
    for channel in range(3):  # four times as fast as one copy of [:, ::-1]
        mirrored[:, :, channel] = picture.image[:, ::-1, channel]
    return Picture(mirrored, mask, joints)


def crop(picture: Picture, top: int, left: int, height: int, width: int) -> Picture:
    """The window (top, left, height, width) of the picture; black, and background, outside it.

    A window may start at negative numbers or end beyond the picture: that is padding.
    """
    mask, joints = picture.mask, picture.joints
    if mask is not None:
        mask = _window(mask, top, left, height, width)
    if joints is not None:
        joints = _placed(joints, joints[:, :2] - np.array([left, top]), height, width)
    return Picture(_window(picture.image, top, left, height, width), mask, joints)


def augment(picture: Picture, augmentation: Augmentation, rng: np.random.Generator) -> Picture:
    """Resize, flip, pad and random crop, in this order.

    Raises:
        InputError: the crop is larger than the padded picture.
    """
    if augmentation.resize is not None:
        picture = resize(picture, *augmentation.resize)
    # Always drawn, so that the numbers after it do not depend on the probability.
    if rng.random() < augmentation.flip:
        picture = flip(picture)
    pad = augmentation.pad
    padded = tuple(side + 2 * pad for side in picture.image.shape[:2])
    height, width = augmentation.crop or padded
    if height > padded[0] or width > padded[1]:
        raise InputError(
            f"a crop of {height} x {width} (height x width) does not fit into a picture of "
            f"{padded[0]} x {padded[1]} (after padding by {pad}): give --resize too"
        )
    top = int(rng.integers(padded[0] - height + 1)) - pad
    left = int(rng.integers(padded[1] - width + 1)) - pad
    if (top, left, height, width) == (0, 0, *picture.image.shape[:2]):
        return picture
    return crop(picture, top, left, height, width)


def erase_box(
    height: int, width: int, augmentation: Augmentation, rng: np.random.Generator
) -> tuple[int, int, int, int]:
    """What random erasing takes from a picture (Zhong et al. 2020, Algorithm 1).

    Share of the area and ratio height / width are drawn evenly from `erase_area` and
    `erase_ratio`, up to 100 times until the box fits.

    Returns:
        top, left, height, width; all 0: nothing is erased.
    """
    if rng.random() >= augmentation.erase:
        return 0, 0, 0, 0
    for _ in range(100):
        area = rng.uniform(*augmentation.erase_area) * height * width
        ratio = rng.uniform(*augmentation.erase_ratio)
        tall, wide = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < tall < height and 0 < wide < width:
            top, left = rng.integers(height - tall + 1), rng.integers(width - wide + 1)
            return int(top), int(left), tall, wide
    return 0, 0, 0, 0


def normalise(batch: Batch, specs: Mapping[str, InputSpec], fill: float = 0.0) -> Batch:
    """The batch with float32 inputs: (byte / 255 - mean) / std, then erased boxes set to `fill`.

    Runs where the batch lies (CPU or GPU) and keeps the memory format (channels last).

    Args:
        batch: uint8 inputs (B, C, H, W) as the loader gives them.
        specs: of every input of the batch, by name.
        fill: `Augmentation.erase_fill`.

    Raises:
        InputError: an input is not uint8 (normalised twice?).
    """
    inputs = {}
    for name, values in batch.inputs.items():
        if values.dtype != torch.uint8:
            raise InputError(f"input {name!r} to normalise must be uint8; given {values.dtype}")
        numbers = values.to(torch.float32)
        _shift_and_scale_(numbers, specs[name])
        if name in batch.boxes:
            _erase_(numbers, batch.boxes[name], fill)
        inputs[name] = numbers
    return replace(batch, inputs=inputs, boxes={})


def _shift_and_scale_(numbers: Tensor, spec: InputSpec) -> None:
    shift, scale = _shift_and_scale(spec, numbers.device)
    rows = numbers.permute(0, 2, 3, 1)
    if numbers.device.type == "cpu" and rows.is_contiguous():
        # Whole rows of pixels at once: on a CPU four times as fast as three channels at a time.
        width = rows.shape[2]
        rows = rows.view(-1, width * rows.shape[3])
        shift, scale = shift.flatten().repeat(width), scale.flatten().repeat(width)
        torch.addcmul(shift, rows, scale, out=rows)
    else:
        torch.addcmul(shift, numbers, scale, out=numbers)


def _erase_(numbers: Tensor, boxes: Tensor, fill: float) -> None:
    if numbers.device.type == "cpu":
        for picture, (top, left, tall, wide) in zip(numbers, boxes.tolist(), strict=True):
            picture[:, top : top + tall, left : left + wide] = fill
    else:
        # One pass over everything, but none of the boxes has to come back from the device.
        numbers.masked_fill_(_inside(boxes, numbers.shape[2], numbers.shape[3]), fill)


def to_device(batch: Batch, device: torch.device | str) -> Batch:
    """The batch on another device; does not wait when its memory is pinned."""

    def moved(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: tensor.to(device, non_blocking=True) for name, tensor in tensors.items()}

    return replace(
        batch,
        inputs=moved(batch.inputs),
        boxes=moved(batch.boxes),
        labels=batch.labels.to(device, non_blocking=True),
        cameras=batch.cameras.to(device, non_blocking=True),
        indices=batch.indices.to(device, non_blocking=True),
    )


@lru_cache(maxsize=64)
def _shift_and_scale(spec: InputSpec, device: torch.device) -> tuple[Tensor, Tensor]:
    """(byte / 255 - mean) / std = shift + byte * scale, each (1, C, 1, 1)."""
    mean, std = np.array(spec.mean), np.array(spec.std)
    shift, scale = torch.from_numpy(-mean / std), torch.from_numpy(1 / (255 * std))
    shift = shift.to(device, torch.float32).view(1, -1, 1, 1)
    scale = scale.to(device, torch.float32).view(1, -1, 1, 1)
    return shift, scale


def _inside(boxes: Tensor, height: int, width: int) -> Tensor:
    """(B, 1, H, W) bool: the pixels in each picture's box."""
    top, left, tall, wide = boxes[:, :, None].unbind(1)
    rows = torch.arange(height, device=boxes.device)
    columns = torch.arange(width, device=boxes.device)
    in_rows = (rows >= top) & (rows < top + tall)
    in_columns = (columns >= left) & (columns < left + wide)
    return (in_rows[:, :, None] & in_columns[:, None, :])[:, None]


def _resampled(
    pixels: NDArray[np.uint8], height: int, width: int, how: Image.Resampling
) -> NDArray[np.uint8]:
    return np.array(Image.fromarray(pixels).resize((width, height), how))


def _window(
    pixels: NDArray[np.uint8], top: int, left: int, height: int, width: int
) -> NDArray[np.uint8]:
    window = np.zeros((height, width, *pixels.shape[2:]), np.uint8)
    part = pixels[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)]
    y, x = max(-top, 0), max(-left, 0)
    window[y : y + part.shape[0], x : x + part.shape[1]] = part
    return window


def _placed(
    joints: NDArray[np.float32], points: NDArray[np.floating], height: int, width: int
) -> NDArray[np.float32]:
    """Joints moved to `points` (18, 2); those missing or outside become (0, 0, 0)."""
    x, y = points[:, 0], points[:, 1]
    inside = (x >= -0.5) & (x < width - 0.5) & (y >= -0.5) & (y < height - 0.5)
    seen = (joints[:, 2] > 0) & inside
    moved = np.concatenate([points, joints[:, 2:]], axis=1)
    return np.where(seen[:, None], moved, 0).astype(np.float32)
