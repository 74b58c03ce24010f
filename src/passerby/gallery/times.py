"""When each camera saw somebody: entries counted by camera and time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from passerby.gallery.entries import NO_TIME

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = ("key", "camera", "timestamp")
"""What `times_of` counts over."""


@dataclass(frozen=True)
class Times:
    """Entries in C columns of equal time."""

    begin: float
    """Of the first column, seconds since 1970 in UTC."""
    end: float
    """Of the last."""
    counts: dict[str, NDArray[np.int64]]
    """(C,) by camera, sorted; empty: camera not known."""
    keys: tuple[str, ...]
    """Of all of them by time, where they are few; else none."""
    total: int
    """Entries in these columns."""
    untimed: int
    """Entries without a time."""


def times_of(
    batches: Iterable[pa.RecordBatch],
    columns: int,
    most: int,
    since: float | None = None,
    until: float | None = None,
) -> Times:
    """Counts over rows with `COLUMNS`.

    Args:
        batches: the rows.
        columns: how many.
        most: up to so many entries have their keys told.
        since: begin of the first column; None: the earliest entry.
        until: end of the last column; None: just after the latest entry.
    """
    keys: list[str] = []
    cameras: list[str] = []
    times = [np.empty(0)]
    for batch in batches:
        keys += batch.column("key").to_pylist()
        cameras += batch.column("camera").to_pylist()
        times.append(batch.column("timestamp").to_numpy())
    when = np.concatenate(times)
    timed = when != NO_TIME
    untimed = int((~timed).sum())
    if since is None:
        since = float(when[timed].min()) if timed.any() else 0.0
    if until is None:
        until = float(when[timed].max()) + 1.0 if timed.any() else since + 1.0
    until = max(until, since + 1e-3)
    inside = np.flatnonzero(timed & (when >= since) & (when < until))
    place = ((when[inside] - since) / (until - since) * columns).astype(np.int64)
    place = place.clip(0, columns - 1)
    names, of = np.unique(np.array(cameras, object)[inside].astype(str), return_inverse=True)
    counts = np.zeros((len(names), columns), np.int64)
    np.add.at(counts, (of, place), 1)
    few = inside[np.argsort(when[inside], kind="stable")] if len(inside) <= most else inside[:0]
    by_camera = {str(name): row for name, row in zip(names, counts, strict=True)}
    return Times(since, until, by_camera, tuple(keys[row] for row in few), len(inside), untimed)
