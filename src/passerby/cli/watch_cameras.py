"""Cameras that are watched: files that are gone through, live sources that are kept up with."""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from passerby.cli.gallery_options import seconds_of
from passerby.cli.video_progress import Standing
from passerby.cli.watch_store import Store
from passerby.parsing import parse_yaml
from passerby.types import InputError
from passerby.video.crop_folder import check_camera
from passerby.video.following import Follower
from passerby.video.frames import Video, shown, thinned
from passerby.video.live import Live
from passerby.video.resting import Rest, read_rest, write_rest
from passerby.video.tracklets import Tracklet

STATE = "watch.json"
"""In a camera's folder: where to go on."""


@dataclass(frozen=True)
class Source:
    """A camera, as the command line or the file of cameras names it."""

    camera: str
    """Its name."""
    place: str
    """Video file, folder of frames, address or device."""
    start: float | None = None
    """Time of the first frame, seconds since 1970; live sources tell the time themselves."""
    boxes: str | None = None
    """A file with the boxes of one's own detector."""


@dataclass
class Counts:
    """What happened at a camera so far."""

    frames: int = 0
    """That were looked at."""
    people: int = 0
    """Boxes of them."""
    tracklets: int = 0
    """That were stored, or were there already."""


class Watched(Protocol):
    """A camera that is watched."""

    source: Source
    counts: Counts
    follower: Follower
    over: bool
    """Whether there will be no more frames."""

    @property
    def standing(self) -> Standing:
        """How far it is, for people."""

    @property
    def numbers(self) -> dict[str, float]:
        """What else is counted, by name."""

    def step(self) -> bool:
        """Does a little work; whether there was any."""

    def close(self) -> None:
        """Ends the open tracklets and stores them."""


class Recording:
    """A file or folder, from where it was left.

    Args:
        source: which.
        video: its frames.
        follower: follows its people.
        store: takes tracklets.
        settings: stands for what decides on tracklets.
        rate: frames/s at most; None: all.

    Raises:
        InputError: another video, or one with other settings, was left in the middle.
    """

    def __init__(
        self, source: Source, video: Video, follower: Follower, store: Store, settings: str,
        rate: float | None = None,
    ) -> None:  # fmt: skip
        self.source, self.video, self.follower, self.store = source, video, follower, store
        self.counts = Counts()
        self._file = store.pictures / source.camera / STATE
        self._decides = (f"{Path(source.place).resolve()} {source.start}", settings)
        self.rest = rest = read_rest(self._file, *self._decides)
        self.over = rest.done
        follower.collector.numbers = rest.tracklets
        self._last = (rest.seconds, rest.number)
        begun = rest.number >= 0
        after = math.nextafter(rest.seconds, math.inf) if begun else 0.0
        frames = video.frames(after, rest.number + 1, seek=rest.steady)
        self._frames = thinned(frames, rate, rest.seconds if begun else None)

    @property
    def standing(self) -> Standing:
        """How far it is."""
        return Standing(
            self.source.camera, self.counts.frames, self.follower.people, self.counts.tracklets,
            max(self._last[0], 0.0), self.video.duration,
        )  # fmt: skip

    @property
    def numbers(self) -> dict[str, float]:
        """Broken packets; seconds that lie behind."""
        return {"broken": self.video.broken, "seconds": max(self._last[0], 0.0)}

    def step(self) -> bool:
        """The next frame."""
        frame = None if self.over else next(self._frames, None)
        if frame is None:
            if not self.over:
                self._end()
            return False
        self._put(self.follower.step(frame))
        self._last = (frame.seconds, frame.number)
        self.counts.frames += 1
        self.counts.people += self.follower.people
        since = frame.seconds - self.rest.seconds
        # Where nobody is in view nothing is torn apart; a busy place rests once in a while, too.
        longest = self.follower.collector.settings.longest
        if (self.follower.resting and since >= 1) or since > longest:
            self._rests()
        return True

    def close(self) -> None:
        """What is open ends here; the same command goes on with the next frame."""
        if not self.over and self.counts.frames:
            self._rests()

    def _end(self) -> None:
        if self._last[1] < 0:
            raise InputError(f"{shown(self.source.place)}: no frame can be decoded")
        self._rests(done=True)
        self.over = True

    def _rests(self, done: bool = False) -> None:
        self._put(self.follower.close())
        steady = self.rest.steady and self.video.jumps == 0
        self.rest = Rest(*self._last, self.follower.collector.numbers, steady, done)
        write_rest(self._file, *self._decides, self.rest)

    def _put(self, tracklets: list[Tracklet]) -> None:
        for tracklet in tracklets:
            name = check_camera(re.sub(r"[^A-Za-z0-9.-]+", "-", Path(self.source.place).stem)[:64])
            self.store.put(self.source.camera, name, self.source.start, tracklet)
            self.counts.tracklets += 1


class Channel:
    """A live source: what it misses is lost, and counted.

    Args:
        source: which.
        live: its frames, read by a thread.
        follower: follows its people.
        store: takes tracklets.
    """

    over = False

    def __init__(self, source: Source, live: Live, follower: Follower, store: Store) -> None:
        self.source, self.live, self.follower, self.store = source, live, follower, store
        self.counts = Counts()
        self.delay = 0.0

    @property
    def standing(self) -> Standing:
        """Whether it is connected, and how far behind."""
        return Standing(
            self.source.camera, self.counts.frames, self.follower.people, self.counts.tracklets,
            delay=self.delay, dropped=self.live.dropped, failure=self.live.failure,
        )  # fmt: skip

    @property
    def numbers(self) -> dict[str, float]:
        """Frames dropped, packets broken, attempts to connect again, seconds behind."""
        return {
            "dropped": self.live.dropped, "broken": self.live.video.broken,
            "reconnects": self.live.reconnects, "delay_seconds": self.delay,
            "connected": float(not self.live.failure),
        }  # fmt: skip

    def step(self) -> bool:
        """The next frame, if there is one; a track whose time is up ends without one, too."""
        if self.live.refused and not self.live.began:
            raise InputError(self.live.failure)
        frame = self.live.take()
        if frame is None:
            self._put(self.follower.collector.finish(self.live.now))
            return False
        self._put(self.follower.step(frame))
        self.counts.frames += 1
        self.counts.people += self.follower.people
        self.delay = self.live.now - frame.seconds
        return True

    def close(self) -> None:
        """Ends what is open."""
        self.live.close()
        self._put(self.follower.close())

    def _put(self, tracklets: list[Tracklet]) -> None:
        for tracklet in tracklets:
            self.store.put(self.source.camera, "", 0.0, tracklet)
            self.counts.tracklets += 1


def read_cameras(file: Path) -> list[Source]:
    """The cameras of a YAML file; `$NAME` in a place is taken from the environment.

    ```
    entrance: rtsp://user:$PASSWORD@10.0.0.7/live
    yard:
      place: yard.mp4
      start: 2026-11-21T08:00
      boxes: yard.txt
    ```

    Raises:
        InputError: no such file, no cameras in it, a camera with other settings or without a place.
    """
    if not file.is_file():
        raise InputError(f"{file}: no such file")
    try:
        plain = parse_yaml(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{file}: not YAML: {' '.join(str(error).split())[:150]}") from None
    if not isinstance(plain, dict) or not plain:
        raise InputError(
            f"{file}: contains no cameras; write one a line, like entrance: rtsp://10.0.0.7/live"
        )
    return [_source(file, str(camera), value) for camera, value in plain.items()]


def _source(file: Path, camera: str, value: Any) -> Source:
    settings = {"place": value} if isinstance(value, str) else value
    known = ("place", "start", "boxes")
    if not isinstance(settings, dict) or "place" not in settings or set(settings) - set(known):
        raise InputError(f"{file}: {camera} needs a place, and may have a start and boxes")
    start = settings.get("start")
    if isinstance(start, datetime):
        start = start.isoformat()
    return Source(
        check_camera(camera),
        os.path.expandvars(str(settings["place"])),
        None if start is None else seconds_of(str(start)),
        None if settings.get("boxes") is None else str(settings["boxes"]),
    )
