"""The nearest gallery items of each query, exactly, with ties in the order of the gallery."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from passerby.ranking.features import Array, Features, have_distances, squared_lengths
from passerby.ranking.kernels import kernels
from passerby.ranking.product import RightSide, in_parallel, worker_count
from passerby.ranking.tiles import each_tile, finish, row_blocks, row_terms, sides
from passerby.types import InputError

SMALL = 2**21
"""Up to so many pairs the compiled loops are not worth the time that their compiler takes."""

SMALL_GALLERY = 2**14
"""Up to so many items, whatever the queries."""

FEW = 32
"""Up to so many queries the gallery is the left side of the product: it is then only read."""

_GALLERY_ROWS = 2048

_COPIED_SHARE = 16
"""Where at most one item in so many counts, they are copied out of the gallery."""


def nearest_first(distances: NDArray[Any], candidates: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sorts ascending candidate indices of a (G,) row by (distance, index)."""
    return candidates[np.argsort(distances[candidates], kind="stable")]


def nearest(
    query: Array,
    gallery: Array,
    k: int = 50,
    metric: str = "euclidean",
    *,
    device: torch.device | str | None = None,
    repeated: bool = False,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Exact k nearest gallery items of each query, ordered by (distance, gallery index).

    Args:
        query: (Q, D).
        gallery: (G, D); a memory-mapped one is read front to back.
        k: how many, 1 ... G.
        metric: `euclidean`, `squared_euclidean` or `cosine`.
        device: where to compute, e.g. `cuda`; None: where the gallery is.
        repeated: many calls follow: small ones too take the loops that a second is first spent on
            to compile. Distances may differ in their last bit.

    Returns:
        indices: (Q, k) into the gallery.
        distances: (Q, k), ascending.

    Raises:
        InputError: k outside 1 ... G, or features as in `ranking.tiles.check_features`.

    Example:
        >>> import numpy as np
        >>> indices, distances = nearest(np.array([[0.0]]), np.array([[2.0], [-1.0], [1.0]]), k=2)
        >>> indices.tolist(), distances.tolist()
        ([[1, 2]], [[1.0, 1.0]])
    """
    q, g = sides(query, gallery, metric, device)
    if not 1 <= k <= len(g):
        raise InputError(f"k must lie between 1 and the {len(g)} items of the gallery: given {k}")
    small = not repeated and len(g) <= SMALL_GALLERY and len(q) * len(g) <= SMALL
    if g.device.type != "cpu" or small:
        return _by_sorting(q, g, k, metric)
    return _by_tiles(q, g, metric, Kept(len(q), k, worker_count()))


def nearest_among(
    query: Array,
    gallery: Array,
    k: int,
    among: NDArray[np.bool_],
    metric: str = "euclidean",
    *,
    repeated: bool = False,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """`nearest` where only some gallery items count, without a copy of them if they are many.

    Args:
        query: (Q, D).
        gallery: (G, D), on the processor.
        k: how many, 1 ... number of items that count.
        among: (G,) which items count.
        metric: as `nearest`.
        repeated: as `nearest`.

    Returns:
        indices: (Q, k) into the gallery.
        distances: (Q, k), ascending.

    Raises:
        InputError: `among` of another shape, or as `nearest`.
    """
    among = np.asarray(among)
    if among.dtype != bool or among.shape != (len(gallery),):
        raise InputError(
            f"among must be ({len(gallery)},) of bool: given {among.shape} {among.dtype}"
        )
    rows = np.flatnonzero(among)
    if len(rows) == len(gallery):
        return nearest(query, gallery, k, metric, repeated=repeated)
    if not 1 <= k <= len(rows):
        raise InputError(f"k must lie between 1 and the {len(rows)} items that count: given {k}")
    q, g = sides(query, gallery, metric, "cpu")
    few = not repeated and len(rows) <= SMALL_GALLERY
    if few or len(rows) * _COPIED_SHARE <= len(gallery):
        found, distances = nearest(query, g.take(rows), k, metric, repeated=repeated)
        return rows[found], distances
    return _by_tiles(q, g, metric, Kept(len(q), k, worker_count(), among))


def nearest_of_each(
    query: NDArray[Any],
    gallery: NDArray[Any],
    k: int,
    among: NDArray[np.bool_],
    which: NDArray[np.int64],
    metric: str = "euclidean",
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """`nearest_among` where each query has items of its own that count, as one product.

    Args:
        query: (Q, D).
        gallery: (G, D).
        k: how many for each query, at least 1.
        among: (M, G) choices of the items that count.
        which: (Q,) the choice of each query.
        metric: as `nearest`.

    Returns:
        indices: (Q, k) into the gallery; -1 where fewer items count.
        distances: (Q, k), ascending; infinite there.
    """
    found = np.full((len(query), k), -1, np.int64)
    distances = np.full((len(query), k), np.inf, np.float32)
    sizes = np.count_nonzero(among, axis=1)
    few = sizes * _COPIED_SHARE <= len(gallery)
    for choice in np.unique(which[few[which] & (sizes[which] > 0)]):
        rows, most = np.flatnonzero(which == choice), min(k, int(sizes[choice]))
        found[rows, :most], distances[rows, :most] = nearest_among(
            query[rows], gallery, most, among[choice], metric, repeated=True
        )
    rows, most = np.flatnonzero(~few[which]), min(k, len(gallery))
    if len(rows):
        q, g = sides(query[rows], gallery, metric, "cpu")
        kept = Kept(len(q), most, worker_count(), among, which[rows])
        found[rows, :most], distances[rows, :most] = _by_tiles(q, g, metric, kept)
    found[np.isinf(distances)] = -1
    return found, distances


def _by_tiles(
    q: Features, g: Features, metric: str, kept: Kept
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    terms = row_terms(squared_lengths(q, metric), metric)
    if len(q) <= FEW:
        _few_queries(q, g, terms, metric, kept)
    else:
        each_tile(q, g, terms, metric, kept.consume)
    return kept.merged()


class Kept:
    """The nearest items so far, each worker's for itself.

    Args:
        rows: queries.
        k: how many for each.
        workers: how many threads take part.
        among: (G,) which items count, or (M, G) choices of them; None: all.
        which: (rows,) the choice of each query, where there are several.
    """

    def __init__(
        self,
        rows: int,
        k: int,
        workers: int,
        among: NDArray[np.bool_] | None = None,
        which: NDArray[np.int64] | None = None,
    ) -> None:
        self._others = None if among is None else torch.from_numpy(~among)
        self._which = None if which is None else torch.from_numpy(which)
        self.values = [np.full((rows, k), np.inf, np.float32) for _ in range(workers)]
        self.positions = [np.full((rows, k), _NOWHERE, np.int64) for _ in range(workers)]

    def consume(self, worker: int, first: int, start: int, block: Tensor) -> None:
        """Takes one tile, see `tiles.Consumer`."""
        if self._others is not None:
            others = self._others[..., start : start + block.shape[1]]
            if self._which is not None:
                others = others[self._which[first : first + len(block)]]
            block.masked_fill_(others, torch.inf)
        kernels().keep_nearest(
            block.numpy(), first, start, self.values[worker], self.positions[worker]
        )

    def merged(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """(rows, k) positions and distances, ascending by (distance, position)."""
        values, positions = self.values.pop(), self.positions.pop()
        while self.values:
            both = np.hstack([values, self.values.pop()])
            where = np.hstack([positions, self.positions.pop()])
            order = np.lexsort((where, both))[:, : values.shape[1]]
            values = np.take_along_axis(both, order, 1)
            positions = np.take_along_axis(where, order, 1)
        return positions, values


_NOWHERE = np.iinfo(np.int64).max


def _few_queries(
    query: Features, gallery: Features, terms: Tensor, metric: str, kept: Kept
) -> None:
    queries = query.block(0, len(query))
    scaled = queries / -terms[:, None] if metric == "cosine" else queries * -2
    starts = range(0, len(gallery), _GALLERY_ROWS)
    right = RightSide(scaled, torch.zeros(len(queries)), len(starts), _GALLERY_ROWS)

    def work(worker: int, start: int) -> None:
        rows = gallery.block(start, min(start + _GALLERY_ROWS, len(gallery)))
        squares = torch.empty(len(rows))
        if len(queries) == 1:
            block = torch.empty((1, len(rows)))
            kernels().products(rows.numpy(), scaled[0].numpy(), block[0].numpy(), squares.numpy())
        else:
            kernels().sums_of_squares(rows.numpy(), squares.numpy())
            block = right.times(rows).T.contiguous()
        if not have_distances(squares, metric):
            squared_lengths(gallery, metric)
        if metric == "cosine":
            block /= squares.sqrt()
            finish(block, torch.ones(len(block)), metric, compiled=True)
        else:
            block += squares
            finish(block, terms, metric, compiled=True)
        kept.consume(worker, 0, start, block)

    in_parallel(starts, work)


def _by_sorting(
    query: Features, gallery: Features, k: int, metric: str
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    indices = np.empty((len(query), k), np.int64)
    values = np.empty((len(query), k), np.float32)
    for start, block in row_blocks(query, gallery, metric):
        limits = block.topk(k, dim=1, largest=False, sorted=True).values[:, -1].cpu().numpy()
        for row, (distances, limit) in enumerate(
            zip(block.cpu().numpy(), limits, strict=True), start
        ):
            # topk may take any of several equal distances: all of them are candidates.
            indices[row] = nearest_first(distances, np.flatnonzero(distances <= limit))[:k]
            values[row] = distances[indices[row]]
    return indices, values
