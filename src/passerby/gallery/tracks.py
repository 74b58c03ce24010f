"""A gallery's entries as tracks: what one camera saw of one person on one path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from passerby.gallery.entries import NO_TIME, UNKNOWN, embeddings_of
from passerby.ranking.profiles import Profiles, unit
from passerby.ranking.rivals import Members

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = ("key", "person", "camera", "track_id", "timestamp", "embedding")
"""What `read_tracks` reads."""


@dataclass(frozen=True)
class Track:
    """Entries of one camera and track; an entry without a track stands alone."""

    key: str
    """Of its first entry by key: names the track, e.g. to show its picture."""
    person: str | None
    """Name of the identity; None: not known."""
    camera: str | None
    """Name of the camera; None: not known."""
    track_id: str | None
    """None: one entry without a track."""
    entries: int
    """How many."""
    first: float | None
    """When it began, seconds since 1970 in UTC; None: not known."""
    last: float | None
    """When it ended."""


@dataclass(frozen=True)
class Tracks:
    """N tracks in the order of their keys, with their embeddings."""

    tracks: Sequence[Track]
    """N of them."""
    members: Members = field(repr=False)
    """Mean and spread of each one's embeddings."""
    keys: Sequence[Sequence[str]] = field(repr=False)
    """Of each one's entries, sorted."""


@dataclass
class _Part:
    """Entries of one camera, track and person."""

    row: int
    keys: list[str] = field(default_factory=list)
    first: float = float("inf")
    last: float = float("-inf")


_Name = tuple[str, str, str]


def read_tracks(
    batches: Iterable[pa.RecordBatch],
    metric: str,
    profiles: Profiles | None,
    ends: Mapping[str, float] | None = None,
) -> Tracks:
    """Sums entries up, batch after batch: memory grows with the tracks, not with the entries.

    A track whose entries have one name, or none, is whole. One whose entries have several is as
    many tracks, and one more of those without a name: somebody took it apart.

    Args:
        batches: rows with `COLUMNS`.
        metric: of the embeddings; under `cosine` each is divided by its length first.
        profiles: what is taken out of the embeddings; None: nothing.
        ends: when the track of an entry ended, by its key, where its time is that of the beginning.
    """
    sums = _Sums()
    parts: dict[_Name, _Part] = {}
    for batch in batches:
        keys, people, cameras, names = (batch.column(n).to_pylist() for n in COLUMNS[:4])
        times = batch.column("timestamp").to_pylist()
        rows = np.empty(len(keys), np.int64)
        for i, key in enumerate(keys):
            # No name has a line break: no track is called like an entry without one.
            name = (cameras[i], names[i] or f"entry\n{key}", people[i])
            part = parts.get(name)
            if part is None:
                part = parts[name] = _Part(len(parts))
            part.keys.append(key)
            rows[i] = part.row
            if times[i] != NO_TIME:
                part.first = min(part.first, times[i])
                part.last = max(part.last, times[i], (ends or {}).get(key, times[i]))
        embeddings = embeddings_of(batch)
        if profiles is not None:
            embeddings = profiles.applied(embeddings, cameras)
        sums.add(rows, unit(embeddings) if metric == "cosine" else embeddings)
    return _made(parts, sums)


def _made(parts: Mapping[_Name, _Part], sums: _Sums) -> Tracks:
    wholes: dict[tuple[str, str], list[str]] = {}
    for camera, track, person in parts:
        wholes.setdefault((camera, track), []).append(person)
    made: list[tuple[Track, list[str], list[int]]] = []
    for (camera, track), people in wholes.items():
        known = [person for person in people if person != UNKNOWN]
        together = [people] if len(known) < 2 else [[person] for person in people]
        for names in together:
            these = [parts[camera, track, name] for name in names]
            made.append(_track(camera, track, max(names), these))
    made.sort(key=lambda one: one[0].key)
    members = sums.members([rows for _, _, rows in made])
    return Tracks([track for track, _, _ in made], members, [keys for _, keys, _ in made])


def _track(
    camera: str, track: str, person: str, parts: Sequence[_Part]
) -> tuple[Track, list[str], list[int]]:
    keys = sorted(key for part in parts for key in part.keys)
    first, last = min(part.first for part in parts), max(part.last for part in parts)
    timed = first <= last
    made = Track(
        keys[0], person or None, camera or None, None if "\n" in track else track, len(keys),
        first if timed else None, last if timed else None,
    )  # fmt: skip
    return made, keys, [part.row for part in parts]


class _Sums:
    """Of embeddings and of their squared lengths, in rows that become more."""

    def __init__(self) -> None:
        self._sums = np.zeros((0, 0))
        self._squares = np.zeros(0)
        self._counts = np.zeros(0)

    def add(self, rows: NDArray[np.int64], embeddings: NDArray[np.float32]) -> None:
        if not len(rows):
            return
        self._make_room(int(rows.max()) + 1, embeddings.shape[1])
        order = np.argsort(rows, kind="stable")
        firsts = np.flatnonzero(np.diff(rows[order], prepend=-1))
        there = rows[order][firsts]
        sorted_rows = embeddings[order].astype(np.float64)
        self._sums[there] += np.add.reduceat(sorted_rows, firsts)
        self._squares[there] += np.add.reduceat((sorted_rows**2).sum(1), firsts)
        self._counts[there] += np.diff(firsts, append=len(rows))

    def members(self, groups: Sequence[Sequence[int]]) -> Members:
        """Of each group of rows together."""
        flat = np.array([row for rows in groups for row in rows], np.int64)
        if not len(flat):
            return Members(np.zeros((0, self._sums.shape[1])), np.zeros(0))
        firsts = np.cumsum([0, *map(len, groups)])[:-1]
        counts = np.add.reduceat(self._counts[flat], firsts)
        means = np.add.reduceat(self._sums[flat], firsts) / counts[:, None]
        squares = np.add.reduceat(self._squares[flat], firsts) / counts
        return Members(means, np.maximum(0, squares - (means**2).sum(1)))

    def _make_room(self, rows: int, width: int) -> None:
        if rows <= len(self._sums):
            return
        room = max(rows, len(self._sums) * 5 // 4)
        for name, shape in (("_sums", (room, width)), ("_squares", (room,)), ("_counts", (room,))):
            grown = np.zeros(shape)
            before = getattr(self, name)
            if len(before):
                grown[: len(before)] = before
            setattr(self, name, grown)


def squared(threshold: float, metric: str) -> float:
    """The mean squared distance of rows that a distance of the metric is."""
    if metric == "cosine":
        return 2 * threshold
    return threshold**2 if metric == "euclidean" else threshold


def plain_distance(mean_squared: float, metric: str) -> float:
    """What `squared` takes: under `euclidean` the root of the mean square."""
    value = max(0.0, mean_squared)
    if metric == "cosine":
        return value / 2
    return value**0.5 if metric == "euclidean" else value
