"""How far `passerby crops` and `passerby watch` are, while they last."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from passerby.terminal import printable, say
from passerby.training.progress import FIRST_LINE, NEXT_LINE, clock

_REFRESH = 0.5
"""Seconds between two looks on a terminal."""


@dataclass(frozen=True)
class Standing:
    """How far one camera is."""

    camera: str
    """Its name."""
    frames: int
    """That were looked at."""
    people: int
    """In the last one."""
    tracks: int
    """That are finished."""
    seconds: float | None = None
    """Of a file that lie behind; None: live."""
    whole: float | None = None
    """Seconds of the whole file; None: not known."""
    delay: float = 0.0
    """Seconds that a live source is behind."""
    dropped: int = 0
    """Frames of a live source that were dropped."""
    failure: str = ""
    """Why a live source sends nothing now."""


@dataclass(frozen=True)
class _Earlier:
    """When a camera was looked at before."""

    frames: int
    moment: float


class VideoProgress:
    """A table with a row for each camera on a terminal; elsewhere lines now and then.

    Args:
        standings: tells how far the cameras are.
        console: where it is shown.
        now: tells the time, in seconds.
    """

    def __init__(
        self,
        standings: Callable[[], Sequence[Standing]],
        console: Console,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._standings, self._console, self._now = standings, console, now
        self._live: Live | None = None
        self._begin = now()
        self._first = {one.camera: one for one in standings()}
        self._before: dict[str, _Earlier] = {}
        self._next = self._begin + (_REFRESH if console.is_terminal else FIRST_LINE)

    def __enter__(self) -> VideoProgress:
        if self._console.is_terminal:
            # Events on a standard output that is no terminal must not take the way of the table.
            self._live = Live(console=self._console, auto_refresh=False, transient=True,
                              redirect_stdout=sys.stdout.isatty())  # fmt: skip
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def tick(self) -> None:
        """Shows how far it is, if it is time; to be called often."""
        moment = self._now()
        if moment < self._next:
            return
        rows = [self._row(one, moment) for one in self._standings()]
        if self._live is None:
            self._next = moment + NEXT_LINE
            for row in rows:
                say(self._console, f"{row[0]}: " + "   ".join(text for text in row[1:] if text))
            return
        self._next = moment + _REFRESH
        shown = Table.grid(padding=(0, 3))
        for row in rows:
            shown.add_row(*(Text(printable(text)) for text in row))
        self._live.update(shown, refresh=True)

    def _row(self, one: Standing, moment: float) -> list[str]:
        """Camera, frames/s, people, tracks, and how far or how late."""
        before = self._before.get(one.camera, _Earlier(self._first[one.camera].frames, self._begin))
        rate = (one.frames - before.frames) / max(moment - before.moment, 1e-9)
        self._before[one.camera] = _Earlier(one.frames, moment)
        return [one.camera, f"{rate:.0f} frames/s", f"{one.people:,} people",
                f"{one.tracks:,} tracks", *self._way(one, moment)]  # fmt: skip

    def _way(self, one: Standing, moment: float) -> list[str]:
        if one.seconds is None:
            dropped = f"{one.dropped:,} dropped" if one.dropped else ""
            return [one.failure or f"{one.delay:.1f} s behind", dropped]
        if one.whole is None:
            return [clock(one.seconds), ""]
        done = one.seconds - (self._first[one.camera].seconds or 0.0)
        left = max(one.whole - one.seconds, 0) * (moment - self._begin) / max(done, 1e-9)
        return [
            f"{clock(one.seconds)} of {clock(one.whole)}",
            f"{clock(left)} left" if done > 0 else "",
        ]
