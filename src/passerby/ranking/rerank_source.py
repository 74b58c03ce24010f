"""Where re-ranking gets distances from: features, or matrices that are there already."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from passerby.ranking.features import Array, Features, squared_lengths
from passerby.ranking.kernels import kernels
from passerby.ranking.nearest import Kept
from passerby.ranking.product import in_parallel, worker_count
from passerby.ranking.tiles import (
    ROW_BLOCK_BYTES,
    each_tile,
    row_terms,
    sides,
    whole_rows,
)
from passerby.types import InputError

TakeBlock = Callable[[int, int, NDArray[np.float32]], None]
"""Takes worker, first query, and (m, G) float32 that it may change."""

_MARGIN = 4
_PAIRS = 4096


@dataclass(frozen=True)
class Neighbours:
    """Of each item (queries first, then the gallery), by normalised distance."""

    indices: NDArray[np.int32]
    """(N, k) the nearest items, ascending by (distance, index); as a rule the first is itself."""
    values: NDArray[np.float32]
    """(N, k) their distances divided by `farthest`."""
    farthest: NDArray[np.float32]
    """(N,) the greatest distance of each item."""


class Source(Protocol):
    """Distances among queries and gallery, raised to the power."""

    queries: int
    items: int

    def neighbours(self, k: int) -> Neighbours:
        """The k nearest of each item, all where there are fewer."""

    def pairs(self, rows: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.float32]:
        """(M,) distances of chosen pairs of items."""

    def each_block(self, take: TakeBlock) -> None:
        """Makes the (Q, G) distances in blocks of whole rows, by several workers."""


def check_power(power: int) -> None:
    """Refuses a power other than 2 and 4."""
    if power not in (2, 4):
        raise InputError(f"the power of the distances must be 2 or 4: given {power}")


class FeatureSource:
    """Distances of embeddings, computed when needed. Arguments as `rerank`."""

    def __init__(
        self,
        query: Array,
        gallery: Array,
        metric: str,
        power: int,
        device: torch.device | str | None,
    ) -> None:
        check_power(power)
        self._query, self._gallery = sides(query, gallery, metric, device)
        self._all = Features("query and gallery", [query, gallery], self._gallery.device)
        # The square of a Euclidean distance needs no root first.
        self._metric = "squared_euclidean" if metric == "euclidean" else metric
        self._exponent = power // 2 if metric == "euclidean" else power
        for side in (self._query, self._gallery):
            squared_lengths(side, metric)
        self._terms = row_terms(squared_lengths(self._all, metric), metric)
        self.queries, self.items = len(self._query), len(self._all)

    def neighbours(self, k: int) -> Neighbours:
        """See `Source`. Half of the symmetric matrix is computed."""
        k = min(k, self.items)
        kept = min(k + _MARGIN, self.items)
        if self._gallery.device.type == "cpu":
            indices, values, farthest = self._nearest_by_tiles(kept)
        else:
            indices, values, farthest = self._nearest_by_rows(kept)
        farthest = self._powered(farthest)
        values = _normalised(self._powered(values), farthest[:, None])
        order = np.lexsort((indices, values))[:, :k]
        return Neighbours(
            np.take_along_axis(indices, order, 1).astype(np.int32),
            np.take_along_axis(values, order, 1),
            farthest,
        )

    def pairs(self, rows: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `Source`."""
        values = torch.empty(len(rows))

        def work(_: int, start: int) -> None:
            part = slice(start, start + _PAIRS)
            left, right = self._all.take(rows[part]), self._all.take(others[part])
            products = torch.linalg.vecdot(left, right)
            own, other = (self._terms[torch.from_numpy(x[part])] for x in (rows, others))
            if self._metric == "cosine":
                values[part] = (1 - products / own / other).clamp_min(0)
            else:
                values[part] = (own + other - 2 * products).clamp_min(0)

        in_parallel(range(0, len(rows), _PAIRS), work, self._all.device)
        return self._powered(values.numpy())

    def each_block(self, take: TakeBlock) -> None:
        """See `Source`."""
        rows = max(1, min(256, ROW_BLOCK_BYTES // (4 * len(self._gallery))))
        terms = self._terms[: self.queries]

        def work(worker: int, first: int) -> None:
            part = (first, min(first + rows, self.queries))
            block = whole_rows(self._query, self._gallery, terms, part, self._metric)
            take(worker, first, self._powered(block.cpu().numpy()))

        in_parallel(range(0, self.queries, rows), work, self._gallery.device)

    def _nearest_by_tiles(self, k: int) -> tuple[NDArray[np.int64], NDArray[Any], NDArray[Any]]:
        kept = Kept(self.items, k, worker_count())
        farthest = np.zeros((worker_count(), self.items), np.float32)
        limits = np.full(self.items, np.inf, np.float32)

        def consume(worker: int, first: int, start: int, block: Tensor) -> None:
            kernels().keep_both_ways(
                block.numpy(), first, start,
                kept.values[worker], kept.positions[worker], limits, farthest[worker],
            )  # fmt: skip

        each_tile(self._all, self._all, self._terms, self._metric, consume, lower=True)
        return *kept.merged(), farthest.max(0)

    def _nearest_by_rows(self, k: int) -> tuple[NDArray[np.int64], NDArray[Any], NDArray[Any]]:
        parts = []
        rows = 4096
        for first in range(0, self.items, rows):
            part = (first, min(first + rows, self.items))
            block = whole_rows(self._all, self._all, self._terms, part, self._metric)
            own = torch.arange(*part, device=block.device)
            block[own - first, own] = 0
            near = block.topk(k, largest=False)
            parts.append([near.indices.cpu(), near.values.cpu(), block.amax(1).cpu()])
        indices, values, farthest = (torch.cat(x).numpy() for x in zip(*parts, strict=True))
        return indices, values, farthest

    def _powered(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        return values if self._exponent == 1 else np.power(values, self._exponent, dtype=np.float32)


class MatrixSource:
    """Distances that are there already. Arguments as `rerank_distances`."""

    def __init__(
        self,
        query_gallery: NDArray[Any],
        query_query: NDArray[Any],
        gallery_gallery: NDArray[Any],
        power: int,
    ) -> None:
        check_power(power)
        self._power = power
        self.queries, gallery = np.shape(query_gallery)
        self.items = self.queries + gallery
        given = [np.shape(x) for x in (query_gallery, query_query, gallery_gallery)]
        if given[1:] != [(self.queries,) * 2, (gallery,) * 2] or 0 in given[0]:
            raise InputError(
                "re-ranking needs distances of shapes (Q, G), (Q, Q) and (G, G), none empty: "
                f"given {', '.join(map(str, given))}"
            )
        for matrix in (query_gallery, query_query, gallery_gallery):
            if not np.isfinite(matrix).all():
                raise InputError("re-ranking needs distances that are finite numbers")
        self._parts = query_gallery, query_query, gallery_gallery

    def neighbours(self, k: int) -> Neighbours:
        """See `Source`."""
        k = min(k, self.items)
        indices = np.empty((self.items, k), np.int32)
        values = np.empty((self.items, k), np.float32)
        farthest = np.empty(self.items, np.float32)
        for item in range(self.items):
            row = self._row(item)
            farthest[item] = row.max()
            row = _normalised(row, farthest[item])
            indices[item] = np.argsort(row, kind="stable")[:k]
            values[item] = row[indices[item]]
        return Neighbours(indices, values, farthest)

    def pairs(self, rows: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `Source`."""
        values = np.empty(len(rows), np.float32)
        for item in np.unique(rows):
            here = rows == item
            values[here] = self._row(item)[others[here]]
        return values

    def each_block(self, take: TakeBlock) -> None:
        """See `Source`."""
        for first in range(0, self.queries, 256):
            take(0, first, self._powered(self._parts[0][first : first + 256]))

    def _row(self, item: int) -> NDArray[np.float32]:
        query_gallery, query_query, gallery_gallery = self._parts
        if item < self.queries:
            return self._powered(np.concatenate([query_query[item], query_gallery[item]]))
        item -= self.queries
        return self._powered(np.concatenate([query_gallery[:, item], gallery_gallery[item]]))

    def _powered(self, values: NDArray[Any]) -> NDArray[np.float32]:
        return np.asarray(np.power(values, self._power), np.float32)


def _normalised(values: NDArray[np.float32], farthest: Any) -> NDArray[np.float32]:
    # Where all items are alike, all distances are 0 and stay it.
    return np.asarray(values / np.where(farthest > 0, farthest, np.float32(1)), np.float32)
