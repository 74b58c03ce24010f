"""Distances between many and many, a block at a time: memory never grows with Q x G."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from passerby.ranking.features import (
    Array,
    Features,
    check_shapes,
    have_distances,
    squared_lengths,
    sums_of_squares,
)
from passerby.ranking.kernels import kernels
from passerby.ranking.metric import METRICS, check_metric
from passerby.ranking.product import RightSide, full_precision, in_parallel, worker_count

__all__ = [
    "METRICS", "Array", "Consumer", "Features", "check_features", "distances", "each_tile",
    "sides", "tiles",
]  # fmt: skip

ROW_BLOCK_BYTES = 16 * 2**20
"""Most that a block of whole rows takes (one row, where a row is larger)."""

TILE_ROWS = 256
"""Query rows of a tile on a processor: with its columns, it stays in the second-level cache."""

TILE_BYTES = 4 * 2**20
"""Most that the gallery rows behind a tile take, on a processor."""

_MOST_COLUMNS = 1024
_DEVICE_ROWS, _DEVICE_COLUMNS = 4096, 8192

Consumer = Callable[[int, int, int, Tensor], None]
"""Given worker, first row, first column, and (m, n) float32 distances that it may change."""


def sides(
    query: Array, gallery: Array, metric: str, device: torch.device | str | None = None
) -> tuple[Features, Features]:
    """Both sides as features on one device (the gallery's, if None is given).

    Raises:
        InputError: unknown metric; sides that are not 2-D, empty, of different width or not of
            numbers.
    """
    check_metric(metric)
    g = Features("gallery", [gallery], device)
    q = Features("query", [query], g.device)
    check_shapes(q, g)
    return q, g


def check_features(query: Array, gallery: Array, metric: str) -> tuple[Tensor, Tensor]:
    """Makes both sides float32 tensors on the gallery's device and refuses what has no distance.

    Args:
        query: (Q, D), any real type.
        gallery: (G, D), any real type.
        metric: one of `METRICS`.

    Returns:
        query, gallery: float32, without gradient; the memory of a float32 input is shared.

    Raises:
        InputError: unknown metric; sides that are not 2-D, empty, of different width or not of
            numbers; a row whose length is not finite in float32, or is 0 under `cosine`.
    """
    both = sides(query, gallery, metric)
    for side in both:
        squared_lengths(side, metric)
    q, g = (side.block(0, len(side)) for side in both)
    return q, g


def each_tile(
    query: Features,
    gallery: Features,
    terms: Tensor,
    metric: str,
    consume: Consumer,
    *,
    lower: bool = False,
) -> None:
    """Computes the distance matrix tile by tile and hands each one on while it is hot.

    On a processor, `consume` is called from several threads at once, each with its own number
    (0 ... worker_count() - 1); on a device, from one. The gallery is read once, front to back.

    Args:
        query: (Q, D).
        gallery: (G, D), on the same device.
        terms: (Q,), see `row_terms`.
        metric: one of `METRICS`.
        consume: what is done with a tile.
        lower: leave out tiles whose every row lies before their every column.

    Raises:
        InputError: a row without distances, see `squared_lengths`.
    """
    on_processor = gallery.device.type == "cpu"
    rows = TILE_ROWS if on_processor else _DEVICE_ROWS

    def work(worker: int, columns: tuple[int, int]) -> None:
        right = right_side(gallery, columns, metric, -(-len(query) // rows), rows)
        for first in range(columns[0] // rows * rows if lower else 0, len(query), rows):
            part = slice(first, min(first + rows, len(query)))
            block = right.times(query.block(part.start, part.stop))
            finish(block, terms[part], metric, compiled=on_processor)
            consume(worker, first, columns[0], block)

    in_parallel(column_ranges(gallery, worker_count()), work, gallery.device)


def column_ranges(gallery: Features, workers: int) -> list[tuple[int, int]]:
    """Cuts the gallery into ranges for `each_tile`, a multiple of the workers where it can."""
    if gallery.device.type != "cpu":
        width = _DEVICE_COLUMNS
    else:
        width = max(64, min(_MOST_COLUMNS, TILE_BYTES // (4 * gallery.width)))
        rounds = -(-len(gallery) // (width * workers))
        width = max(64, -(-len(gallery) // (rounds * workers * 16)) * 16)
    starts = range(0, len(gallery), width)
    return [(start, min(start + width, len(gallery))) for start in starts]


def right_side(
    gallery: Features,
    columns: tuple[int, int] | NDArray[np.int64],
    metric: str,
    lefts: int = 1,
    rows: int = 1,
) -> RightSide:
    """Gallery rows made ready for products that `finish` turns into distances.

    Args:
        gallery: (G, D).
        columns: first and last + 1, or the rows themselves.
        metric: one of `METRICS`.
        lefts: how many blocks of query rows will be multiplied with it.
        rows: of such a block.

    Raises:
        InputError: a row without distances, see `squared_lengths`.
    """
    tile = gallery.take(columns) if isinstance(columns, np.ndarray) else gallery.block(*columns)
    squares = sums_of_squares(tile)
    if not have_distances(squares, metric):
        squared_lengths(gallery.of_rows(None), metric)
    # Times -2 is exact, and the product then adds the squared lengths on its way.
    if metric == "cosine":
        return RightSide(tile / -squares.sqrt()[:, None], torch.zeros_like(squares), lefts, rows)
    return RightSide(tile * -2, squares, lefts, rows)


def row_terms(squares: Tensor, metric: str) -> Tensor:
    """What `finish` needs of the rows: squared lengths, or lengths under cosine."""
    return squares.sqrt() if metric == "cosine" else squares


def finish(block: Tensor, rows: Tensor, metric: str, *, compiled: bool) -> None:
    """Turns (m, n) products into distances >= 0, in place; the same bits either way."""
    if compiled:
        kernels().finish(block.numpy(), rows.numpy(), METRICS.index(metric))
    elif metric == "cosine":
        block.div_(rows[:, None]).add_(1).clamp_min_(0)
    else:
        block.add_(rows[:, None]).clamp_min_(0)
        if metric == "euclidean" and block.device.type == "cpu":
            # NumPy's root is the nearest float32, as the compiled one; torch's is not always.
            np.sqrt(block.numpy(), out=block.numpy())
        elif metric == "euclidean":
            block.sqrt_()


def tiles(
    query: Array, gallery: Array, metric: str = "euclidean", block_bytes: int = ROW_BLOCK_BYTES
) -> Iterator[tuple[int, Tensor]]:
    """The (Q, G) distance matrix in blocks of whole rows, in order.

    Args:
        query: (Q, D).
        gallery: (G, D).
        metric: one of `METRICS`.
        block_bytes: most that a block takes, as long as a row fits.

    Returns:
        Iterator over the first row of a block and the block, float32 (rows, G), >= 0, on the
        gallery's device.

    Raises:
        InputError: as `check_features`, at once.
    """
    return row_blocks(*sides(query, gallery, metric), metric, block_bytes)


def row_blocks(
    query: Features, gallery: Features, metric: str, block_bytes: int = ROW_BLOCK_BYTES
) -> Iterator[tuple[int, Tensor]]:
    """`tiles` of sides that are already features."""
    terms = row_terms(squared_lengths(query, metric), metric)
    squared_lengths(gallery, metric)
    rows = max(1, block_bytes // (4 * len(gallery)))

    def make(start: int) -> Tensor:
        left = query.block(start, min(start + rows, len(query)))
        block = torch.empty((len(left), len(gallery)), device=gallery.device)

        def work(_: int, columns: tuple[int, int]) -> None:
            block[:, slice(*columns)] = right_side(gallery, columns, metric).times(left)

        in_parallel(column_ranges(gallery, worker_count()), work, gallery.device)
        finish(block, terms[start : start + rows], metric, compiled=False)
        return block

    return ((start, make(start)) for start in range(0, len(query), rows))


def whole_rows(
    query: Features, gallery: Features, terms: Tensor, rows: tuple[int, int], metric: str
) -> Tensor:
    """Distances of a range of query rows to the whole gallery, by one worker.

    Args:
        query: (Q, D).
        gallery: (G, D).
        terms: (Q,), see `row_terms`.
        rows: first and last + 1.
        metric: one of `METRICS`.

    Returns:
        (rows, G) float32.
    """
    with full_precision():
        left = query.block(*rows)
        block = torch.empty((len(left), len(gallery)), device=gallery.device)
        for start, stop in column_ranges(gallery, 1):
            right = right_side(gallery, (start, stop), metric)
            block[:, start:stop] = right.times(left)
        finish(block, terms[slice(*rows)], metric, compiled=False)
    return block


def distances(query: Array, gallery: Array, metric: str = "euclidean") -> Tensor:
    """The whole distance matrix, for sides that are small enough.

    Args:
        query: (Q, D).
        gallery: (G, D).
        metric: one of `METRICS`.

    Returns:
        (Q, G) float32, >= 0, on the gallery's device.

    Raises:
        InputError: as `check_features`.

    Example:
        >>> import numpy as np
        >>> distances(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0], [0.0, 1.0]]))
        tensor([[5., 1.]])
    """
    return torch.cat([block for _, block in tiles(query, gallery, metric)])
