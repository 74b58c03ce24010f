"""Person masks from a folder: 8-bit PNG, same tree and stem as the pictures."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from passerby.data.images import cut, picture_size, read_mask
from passerby.parsing import parse_json
from passerby.types import InputError, Sample

MASK_INDEX = "index.json"
"""Beside masks that `passerby cues` computed: what made them, and who was found."""


def mask_file(folder: Path, sample: Sample) -> Path:
    """Where the mask of a sample lies: `train/7/a.jpg` has its mask in `train/7/a.png`.

    Raises:
        InputError: the sample's name leads out of the folder.
    """
    name = PurePosixPath(sample.name)
    if name.is_absolute() or ".." in name.parts:
        raise InputError(f"{sample.name}: outside the data's folder, so it has no mask")
    return folder / name.with_suffix(".png")


def folder_mask(folder: Path, sample: Sample) -> NDArray[np.uint8] | None:
    """The (H, W) mask of a sample's picture, after its box; None: the folder has none.

    Raises:
        InputError: the mask cannot be read, is no mask, or has another size than the picture.
    """
    file = mask_file(folder, sample)
    if not file.is_file():
        return None
    mask = read_mask(file)
    height, width = picture_size(sample.file)
    if mask.shape != (height, width):
        raise InputError(
            f"{file}: a mask must have its picture's size, {height} x {width} (height x width, "
            f"{sample.file}); given {mask.shape[0]} x {mask.shape[1]}"
        )
    return mask if sample.box is None else cut(mask, sample.box, file)


def check_masks(folder: Path) -> None:
    """Sees to it that a folder of masks exists and is whole.

    Raises:
        InputError: it does not exist, or its index says that there is more to compute.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of masks")
    index = folder / MASK_INDEX
    if not index.is_file():
        return
    try:
        finished = parse_json(index.read_text(encoding="utf-8"))["finished"]
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{index}: not an index of masks") from None
    if finished is not True:
        raise InputError(f"{folder}: not finished: run `passerby cues masks` again")


def masks_source(folder: Path) -> str | None:
    """What made a folder of masks; None: it does not say."""
    try:
        found = parse_json((folder / MASK_INDEX).read_text(encoding="utf-8"))["source"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, str) and found else None
