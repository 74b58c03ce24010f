"""k-reciprocal re-ranking (Zhong et al. 2017), sparse: no N x N matrix, and no Q x G one either.

Like the original program given Euclidean distances: they are squared, each row is divided by its
maximum, half neighbourhoods have around(k1 / 2) items and the item itself, encodings are float32.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from passerby.ranking.features import Array
from passerby.ranking.identities import Identities
from passerby.ranking.matches import Matches, TakeRows, find_matches_by_rows
from passerby.ranking.product import in_parallel
from passerby.ranking.reciprocal_kernels import reciprocal_kernels
from passerby.ranking.rerank_source import FeatureSource, MatrixSource, Neighbours, Source
from passerby.types import InputError

_CHUNK = 512


@dataclass(frozen=True)
class Encodings:
    """Sparse rows: entries starts[i] ... starts[i + 1] - 1 belong to item i, columns ascending."""

    starts: NDArray[np.int64]
    """(N + 1,)."""
    columns: NDArray[np.int32]
    """(entries,) items that are k-reciprocal neighbours."""
    weights: NDArray[np.float32]
    """(entries,)."""


def rerank(
    query: Array,
    gallery: Array,
    k1: int = 20,
    k2: int = 6,
    lambda_value: float = 0.3,
    *,
    metric: str = "euclidean",
    power: int = 2,
    device: torch.device | str | None = None,
) -> NDArray[np.float32]:
    """Distances after k-reciprocal re-ranking (Zhong et al. 2017, Eq. 3-12).

    Needs memory for the result and a few blocks. Every gallery picture takes part, junk included,
    as in the original program.

    Args:
        query: (Q, D) embeddings.
        gallery: (G, D) embeddings.
        k1: neighbours that the k-reciprocal sets are made of.
        k2: neighbours whose encodings are averaged; 1: none but its own.
        lambda_value: weight of the original distance, 0-1; the rest is the Jaccard distance.
        metric: `euclidean`, `squared_euclidean` or `cosine`: the distance d.
        power: d ** power is what is normalised: 2, or 4 to compare with programs that hand
            squared distances to the original one.
        device: where distances are computed, e.g. `cuda`; None: where the gallery is.

    Returns:
        (Q, G) float32, smaller is nearer.

    Raises:
        InputError: k1 or k2 below 1, lambda_value outside 0-1, another power, or features as in
            `ranking.tiles.check_features`.
    """
    source = FeatureSource(query, gallery, metric, power, device)
    return _whole(source, k1, k2, lambda_value)


def rerank_distances(
    query_gallery: NDArray[Any],
    query_query: NDArray[Any],
    gallery_gallery: NDArray[Any],
    k1: int = 20,
    k2: int = 6,
    lambda_value: float = 0.3,
    *,
    power: int = 2,
) -> NDArray[np.float32]:
    """`rerank` from distances that are known already, Euclidean ones as a rule.

    Args:
        query_gallery: (Q, G), >= 0.
        query_query: (Q, Q), symmetric.
        gallery_gallery: (G, G), symmetric.
        k1: as `rerank`.
        k2: as `rerank`.
        lambda_value: as `rerank`.
        power: as `rerank`.

    Returns:
        (Q, G) float32.

    Raises:
        InputError: shapes that do not fit, values that are not finite, or as `rerank`.
    """
    source = MatrixSource(query_gallery, query_query, gallery_gallery, power)
    return _whole(source, k1, k2, lambda_value)


def find_reranked_matches(
    query: Array,
    gallery: Array,
    identities: Identities,
    k1: int = 20,
    k2: int = 6,
    lambda_value: float = 0.3,
    *,
    metric: str = "euclidean",
    power: int = 2,
    device: torch.device | str | None = None,
) -> Matches:
    """`find_matches` by re-ranked distances, block by block: the (Q, G) matrix never exists.

    Args:
        query: (Q, D).
        gallery: (G, D).
        identities: of both sides; junk takes part in the re-ranking and is then left out.
        k1: as `rerank`.
        k2: as `rerank`.
        lambda_value: as `rerank`.
        metric: as `rerank`.
        power: as `rerank`.
        device: as `rerank`.

    Raises:
        InputError: as `rerank`.
    """
    source = FeatureSource(query, gallery, metric, power, device)
    rows = reranked_rows(source, k1, k2, lambda_value)
    return find_matches_by_rows(rows, identities, np.dtype(np.float32))


def reranked_rows(
    source: Source, k1: int, k2: int, lambda_value: float
) -> Callable[[TakeRows], None]:
    """The re-ranked distances as blocks of whole rows, computed anew at each call.

    Raises:
        InputError: numbers that re-ranking has no meaning for.
    """
    check_numbers(k1, k2, lambda_value)

    def make(take: TakeRows) -> None:
        each_reranked_block(source, k1, k2, lambda_value, take)

    return make


def check_numbers(k1: int, k2: int, lambda_value: float) -> None:
    """Refuses numbers that re-ranking has no meaning for."""
    if k1 < 1 or k2 < 1 or not 0 <= lambda_value <= 1:
        raise InputError(
            "re-ranking needs k1 and k2 of at least 1 and lambda_value from 0 to 1: "
            f"given {k1}, {k2}, {lambda_value}"
        )


def each_reranked_block(
    source: Source, k1: int, k2: int, lambda_value: float, take: TakeRows
) -> None:
    """Makes the re-ranked distances in blocks of whole rows.

    Args:
        source: of the original distances.
        k1: as `rerank`.
        k2: as `rerank`.
        lambda_value: as `rerank`.
        take: given worker, first query and (m, G) float32; called from several workers.
    """
    encodings, farthest = encode(source, k1, k2)
    inverted = transposed(encodings, source.queries)
    jaccard = reciprocal_kernels().jaccard

    def finish(worker: int, first: int, block: NDArray[np.float32]) -> None:
        jaccard(
            block, first, encodings.starts, encodings.columns, encodings.weights,
            inverted.starts, inverted.columns, inverted.weights,
            farthest, np.float32(lambda_value), np.float32(1 - lambda_value),
        )  # fmt: skip
        take(worker, first, block)

    source.each_block(finish)


def encode(source: Source, k1: int, k2: int) -> tuple[Encodings, NDArray[np.float32]]:
    """The items' k-reciprocal encodings, and each one's greatest distance."""
    neighbours = source.neighbours(max(k1 + 1, k2))
    known = neighbours.indices.shape[1]
    sets = _reciprocal(neighbours, min(k1 + 1, known), min(round(k1 / 2) + 1, known))
    encodings = _weighted(sets, neighbours, source)
    if k2 > 1:
        encodings = _averaged(encodings, neighbours.indices[:, :k2])
    return encodings, neighbours.farthest


def _whole(source: Source, k1: int, k2: int, lambda_value: float) -> NDArray[np.float32]:
    check_numbers(k1, k2, lambda_value)
    result = np.empty((source.queries, source.items - source.queries), np.float32)

    def take(_: int, first: int, block: NDArray[Any]) -> None:
        result[first : first + len(block)] = block

    each_reranked_block(source, k1, k2, lambda_value, take)
    return result


def in_chunks(
    items: int, make: Callable[[int, int], tuple[NDArray[np.int64], NDArray[Any], NDArray[Any]]]
) -> Encodings:
    """Joins sparse rows that are made a chunk (start, stop) at a time, by several workers."""
    starts = range(0, items, _CHUNK)
    made: dict[int, tuple[NDArray[np.int64], NDArray[Any], NDArray[Any]]] = {}

    def work(_: int, start: int) -> None:
        made[start] = make(start, min(start + _CHUNK, items))

    in_parallel(starts, work)
    totals, columns, weights = (
        np.concatenate([made[start][part] for start in starts]) for part in range(3)
    )
    return Encodings(np.append(0, np.cumsum(totals)), columns, weights)


def _reciprocal(neighbours: Neighbours, k: int, half: int) -> Encodings:
    """Eq. 3-4: each item's k-reciprocal neighbours and theirs; the weights are distances here.

    Distances that the neighbours do not tell are NaN.
    """
    kernel = reciprocal_kernels().reciprocal

    def make(start: int, stop: int) -> tuple[NDArray[np.int64], NDArray[Any], NDArray[Any]]:
        made: tuple[NDArray[np.int64], NDArray[Any], NDArray[Any]] = kernel(
            neighbours.indices, neighbours.values, start, stop, k, half
        )
        return made

    return in_chunks(len(neighbours.indices), make)


def _weighted(sets: Encodings, neighbours: Neighbours, source: Source) -> Encodings:
    """Eq. 7: exp(-distance), each row divided by its sum."""
    unknown = np.flatnonzero(np.isnan(sets.weights))
    rows = np.searchsorted(sets.starts, unknown, "right") - 1
    raw = source.pairs(rows, sets.columns[unknown].astype(np.int64))
    sets.weights[unknown] = raw / neighbours.farthest[rows]
    weights = np.exp(-sets.weights)
    sums = np.add.reduceat(weights, sets.starts[:-1])
    weights /= np.repeat(sums, np.diff(sets.starts))
    return Encodings(sets.starts, sets.columns, weights)


def _averaged(encodings: Encodings, nearest: NDArray[np.int32]) -> Encodings:
    """Local query expansion (section 3.4): the mean over each item's k2 nearest."""
    kernel = reciprocal_kernels().average

    def make(start: int, stop: int) -> tuple[NDArray[np.int64], NDArray[Any], NDArray[Any]]:
        made: tuple[NDArray[np.int64], NDArray[Any], NDArray[Any]] = kernel(
            encodings.starts, encodings.columns, encodings.weights, nearest, start, stop
        )
        return made

    return in_chunks(len(nearest), make)


def transposed(encodings: Encodings, queries: int) -> Encodings:
    """By column, the items behind the queries (counted from 0) that have it."""
    begin = int(encodings.starts[queries])
    columns, weights = encodings.columns[begin:], encodings.weights[begin:]
    totals = np.diff(encodings.starts[queries:])
    rows = np.repeat(np.arange(len(totals), dtype=np.int32), totals)
    order = np.argsort(columns, kind="stable")
    counts = np.bincount(columns, minlength=len(encodings.starts) - 1)
    return Encodings(np.append(0, np.cumsum(counts)), rows[order], weights[order])
