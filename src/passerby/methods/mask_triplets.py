"""Pictures and masks as MPM-LTL takes them, and the triplets that it mines with them (III-E).

Sections are those of Zheng et al. 2020: `mask_pooling`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from passerby.data.transforms import resize
from passerby.method import EpochStart, Inputs
from passerby.randomness import keyed
from passerby.ranking.triplets import (
    PackedMasks,
    mask_guided_triplets,
    packed_masks,
    random_triplets,
)
from passerby.types import JUNK_ID, InputError, InputSpec, Picture

if TYPE_CHECKING:
    from passerby.methods.mask_pooling import Recipe

PERSON = 255
"""A person's pixels in the mask, as bytes; 1 once they are numbers."""


def picture_and_mask(recipe: Recipe) -> Inputs:
    """The picture, and the mask where the recipe looks at one, both resized whole."""
    size = (recipe.height, recipe.width)

    def make(picture: Picture) -> dict[str, NDArray[np.uint8]]:
        sized = resize(picture, *size)
        if recipe.mask == "none":
            return {"image": sized.image}
        mask = np.full(size, PERSON, np.uint8) if sized.mask is None else sized.mask
        return {"image": sized.image, "mask": mask}

    specs = {"image": InputSpec(*size)}
    if recipe.mask != "none":
        specs["mask"] = InputSpec(*size, mean=(0.0,), std=(1.0,))
    return Inputs(specs, make, frozenset(specs) - {"image"})


class TripletSelection:
    """Draws the triplets of an epoch (III-E) and lays them out in batches.

    Args:
        recipe: says which, and how many.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.masks: PackedMasks | None = None
        """Of the training pictures, at the input's size; read once."""
        self.unmasked = np.zeros(0, bool)
        """Which of them have none."""

    def __call__(self, start: EpochStart) -> Sequence[NDArray[np.int64]]:
        """Batches of anchor, positive, negative, anchor, ...

        Raises:
            InputError: no anchor has both a positive and a negative.
        """
        random = keyed(start.seed, start.key)
        count = len(start.samples)
        anchors = random.permutation(count)[: max(1, round(self.recipe.anchors * count))]
        found = self._triplets(start, random, anchors)
        start.note("anchors", len(found))
        start.note("anchors_left_out", len(anchors) - len(found))
        if len(found) == 0:
            raise InputError(
                f"{self.recipe.selection} selection found no triplet among {count} pictures: no "
                "anchor has both a positive and a negative"
            )
        size = self.recipe.triplets
        return [found[i : i + size].reshape(-1) for i in range(0, len(found), size)]

    def _triplets(
        self, start: EpochStart, random: np.random.Generator, anchors: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        if self.recipe.selection == "random":
            return random_triplets(start.labels, random, anchors)
        if self.masks is None:
            self.masks = self._read_masks(start)
        return mask_guided_triplets(
            start.embed(),
            # A picture whose mask nobody knows is no candidate: taken as all person, it would
            # share most with everybody.
            np.where(self.unmasked, JUNK_ID, start.labels),
            start.cameras,
            self.masks,
            anchors,
            candidates=self.recipe.candidates,
            kept=self.recipe.kept,
            metric=self.recipe.metric,
        )

    def _read_masks(self, start: EpochStart) -> PackedMasks:
        make = picture_and_mask(self.recipe).make
        self.unmasked = np.zeros(len(start.samples), bool)
        packed = []
        for index in range(len(start.samples)):
            picture = start.pictures(index)
            self.unmasked[index] = picture.mask is None
            packed.append(packed_masks(make(picture)["mask"][None] > PERSON // 2))
        return np.concatenate(packed)
