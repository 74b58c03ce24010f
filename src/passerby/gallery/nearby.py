"""The nearest rows of a table that is read once, front to back, by the ranking core."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from passerby.gallery.entries import DETAILS, embeddings_of

if TYPE_CHECKING:
    import pyarrow as pa


def nearest_of_batches(
    query: NDArray[np.float32], batches: Iterable[pa.RecordBatch], k: int, metric: str
) -> list[pa.Table] | None:
    """For each query the k nearest rows, nearest first, equal ones by key.

    Args:
        query: (Q, D).
        batches: rows with all columns.
        k: how many at most.
        metric: one of `passerby.ranking.metric.METRICS`.

    Returns:
        Q tables with the column `distance` beside the others; None: there was no row.
    """
    import pyarrow as pa

    from passerby.ranking.nearest import nearest

    best = np.full((len(query), k), np.inf, np.float32)
    places = np.full((len(query), k), -1, np.int64)
    pool: list[pa.RecordBatch] = []
    pooled = 0
    for batch in batches:
        if batch.num_rows == 0:
            continue
        found, distances = nearest(query, embeddings_of(batch), min(k, batch.num_rows), metric)
        news = distances < best[:, -1:]
        rows = np.unique(found[news])
        if len(rows) == 0:
            continue
        pool.append(batch.take(pa.array(rows)))
        here = np.where(news, pooled + np.searchsorted(rows, found), -1)
        pooled += len(rows)
        both = np.hstack([best, np.where(news, distances, np.float32(np.inf))])
        order = np.argsort(both, axis=1, kind="stable")[:, :k]
        best = np.take_along_axis(both, order, 1)
        places = np.take_along_axis(np.hstack([places, here]), order, 1)
        if pooled > 4 * k * len(query) + 4096:
            pool, places, pooled = _only_used(pool, places)
    if not pool:
        return None
    table = pa.Table.from_batches(pool)
    return [in_order(table, *_filled(places[row], best[row])) for row in range(len(query))]


def in_order(table: pa.Table, rows: NDArray[np.int64], distances: NDArray[np.float32]) -> pa.Table:
    """These rows of a table with their distances, by (distance, key)."""
    import pyarrow as pa

    taken = table.take(pa.array(rows))
    taken = taken.append_column("distance", pa.array(distances, pa.float32()))
    return by_distance(taken)


def by_distance(rows: pa.Table) -> pa.Table:
    """The rows by (distance, key)."""
    return rows.sort_by([("distance", "ascending"), ("key", "ascending")])


def shown_columns(embeddings: bool) -> list[str]:
    """What a search returns of each row, but for the distance."""
    return [*DETAILS, "embedding"] if embeddings else list(DETAILS)


def _filled(
    places: NDArray[np.int64], distances: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    there = places >= 0
    return places[there], distances[there]


def _only_used(
    pool: list[pa.RecordBatch], places: NDArray[np.int64]
) -> tuple[list[pa.RecordBatch], NDArray[np.int64], int]:
    import pyarrow as pa

    used = np.unique(places[places >= 0])
    kept = pa.Table.from_batches(pool).take(pa.array(used)).combine_chunks().to_batches()
    places = np.where(places >= 0, np.searchsorted(used, places), -1)
    return kept, places, len(used)
