"""Rows of features as float32 blocks, whatever their type, order and place."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from passerby.ranking.product import in_parallel
from passerby.types import InputError

Array = NDArray[Any] | Tensor
"""NumPy array (a memory-mapped one too) or torch tensor."""

SCAN_BYTES = 4 * 2**20
"""Rows are looked through in blocks of about this size."""


class Features:
    """(N, D) rows, read block by block; several arrays count as one.

    Nothing is copied but the block that is asked for.

    Args:
        side: name for messages.
        parts: (N_i, D) arrays of any real type and memory order.
        device: where blocks are computed with; None: where the first part is.
        rows: the rows to use, in this order; None: all.
    """

    def __init__(
        self,
        side: str,
        parts: Sequence[Array],
        device: torch.device | str | None = None,
        rows: NDArray[np.int64] | None = None,
    ) -> None:
        self.side = side
        self._parts = [_as_tensor(side, part) for part in parts]
        self.device = torch.device(self._parts[0].device if device is None else device)
        self._ends = np.cumsum([part.shape[0] for part in self._parts])
        self._rows = rows
        self.width = self._parts[0].shape[-1]

    def __len__(self) -> int:
        return int(self._ends[-1]) if self._rows is None else len(self._rows)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the single array, or of the rows in use."""
        if len(self._parts) == 1 and self._rows is None:
            return tuple(self._parts[0].shape)
        return (len(self), self.width)

    def of_rows(self, rows: NDArray[np.int64] | None) -> Features:
        """The same features with only these rows, in this order."""
        return Features(self.side, self._parts, self.device, rows)

    def block(self, start: int, stop: int) -> Tensor:
        """Rows start ... stop - 1 as (n, D) float32, contiguous; may share the array's memory."""
        if self._rows is not None:
            return self._take(self._rows[start:stop])
        pieces = []
        for part, end in zip(self._parts, self._ends, strict=True):
            first = int(end) - len(part)
            if start < end and stop > first:
                pieces.append(self._float(part[max(start - first, 0) : stop - first]))
        return pieces[0] if len(pieces) == 1 else torch.cat(pieces)

    def take(self, rows: NDArray[np.int64]) -> Tensor:
        """Chosen rows as (n, D) float32, contiguous."""
        return self._take(rows if self._rows is None else self._rows[rows])

    def _take(self, rows: NDArray[np.int64]) -> Tensor:
        if len(self._parts) == 1:
            part = self._parts[0]
            return self._float(part.index_select(0, torch.from_numpy(rows).to(part.device)))
        taken = torch.empty((len(rows), self.width), device=self.device)
        for part, end in zip(self._parts, self._ends, strict=True):
            here = np.flatnonzero((rows >= end - len(part)) & (rows < end))
            chosen = torch.from_numpy(rows[here] - (end - len(part))).to(part.device)
            taken[torch.from_numpy(here).to(self.device)] = self._float(part[chosen])
        return taken

    def _float(self, rows: Tensor) -> Tensor:
        return rows.to(self.device, torch.float32).contiguous()


def check_shapes(query: Features, gallery: Features) -> None:
    """Refuses sides that are not 2-D, empty, or of different width."""
    q, g = query.shape, gallery.shape
    if len(q) != 2 or len(g) != 2 or q[1] != g[1] or 0 in (*q, *g):
        raise InputError(
            "query and gallery must be (Q, D) and (G, D) with one width D and no empty side: "
            f"given {q} and {g}"
        )


def squared_lengths(features: Features, metric: str) -> Tensor:
    """(N,) sums of squares, without a second (N, D) array.

    Raises:
        InputError: a row whose length is not finite in float32, or is 0 under `cosine`.
    """
    rows = max(1, SCAN_BYTES // (4 * features.width))
    squares = torch.empty(len(features), device=features.device)

    def work(_: int, start: int) -> None:
        block = features.block(start, min(start + rows, len(features)))
        squares[start : start + rows] = sums_of_squares(block)

    in_parallel(range(0, len(features), rows), work, features.device)
    _refuse(~squares.isfinite(), features.side, "of finite length in float32")
    if metric == "cosine":
        _refuse(squares == 0, features.side, "other than zero vectors under cosine")
    return squares


def sums_of_squares(rows: Tensor) -> Tensor:
    """(n, D) to (n,)."""
    return rows.square().sum(1)


def have_distances(squares: Tensor, metric: str) -> bool:
    """Whether rows of these squared lengths have distances under the metric."""
    good = squares.isfinite().all()
    return bool(good & (squares != 0).all() if metric == "cosine" else good)


def _as_tensor(side: str, features: Array) -> Tensor:
    if isinstance(features, Tensor):
        if features.is_complex():
            raise InputError(f"{side} features must be real numbers: given {features.dtype}")
        return features.detach()
    array = np.asarray(features)
    if array.dtype.kind not in "fiu":
        raise InputError(f"{side} features must be real numbers: given {array.dtype}")
    if array.dtype not in _KNOWN or any(step < 0 for step in array.strides):
        with np.errstate(over="ignore"):
            array = np.ascontiguousarray(array, np.float32)
    with warnings.catch_warnings():
        # torch warns about memory that it may not write to, although nothing here does.
        warnings.simplefilter("ignore", UserWarning)
        return torch.from_numpy(array)


_KNOWN = tuple(np.dtype(name) for name in ("f2", "f4", "f8", "u1", "i1", "i2", "i4", "i8"))


def _refuse(bad: Tensor, side: str, rule: str) -> None:
    rows = bad.nonzero().flatten()
    if len(rows):
        raise InputError(
            f"{side} features must be {rule}: {len(rows)} of {len(bad)} rows are not, "
            f"first row {int(rows[0])}"
        )
