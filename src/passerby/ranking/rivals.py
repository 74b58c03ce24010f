"""Which pairs of tracks are clear: much nearer to each other than to anybody else in that camera.

How near one person's tracks are differs from person to person: those in a uniform are nearer to
strangers than others are to themselves. So a pair is judged beside its rivals (the ratio test of
Lowe: Distinctive image features from scale-invariant keypoints, IJCV 60, 2004). For a track t, the
nearest track x of another camera, and the distance d,

    ratio_t(x) = d(t, x) / d(t, rival)

The rival is the nearest track there that is not x again: whoever is nearer to x than t is, is x
again (people come back). Those that are x again have a ratio too. Where nobody else was seen, the
threshold takes the rival's place. A pair is a link where each is among the other's, and its ratio
is the greater of both.

How many links are wrong, the gallery itself tells (target and decoy: Elias, Gygi, Nature Methods 4,
2007). Without x and those that are x again, t's person would not be in that camera; whatever t is
then linked with, by the same rule, is a decoy. Among the links up to a ratio, as many are taken for
wrong as there are decoys up to it, and one more. That counts everybody as absent once, and each
decoy, which one side alone has, as a whole link. No label is needed, and people who look alike
count as they do among the links. It tells too little where hardly anybody comes back: decoys are
second choices, and the first choices of people who are absent are nearer
(`tests/ranking/test_linkage.py` measures how much).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from passerby.ranking.nearest import nearest

NEAREST = 8
"""Tracks of each camera that are looked at for each track. Where all are one person again, the
farthest of them stands for the rival, who is farther still."""

_BLOCK = 2048


@dataclass(frozen=True)
class Members:
    """N sets of rows (the pictures of a track), by their means.

    The mean over all pairs of rows of two sets, of the squared distance, is that of their means and
    both spreads: d(a, b) = |m_a - m_b|^2 + s_a + s_b.
    """

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
class Neighbours:
    """Of each member the nearest ones of each kind that are not above the threshold."""

    keys: NDArray[np.int64]
    """(E,) member * kinds + kind, ascending."""
    others: NDArray[np.int64]
    """(E,) members, the nearest first."""
    distances: NDArray[np.float32]
    """(E,) mean squared distances."""
    kinds: NDArray[np.int64]
    """(N,) of each member, from 0."""

    def of(self, member: int, kind: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """A member's neighbours of a kind, and how far they are."""
        key = member * (int(self.kinds.max()) + 1) + kind
        first, end = np.searchsorted(self.keys, [key, key + 1])
        return self.others[first:end], self.distances[first:end]


@dataclass(frozen=True)
class Links:
    """Clear pairs, the clearest first."""

    pairs: NDArray[np.int64]
    """(L, 2) members, the smaller first."""
    ratios: NDArray[np.float64]
    """(L,) ascending, below 1."""
    decoys: NDArray[np.float64]
    """(M,) ratios of links that cannot be right, ascending."""
    near: Neighbours
    """What was looked at."""


@dataclass(frozen=True)
class _Ends:
    """Links from one side."""

    pairs: NDArray[np.int64]
    ratios: NDArray[np.float64]


def links(
    members: Members,
    units: NDArray[np.int64],
    threshold: float,
    kinds: NDArray[np.int64] | None = None,
) -> Links:
    """Finds the clear pairs.

    Args:
        members: N of them.
        units: (N,) members of one unit are known to be one person.
        threshold: greatest mean squared distance of a pair.
        kinds: (N,) pairs of one kind (camera) are left out, -1 is of no kind; None: all count, and
            each is everybody's rival.
    """
    count = len(members.means)
    known = np.full(count, -1) if kinds is None else kinds
    names, places = np.unique(known, return_inverse=True)
    spread = np.sqrt(np.maximum(members.spreads, 0)).astype(np.float32)[:, None]
    means, none = members.means.astype(np.float32), np.zeros_like(spread)
    left, right = np.hstack([means, spread, none]), np.hstack([means, none, spread])
    ends, decoys, near = [], [], []
    for place, name in enumerate(names):
        columns = np.flatnonzero(places == place)
        rows = np.arange(count) if name < 0 else np.flatnonzero(places != place)
        for start in range(0, len(rows), _BLOCK):
            some = rows[start : start + _BLOCK]
            found = _nearest(left, right, units, some, columns, threshold)
            below = np.where(found[2] <= threshold, found[2], np.float32(np.inf))
            near.append((found[0] * len(names) + place, found[1], below))
            one, two = _judged(members, units, *found, threshold)
            ends.append(one)
            decoys.append(two)
    return _both_ways(_joined(ends), _joined(decoys), _neighbours(near, places), members, threshold)


def _nearest(
    left: NDArray[np.float32],
    right: NDArray[np.float32],
    units: NDArray[np.int64],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    threshold: float,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """(R,) rows with a neighbour below the threshold, (R, k) neighbours and their distances."""
    # A member may be among the columns itself.
    k = min(NEAREST + 1, len(columns))
    found, distances = nearest(left[rows], right[columns], k, "squared_euclidean")
    others = columns[found]
    known = units[others] == units[rows][:, None]
    distances = np.where(known, np.float32(np.inf), np.maximum(distances, 1e-12))
    order = np.argsort(distances, axis=1, kind="stable")[:, :NEAREST]
    others = np.take_along_axis(others, order, 1)
    distances = np.take_along_axis(distances, order, 1).astype(np.float32)
    there = distances[:, 0] <= threshold
    return rows[there], others[there], distances[there]


def _judged(
    members: Members,
    units: NDArray[np.int64],
    rows: NDArray[np.int64],
    others: NDArray[np.int64],
    distances: NDArray[np.float32],
    threshold: float,
) -> tuple[_Ends, _Ends]:
    """Links and decoys from one side."""
    there = np.isfinite(distances)
    first = np.zeros(len(rows), np.int64)
    again = _again(members, units, others, distances, first)
    ratios = distances / _rival(distances, there & ~again, threshold)[:, None]
    taken = there & again & (ratios < 1) & (distances <= threshold)
    at, which = np.nonzero(taken)
    ends = _Ends(np.column_stack([rows[at], others[at, which]]), ratios[at, which].astype(float))
    # Once more without those.
    left = there & ~again
    some = np.flatnonzero(left.any(1))
    rows, others, distances, left = rows[some], others[some], distances[some], left[some]
    second = left.argmax(1)
    left &= ~_again(members, units, others, distances, second)
    here = np.arange(len(rows)), second
    ratios = distances[here] / _rival(distances, left, threshold)
    kept = (ratios < 1) & (distances[here] <= threshold)
    pairs = np.column_stack([rows, others[here]])
    return ends, _Ends(pairs[kept], ratios[kept].astype(float))


def _again(
    members: Members,
    units: NDArray[np.int64],
    others: NDArray[np.int64],
    distances: NDArray[np.float32],
    which: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """(R, k) who is the chosen one again: nearer to it than it is to the row, or known to be."""
    here = np.arange(len(others)), which
    chosen = np.repeat(others[here][:, None], others.shape[1], axis=1)
    between = members.distances(np.column_stack([chosen.ravel(), others.ravel()]))
    same = (units[chosen] == units[others]) | (
        between.reshape(others.shape) <= distances[here][:, None]
    )
    same[here] = True
    return np.asarray(same)


def _rival(
    distances: NDArray[np.float32], rivals: NDArray[np.bool_], threshold: float
) -> NDArray[np.float64]:
    """(R,) distance of the nearest rival; the threshold where there is none."""
    last = distances[:, -1]
    full = np.isfinite(last) & (distances.shape[1] == NEAREST)
    none = np.where(full, last, threshold)
    nearest_one = np.where(rivals, distances, np.inf).min(axis=1, initial=np.inf)
    return np.asarray(np.where(rivals.any(1), nearest_one, none), np.float64)


def _both_ways(
    ends: _Ends, decoys: _Ends, near: Neighbours, members: Members, threshold: float
) -> Links:
    """What both sides agree on."""
    count = len(members.means)
    keys = ends.pairs[:, 0] * count + ends.pairs[:, 1]
    order = np.argsort(keys)
    keys, known = keys[order], ends.ratios[order]

    def back(pairs: NDArray[np.int64]) -> NDArray[np.float64]:
        """The ratio as the other sees it; infinite: it does not."""
        wanted = pairs[:, 1] * count + pairs[:, 0]
        places = np.minimum(np.searchsorted(keys, wanted), max(0, len(keys) - 1))
        if not len(keys):
            return np.full(len(pairs), np.inf)
        return np.where(keys[places] == wanted, known[places], np.inf)

    ratios = np.maximum(ends.ratios, back(ends.pairs))
    kept = (ends.pairs[:, 0] < ends.pairs[:, 1]) & (ratios < 1)
    pairs, ratios = ends.pairs[kept], ratios[kept]
    kept = members.distances(pairs) <= threshold
    pairs, ratios = pairs[kept], ratios[kept]
    order = np.lexsort((pairs[:, 1], pairs[:, 0], ratios))
    false = np.maximum(decoys.ratios, back(decoys.pairs))
    return Links(pairs[order], ratios[order], np.sort(false[false < 1]), near)


def _joined(parts: list[_Ends]) -> _Ends:
    if not parts:
        return _Ends(np.empty((0, 2), np.int64), np.empty(0))
    return _Ends(
        np.concatenate([part.pairs for part in parts]),
        np.concatenate([part.ratios for part in parts]),
    )


def _neighbours(
    parts: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]],
    places: NDArray[np.int64],
) -> Neighbours:
    keys, others = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    distances = [np.empty(0, np.float32)]
    for slots, these, far in parts:
        there = np.isfinite(far)
        keys.append(np.repeat(slots, there.sum(1)))
        others.append(these[there])
        distances.append(far[there])
    flat = np.concatenate(keys)
    order = np.argsort(flat, kind="stable")
    return Neighbours(
        flat[order], np.concatenate(others)[order],
        np.concatenate(distances)[order], np.asarray(places, np.int64),
    )  # fmt: skip
