"""A live source that never waits and never falls behind: frames that come too fast are dropped."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from passerby.types import InputError
from passerby.video.frames import Frame, Refused, Video, thinned

FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
"""Seconds before a source is opened again; doubled at each failure in a row."""
_KEPT = 2
"""Frames that wait for whoever reads them."""


class Live:
    """Reads a live video in a thread of its own, and opens it again when it ends.

    Times of its frames are those of their arrival, seconds since 1970; they always grow, also where
    the machine's clock is set back.

    `dropped` counts frames, `reconnects` new attempts; `failure` says why there are no frames now,
    and `refused` whether that is for name and password.

    Args:
        video: the source.
        rate: frames/s at most; None: all.
        clock: tells the time, seconds since 1970.
        first_wait: seconds before the first new attempt.
    """

    def __init__(
        self,
        video: Video,
        rate: float | None = None,
        *,
        clock: Callable[[], float] = time.time,
        first_wait: float = FIRST_WAIT,
    ) -> None:
        self.video = video
        self.dropped = 0
        self.reconnects = 0
        self.failure = ""
        self.refused = False
        self._rate = rate
        self._clock = clock
        self._first_wait = first_wait
        self._frames: deque[Frame] = deque(maxlen=_KEPT)
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._number = 0
        self._begin = (clock(), time.monotonic())
        self._last = -float("inf")
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def began(self) -> bool:
        """Whether a frame came yet."""
        return self._number > 0

    @property
    def now(self) -> float:
        """Seconds since 1970, by a clock that is not set back."""
        wall, monotonic = self._begin
        return wall + time.monotonic() - monotonic

    def take(self) -> Frame | None:
        """The oldest frame that waits; None: there is no new one."""
        with self._lock:
            return self._frames.popleft() if self._frames else None

    def close(self) -> None:
        """Ends the reading; a source that is silent ends by its own time limit."""
        self._stopped.set()

    def _read(self) -> None:
        wait = self._first_wait
        while not self._stopped.is_set():
            before = self._number
            try:
                for frame in thinned(self.video.frames(), self._rate):
                    self.failure = ""
                    self._keep(frame)
                    if self._stopped.is_set():
                        return
                self.failure = "the stream ended"
            except (InputError, OSError) as error:
                self.failure = str(error)
                self.refused = isinstance(error, Refused)
            if self._number > before:
                wait = self._first_wait
            self._stopped.wait(wait)
            wait = min(2 * wait, LONGEST_WAIT)
            self.reconnects += 1

    def _keep(self, frame: Frame) -> None:
        seconds = max(self.now, self._last + 1e-3)
        self._last = seconds
        with self._lock:
            self.dropped += len(self._frames) == _KEPT
            self._frames.append(replace(frame, number=self._number, seconds=seconds))
            self._number += 1
