"""Groups from clear pairs (`passerby.ranking.rivals`), where some pairs must not be joined.

The clearest link comes first. It joins two groups unless

* they must not be joined (`Rules`), or the mean distance of all pairs of their members is above the
  threshold;
* somebody else fits better: a track a of one group has, in the camera of a track b of the other, a
  nearer one y of neither group, and y is not b again (b is nearer to a than to y).

The mean over all pairs of members of two groups needs no matrix: with the sums S of the members'
means and Q of their mean squared lengths, Q_A / n_A + Q_B / n_B - 2 S_A . S_B / (n_A n_B).

One wrong link makes many wrong pairs. A pair of a group is right if every link on the path between
both is right, so that with a share e of wrong links up to here (as many as decoys, and one more)

    precision >= 1 - e (sum of the lengths of all paths) / (number of pairs).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from passerby.ranking.rivals import Links, Members, Neighbours


class Rules(Protocol):
    """What must not be joined; told of what is."""

    def apart(self, one: int, other: int) -> bool:
        """Whether two groups must not be joined; once they must not, they never may."""

    def join(self, one: int, other: int) -> None:
        """The second group is part of the first from now on."""


@dataclass(frozen=True)
class Join:
    """Two groups become one."""

    one: int
    """A member of the first: the link is between these two."""
    other: int
    """A member of the second."""
    distance: float
    """Mean squared distance of both groups."""
    sizes: tuple[int, int]
    """How many units each group has."""
    precision: float
    """Least share of right pairs of units up to here, by the decoys; may be below 0."""


def join_links(
    members: Members, units: NDArray[np.int64], found: Links, threshold: float, rules: Rules
) -> list[Join]:
    """Joins groups link by link.

    Args:
        members: N of them.
        units: (N,) whole numbers from 0: members of one unit are one group from the start.
        found: the links.
        threshold: of the mean squared distance.
        rules: speak of units; of a group by its unit of the smallest number.

    Returns:
        What was joined, in this order.
    """
    groups = _Groups(members, units)
    decoys = np.searchsorted(found.decoys, found.ratios, side="right").tolist()
    joins, pairs, paths = [], 0, 0
    for number, (a, b) in enumerate(found.pairs.tolist(), 1):
        one, other = sorted((groups.of(a), groups.of(b)))
        if one == other or rules.apart(one, other):
            continue
        distance = groups.distance(one, other)
        if distance > threshold or groups.another_fits(one, other, found.near):
            continue
        sizes = groups.size(one), groups.size(other)
        pairs += sizes[0] * sizes[1]
        paths += groups.paths(int(units[a]), int(units[b]))
        wrong = (decoys[number - 1] + 1) / number
        joins.append(Join(a, b, distance, sizes, 1 - wrong * paths / pairs))
        rules.join(one, other)
        groups.join(one, other, (int(units[a]), int(units[b])))
    return joins


class _Groups:
    """Groups by the smallest number of their units."""

    def __init__(self, members: Members, units: NDArray[np.int64]) -> None:
        count = int(units.max(initial=-1)) + 1
        self._members, self._units = members, units.tolist()
        self._above = list(range(count))
        self._sums = np.zeros((count, members.means.shape[1]))
        np.add.at(self._sums, units, members.means)
        lengths = (members.means**2).sum(1) + members.spreads
        self._squares = np.bincount(units, lengths, count)
        self._links: list[list[int]] = [[] for _ in range(count)]
        self._inside: list[list[int]] = [[] for _ in range(count)]
        for member, unit in enumerate(self._units):
            self._inside[unit].append(member)
        self._size = [1] * count

    def of(self, member: int) -> int:
        unit: int = self._units[member]
        while self._above[unit] != unit:
            self._above[unit] = self._above[self._above[unit]]
            unit = self._above[unit]
        return unit

    def size(self, group: int) -> int:
        return self._size[group]

    def distance(self, one: int, other: int) -> float:
        a, b = len(self._inside[one]), len(self._inside[other])
        product = float(self._sums[one] @ self._sums[other]) / (a * b)
        return float(self._squares[one] / a + self._squares[other] / b - 2 * product)

    def another_fits(self, one: int, other: int, near: Neighbours) -> bool:
        first, second = self._inside[one], self._inside[other]
        if len(first) * len(second) == 1:
            return False
        return self._fits_better(first, second, near) or self._fits_better(second, first, near)

    def _fits_better(self, first: list[int], second: list[int], near: Neighbours) -> bool:
        """Whether for one of the first group somebody else fits better than one of the second."""
        theirs, kinds = np.array(second), near.kinds[second]
        groups = {self.of(first[0]), self.of(second[0])}
        for a in first:
            to_them = self._between(np.full(len(theirs), a), theirs)
            for kind in np.unique(kinds):
                others, distances = near.of(a, int(kind))
                out = np.array([self.of(int(y)) not in groups for y in others], bool)
                b = theirs[kinds == kind]
                far = to_them[kinds == kind]
                for y, nearer in zip(others[out], distances[out], strict=True):
                    worse = far > nearer
                    if (
                        worse.any()
                        and (
                            self._between(np.full(int(worse.sum()), y), b[worse]) > far[worse]
                        ).any()
                    ):
                        return True
        return False

    def _between(self, one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.float64]:
        return self._members.distances(np.column_stack([one, other]))

    def paths(self, a: int, b: int) -> int:
        """Links on all paths between the groups of two units, once these are linked."""
        (near_a, count_a), (near_b, count_b) = self._walk(a), self._walk(b)
        return near_a * count_b + near_b * count_a + count_a * count_b

    def _walk(self, start: int) -> tuple[int, int]:
        """Sum of a unit's paths to all of its group, and how many these are, itself included."""
        seen, ring, length, total = {start}, [start], 0, 0
        while ring:
            total += length * len(ring)
            ring = [v for u in ring for v in self._links[u] if v not in seen]
            seen.update(ring)
            length += 1
        return total, len(seen)

    def join(self, one: int, other: int, link: tuple[int, int]) -> None:
        self._above[other] = one
        self._sums[one] += self._sums[other]
        self._squares[one] += self._squares[other]
        self._inside[one] += self._inside[other]
        self._inside[other] = []
        self._size[one] += self._size[other]
        for u, v in (link, link[::-1]):
            self._links[u].append(v)
