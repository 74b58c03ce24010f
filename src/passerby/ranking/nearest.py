"""The nearest gallery items of each query, exactly, with ties in the order of the gallery."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from passerby.ranking.tiles import Array, tiles
from passerby.types import InputError


def nearest_first(distances: NDArray[Any], candidates: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sorts ascending candidate indices of a (G,) row by (distance, index)."""
    return candidates[np.argsort(distances[candidates], kind="stable")]


def nearest(
    query: Array, gallery: Array, k: int = 50, metric: str = "euclidean"
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Exact k nearest gallery items of each query, ordered by (distance, gallery index).

    Args:
        query: (Q, D).
        gallery: (G, D).
        k: how many, 1 ... G.
        metric: `euclidean`, `squared_euclidean` or `cosine`.

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
    blocks = tiles(query, gallery, metric)
    if not 1 <= k <= len(gallery):
        raise InputError(
            f"k must lie between 1 and the {len(gallery)} items of the gallery: given {k}"
        )
    indices = np.empty((len(query), k), np.int64)
    values = np.empty((len(query), k), np.float32)
    for start, block in blocks:
        limits = block.topk(k, dim=1, largest=False, sorted=True).values[:, -1].cpu().numpy()
        for row, (distances, limit) in enumerate(
            zip(block.cpu().numpy(), limits, strict=True), start
        ):
            # topk may take any of several equal distances: all of them are candidates.
            indices[row] = nearest_first(distances, np.flatnonzero(distances <= limit))[:k]
            values[row] = distances[indices[row]]
    return indices, values
