"""A gallery in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from passerby.gallery.entries import NO_TIME, UNKNOWN
from passerby.gallery.settings import FORMAT, GallerySettings

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Statistics:
    """What a gallery holds."""

    entries: int
    """In all, expired ones that were not removed yet included."""
    expired: int
    """Of them, expired: no search finds them."""
    persons: int
    """Different identities."""
    unknown: int
    """Entries without one."""
    tracks: int
    """Different tracks."""
    cameras: Mapping[str, int]
    """Entries of each camera by name; empty: not known."""
    first: float | None
    """When the oldest picture was taken, seconds since 1970 in UTC."""
    last: float | None
    """When the newest was."""
    settings: GallerySettings
    """Width, model, metric, threshold."""
    format: int
    """Version of columns and settings."""
    resident_bytes: int
    """Memory that this process keeps it in."""
    engine: Mapping[str, Any]
    """Engine, place, size and the like."""

    @property
    def profiled_cameras(self) -> tuple[str, ...]:
        """Cameras whose profile is in use: their move is taken out of every embedding."""
        profiles = self.settings.profiles
        if profiles is None or not profiles.on:
            return ()
        return tuple(name for name in self.cameras if name in profiles.cameras)

    @property
    def raw_cameras(self) -> tuple[str, ...]:
        """Cameras that came after the camera profiles, and stay raw beside them."""
        profiles = self.settings.profiles
        if profiles is None or not profiles.on:
            return ()
        return tuple(name for name in self.cameras if name and name not in profiles.cameras)


def measure(
    batches: Iterable[pa.RecordBatch],
    settings: GallerySettings,
    engine: Mapping[str, Any],
    now: float,
    resident_bytes: int,
) -> Statistics:
    """Counts over the columns person, camera, track_id, timestamp, expires."""
    persons: set[str] = set()
    tracks: set[str] = set()
    cameras: Counter[str] = Counter()
    entries = expired = unknown = 0
    first, last = None, None
    for batch in batches:
        entries += batch.num_rows
        people = batch.column("person").to_pylist()
        persons.update(people)
        unknown += people.count(UNKNOWN)
        tracks.update(batch.column("track_id").to_pylist())
        cameras.update(batch.column("camera").to_pylist())
        expired += int((batch.column("expires").to_numpy() <= now).sum())
        times = batch.column("timestamp").to_numpy()
        times = times[times != NO_TIME]
        if len(times):
            first = min(float(times.min()), float("inf") if first is None else first)
            last = max(float(times.max()), float("-inf") if last is None else last)
    return Statistics(
        entries, expired, len(persons - {UNKNOWN}), unknown, len(tracks - {""}),
        dict(sorted(cameras.items())), first, last, settings, FORMAT, resident_bytes, engine,
    )  # fmt: skip
