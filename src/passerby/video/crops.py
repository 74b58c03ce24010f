"""The best crops of a track: sharp, whole, large, and apart in time."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from passerby.embedding.quality import sharpness
from passerby.video.boxes import Boxes
from passerby.video.frames import Frame

_SHARP = 100.0
"""Variance of the Laplacian that counts half."""
_TALL = 256.0
"""Pixels from which on height is worth no more."""
_MARGIN = 2.0
"""Pixels: boxes that come so near to the frame's border are taken for cut off."""
_BETTER = 1.1
"""By how much a crop has to be able to be better than the one that is kept."""
_FIRST_SLOT = 0.2
"""Seconds that crops are apart in a short track."""


@dataclass(frozen=True, eq=False)
class Crop:
    """A person cut out of a frame."""

    image: NDArray[np.uint8]
    """(h, w, 3) RGB, a copy."""
    box: tuple[int, int, int, int]
    """x, y, width, height in pixels of the frame."""
    frame: int
    """Number of the frame, from 0."""
    seconds: float
    """Time of the frame."""
    quality: float
    """From 0 to 1: the product of sharpness, wholeness, height and the detector's score."""


def visible(boxes: Boxes, height: int, width: int) -> NDArray[np.float32]:
    """(N,) how whole each person is seen, from 0 to 1.

    Whoever stands lower in the frame is nearer, and hides what her box covers of others; a box at
    the border is taken for half a person.
    """
    left, top, right, bottom = boxes.corners.T
    wide = np.minimum(right[:, None], right) - np.maximum(left[:, None], left)
    tall = np.minimum(bottom[:, None], bottom) - np.maximum(top[:, None], top)
    common = wide.clip(0) * tall.clip(0)
    nearer = bottom[None, :] > bottom[:, None]
    area = ((right - left) * (bottom - top)).clip(1)
    hidden = (np.where(nearer, common, 0).max(axis=1, initial=0) / area).clip(0, 1)
    margins = (left, top, width - right, height - bottom)
    cut = np.min(margins, axis=0) < _MARGIN
    seen: NDArray[np.float32] = ((1 - hidden) * np.where(cut, 0.5, 1)).astype(np.float32)
    return seen


@dataclass
class BestCrops:
    """Keeps the best crops of one track while it goes on; memory is bounded by `wanted`.

    Time is cut into slots, of which each keeps its best crop; where there are too many, two become
    one.
    """

    wanted: int
    """How many crops are asked for in the end."""
    _slots: dict[int, Crop] = field(default_factory=dict)
    _slot: float = _FIRST_SLOT
    _begin: float | None = None

    def offer(self, frame: Frame, corners: NDArray[np.float32], worth: float) -> None:
        """Looks at a person in a frame.

        Args:
            frame: the frame.
            corners: (4,) left, top, right, bottom.
            worth: wholeness times the detector's score, from 0 to 1.
        """
        self._begin = frame.seconds if self._begin is None else self._begin
        place = int((frame.seconds - self._begin) / self._slot)
        left, top, right, bottom = (round(float(v)) for v in corners)
        worth *= min((bottom - top) / _TALL, 1.0)
        known = self._slots.get(place)
        # Sharpness is at most 1: what can hardly be better is not measured.
        if right <= left or bottom <= top:
            return
        if known is not None and worth <= _BETTER * known.quality:
            return
        image = frame.image[top:bottom, left:right]
        sharp = sharpness(image)
        quality = worth * sharp / (sharp + _SHARP)
        if known is None or quality > known.quality:
            box = (left, top, right - left, bottom - top)
            self._slots[place] = Crop(image.copy(), box, frame.number, frame.seconds, quality)
        while len(self._slots) > 2 * self.wanted:
            self._join()

    def chosen(self) -> tuple[Crop, ...]:
        """The best ones, at most `wanted`, in the order of their times."""
        best = sorted(self._slots.values(), key=lambda crop: (-crop.quality, crop.frame))
        return tuple(sorted(best[: self.wanted], key=lambda crop: crop.frame))

    def takes(self, later: BestCrops) -> None:
        """The crops of a later track of the same person, too."""
        begin = self._begin or 0.0
        while self._slot < later._slot:
            self._join()
        for crop in later._slots.values():
            place = int((crop.seconds - begin) / self._slot)
            known = self._slots.get(place)
            if known is None or crop.quality > known.quality:
                self._slots[place] = crop
        while len(self._slots) > 2 * self.wanted:
            self._join()

    def _join(self) -> None:
        self._slot *= 2
        joined: dict[int, Crop] = {}
        for place, crop in sorted(self._slots.items()):
            known = joined.get(place // 2)
            if known is None or crop.quality > known.quality:
                joined[place // 2] = crop
        self._slots = joined
