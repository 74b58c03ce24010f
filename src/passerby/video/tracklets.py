"""Tracklets: from a person's appearing in a camera to her leaving it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from passerby.types import InputError
from passerby.video.boxes import Boxes
from passerby.video.crops import BestCrops, Crop, visible
from passerby.video.frames import Frame


@dataclass(frozen=True)
class TrackletSettings:
    """What a tracklet is and what is kept of it."""

    crops: int = 4
    """Crops that are kept of each, at most."""
    shortest: float = 0.5
    """Seconds; shorter ones are left out, counted."""
    longest: float = 300.0
    """Seconds after which one ends and the next begins, whatever the person does."""

    def __post_init__(self) -> None:
        if self.crops < 1 or not 0 <= self.shortest < self.longest:
            raise InputError(
                "a tracklet has at least 1 crop and 0 seconds, and the longest lasts longer than "
                f"the shortest: given {self.crops}, {self.shortest:g} and {self.longest:g}"
            )


@dataclass(frozen=True)
class Tracklet:
    """One person on one path through one camera's view."""

    track: int
    """Its number in the video, from 1, in the order of appearing."""
    start: float
    """Seconds, as the frames have them."""
    end: float
    """Seconds; its last box."""
    frames: int
    """Frames with a box of it."""
    crops: tuple[Crop, ...]
    """The best ones, in the order of time; at least one."""

    @property
    def best(self) -> Crop:
        """The crop of the highest quality."""
        return max(self.crops, key=lambda crop: crop.quality)


@dataclass
class _Open:
    """A tracklet that goes on."""

    track: int
    start: float
    best: BestCrops
    end: float = 0.0
    frames: int = 0


@dataclass
class Collector:
    """Collects what a tracker says, frame by frame; memory is bounded by the people in view."""

    settings: TrackletSettings
    """What a tracklet is."""
    patience: float
    """Seconds without a box after which one is finished; the tracker's, at least."""
    too_short: int = 0
    """Tracklets that were left out so far."""
    numbers: int = 0
    """Numbers that were given so far."""
    _open: dict[int, _Open] = field(default_factory=dict)

    @property
    def open(self) -> int:
        """Tracklets that go on."""
        return len(self._open)

    def add(self, frame: Frame, boxes: Boxes, tracks: NDArray[np.int64]) -> list[Tracklet]:
        """The next frame; returns what has ended since.

        Args:
            frame: the frame.
            boxes: N of its people.
            tracks: (N,) the tracker's numbers; -1: none.
        """
        finished = self.finish(frame.seconds)
        whole = visible(boxes, *frame.image.shape[:2]) * boxes.scores
        for place in np.flatnonzero(tracks >= 0):
            one = self._of(int(tracks[place]), frame.seconds)
            one.end, one.frames = frame.seconds, one.frames + 1
            one.best.offer(frame, boxes.corners[place], float(whole[place]))
        return finished

    def finish(self, now: float) -> list[Tracklet]:
        """Ends what has waited too long or lasts too long; returns it in order of appearing."""
        over = [
            number
            for number, one in self._open.items()
            if now - one.end > self.patience or now - one.start > self.settings.longest
        ]
        return list(self._ended(over))

    def close(self) -> list[Tracklet]:
        """Ends everything."""
        return list(self._ended(list(self._open)))

    def _of(self, number: int, now: float) -> _Open:
        if number not in self._open:
            self.numbers += 1
            self._open[number] = _Open(self.numbers, now, BestCrops(self.settings.crops))
        return self._open[number]

    def _ended(self, numbers: list[int]) -> Iterator[Tracklet]:
        ended = sorted((self._open.pop(number) for number in numbers), key=lambda one: one.track)
        for one in ended:
            crops = one.best.chosen()
            if one.end - one.start < self.settings.shortest or not crops:
                self.too_short += 1
                continue
            yield Tracklet(one.track, one.start, one.end, one.frames, crops)
