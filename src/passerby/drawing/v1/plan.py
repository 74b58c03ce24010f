"""Which pictures a synthetic set has: identities, cameras, tracks, file names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from passerby.drawing.layout import BOXES, GALLERY, PRESENCE, QUERY, TRAIN, Entry
from passerby.drawing.v1.picture import Flaws
from passerby.randomness import keyed
from passerby.types import InputError

if TYPE_CHECKING:
    from passerby.drawing.v1.world import World

VERSION = "v1"
"""Changes when the same recipe gives other pictures."""


@dataclass(frozen=True)
class SyntheticRecipe:
    """What to draw. The defaults are `synthetic v1`, the set that all results quote."""

    train_identities: int = 200
    """Number of people for training."""
    test_identities: int = 200
    """Number of people to query."""
    cameras: int = 6
    """Number of cameras, at least 2."""
    pictures_per_identity: int = 20
    """Mean number of pictures of a person, queries included, gt_bbox excluded."""
    drawn_boxes: int = 2
    """Number of pictures in gt_bbox for each person and camera, besides the query's own."""
    distractors: int = 600
    """Number of gallery pictures of people who are never queried."""
    junk: int = 500
    """Number of gallery pictures of bad detections."""
    height: int = 128
    """Height of the pictures, in pixels."""
    width: int = 64
    """Width of the pictures, in pixels."""
    seed: int = 1
    """Random seed."""
    flaws: Flaws = field(default_factory=Flaws)
    """What makes pictures hard."""

    def __post_init__(self) -> None:
        least = {"train_identities": 1, "test_identities": 1, "cameras": 2, "drawn_boxes": 0,
                 "pictures_per_identity": 4, "distractors": 0, "junk": 0, "height": 16,
                 "width": 8, "seed": 0}  # fmt: skip
        for name, value in least.items():
            if getattr(self, name) < value:
                raise InputError(
                    f"a synthetic set's {name} must be at least {value}; given "
                    f"{getattr(self, name)}"
                )
        if self.train_identities + self.test_identities > 9999 or self.cameras > 99:
            raise InputError(
                "a synthetic set can have 9999 identities and 99 cameras at most; given "
                f"{self.train_identities + self.test_identities} and {self.cameras}"
            )

    @property
    def version(self) -> str:
        """Of the drawing."""
        return VERSION

    def entries(self) -> list[Entry]:
        """All pictures, in the order of the identities."""
        return entries(self)

    def world(self) -> World:
        """The cameras with their scenes, and the people."""
        from passerby.drawing.v1.world import World

        return World.of(self)


def _present(recipe: SyntheticRecipe, identity: int) -> list[tuple[int, int]]:
    """Cameras that see an identity, and how many pictures each has (at least 2)."""
    draw = keyed(recipe.seed, PRESENCE, identity)
    most = recipe.cameras
    weights = np.array([0.25 if n == 2 else 1.0 for n in range(2, most + 1)])
    total = max(4, round(recipe.pictures_per_identity * draw.uniform(0.75, 1.25)))
    count = int(draw.choice(np.arange(2, most + 1), p=weights / weights.sum()))
    count = min(count, total // 2)
    cameras = sorted(int(c) for c in draw.permutation(most)[:count])
    share = 2 + draw.multinomial(total - 2 * count, np.full(count, 1 / count))
    return list(zip(cameras, (int(n) for n in share), strict=True))


def _identity(recipe: SyntheticRecipe, number: int, train: bool) -> Iterator[Entry]:
    for camera, count in _present(recipe, number):
        for k in range(count):
            if train:
                yield Entry(TRAIN, number, number, camera, k, False)
            elif k == 0:
                yield Entry(QUERY, number, number, camera, k, True, also_boxes=True)
            else:
                yield Entry(GALLERY, number, number, camera, k, False)
        for k in range(count, count + recipe.drawn_boxes):
            yield Entry(BOXES, number, number, camera, k, True)


def entries(recipe: SyntheticRecipe) -> list[Entry]:
    """All pictures of a recipe, in the order of the identities."""
    out: list[Entry] = []
    people = recipe.train_identities + recipe.test_identities
    for number in range(1, people + 1):
        out.extend(_identity(recipe, number, number <= recipe.train_identities))
    for start, person, total in ((10000, 0, recipe.distractors), (20000, -1, recipe.junk)):
        for k in range(total):
            # Four pictures of each, in one or two cameras.
            identity = start + k // 4
            camera = int(
                keyed(recipe.seed, PRESENCE, identity, k % 4 // 2).integers(recipe.cameras)
            )
            out.append(Entry(GALLERY, person, identity, camera, k % 4, False))
    return out
