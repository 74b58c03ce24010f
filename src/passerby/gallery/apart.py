"""Which tracks cannot be one person: nobody is in two places at once, or there too soon."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from passerby.gallery.travel import Travel

if TYPE_CHECKING:
    from passerby.gallery.tracks import Track

Interval = tuple[float, float]


class Apart:
    """Rules of `passerby.ranking.linkage` over units of tracks.

    Two units must not be joined where two of their tracks share a moment in one camera, where
    there is less time between two of their tracks than the way between the cameras takes, where
    both have names that people gave, or where somebody said so.

    Args:
        units: for each unit its tracks.
        names: of each unit; None: none that keeps it apart from others.
        said: pairs of units that somebody said are two persons.
        travel: least times between cameras.
    """

    def __init__(
        self,
        units: Sequence[Sequence[Track]],
        names: Sequence[str | None],
        said: Iterable[tuple[int, int]],
        travel: Travel,
    ) -> None:
        self._travel = travel
        self._names = list(names)
        self._said: list[set[int]] = [set() for _ in units]
        for one, other in said:
            self._said[one].add(other)
            self._said[other].add(one)
        self._seen: list[dict[str, list[Interval]]] = [_seen(tracks) for tracks in units]

    def apart(self, one: int, other: int) -> bool:
        """Whether two groups must not be joined."""
        names = self._names[one], self._names[other]
        if None not in names and names[0] != names[1]:
            return True
        if other in self._said[one]:
            return True
        return any(
            self._too_soon(here, there, first, second)
            for here, first in self._seen[one].items()
            for there, second in self._seen[other].items()
        )

    def join(self, one: int, other: int) -> None:
        """The second group is part of the first from now on."""
        self._names[one] = self._names[one] or self._names[other]
        for third in self._said[other]:
            self._said[third].discard(other)
            self._said[third].add(one)
        self._said[one] |= self._said[other]
        for camera, intervals in self._seen[other].items():
            self._seen[one].setdefault(camera, []).extend(intervals)
        self._seen[other] = {}

    def _too_soon(
        self, here: str, there: str, first: Sequence[Interval], second: Sequence[Interval]
    ) -> bool:
        if here == there:
            return any(gap(a, b) <= 0 for a in first for b in second)
        least = self._travel.between(here, there)
        return least is not None and any(gap(a, b) < least for a in first for b in second)


def gap(one: Interval, other: Interval) -> float:
    """Seconds between two intervals; 0 or less: they share a moment."""
    return max(one[0], other[0]) - min(one[1], other[1])


def _seen(tracks: Sequence[Track]) -> dict[str, list[Interval]]:
    found: dict[str, list[Interval]] = {}
    for track in tracks:
        if track.camera is not None and track.first is not None and track.last is not None:
            found.setdefault(track.camera, []).append((track.first, track.last))
    return found
