"""Distances between many and many, a block of queries at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from passerby.types import InputError

METRICS = ("euclidean", "squared_euclidean", "cosine")
"""Cosine distance is 1 - cosine."""

BLOCK_BYTES = 64 * 2**20
"""Most that one block of the distance matrix takes (one row, where a row is larger)."""

Array = NDArray[Any] | Tensor
"""NumPy array or torch tensor."""


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
    if metric not in METRICS:
        raise InputError(f"the metric must be one of {', '.join(METRICS)}: given {metric!r}")
    q, g = _as_float32("query", query), _as_float32("gallery", gallery)
    if q.ndim != 2 or g.ndim != 2 or q.shape[1] != g.shape[1] or 0 in (*q.shape, *g.shape):
        raise InputError(
            "query and gallery must be (Q, D) and (G, D) with one width D and no empty side: "
            f"given {tuple(q.shape)} and {tuple(g.shape)}"
        )
    for side, x in (("query", q), ("gallery", g)):
        squares = squared_lengths(x)
        _refuse(~squares.isfinite(), side, "of finite length in float32")
        if metric == "cosine":
            _refuse(squares == 0, side, "other than zero vectors under cosine")
    return q.to(g.device), g


def tiles(
    query: Array, gallery: Array, metric: str = "euclidean", block_bytes: int = BLOCK_BYTES
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
    q, g = check_features(query, gallery, metric)
    return _tiles(q, g, metric, max(1, block_bytes // (4 * len(g))))


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


def squared_lengths(x: Tensor) -> Tensor:
    """(N, D) to (N,) sums of squares, without a second (N, D) array."""
    rows = max(1, BLOCK_BYTES // (4 * x.shape[1]))
    return torch.cat([x[i : i + rows].square().sum(1) for i in range(0, len(x), rows)])


def _tiles(q: Tensor, g: Tensor, metric: str, rows: int) -> Iterator[tuple[int, Tensor]]:
    q_squares, g_squares = squared_lengths(q), squared_lengths(g)
    for start in range(0, len(q), rows):
        part = slice(start, start + rows)
        # Half precision would keep three digits of a distance.
        with torch.autocast(g.device.type, enabled=False):
            block = q[part] @ g.T
        if metric == "cosine":
            block.div_(q_squares[part, None].sqrt()).div_(g_squares.sqrt())
            yield start, block.neg_().add_(1).clamp_min_(0)
            continue
        block.mul_(-2).add_(q_squares[part, None]).add_(g_squares).clamp_min_(0)
        yield start, block if metric == "squared_euclidean" else block.sqrt_()


def _as_float32(side: str, features: Array) -> Tensor:
    if isinstance(features, Tensor):
        if features.is_complex():
            raise InputError(f"{side} features must be real numbers: given {features.dtype}")
        return features.detach().float()
    array = np.asarray(features)
    if array.dtype.kind not in "fiu":
        raise InputError(f"{side} features must be real numbers: given {array.dtype}")
    with np.errstate(over="ignore"):
        # torch warns about memory that it may not write to, although nothing here does.
        return torch.from_numpy(np.require(array, np.float32, ["C", "W"]))


def _refuse(bad: Tensor, side: str, rule: str) -> None:
    rows = bad.nonzero().flatten()
    if len(rows):
        raise InputError(
            f"{side} features must be {rule}: {len(rows)} of {len(bad)} rows are not, "
            f"first row {int(rows[0])}"
        )
