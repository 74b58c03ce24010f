"""Average linkage over the pairs below a threshold, where some pairs must not be joined.

Two groups are as far apart as the mean over all pairs of their members. With squared Euclidean
distances (and so with the cosine distance, half of that between rows of length 1) this needs no
matrix of N x N: for groups A and B with the sums S of their members' means and Q of the members'
mean squared lengths,

    mean over a, b of d(a, b) = Q_A / n_A + Q_B / n_B - 2 S_A . S_B / (n_A n_B)

A member is itself a set of rows (the pictures of a track): its mean m, and its spread s, the mean
squared length less |m|^2, are enough for the mean over all pairs of rows,

    d(a, b) = |m_a - m_b|^2 + s_a + s_b.

A mean that is not above the threshold has a pair that is not above it: pairs above the threshold
need not be known. So the nearest neighbours of each member are enough, and the result is that of
the whole matrix (`tests/ranking/test_linkage.py` compares).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from passerby.ranking.nearest import nearest, nearest_among

FIRST, MOST = 32, 1024
"""Neighbours of each member that are asked for first, and at most."""

_SLACK = 1e-4
"""Relative, of the threshold: the ranking core's distances are of single precision."""


class Rules(Protocol):
    """What must not be joined; told of what is."""

    def apart(self, one: int, other: int) -> bool:
        """Whether two groups must not be joined; once they must not, they never may."""

    def join(self, one: int, other: int) -> None:
        """The second group is part of the first from now on."""


@dataclass(frozen=True)
class Members:
    """N sets of rows, by their means."""

    means: NDArray[np.float64]
    """(N, D)."""
    spreads: NDArray[np.float64]
    """(N,) mean squared distance of the rows of each from their mean."""

    def distances(self, pairs: NDArray[np.int64]) -> NDArray[np.float64]:
        """(P,) mean squared distances of (P, 2) pairs."""
        found = np.empty(len(pairs))
        for start in range(0, len(pairs), 2**14):
            one, other = pairs[start : start + 2**14].T
            apart = ((self.means[one] - self.means[other]) ** 2).sum(1)
            found[start : start + 2**14] = apart + self.spreads[one] + self.spreads[other]
        return found


@dataclass(frozen=True)
class Pairs:
    """The pairs that are not above a threshold."""

    pairs: NDArray[np.int64]
    """(P, 2) members, the smaller first; each pair once, in order."""
    distances: NDArray[np.float64]
    """(P,) mean squared distances."""
    cut: int
    """Members with more than `MOST` of them, of which the nearest are here."""


@dataclass(frozen=True)
class Join:
    """Two groups become one."""

    one: int
    """A member of the first: of all pairs that were compared, the nearest two of both groups."""
    other: int
    """A member of the second."""
    distance: float
    """Mean squared distance of both groups."""
    sizes: tuple[int, int]
    """How many units each group has."""


def pairs_below(
    members: Members, threshold: float, kinds: NDArray[np.int64] | None = None
) -> Pairs:
    """Finds the pairs whose mean squared distance is not above a threshold.

    Args:
        members: N of them.
        threshold: of the mean squared distance.
        kinds: (N,) pairs of one kind are left out, -1 is of no kind; None: all pairs count.
    """
    if kinds is None:
        kinds = np.full(len(members.means), -1)
    spread = np.sqrt(np.maximum(members.spreads, 0)).astype(np.float32)[:, None]
    means, none = members.means.astype(np.float32), np.zeros_like(spread)
    left, right = np.hstack([means, spread, none]), np.hstack([means, none, spread])
    limit = threshold * (1 + _SLACK) + 1e-9
    found, cut = [], 0
    for kind in np.unique(kinds):
        rows = np.flatnonzero(kinds == kind)
        among = np.ones(len(kinds), bool) if kind < 0 else kinds != kind
        blocks = list(_neighbours(left, right, rows, among, limit))
        found += [pairs for pairs, _ in blocks]
        cut += sum(missed for _, missed in blocks)
    both = np.concatenate(found) if found else np.empty((0, 2), np.int64)
    both = np.unique(np.sort(both[both[:, 0] != both[:, 1]], axis=1), axis=0)
    exact = members.distances(both)
    below = exact <= threshold
    return Pairs(both[below], exact[below], cut)


def average_linkage(
    members: Members,
    units: NDArray[np.int64],
    pairs: Pairs,
    threshold: float,
    rules: Rules,
) -> list[Join]:
    """Joins the nearest two groups that may be joined, until none are below the threshold.

    Args:
        members: N of them.
        units: (N,) whole numbers from 0: members of one unit are one group from the start.
        pairs: of `pairs_below`: two groups are compared if one of these lies between them.
        threshold: of the mean squared distance.
        rules: speak of units; of a group by its unit of the smallest number.

    Returns:
        What was joined, in this order; members of `Join` are members.
    """
    groups = _Groups(members, units, pairs, threshold)
    joins = []
    while (step := groups.nearest()) is not None:
        distance, one, other = step
        if rules.apart(one, other):
            groups.forget(one, other)
            continue
        a, b = groups.nearest_members(one, other)
        joins.append(Join(a, b, distance, (groups.sizes[one], groups.sizes[other])))
        rules.join(one, other)
        groups.join(one, other)
    return joins


class _Groups:
    """Groups by the smallest number of their units, and the distances of those that touch."""

    def __init__(
        self, members: Members, units: NDArray[np.int64], pairs: Pairs, threshold: float
    ) -> None:
        count = int(units.max(initial=-1)) + 1
        self._sums = np.zeros((count, members.means.shape[1]))
        np.add.at(self._sums, units, members.means)
        lengths = (members.means**2).sum(1) + members.spreads
        self._squares = np.bincount(units, lengths, count)
        self._counts = np.bincount(units, minlength=count).astype(np.float64)
        self.sizes = [1] * count
        self._threshold = threshold
        self._touching: list[dict[int, tuple[float, int, int]]] = [{} for _ in range(count)]
        self._versions = [0] * count
        self._heap: list[tuple[float, int, int, int, int]] = []
        self._take(units, pairs)

    def _take(self, units: NDArray[np.int64], pairs: Pairs) -> None:
        of_units = units[pairs.pairs]
        for (a, b), (one, other), distance in zip(
            pairs.pairs.tolist(), of_units.tolist(), pairs.distances.tolist(), strict=True
        ):
            if one != other:
                self._touch(one, other, (distance, a, b))
        for one, others in enumerate(self._touching):
            self._push(one, [other for other in others if other > one])

    def _touch(self, one: int, other: int, pair: tuple[float, int, int]) -> None:
        distance, a, b = pair
        if one not in self._touching[other] or pair < self._of(one, other):
            self._touching[one][other] = (distance, a, b)
            self._touching[other][one] = (distance, b, a)

    def _of(self, one: int, other: int) -> tuple[float, int, int]:
        return self._touching[one][other]

    def _push(self, one: int, others: Sequence[int]) -> None:
        if not others:
            return
        there = np.asarray(others)
        products = self._sums[there] @ self._sums[one] / (self._counts[there] * self._counts[one])
        distances = (
            self._squares[there] / self._counts[there]
            + self._squares[one] / self._counts[one]
            - 2 * products
        )
        for other, distance in zip(others, distances.tolist(), strict=True):
            if distance <= self._threshold:
                a, b = min(one, other), max(one, other)
                heapq.heappush(self._heap, (distance, a, b, self._versions[a], self._versions[b]))

    def nearest(self) -> tuple[float, int, int] | None:
        while self._heap:
            distance, one, other, *versions = heapq.heappop(self._heap)
            if versions == [self._versions[one], self._versions[other]]:
                return distance, one, other
        return None

    def nearest_members(self, one: int, other: int) -> tuple[int, int]:
        _, a, b = self._of(one, other)
        return a, b

    def forget(self, one: int, other: int) -> None:
        del self._touching[one][other], self._touching[other][one]

    def join(self, one: int, other: int) -> None:
        self.forget(one, other)
        self._sums[one] += self._sums[other]
        self._squares[one] += self._squares[other]
        self._counts[one] += self._counts[other]
        self.sizes[one] += self.sizes[other]
        self._versions[one] += 1
        self._versions[other] = -1
        for third, pair in self._touching[other].items():
            del self._touching[third][other]
            self._touch(one, third, pair)
        self._touching[other] = {}
        self._push(one, sorted(self._touching[one]))


def _neighbours(
    left: NDArray[np.float32],
    right: NDArray[np.float32],
    rows: NDArray[np.int64],
    among: NDArray[np.bool_],
    limit: float,
) -> Iterator[tuple[NDArray[np.int64], int]]:
    """Pairs of `rows` with what is not above the limit, and how many rows have more of them."""
    there, k = int(among.sum()), FIRST
    while len(rows) and there:
        k = min(k, there)
        if among.all():
            found, distances = nearest(left[rows], right, k, "squared_euclidean")
        else:
            found, distances = nearest_among(left[rows], right, k, among, "squared_euclidean")
        more = (distances[:, -1] <= limit) & (k < there)
        last = k >= min(MOST, there)
        for part in [slice(None)] if last else [~more]:
            near = distances[part] <= limit
            places, columns = np.nonzero(near)
            yield (
                np.column_stack([rows[part][places], found[part][places, columns]]),
                int(more.sum()) if last else 0,
            )
        if last:
            return
        rows, k = rows[more], min(4 * k, MOST)
