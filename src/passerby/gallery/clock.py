"""A clock that is wrong must not bring back what expired, nor remove what did not."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from passerby.gallery.audit import AuditLog
from passerby.types import InputError

if TYPE_CHECKING:
    from passerby.gallery.store import Store

SLACK = 300.0
"""Seconds that the clocks of machines that share a gallery may differ."""

FEW = 10
"""So many entries expire unasked, whatever share of a gallery they are."""


class Clock:
    """Tells the time, and refuses a clock that is behind what the gallery has seen.

    Args:
        tells: seconds since 1970 in UTC.
        store: whose newest entry it is not behind.
        audit: whose newest line it is not behind.
    """

    def __init__(self, tells: Callable[[], float], store: Store, audit: AuditLog) -> None:
        self._tells = tells
        self._store = store
        self._audit = audit
        self._newest: float | None = None

    def now(self) -> float:
        """The time; never before that of the newest entry and the newest line of the log.

        Raises:
            InputError: the clock is behind them by more than `SLACK`.
        """
        now = self._tells()
        if self._newest is None:
            self._newest = self._newest_entry()
        last = self._audit.last()
        logged = float("-inf") if last is None else float(last["time"])
        if now < self._newest - SLACK:
            raise InputError(
                f"the clock says {_text(now)}, but the newest entry was added at "
                f"{_text(self._newest)}: set the clock; or remove the entries that a wrong clock "
                "added"
            )
        if now < logged - SLACK:
            raise InputError(
                f"the clock says {_text(now)}, but the audit log goes on until {_text(logged)}: "
                "set the clock; or, if it was wrong then, passerby gallery check --clock-is-right"
            )
        return max(now, self._newest, logged)

    def plain(self) -> float:
        """What the clock says, right or wrong: for lines of the log."""
        return self._tells()

    def added(self, times: object, now: float) -> None:
        """Keeps in mind when entries were added first.

        Raises:
            InputError: later than now.
        """
        newest = float(np.max(np.asarray(times, np.float64), initial=float("-inf")))
        if newest > now + SLACK:
            raise InputError(
                f"entries added at {_text(newest)} cannot exist yet: the clock says "
                f"{_text(now)}; set the clock"
            )
        self._newest = max(newest, float("-inf") if self._newest is None else self._newest)

    def _newest_entry(self) -> float:
        newest = float("-inf")
        if self._store.settings() is not None:
            for batch in self._store.scan([], ("added",)):
                if batch.num_rows:
                    newest = max(newest, float(np.max(batch.column(0).to_numpy())))
        return newest


def check_share(rows: int, entries: int, most: float, now: float, place: str | Path) -> None:
    """Refuses to let more than a share of a gallery expire at once.

    Raises:
        InputError: more than that share, and more than `FEW`.
    """
    if rows > FEW and rows > most * entries:
        raise InputError(
            f"{place}: {rows:,} of {entries:,} entries would expire, more than {most:.0%}: the "
            f"clock says {_text(now)}; if that is right, allow more (most=1, --yes)"
        )


def _text(seconds: float) -> str:
    try:
        time = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    except (ValueError, OverflowError, OSError):
        return f"{seconds:g} s"
    return time.strftime("%Y-%m-%d %H:%M:%S UTC")
