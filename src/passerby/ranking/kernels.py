"""Loops over blocks of distances, compiled at first use: numba is slow to import.

All run without Python's lock, on one thread. Distances are float32 or float64. An item comes
before another if its distance is smaller, or equal and its position in the gallery smaller.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

EUCLIDEAN, SQUARED_EUCLIDEAN, COSINE = 0, 1, 2
"""Metrics by number."""

_CHUNK = 32
BUCKETS = 4
"""For each hit of a query with many."""
FEW = 64
"""Hits of a query up to which each is compared with all distances."""


@cache
def kernels() -> SimpleNamespace:
    """The compiled functions, by name: `products`, `sums_of_squares`, `finish` and so on."""
    from numba import njit

    jit: Callable[..., Any] = njit(nogil=True)
    below, up_to, equal = jit(_below), jit(_up_to), jit(_equal)
    count_few = jit(_count_few(below, up_to, equal))
    scale, bucket = jit(_scale), jit(_bucket)
    count_many = jit(_count_many(equal, bucket))
    uncount, uncount_many = jit(_uncount), jit(_uncount_many)
    insert = jit(_insert)
    # The order of a sum is the compiler's to choose here: it then adds sixteen at once.
    sums = njit(nogil=True, fastmath={"reassoc", "contract"})
    return SimpleNamespace(
        products=sums(_products),
        sums_of_squares=sums(_sums_of_squares),
        finish=jit(_finish),
        buckets=jit(_buckets(scale, bucket)),
        count=jit(_count(count_few, count_many, uncount, uncount_many, scale)),
        keep_nearest=jit(_keep_nearest(up_to, insert)),
        keep_both_ways=jit(_keep_both_ways(jit(_any_news), insert)),
    )


def _finish(block: NDArray[Any], rows: NDArray[Any], metric: int) -> None:
    """Makes (m, n) distances of products, in place.

    `rows` is added to each row (squared lengths), or divides it (lengths, under cosine).
    """
    zero, one = block.dtype.type(0), block.dtype.type(1)
    for i in range(block.shape[0]):
        row, own = block[i], rows[i]
        if metric == EUCLIDEAN:
            for j in range(row.shape[0]):
                value = row[j] + own
                row[j] = np.sqrt(value if value > zero else zero)
        elif metric == SQUARED_EUCLIDEAN:
            for j in range(row.shape[0]):
                value = row[j] + own
                row[j] = value if value > zero else zero
        else:
            for j in range(row.shape[0]):
                value = row[j] / own + one
                row[j] = value if value > zero else zero


def _products(
    rows: NDArray[Any], query: NDArray[Any], products: NDArray[Any], squares: NDArray[Any]
) -> None:
    """(n, D) rows read once: their products with one (D,) query, and their sums of squares."""
    for i in range(rows.shape[0]):
        row, product, square = rows[i], np.float32(0), np.float32(0)
        for j in range(row.shape[0]):
            product += row[j] * query[j]
            square += row[j] * row[j]
        products[i] = product
        squares[i] = square


def _sums_of_squares(rows: NDArray[Any], sums: NDArray[Any]) -> None:
    """(n, D) to (n,)."""
    for i in range(rows.shape[0]):
        row, total = rows[i], np.float32(0)
        for j in range(row.shape[0]):
            total += row[j] * row[j]
        sums[i] = total


def _below(row: NDArray[Any], limit: float) -> Any:
    # int32 all through: compilers then compare sixteen at once.
    found = np.int32(0)
    for j in range(row.shape[0]):
        found = np.int32(found + np.int32(row[j] < limit))
    return found


def _up_to(row: NDArray[Any], limit: float) -> Any:
    found = np.int32(0)
    for j in range(row.shape[0]):
        found = np.int32(found + np.int32(row[j] <= limit))
    return found


def _equal(row: NDArray[Any], limit: float) -> Any:
    found = np.int32(0)
    for j in range(row.shape[0]):
        found = np.int32(found + np.int32(row[j] == limit))
    return found


def _count(
    count_few: Callable[..., None],
    count_many: Callable[..., None],
    uncount: Callable[..., None],
    uncount_many: Callable[..., None],
    scale_of: Callable[..., Any],
) -> Callable[..., None]:
    def count(
        block: NDArray[Any],
        queries: NDArray[np.int64],
        start: int,
        firsts: NDArray[np.int64],
        totals: NDArray[np.int64],
        values: NDArray[Any],
        positions: NDArray[np.int64],
        same_firsts: NDArray[np.int64],
        same_totals: NDArray[np.int64],
        same_positions: NDArray[np.int64],
        table_firsts: NDArray[np.int64],
        table: NDArray[np.int32],
        counts: NDArray[np.int64],
    ) -> None:
        """Adds, for each hit of each query, how many other persons' items come before it.

        Args:
            block: (m, n) distances of `queries` to the positions start ... start + n - 1.
            queries: (m,).
            start: position of the first column.
            firsts: by query, where its hits begin in `values`, `positions` and `counts`.
            totals: by query, how many hits it has.
            values: distances of the hits, ascending by (distance, position) within a query.
            positions: of the hits.
            same_firsts: by query, where the positions of its identity begin in `same_positions`.
            same_totals: by query, how many there are.
            same_positions: ascending within an identity; hits, and what its camera leaves out.
            table_firsts: by query, where its buckets begin in `table`; -1: it has few hits.
            table: of `buckets`.
            counts: changed; of a query with a table, the counts' differences from hit to hit.
        """
        for i in range(block.shape[0]):
            query = queries[i]
            if totals[query] == 0:
                continue
            hits = slice(firsts[query], firsts[query] + totals[query])
            same = slice(same_firsts[query], same_firsts[query] + same_totals[query])
            own, where, found = values[hits], positions[hits], counts[hits]
            if table_firsts[query] < 0:
                count_few(block[i], start, own, where, found)
                uncount(block[i], start, same_positions[same], own, where, found)
            else:
                begin = table_firsts[query]
                buckets = table[begin : begin + BUCKETS * totals[query] + 1]
                scale = scale_of(own, BUCKETS * totals[query])
                count_many(block[i], start, own, where, scale, buckets, found)
                uncount_many(block[i], start, same_positions[same], own, where, found)

    return count


def _count_few(
    below: Callable[..., int], up_to: Callable[..., int], equal: Callable[..., int]
) -> Callable[..., None]:
    def count_few(
        row: NDArray[Any],
        start: int,
        values: NDArray[Any],
        positions: NDArray[np.int64],
        counts: NDArray[np.int64],
    ) -> None:
        stop = start + row.shape[0]
        for hit in range(values.shape[0] - 1, -1, -1):
            if positions[hit] >= stop:
                before = up_to(row, values[hit])
            else:
                before = below(row, values[hit])
                if positions[hit] > start:
                    before += equal(row[: positions[hit] - start], values[hit])
            if before == 0:  # then nothing comes before a nearer hit
                break
            counts[hit] += before

    return count_few


def _buckets(scale_of: Callable[..., Any], bucket_of: Callable[..., int]) -> Callable[..., None]:
    def buckets(
        queries: NDArray[np.int64],
        values: NDArray[Any],
        firsts: NDArray[np.int64],
        totals: NDArray[np.int64],
        table_firsts: NDArray[np.int64],
        table: NDArray[np.int32],
    ) -> None:
        """By bucket of each query's distances: the first hit in it or in a later one.

        `BUCKETS` for each hit cut the stretch from the nearest hit to the farthest. Rounding
        keeps the order of distances: what lies in a bucket without hits needs no comparison.
        """
        for query in queries:
            hits = values[firsts[query] : firsts[query] + totals[query]]
            count = BUCKETS * totals[query]
            scale = scale_of(hits, count)
            hit = 0
            for bucket in range(count + 1):
                while hit < len(hits) and bucket_of(hits[hit], hits[0], scale, count) < bucket:
                    hit += 1
                table[table_firsts[query] + bucket] = hit

    return buckets


def _scale(hits: NDArray[Any], count: int) -> Any:
    stretch = hits[hits.shape[0] - 1] - hits[0]
    one = hits.dtype.type(1)
    # 0: the hits are all alike, or an infinite one is among them; all is then compared.
    scale = (hits.dtype.type(count) - one) / stretch if stretch > 0 else stretch
    return scale if np.isfinite(scale) and np.isfinite(stretch) else hits.dtype.type(0)


def _bucket(value: Any, nearest: Any, scale: Any, count: int) -> int:
    if scale == 0:
        return 0
    return min(int((value - nearest) * scale), count - 1)


def _count_many(equal: Callable[..., int], bucket_of: Callable[..., int]) -> Callable[..., None]:
    def count_many(
        row: NDArray[Any],
        start: int,
        values: NDArray[Any],
        positions: NDArray[np.int64],
        scale: float,
        table: NDArray[np.int32],
        steps: NDArray[np.int64],
    ) -> None:
        # `steps` holds differences: what comes before a hit comes before all later ones.
        stop, total = start + row.shape[0], values.shape[0]
        count, nearest, farthest = BUCKETS * total, values[0], values[total - 1]
        buckets = np.empty(row.shape[0], np.int32)
        for j in range(row.shape[0]):
            buckets[j] = bucket_of(min(max(row[j], nearest), farthest), nearest, scale, count)
        for j in range(row.shape[0]):
            value = row[j]
            if value > farthest:
                continue
            hit, last = table[buckets[j]], table[buckets[j] + 1]
            # Most buckets have one hit or none: this step needs no branch.
            hit += np.int32(value > values[hit])
            while hit < last and (
                value > values[hit] or (value == values[hit] and positions[hit] < stop)
            ):
                hit += 1
            if hit < total:
                steps[hit] += 1
        for hit in range(total):
            if start < positions[hit] < stop:
                ties = equal(row[: positions[hit] - start], values[hit])
                steps[hit] += ties
                if hit + 1 < total:
                    steps[hit + 1] -= ties

    return count_many


def _uncount_many(
    row: NDArray[Any],
    start: int,
    same_positions: NDArray[np.int64],
    values: NDArray[Any],
    positions: NDArray[np.int64],
    steps: NDArray[np.int64],
) -> None:
    stop = start + row.shape[0]
    for index in range(np.searchsorted(same_positions, start), same_positions.shape[0]):
        position = same_positions[index]
        if position >= stop:
            break
        value = row[position - start]
        low, high = 0, values.shape[0]
        while low < high:
            middle = (low + high) // 2
            if value < values[middle] or (value == values[middle] and position < positions[middle]):
                high = middle
            else:
                low = middle + 1
        if low < values.shape[0]:
            steps[low] -= 1


def _uncount(
    row: NDArray[Any],
    start: int,
    same_positions: NDArray[np.int64],
    values: NDArray[Any],
    positions: NDArray[np.int64],
    counts: NDArray[np.int64],
) -> None:
    # With the block's own values, so that what was counted and what is taken away cancel.
    stop = start + row.shape[0]
    for index in range(np.searchsorted(same_positions, start), same_positions.shape[0]):
        position = same_positions[index]
        if position >= stop:
            break
        value = row[position - start]
        for hit in range(values.shape[0] - 1, -1, -1):
            if value > values[hit] or (value == values[hit] and position >= positions[hit]):
                break
            counts[hit] -= 1


def _insert(
    value: float, position: int, values: NDArray[Any], positions: NDArray[np.int64]
) -> None:
    """Puts one item into ascending lists if it comes before their last."""
    last = values.shape[0] - 1
    if value > values[last] or (value == values[last] and position > positions[last]):
        return
    place = last
    while place > 0 and (
        value < values[place - 1]
        or (value == values[place - 1] and position < positions[place - 1])
    ):
        values[place] = values[place - 1]
        positions[place] = positions[place - 1]
        place -= 1
    values[place] = value
    positions[place] = position


def _keep_nearest(up_to: Callable[..., int], insert: Callable[..., None]) -> Callable[..., None]:
    def keep_nearest(
        block: NDArray[Any],
        first: int,
        start: int,
        values: NDArray[Any],
        positions: NDArray[np.int64],
    ) -> None:
        """Keeps the nearest items of the rows first ... first + m - 1.

        Args:
            block: (m, n) distances to the positions start ... start + n - 1.
            first: row of `values` and `positions` that the first row of the block belongs to.
            start: position of the first column.
            values: (rows, k) ascending by (distance, position), infinite where there is none yet.
            positions: (rows, k).
        """
        columns, k = block.shape[1], values.shape[1]
        for i in range(block.shape[0]):
            row, own, places = block[i], values[first + i], positions[first + i]
            for chunk in range(0, columns, _CHUNK):
                end = min(chunk + _CHUNK, columns)
                if up_to(row[chunk:end], own[k - 1]) == 0:
                    continue
                for j in range(chunk, end):
                    if row[j] <= own[k - 1]:
                        insert(row[j], start + j, own, places)

    return keep_nearest


def _any_news(
    row: NDArray[Any],
    near: float,
    far: float,
    limits: NDArray[Any],
    most: NDArray[Any],
) -> Any:
    # A function of its own: compilers then compare sixteen at once.
    news = np.int32(0)
    for j in range(row.shape[0]):
        value = row[j]
        own = np.int32(value <= near) + np.int32(value > far)
        others = np.int32(value <= limits[j]) + np.int32(value > most[j])
        news = np.int32(news + own + others)
    return news


def _keep_both_ways(
    any_news: Callable[..., int], insert: Callable[..., None]
) -> Callable[..., None]:
    def keep_both_ways(
        block: NDArray[Any],
        first: int,
        start: int,
        values: NDArray[Any],
        positions: NDArray[np.int64],
        limits: NDArray[Any],
        farthest: NDArray[Any],
    ) -> None:
        """Keeps the nearest and the farthest of a tile of a symmetric matrix.

        An entry left of the diagonal counts for its row and for its column; the others are passed
        over. The distance of an item to itself is 0.

        Args:
            block: (m, n) distances.
            first: item of the first row.
            start: item of the first column.
            values: (N, k) by item, as in `keep_nearest`.
            positions: (N, k).
            limits: (N,) distances beyond which nothing is among the k nearest. Workers share it:
                each only writes what holds, and what another overwrites is merely less strict.
            farthest: (N,) greatest distances.
        """
        columns_limits = limits[start : start + block.shape[1]]
        columns_most = farthest[start : start + block.shape[1]]
        last = values.shape[1] - 1
        for i in range(block.shape[0]):
            item = first + i
            row, own, places = block[i], values[item], positions[item]
            columns = min(block.shape[1], item - start)
            if 0 <= item - start < block.shape[1]:
                insert(row.dtype.type(0), item, own, places)
                limits[item] = min(limits[item], own[last])
            for chunk in range(0, columns, _CHUNK):
                end = min(chunk + _CHUNK, columns)
                news = any_news(
                    row[chunk:end],
                    limits[item],
                    farthest[item],
                    columns_limits[chunk:end],
                    columns_most[chunk:end],
                )
                if not news:
                    continue
                for j in range(chunk, end):
                    value, other = row[j], start + j
                    if value <= limits[item]:
                        insert(value, other, own, places)
                        limits[item] = min(limits[item], own[last])
                    if value <= columns_limits[j]:
                        insert(value, item, values[other], positions[other])
                        columns_limits[j] = min(columns_limits[j], values[other, last])
                    farthest[item] = max(farthest[item], value)
                    columns_most[j] = max(columns_most[j], value)

    return keep_both_ways
