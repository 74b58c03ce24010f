"""Inputs that more than one paper uses."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from passerby.data.transforms import resize
from passerby.method import Inputs
from passerby.types import InputSpec, Picture


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
