"""k-reciprocal Jaccard distances of the pairs that are near, sparse: what clusters need."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from passerby.ranking.features import Array
from passerby.ranking.reciprocal_kernels import SparseRows, reciprocal_kernels
from passerby.ranking.rerank import check_numbers, encode, in_chunks, transposed
from passerby.ranking.rerank_source import FeatureSource
from passerby.types import InputError


@dataclass(frozen=True)
class NearPairs:
    """Sparse rows of a symmetric (N, N) matrix: those of its distances that are small enough.

    Entries starts[i] ... starts[i + 1] - 1 belong to item i, columns ascending; i itself, at
    distance 0, is among them.
    """

    starts: NDArray[np.int64]
    """(N + 1,)."""
    columns: NDArray[np.int32]
    """(entries,)."""
    distances: NDArray[np.float32]
    """(entries,) 0 ... 1."""


def jaccard_within(
    embeddings: Array,
    limit: float,
    k1: int = 30,
    k2: int = 6,
    *,
    metric: str = "cosine",
    device: torch.device | str | None = None,
) -> NearPairs:
    """All pairs whose k-reciprocal Jaccard distance (Zhong et al. 2017, Eq. 10) is at most `limit`.

    The distances are those of `rerank` with `lambda_value` 0. Two items without a common
    k-reciprocal neighbour are 1 apart, so that only the others are looked at: time is that of the
    k1 nearest of each item, memory that of the pairs that are returned.

    Args:
        embeddings: (N, D), N at least 2.
        limit: 0 ... 1, and below 1.
        k1: neighbours that the k-reciprocal sets are made of.
        k2: neighbours whose encodings are averaged; 1: none but its own.
        metric: `euclidean`, `squared_euclidean` or `cosine`.
        device: where nearest neighbours are computed, e.g. `cuda`; None: where the embeddings are.

    Raises:
        InputError: fewer than 2 embeddings, a limit outside 0 ... 1, or as `rerank`.
    """
    check_numbers(k1, k2, 0)
    if len(embeddings) < 2:
        raise InputError(f"distances need at least 2 embeddings: given {len(embeddings)}")
    if not 0 <= limit < 1:
        raise InputError(
            f"the limit of Jaccard distances must be at least 0 and below 1: given {limit}"
        )
    source = FeatureSource(embeddings[:1], embeddings[1:], metric, 2, device)
    encodings, _ = encode(source, k1, k2)
    inverted = transposed(encodings, 0)
    kernel = reciprocal_kernels().jaccard_within

    def make(start: int, stop: int) -> SparseRows:
        made: SparseRows = kernel(
            start, stop, encodings.starts, encodings.columns, encodings.weights,
            inverted.starts, inverted.columns, inverted.weights, np.float32(limit),
        )  # fmt: skip
        return made

    found = in_chunks(len(embeddings), make)
    return NearPairs(found.starts, found.columns, found.weights)
