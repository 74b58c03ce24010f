"""What `Gallery.identify` found: groups of tracks, and what is to be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from passerby.gallery.tracks import Track

PRECISION = 0.98
"""Share of the joined pairs that are of one person, at least."""


@dataclass(frozen=True)
class Suggestion:
    """Two tracks that are probably one person."""

    one: Track
    """A track of the first group, the nearest to the other."""
    other: Track
    """A track of the second."""
    tracks: tuple[int, int]
    """How many tracks each group has."""
    distance: float
    """Mean distance of the groups' pictures."""
    precision: float | None
    """Least share of right pairs where everything up to here is joined; None: not calibrated."""
    later: bool
    """Somebody looked, and put it off."""


@dataclass(frozen=True)
class Group:
    """Tracks of one person, as far as the bound on precision allows to say."""

    person: str | None
    """The name that the tracks get; None: a new one."""
    tracks: tuple[Track, ...]
    """All of them, those that have the name included."""
    distance: float
    """Greatest mean distance that was joined."""
    precision: float | None
    """Least share of right pairs; None: not calibrated."""
    keys: tuple[str, ...]
    """Of all entries of the tracks."""


@dataclass(frozen=True)
class Identified:
    """What was found; nothing is changed by it."""

    groups: tuple[Group, ...]
    """Those that the bound allows, by the first key of their tracks."""
    suggestions: tuple[Suggestion, ...]
    """Every step, the surest first; what was put off comes last."""
    tracks: int
    """Tracks that were looked at."""
    threshold: float
    """Distance up to which was joined."""
    bound: float | None
    """Least precision of the groups; None: not calibrated, they are what is below the threshold."""
    notes: tuple[str, ...]
    """What could not be made use of, a line each."""
