"""What a drawn set consists of: the entries of its plan, and pictures with their truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

TRAIN, GALLERY, QUERY, BOXES = "bounding_box_train", "bounding_box_test", "query", "gt_bbox"
FOLDERS = (TRAIN, GALLERY, QUERY, BOXES)

PERSON, CAMERA, SCENE, TRACK, PICTURE, PRESENCE, LIGHT, OUTFIT, CHANGE = range(9)
"""First part of the keys of random numbers."""


@dataclass(frozen=True)
class Entry:
    """One picture to draw."""

    folder: str
    """One of `FOLDERS`."""
    person: int
    """Number in the file's name: 1 and more, 0 a distractor, -1 junk."""
    identity: int
    """Which appearance is drawn."""
    camera: int
    """From 0."""
    number: int
    """Of the picture among those of this identity and camera."""
    by_hand: bool
    """Whether the box is tight, without a detector's flaws."""
    also_boxes: bool = False
    """Whether the same picture also lies in `gt_bbox`, as Market's queries do."""

    @property
    def stem(self) -> str:
        """Name without ending, as Market-1501 writes it: `0002_c1s1_000451_03`."""
        name = "-1" if self.person < 0 else f"{self.person:04d}"
        frame = 25 * (7 * self.identity % 4000) + 12 * self.number + self.camera
        box = 0 if self.by_hand else 1 + self.number % 4
        return f"{name}_c{self.camera + 1}s{1 + self.identity % 3}_{frame:06d}_{box:02d}"


@dataclass(frozen=True)
class Drawn:
    """A finished picture with its truth."""

    image: NDArray[np.uint8]
    """(H, W, 3) RGB before JPEG."""
    mask: NDArray[np.uint8]
    """(H, W) 255 where the person is seen."""
    joints: NDArray[np.float32]
    """(18, 3) x, y, confidence: 1 seen, 0.3 hidden, 0 outside the picture."""
    quality: int
    """For JPEG."""


class World(Protocol):
    """Everything that the pictures of one recipe share."""

    def draw(self, entry: Entry) -> Drawn:
        """Draws one picture; the same whatever was drawn before."""
        ...

    def attributes(self, identity: int) -> dict[str, Any]:
        """What is known of a person as drawn; empty where the version keeps nothing."""
        ...


class Recipe(Protocol):
    """What to draw: a frozen dataclass whose fields are all settings."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def version(self) -> str:
        """Changes when the same settings give other pictures."""
        ...

    @property
    def height(self) -> int:
        """Of the stored pictures, pixels."""
        ...

    @property
    def width(self) -> int:
        """Of the stored pictures, pixels."""
        ...

    @property
    def seed(self) -> int:
        """Of all random numbers."""
        ...

    def entries(self) -> list[Entry]:
        """All pictures, in the order of the identities."""
        ...

    def world(self) -> World:
        """What draws them."""
        ...
