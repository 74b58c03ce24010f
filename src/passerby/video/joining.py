"""Whether a track goes on where another one of its camera ended: one person, out of sight between.

As trackers join tracklets afterwards (Wojke et al. 2017 extrapolate a person's way; Du et al. 2023,
StrongSORT++, link tracklets by time and place): the way on which a person left sight leads to where
the same person comes back, and the way back from there to where she left.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from passerby.types import InputError

_WINDOW = 1.0
"""Seconds of a track from which its way is taken."""
_MOST = 64
"""Boxes of these seconds that are kept, at most."""


@dataclass(frozen=True)
class JoinSettings:
    """When two tracks are taken for one person's."""

    gap: float = 2.0
    """Seconds that she may be out of sight; 0: tracks are not joined."""
    reach: float = 0.1
    """How far from where her way leads she may come back: heights of her box, and as many more for
    each second."""
    growth: float = 1.3
    """By how much her box may be higher or lower then."""
    after: float = 0.4
    """Seconds that a track lasts before it is compared: its way has to be known."""

    def __post_init__(self) -> None:
        if not 0 <= self.gap < float("inf") or min(self.reach, self.after) < 0 or self.growth < 1:
            raise InputError(
                "gap, reach and the seconds before comparing must be at least 0, growth at least "
                f"1: given {self.gap:g}, {self.reach:g}, {self.after:g} and {self.growth:g}"
            )


@dataclass
class Way:
    """The two ends of a track: seconds, x and y of the box's middle, its height."""

    first: list[tuple[float, float, float, float]] = field(default_factory=list)
    """The first second."""
    last: deque[tuple[float, float, float, float]] = field(
        default_factory=lambda: deque(maxlen=_MOST)
    )
    """The last second."""

    def add(self, seconds: float, corners: NDArray[np.float32]) -> None:
        """The next box, (4,) left, top, right, bottom."""
        left, top, right, bottom = (float(value) for value in corners)
        point = (seconds, (left + right) / 2, (top + bottom) / 2, bottom - top)
        if not self.first or (seconds - self.first[0][0] <= _WINDOW and len(self.first) < _MOST):
            self.first.append(point)
        self.last.append(point)
        while seconds - self.last[0][0] > _WINDOW:
            self.last.popleft()


def off(before: Way, after: Way) -> float:
    """How far two tracks are from being one, in heights of their boxes.

    That is the mean distance of the two ways, continued, at the two ends of the gap.
    """
    a, b = np.array(before.last), np.array(after.first)
    ends = np.array([a[-1, 0], b[0, 0]])
    apart = np.linalg.norm(_at(a, ends) - _at(b, ends), axis=1).mean()
    return float(apart / np.concatenate([a, b])[:, 3].mean())


def goes_on(before: Way, after: Way, settings: JoinSettings) -> float | None:
    """`off`, where a track may go on as another one; None: it does not.

    Args:
        before: the track that ended.
        after: the one that began later.
        settings: what is allowed.
    """
    gap = after.first[0][0] - before.last[-1][0]
    if not 0 < gap <= settings.gap:
        return None
    heights = [float(np.median([point[3] for point in one])) for one in (before.last, after.first)]
    if max(heights) > settings.growth * min(heights):
        return None
    found = off(before, after)
    return found if found <= settings.reach * (1 + gap) else None


def _at(points: NDArray[np.float64], seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    """(T, 2) where the line of least squares through points (N, 4) is at T times."""
    middle = points[:, :3].mean(axis=0)
    past = points[:, 0] - middle[0]
    spread = float(past @ past)
    speed = past @ (points[:, 1:3] - middle[1:]) / spread if spread > 0 else np.zeros(2)
    return np.asarray(middle[1:] + np.outer(seconds - middle[0], speed))
