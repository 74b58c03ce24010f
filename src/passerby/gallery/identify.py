"""Who is who: tracks that are probably one person, to be answered or merged.

Tracks that are clearly nearer to each other than to others are linked, the clearest first
(`passerby.ranking.rivals`, `passerby.ranking.linkage`): tracks of one person by name are one unit
from the start (must-link), what `passerby.gallery.apart` says is never joined (must-not-link). How
sure each step is, the gallery's own decoys and the calibration say (`passerby.gallery.precision`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from passerby.gallery.apart import Apart, gap
from passerby.gallery.decisions import Decisions, best_name, made_up
from passerby.gallery.identified import PRECISION, Group, Identified, Suggestion
from passerby.gallery.precision import precisions
from passerby.gallery.settings import Calibration, Pairs
from passerby.gallery.tracks import Track, Tracks, plain_distance, squared
from passerby.gallery.travel import Travel
from passerby.parsing import number
from passerby.ranking.linkage import Join, join_links
from passerby.ranking.rivals import links
from passerby.types import InputError


@dataclass(frozen=True)
class Asked:
    """How to group."""

    threshold: float
    """Greatest mean distance of two groups that are joined, and of two tracks that are linked."""
    metric: str
    """Of the gallery."""
    calibration: Calibration | None
    """Says how sure a step is; None: nothing does."""
    pairs: Pairs = "other-camera"
    """Which tracks are compared: those of two cameras, or any."""
    precision: float = PRECISION
    """Least precision of the groups; those below are only suggested."""
    travel: Travel = Travel()
    """Least times between cameras."""


def identify(tracks: Tracks, decisions: Decisions, asked: Asked) -> Identified:
    """Groups tracks.

    Raises:
        InputError: a threshold or precision that is none, no track, or no two cameras to compare.
    """
    _check(asked, tracks)
    units, names = _units(tracks.tracks)
    said, later = decisions.places(tracks.keys)
    apart = Apart(
        [[tracks.tracks[i] for i in rows] for rows in _members(units)],
        [None if made_up(name) else name for name in names],
        {(int(units[a]), int(units[b])) for a, b in said if units[a] != units[b]},
        asked.travel,
    )
    cameras = _numbers([track.camera for track in tracks.tracks])
    limit = squared(asked.threshold, asked.metric)
    kinds = cameras if asked.pairs == "other-camera" else None
    found = links(tracks.members, units, limit, kinds)
    joins = join_links(tracks.members, units, found, limit, apart)
    sure = _sure(joins, asked, _compared(units, names, cameras, asked.pairs))
    notes = [*_notes(tracks.tracks, asked), *_contradictions(tracks.tracks, names, units)]
    return Identified(
        tuple(_groups(joins, sure, tracks, units, asked)),
        tuple(_suggestions(joins, sure, tracks.tracks, units, asked.metric, later)),
        len(tracks.tracks), asked.threshold,
        None if asked.calibration is None else asked.precision, tuple(notes),
    )  # fmt: skip


def _check(asked: Asked, tracks: Tracks) -> None:
    if not 0 < number(asked.threshold, "a threshold") < np.inf:
        raise InputError(f"a threshold must be a distance above 0: given {asked.threshold}")
    if not 0 < number(asked.precision, "a precision") < 1:
        raise InputError(f"a precision must be between 0 and 1: given {asked.precision}")
    if not tracks.tracks:
        raise InputError("nobody to identify: the gallery is empty")
    cameras = {track.camera for track in tracks.tracks}
    asked.travel.check(camera for camera in cameras if camera is not None)
    if asked.pairs == "other-camera" and len(cameras) == 1 and None not in cameras:
        raise InputError(
            f"tracks of two cameras are compared, and all are of {cameras.pop()!r}: --pairs any "
            "compares tracks of one camera (calibrate with --pairs any first)"
        )


def _units(tracks: Sequence[Track]) -> tuple[NDArray[np.int64], list[str | None]]:
    """(N,) the unit of each track, and each unit's name: tracks of one name are one unit."""
    of_name: dict[str, int] = {}
    units = np.empty(len(tracks), np.int64)
    names: list[str | None] = []
    for place, track in enumerate(tracks):
        known = None if track.person is None else of_name.get(track.person)
        if known is None:
            known = len(names)
            names.append(track.person)
            if track.person is not None:
                of_name[track.person] = known
        units[place] = known
    return units, names


def _members(units: NDArray[np.int64]) -> list[list[int]]:
    found: list[list[int]] = [[] for _ in range(int(units.max(initial=-1)) + 1)]
    for place, unit in enumerate(units.tolist()):
        found[unit].append(place)
    return found


def _numbers(cameras: Sequence[str | None]) -> NDArray[np.int64]:
    names = {name: place for place, name in enumerate(sorted({c for c in cameras if c}))}
    return np.array([-1 if camera is None else names[camera] for camera in cameras], np.int64)


def _compared(
    units: NDArray[np.int64],
    names: Sequence[str | None],
    cameras: NDArray[np.int64],
    pairs: Pairs,
) -> int:
    """Pairs of units that could have been joined, were nobody kept apart by times or people."""
    count = len(names)
    given = sum(name is not None and not made_up(name) for name in names)
    found = _of_two(count) - _of_two(given)
    if pairs == "other-camera":
        seen: list[set[int]] = [set() for _ in names]
        for unit, camera in zip(units.tolist(), cameras.tolist(), strict=True):
            seen[unit].add(camera)
        alone = [
            (next(iter(each)), names[unit] is None or made_up(names[unit]))
            for unit, each in enumerate(seen)
            if len(each) == 1 and -1 not in each
        ]
        all_, unnamed = Counter(c for c, _ in alone), Counter(c for c, free in alone if free)
        # Pairs of two given names are left out already.
        found -= sum(_of_two(n) - _of_two(n - unnamed[c]) for c, n in all_.items())
    return found


def _of_two(count: int) -> int:
    return count * (count - 1) // 2


def _sure(joins: Sequence[Join], asked: Asked, compared: int) -> list[float | None]:
    if asked.calibration is None:
        return [None] * len(joins)
    found = precisions(
        asked.calibration,
        [plain_distance(join.distance, asked.metric) for join in joins],
        [join.sizes[0] * join.sizes[1] for join in joins],
        compared,
    )
    decoys = np.array([join.precision for join in joins], np.float64)
    # A step that is as sure as a later one is done with it.
    best = np.maximum.accumulate(np.maximum(found, decoys)[::-1])[::-1]
    return [float(value) for value in best]


class _Joined:
    """Which tracks are together so far."""

    def __init__(self, units: NDArray[np.int64]) -> None:
        self._units = units.tolist()
        self._above = list(range(len(units)))
        self.tracks = _members(units)

    def of(self, track: int) -> int:
        unit = int(self._units[track])
        while self._above[unit] != unit:
            self._above[unit] = self._above[self._above[unit]]
            unit = self._above[unit]
        return unit

    def join(self, one: int, other: int) -> int:
        first, second = sorted((self.of(one), self.of(other)))
        self._above[second] = first
        self.tracks[first] += self.tracks[second]
        self.tracks[second] = []
        return first


def _groups(
    joins: Sequence[Join],
    sure: Sequence[float | None],
    tracks: Tracks,
    units: NDArray[np.int64],
    asked: Asked,
) -> list[Group]:
    joined, said = _Joined(units), dict[int, tuple[float, float | None]]()
    for join, precision in zip(joins, sure, strict=True):
        if precision is not None and precision < asked.precision:
            break
        parts = [said.pop(joined.of(track), None) for track in (join.one, join.other)]
        greatest = max([join.distance, *(part[0] for part in parts if part)])
        # Precision never rises from step to step: the last one is the least.
        said[joined.join(join.one, join.other)] = greatest, precision
    found = []
    for unit, (distance, precision) in said.items():
        rows = sorted(joined.tracks[unit])
        these = tuple(tracks.tracks[i] for i in rows)
        name = best_name(track.person for track in these)
        keys = tuple(key for i in rows for key in tracks.keys[i])
        found.append(Group(name, these, plain_distance(distance, asked.metric), precision, keys))
    return sorted(found, key=lambda group: group.tracks[0].key)


def _suggestions(
    joins: Sequence[Join],
    sure: Sequence[float | None],
    tracks: Sequence[Track],
    units: NDArray[np.int64],
    metric: str,
    later: Sequence[tuple[int, int]],
) -> list[Suggestion]:
    joined, put_off, found = _Joined(units), set(later), []
    for join, precision in zip(joins, sure, strict=True):
        sizes = [len(joined.tracks[joined.of(track)]) for track in (join.one, join.other)]
        pair = min(join.one, join.other), max(join.one, join.other)
        found.append(
            Suggestion(
                tracks[join.one], tracks[join.other], (sizes[0], sizes[1]),
                plain_distance(join.distance, metric), precision, pair in put_off,
            )
        )  # fmt: skip
        joined.join(join.one, join.other)
    return sorted(found, key=lambda suggestion: suggestion.later)


def _notes(tracks: Sequence[Track], asked: Asked) -> list[str]:
    """What the tracks lack."""
    notes = []
    timed = sum(track.first is not None for track in tracks)
    if not any(track.track_id for track in tracks):
        notes.append("no entry has a track: each stands alone")
    if not any(track.camera for track in tracks):
        notes.append(
            "no entry has a camera: all are compared with all, and no time keeps two apart"
        )
    elif timed == 0:
        also = ", and travel times do not count" if asked.travel.seconds else ""
        notes.append(f"no entry has a time: tracks of one camera at one time may be joined{also}")
    elif timed < len(tracks):
        notes.append(f"{len(tracks) - timed:,} of {len(tracks):,} tracks have no time: no time "
                     "keeps them apart from others")  # fmt: skip
    return notes


def _contradictions(
    tracks: Sequence[Track], names: Sequence[str | None], units: NDArray[np.int64]
) -> list[str]:
    found = []
    for name, rows in zip(names, _members(units), strict=True):
        seen: dict[str, list[tuple[float, float]]] = {}
        for track in (tracks[i] for i in rows):
            if track.camera is not None and track.first is not None and track.last is not None:
                seen.setdefault(track.camera, []).append((track.first, track.last))
        for intervals in seen.values():
            intervals.sort()
            pairs = zip(intervals, intervals[1:], strict=False)
            if any(gap(one, other) <= 0 for one, other in pairs):
                found.append(name or "")
                break
    if not found:
        return []
    more = f" and {len(found) - 3:,} more" if len(found) > 3 else ""
    return [
        f"in one camera twice at one time, and yet of one name: {', '.join(found[:3])}{more}; the "
        "name counts"
    ]
