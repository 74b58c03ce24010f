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
from passerby.video.joining import JoinSettings, Way, goes_on


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
    numbers: tuple[int, ...] = ()
    """The tracker's own: several where tracks were joined."""

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
    numbers: list[int]
    end: float = 0.0
    frames: int = 0
    way: Way = field(default_factory=Way)
    compared: bool = False

    def takes(self, later: _Open) -> None:
        """Goes on as another one."""
        self.best.takes(later.best)
        self.numbers += later.numbers
        self.end, self.frames = later.end, self.frames + later.frames
        self.way.last = later.way.last


@dataclass
class Collector:
    """Collects what a tracker says, frame by frame; memory is bounded by the people in view."""

    settings: TrackletSettings
    """What a tracklet is."""
    patience: float
    """Seconds without a box after which one is finished; the tracker's, at least."""
    join: JoinSettings = field(default_factory=lambda: JoinSettings(gap=0))
    """Which tracks are taken for one person's."""
    joined: int = 0
    """Tracks that were, so far."""
    too_short: int = 0
    """Tracklets that were left out so far."""
    numbers: int = 0
    """Numbers that were given so far."""
    _open: dict[int, _Open] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Whoever comes back at the end of the gap has to be looked at for a while.
        self._wait = max(self.patience, self.join.gap + 2 * self.join.after)

    @property
    def open(self) -> int:
        """Tracklets that go on."""
        return len({one.track for one in self._open.values()})

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
            if self.join.gap > 0:
                one.way.add(frame.seconds, boxes.corners[place])
                self._compare(one, frame.seconds)
        return finished

    def finish(self, now: float) -> list[Tracklet]:
        """Ends what has waited too long or lasts too long; returns it in order of appearing."""
        over = [
            one
            for one in self._open.values()
            if now - one.end > self._wait or now - one.start > self.settings.longest
        ]
        return list(self._ended(over))

    def close(self) -> list[Tracklet]:
        """Ends everything."""
        return list(self._ended(list(self._open.values())))

    def _compare(self, one: _Open, now: float) -> None:
        """Joins a young track with the one that it goes on best, once its way is known."""
        if one.compared or now - one.start < self.join.after:
            return
        one.compared = True
        found = [
            (off, other.track, other)
            for other in {id(other): other for other in self._open.values()}.values()
            if other is not one and (off := goes_on(other.way, one.way, self.join)) is not None
        ]
        if not found:
            return
        earlier = min(found, key=lambda each: each[:2])[2]
        earlier.takes(one)
        self.joined += 1
        for number in one.numbers:
            self._open[number] = earlier

    def _of(self, number: int, now: float) -> _Open:
        if number not in self._open:
            self.numbers += 1
            best = BestCrops(self.settings.crops)
            self._open[number] = _Open(self.numbers, now, best, [number])
        return self._open[number]

    def _ended(self, over: list[_Open]) -> Iterator[Tracklet]:
        tracks = {one.track: one for one in over}
        for _, one in sorted(tracks.items()):
            for number in one.numbers:
                del self._open[number]
            crops = one.best.chosen()
            if one.end - one.start < self.settings.shortest or not crops:
                self.too_short += 1
                continue
            numbers = tuple(one.numbers)
            yield Tracklet(one.track, one.start, one.end, one.frames, crops, numbers)
