"""The sparse loops of k-reciprocal re-ranking, compiled at first use.

Pieces of arrays are copied by loops: for `a[:n] = b[:n]` numba compiles, for 2 seconds, how to say
that the two do not fit.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

SparseRows = tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]
"""How many entries each row has, their columns and their weights."""


@cache
def reciprocal_kernels() -> SimpleNamespace:
    """The compiled functions, by name: `reciprocal`, `average`, `jaccard`, `jaccard_within`."""
    from numba import njit

    jit: Callable[..., Any] = njit(nogil=True)
    find = jit(_find)
    mutual = jit(_mutual(find))
    return SimpleNamespace(
        reciprocal=jit(_reciprocal(find, mutual, jit(_shared(find)))),
        average=jit(_average),
        jaccard=jit(_jaccard),
        jaccard_within=jit(_jaccard_within),
    )


def _find(row: NDArray[np.int32], item: int) -> int:
    for place in range(row.shape[0]):
        if row[place] == item:
            return place
    return -1


def _mutual(find: Callable[..., int]) -> Callable[..., int]:
    def mutual(indices: NDArray[np.int32], item: int, k: int, found: NDArray[np.int32]) -> int:
        """Writes those of an item's k nearest that have it among theirs; how many there are."""
        total = 0
        for place in range(k):
            other = indices[item, place]
            if find(indices[other, :k], item) >= 0:
                found[total] = other
                total += 1
        return total

    return mutual


def _shared(find: Callable[..., int]) -> Callable[..., int]:
    def shared(some: NDArray[np.int32], others: NDArray[np.int32]) -> int:
        total = 0
        for place in range(some.shape[0]):
            if find(others, some[place]) >= 0:
                total += 1
        return total

    return shared


def _reciprocal(
    find: Callable[..., int], mutual: Callable[..., int], shared: Callable[..., int]
) -> Callable[..., SparseRows]:
    def reciprocal(
        indices: NDArray[np.int32],
        values: NDArray[np.float32],
        start: int,
        stop: int,
        k: int,
        half: int,
    ) -> SparseRows:
        """Expanded k-reciprocal sets (Eq. 3-4) of the items start ... stop - 1.

        Args:
            indices: (N, k or more) the items' nearest.
            values: their distances.
            start: first item.
            stop: last item + 1.
            k: size of the neighbourhoods, the item itself counted.
            half: size of the half neighbourhoods, the item itself counted.

        Returns:
            Sets as sparse rows; the weights are distances, NaN where `values` does not tell.
        """
        totals = np.zeros(stop - start, np.int64)
        columns = np.empty((stop - start) * k * (half + 1), np.int32)
        weights = np.empty((stop - start) * k * (half + 1), np.float32)
        own, theirs = np.empty(k, np.int32), np.empty(half, np.int32)
        members = np.empty(k * (half + 1), np.int32)
        end = 0
        for item in range(start, stop):
            count = mutual(indices, item, k, own)
            total = 0
            for place in range(count):
                members[total] = own[place]
                total += 1
            for place in range(count):
                size = mutual(indices, own[place], half, theirs)
                if shared(theirs[:size], own[:count]) > 2 / 3 * size:
                    for other in range(size):
                        members[total] = theirs[other]
                        total += 1
            ordered = np.sort(members[:total])
            for place in range(total):
                if place > 0 and ordered[place] == ordered[place - 1]:
                    continue
                known = find(indices[item], ordered[place])
                columns[end] = ordered[place]
                weights[end] = values[item, known] if known >= 0 else np.nan
                end += 1
                totals[item - start] += 1
        return totals, columns[:end].copy(), weights[:end].copy()

    return reciprocal


def _average(
    starts: NDArray[np.int64],
    columns: NDArray[np.int32],
    weights: NDArray[np.float32],
    nearest: NDArray[np.int32],
    start: int,
    stop: int,
) -> SparseRows:
    """Means of sparse rows: of the rows nearest[i], for the items i = start ... stop - 1."""
    k = nearest.shape[1]
    most = 0
    for item in range(start, stop):
        size = 0
        for place in range(k):
            row = nearest[item, place]
            size += starts[row + 1] - starts[row]
        most += size
    totals = np.zeros(stop - start, np.int64)
    new_columns, new_weights = np.empty(most, np.int32), np.empty(most, np.float32)
    sums = np.zeros(starts.shape[0] - 1, np.float32)
    end = 0
    for item in range(start, stop):
        begin = end
        for place in range(k):
            row = nearest[item, place]
            for entry in range(starts[row], starts[row + 1]):
                column = columns[entry]
                if sums[column] == 0:
                    new_columns[end] = column
                    end += 1
                sums[column] += weights[entry]
        ordered = np.sort(new_columns[begin:end])
        for entry in range(begin, end):
            column = ordered[entry - begin]
            new_columns[entry] = column
            new_weights[entry] = sums[column] / np.float32(k)
            sums[column] = 0
        totals[item - start] = end - begin
    return totals, new_columns[:end].copy(), new_weights[:end].copy()


def _jaccard(
    block: NDArray[np.float32],
    first: int,
    starts: NDArray[np.int64],
    columns: NDArray[np.int32],
    weights: NDArray[np.float32],
    inverted_starts: NDArray[np.int64],
    inverted_items: NDArray[np.int32],
    inverted_weights: NDArray[np.float32],
    farthest: NDArray[np.float32],
    original_share: float,
    jaccard_share: float,
) -> None:
    """Turns (m, G) original distances into re-ranked ones (Eq. 10 and 12), in place.

    The sum of the greater weights of two encodings is 2 - the sum of the smaller ones, since each
    adds up to 1.
    """
    one, two = np.float32(1), np.float32(2)
    smaller = np.empty(block.shape[1], np.float32)
    for i in range(block.shape[0]):
        query, row = first + i, block[i]
        smaller[:] = 0
        for entry in range(starts[query], starts[query + 1]):
            column, weight = columns[entry], weights[entry]
            for other in range(inverted_starts[column], inverted_starts[column + 1]):
                smaller[inverted_items[other]] += min(weight, inverted_weights[other])
        scale = farthest[query] if farthest[query] > 0 else one
        for j in range(row.shape[0]):
            jaccard = one - smaller[j] / (two - smaller[j])
            row[j] = jaccard * jaccard_share + row[j] / scale * original_share


def _jaccard_within(
    start: int,
    stop: int,
    starts: NDArray[np.int64],
    columns: NDArray[np.int32],
    weights: NDArray[np.float32],
    inverted_starts: NDArray[np.int64],
    inverted_items: NDArray[np.int32],
    inverted_weights: NDArray[np.float32],
    limit: float,
) -> SparseRows:
    """Jaccard distances (Eq. 10) of the items start ... stop - 1 to all others, up to a limit.

    An item is 0 from itself, whatever the rounding of its encoding.
    """
    one, two = np.float32(1), np.float32(2)
    totals = np.zeros(stop - start, np.int64)
    found, distances = np.empty(1024, np.int32), np.empty(1024, np.float32)
    smaller = np.zeros(starts.shape[0] - 1, np.float32)
    touched = np.empty(starts.shape[0] - 1, np.int32)
    end = 0
    for item in range(start, stop):
        count = 0
        for entry in range(starts[item], starts[item + 1]):
            column, weight = columns[entry], weights[entry]
            for other in range(inverted_starts[column], inverted_starts[column + 1]):
                whose = inverted_items[other]
                if smaller[whose] == 0:
                    touched[count] = whose
                    count += 1
                smaller[whose] += min(weight, inverted_weights[other])
        if end + count > found.shape[0]:
            size = max(end + count, 2 * found.shape[0])
            more, further = np.empty(size, np.int32), np.empty(size, np.float32)
            for place in range(end):
                more[place], further[place] = found[place], distances[place]
            found, distances = more, further
        begin = end
        for whose in np.sort(touched[:count]):
            distance = one - smaller[whose] / (two - smaller[whose])
            if whose == item:
                distance = np.float32(0)
            smaller[whose] = 0
            if distance <= limit:
                found[end] = whose
                distances[end] = max(distance, np.float32(0))
                end += 1
        totals[item - start] = end - begin
    return totals, found[:end].copy(), distances[:end].copy()
