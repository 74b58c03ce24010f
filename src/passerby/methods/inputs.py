"""Inputs and augmentation that more than one paper uses."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from passerby.data.transforms import resize
from passerby.method import Inputs
from passerby.types import Augmentation, InputSpec, Picture


def whole_picture(height: int, width: int, *, erase: bool = False) -> Inputs:
    """One input, `image`: the picture resized whole, minus ImageNet's mean and divided by its std.

    Args:
        height: pixels.
        width: pixels.
        erase: random erasing applies to it.
    """

    def make(picture: Picture) -> dict[str, NDArray[np.uint8]]:
        return {"image": resize(picture, height, width).image}

    return Inputs({"image": InputSpec(height, width, erase=erase)}, make)


def padded_crop(recipe: Any) -> Augmentation:
    """Resized whole, padded, and cropped to the input's size; all else as the recipe names it.

    Args:
        recipe: has `height`, `width`, and whichever other fields of `Augmentation` it changes.
    """
    size = (recipe.height, recipe.width)
    own = {f.name: getattr(recipe, f.name) for f in fields(Augmentation) if hasattr(recipe, f.name)}
    return Augmentation(**{**own, "resize": size, "crop": size})
