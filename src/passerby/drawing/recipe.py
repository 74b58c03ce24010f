"""Which pictures a set of version 2 has: identities, places and their cameras, file names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from passerby.drawing.factors import Factors
from passerby.drawing.layout import BOXES, GALLERY, PRESENCE, QUERY, TRAIN, Entry
from passerby.randomness import keyed
from passerby.types import InputError

if TYPE_CHECKING:
    from passerby.drawing.world import DrawnWorld

VERSION = "v2"
"""Changes when the same recipe gives other pictures."""

_DISTRACTORS, _JUNK = 40000, 60000
"""Identities from here on."""


@dataclass(frozen=True)
class DrawingRecipe:
    """What to draw. The defaults are `synthetic v2`."""

    train_identities: int = 200
    """Number of people for training."""
    test_identities: int = 200
    """Number of people to query; all in one place."""
    cameras: int = 8
    """Number of cameras in a place, at least 2."""
    people_per_place: int = 100
    """Number of training people who share cameras; the next ones walk elsewhere."""
    pictures_per_identity: int = 20
    """Mean number of pictures of a person, queries included, gt_bbox excluded."""
    drawn_boxes: int = 1
    """Number of pictures in gt_bbox for each person and camera, besides the query's own."""
    distractors: int = 600
    """Number of gallery pictures of people who are never queried."""
    junk: int = 400
    """Number of gallery pictures of bad detections."""
    height: int = 128
    """Height of the pictures, in pixels."""
    width: int = 64
    """Width of the pictures, in pixels."""
    seed: int = 1
    """Random seed."""
    factors: Factors = field(default_factory=Factors)
    """What is drawn beyond plain people in front of plain cameras."""

    def __post_init__(self) -> None:
        least = {"train_identities": 1, "test_identities": 1, "cameras": 2, "people_per_place": 1,
                 "drawn_boxes": 0, "pictures_per_identity": 4, "distractors": 0, "junk": 0,
                 "height": 16, "width": 8, "seed": 0}  # fmt: skip
        for name, value in least.items():
            if getattr(self, name) < value:
                raise InputError(
                    f"a drawn set's {name} must be at least {value}; given {getattr(self, name)}"
                )
        if self.train_identities + self.test_identities > 9999:
            raise InputError(
                "a drawn set can have 9999 identities at most; given "
                f"{self.train_identities + self.test_identities}"
            )

    @property
    def version(self) -> str:
        """Of the drawing."""
        return VERSION

    def entries(self) -> list[Entry]:
        """All pictures, in the order of the identities."""
        out: list[Entry] = []
        for number in range(1, self.train_identities + self.test_identities + 1):
            out.extend(self._identity(number))
        for start, person, total in ((_DISTRACTORS, 0, self.distractors), (_JUNK, -1, self.junk)):
            for k in range(total):
                # Four pictures of each, in one or two cameras of the test's place.
                draw = keyed(self.seed, PRESENCE, start + k // 4, k % 4 // 2)
                camera = self.place(_DISTRACTORS) * self.cameras + int(draw.integers(self.cameras))
                out.append(Entry(GALLERY, person, start + k // 4, camera, k % 4, False))
        return out

    def world(self) -> DrawnWorld:
        """What draws them."""
        from passerby.drawing.world import DrawnWorld

        return DrawnWorld(self)

    def place(self, identity: int) -> int:
        """Where a person walks: training people in places of their own, all others in the last."""
        last = -(-self.train_identities // self.people_per_place)
        train = identity <= self.train_identities
        return (identity - 1) // self.people_per_place if train else last

    def _identity(self, number: int) -> Iterator[Entry]:
        train = number <= self.train_identities
        for camera, count in self._present(number):
            for k in range(count):
                if train:
                    yield Entry(TRAIN, number, number, camera, k, False)
                elif k == 0:
                    yield Entry(QUERY, number, number, camera, k, True, also_boxes=True)
                else:
                    yield Entry(GALLERY, number, number, camera, k, False)
            for k in range(count, count + self.drawn_boxes):
                yield Entry(BOXES, number, number, camera, k, True)

    def _present(self, number: int) -> list[tuple[int, int]]:
        """Cameras that see an identity, and how many pictures each has (at least 2)."""
        draw = keyed(self.seed, PRESENCE, number)
        total = max(4, round(self.pictures_per_identity * draw.uniform(0.75, 1.25)))
        most = min(self.cameras, total // 2)
        weights = np.array([0.3 if n == 2 else 1.0 for n in range(2, most + 1)])
        count = int(draw.choice(np.arange(2, most + 1), p=weights / weights.sum()))
        cameras = sorted(int(c) for c in draw.permutation(self.cameras)[:count])
        share = 2 + draw.multinomial(total - 2 * count, np.full(count, 1 / count))
        first = self.place(number) * self.cameras
        return [(first + c, int(n)) for c, n in zip(cameras, share, strict=True)]
