"""At which ranks a query's true matches stand: all that CMC, AP and mINP need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from passerby.ranking.counting import (
    CompiledCounter,
    Hits,
    ranks_by_features,
    ranks_in_rows,
)
from passerby.ranking.features import Array
from passerby.ranking.identities import Identities, Labels, Ranked, check_identities
from passerby.ranking.product import in_parallel
from passerby.ranking.tiles import ROW_BLOCK_BYTES, sides, tiles
from passerby.types import InputError

__all__ = [
    "Identities", "Labels", "Matches", "check_identities", "find_matches",
    "find_matches_by_distances", "find_matches_by_rows",
]  # fmt: skip


SMALL = 2**21
"""Up to so many pairs the compiled loops are not worth the time that their compiler takes."""


@dataclass(frozen=True)
class Matches:
    """The ranks of all true matches of each query."""

    flat: NDArray[np.int64]
    """(T,) the 1-based ranks of the matches, query after query, ascending within one."""
    totals: NDArray[np.int64]
    """(Q,) how many matches each query has."""
    gallery: int
    """Gallery pictures that can be ranked: all but junk."""

    @property
    def ranks(self) -> tuple[NDArray[np.int64], ...]:
        """For each query the ranks of its matches; empty where it has none."""
        return tuple(np.split(self.flat, np.cumsum(self.totals)[:-1]))


TakeRows = Callable[[int, int, NDArray[Any]], None]
"""Takes worker, first row, and (rows, G) distances."""


def find_matches(
    query: Array,
    gallery: Array,
    identities: Identities,
    metric: str = "euclidean",
    *,
    device: torch.device | str | None = None,
) -> Matches:
    """Ranks the gallery for each query by (distance, gallery index); see `evaluate`.

    Raises:
        InputError: features as in `ranking.tiles.check_features`.
    """
    q, g = sides(query, gallery, metric, device)
    if len(q) * len(g) > SMALL:
        ranked = Ranked.of(identities)
        return _matches(ranks_by_features(q, g, ranked, metric), ranked)

    def blocks(take: TakeRows) -> None:
        for first, block in tiles(query, gallery, metric):
            take(0, first, block.cpu().numpy())

    return find_matches_by_rows(blocks, identities, np.dtype(np.float32))


def find_matches_by_distances(distances: Array, identities: Identities) -> Matches:
    """The same from a (Q, G) matrix of distances, in its own precision.

    Raises:
        InputError: distances that are not 2-D, not real numbers, or NaN.
    """
    rows = distance_rows(distances)
    return find_matches_by_rows(rows, identities, _block(distances, 0, 1).dtype)


def distance_rows(distances: Array) -> Callable[[TakeRows], None]:
    """A matrix as blocks of whole rows, handed on by several workers; see `TakeRows`.

    Raises:
        InputError: when a block is made that is not of real numbers, or holds NaN.
    """
    rows = max(1, ROW_BLOCK_BYTES // (8 * distances.shape[1]))
    jobs = [(i, min(i + rows, len(distances))) for i in range(0, len(distances), rows)]

    def make(take: TakeRows) -> None:
        in_parallel(jobs, lambda worker, job: take(worker, job[0], _block(distances, *job)))

    return make


def find_matches_by_rows(
    row_blocks: Callable[[TakeRows], None], identities: Identities, dtype: np.dtype[Any]
) -> Matches:
    """The same from blocks of whole rows, made one after another.

    Args:
        row_blocks: calls what it is given for all rows, once; from several workers if it likes.
        identities: of the rows and columns.
        dtype: of the distances.
    """
    ranked = Ranked.of(identities)
    if len(identities.query_ids) * len(ranked.kept) <= SMALL:
        found: dict[int, NDArray[np.int64]] = {}

        def sort(_: int, first: int, block: NDArray[Any]) -> None:
            found[first] = ranks_in_rows(ranked.of_columns(block), first, ranked)

        row_blocks(sort)
        return _matches(np.concatenate([found[first] for first in sorted(found)]), ranked)
    positions, queries = ranked.by_id[ranked.hit_places], ranked.hit_queries
    hits = Hits(np.empty(len(positions), dtype), positions.copy())
    counter = CompiledCounter(ranked, hits, np.arange(len(identities.query_ids)))

    def count(_: int, first: int, block: NDArray[Any]) -> None:
        block = ranked.of_columns(block)
        part = slice(*np.searchsorted(queries, (first, first + len(block))))
        values = block[queries[part] - first, positions[part]]
        order = np.lexsort((positions[part], values, queries[part]))
        hits.values[part], hits.positions[part] = values[order], positions[part][order]
        counter.prepare(np.arange(first, first + len(block)))
        # Queries of different blocks share no count: one array serves all workers.
        counter.consume(0, first, 0, torch.from_numpy(block))

    row_blocks(count)
    return _matches(counter.ranks(), ranked)


def _matches(ranks: NDArray[np.int64], ranked: Ranked) -> Matches:
    return Matches(ranks, ranked.hits.totals, len(ranked.kept))


def _block(distances: Array, start: int, stop: int) -> NDArray[Any]:
    """Rows in float32, or in float64 where that holds more."""
    part = distances[start:stop]
    if isinstance(part, Tensor):
        part = part.detach().cpu()
        part = np.asarray(part.float() if part.element_size() == 2 else part)
    block = np.asarray(part)
    if block.dtype.kind not in "fiu" or np.isnan(block).any():
        raise InputError(f"distances must be real numbers without NaN: rows from {start}")
    return block.astype(np.float32 if block.dtype in (np.float16, np.float32) else np.float64)
