"""Who is in a gallery: each identity with its entries counted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from passerby.gallery.entries import NO_TIME, UNKNOWN

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = ("key", "person", "camera", "track_id", "timestamp")
"""What `people_of` counts over."""


@dataclass(frozen=True)
class Person:
    """An identity and its entries, or those of nobody who is known."""

    name: str | None
    """None: not known."""
    entries: int
    """How many."""
    tracks: int
    """Different tracks."""
    cameras: tuple[str, ...]
    """Where it was seen, sorted."""
    first: float | None
    """When it was seen first, seconds since 1970 in UTC; None: not known."""
    last: float | None
    """When last."""
    key: str
    """Of the first of its entries by key, e.g. to show its picture."""


@dataclass
class _Tally:
    entries: int = 0
    tracks: set[tuple[str, str]] = field(default_factory=set)
    cameras: set[str] = field(default_factory=set)
    first: float = float("inf")
    last: float = float("-inf")
    key: str | None = None

    def take(self, key: str, camera: str, track: str, time: float) -> None:
        self.entries += 1
        self.tracks.add((camera, track))
        self.cameras.add(camera)
        if time != NO_TIME:
            self.first, self.last = min(self.first, time), max(self.last, time)
        self.key = key if self.key is None else min(self.key, key)


def people_of(batches: Iterable[pa.RecordBatch]) -> list[Person]:
    """The identities of rows with `COLUMNS`, by name; entries of unknown people come last."""
    tallies: dict[str, _Tally] = {}
    for batch in batches:
        keys, names, *others = (batch.column(name).to_pylist() for name in COLUMNS)
        for key, name, camera, track, time in zip(keys, names, *others, strict=True):
            tallies.setdefault(name, _Tally()).take(key, camera, track, time)
    order = sorted(tallies, key=lambda name: (name == UNKNOWN, name))
    return [_person(name, tallies[name]) for name in order]


def _person(name: str, tally: _Tally) -> Person:
    timed = tally.first <= tally.last
    return Person(
        name=name or None,
        entries=tally.entries,
        tracks=sum(track != UNKNOWN for _, track in tally.tracks),
        cameras=tuple(sorted(tally.cameras - {UNKNOWN})),
        first=tally.first if timed else None,
        last=tally.last if timed else None,
        key=tally.key or "",
    )
