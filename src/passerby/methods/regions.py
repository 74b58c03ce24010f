"""The five views of a person that the Attention Driven network looks at (its section 3.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from passerby.cues.parts import REGION_NAMES, Regions, cut_regions, find_regions, strips
from passerby.method import Inputs
from passerby.types import InputSpec, Picture

if TYPE_CHECKING:
    from passerby.methods.attention_driven import Recipe


def regions_of(picture: Picture, recipe: Recipe) -> Regions:
    """Where the recipe looks in a picture."""
    height, width = picture.image.shape[:2]
    if recipe.pretrain or recipe.regions == "strips":
        return Regions(strips(height, width), "strips")
    return find_regions(
        height,
        width,
        picture.joints,
        beta=recipe.beta,
        confidence=recipe.confidence,
        outside=recipe.outside,
    )


def five_views(recipe: Recipe) -> Inputs:
    """The whole body and its four parts, cut from the picture and brought to their sizes."""
    sizes = [(recipe.height, recipe.width), *[(recipe.part_height, recipe.part_width)] * 4]
    red, green, blue = (round(255 * value) for value in recipe.mean)

    def make(picture: Picture) -> dict[str, NDArray[np.uint8]]:
        boxes = regions_of(picture, recipe).boxes
        cut = cut_regions(picture.image, boxes, sizes, (red, green, blue))
        return dict(zip(REGION_NAMES, cut, strict=True))

    scale = (1 / 255, 1 / 255, 1 / 255)  # bytes stay bytes
    specs = {
        name: InputSpec(*size, mean=recipe.mean, std=scale)
        for name, size in zip(REGION_NAMES, sizes, strict=True)
    }
    if recipe.pretrain or recipe.regions == "strips":
        return Inputs(specs, make)

    def unusable(picture: Picture) -> list[str]:
        return ["joints"] if regions_of(picture, recipe).source == "strips" else []

    return Inputs(specs, make, frozenset({"joints"}), unusable)
