"""At which ranks a query's true matches stand: all that CMC, AP and mINP need."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from passerby.ranking.nearest import nearest_first
from passerby.ranking.tiles import BLOCK_BYTES, Array, tiles
from passerby.types import JUNK_ID, InputError

Labels = Array | Sequence[int]
"""One whole number for each picture."""


@dataclass(frozen=True)
class Matches:
    """The ranks of all true matches of each query."""

    ranks: tuple[NDArray[np.int64], ...]
    """For each query the 1-based ranks of its matches, ascending; empty where it has none."""
    gallery: int
    """Gallery pictures that can be ranked: all but junk."""


@dataclass(frozen=True)
class Identities:
    """Who and where the pictures of both sides are. See `check_identities`."""

    query_ids: NDArray[np.int64]
    """(Q,)."""
    gallery_ids: NDArray[np.int64]
    """(G,)."""
    query_cameras: NDArray[np.int64] | None
    """(Q,); None: no picture is left out for its camera."""
    gallery_cameras: NDArray[np.int64] | None
    """(G,), where the queries have cameras."""

    def matches_and_ranked(self, query: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """(G,) true matches of one query, and (G,) what stands in its ranking at all."""
        ranked = self.gallery_ids != JUNK_ID
        same = (self.gallery_ids == self.query_ids[query]) & ranked
        if self.query_cameras is None or self.gallery_cameras is None:
            return same, ranked
        own_camera = self.gallery_cameras == self.query_cameras[query]
        return same & ~own_camera, ranked & ~(same & own_camera)


def check_identities(
    shape: tuple[int, int],
    query_ids: Labels,
    gallery_ids: Labels,
    query_cameras: Labels | None = None,
    gallery_cameras: Labels | None = None,
    *,
    same_camera_filter: bool = True,
) -> Identities:
    """Checks ids and cameras against the (Q, G) shape of the ranking.

    Args:
        shape: Q, G.
        query_ids: (Q,).
        gallery_ids: (G,); -1 is junk and never ranked.
        query_cameras: (Q,), or None together with `gallery_cameras`.
        gallery_cameras: (G,).
        same_camera_filter: with cameras, leave gallery pictures of the query's identity and camera
            out of its ranking.

    Raises:
        InputError: another length, something else than whole numbers, cameras on one side only.
    """
    if (query_cameras is None) != (gallery_cameras is None):
        side = "gallery" if query_cameras is None else "query"
        raise InputError(f"cameras must be given for both sides or none: given for the {side} only")
    q_ids = _whole_numbers("query_ids", query_ids, shape[0])
    g_ids = _whole_numbers("gallery_ids", gallery_ids, shape[1])
    if query_cameras is None or gallery_cameras is None:
        return Identities(q_ids, g_ids, None, None)
    q_cameras = _whole_numbers("query_cameras", query_cameras, shape[0])
    g_cameras = _whole_numbers("gallery_cameras", gallery_cameras, shape[1])
    if not same_camera_filter:
        return Identities(q_ids, g_ids, None, None)
    return Identities(q_ids, g_ids, q_cameras, g_cameras)


def find_matches(
    query: Array, gallery: Array, identities: Identities, metric: str = "euclidean"
) -> Matches:
    """Ranks the gallery for each query by (distance, gallery index); see `evaluate`.

    Raises:
        InputError: features as in `ranking.tiles.check_features`.
    """
    blocks = tiles(query, gallery, metric)
    rows = (row for _, block in blocks for row in block.cpu().numpy())
    return _matches(rows, identities)


def find_matches_by_distances(distances: Array, identities: Identities) -> Matches:
    """The same from a (Q, G) matrix of distances, in its own precision.

    Raises:
        InputError: distances that are not 2-D, not real numbers, or NaN.
    """
    return _matches(_rows(distances), identities)


def _matches(rows: Iterator[NDArray[Any]], identities: Identities) -> Matches:
    ranks = []
    for query, distances in enumerate(rows):
        matches, ranked = identities.matches_and_ranked(query)
        if not matches.any():
            ranks.append(np.empty(0, np.int64))
            continue
        # Nothing beyond the farthest match has a say in any rank that is asked for.
        near = np.flatnonzero(ranked & (distances <= distances[matches].max()))
        ranks.append(np.flatnonzero(matches[nearest_first(distances, near)]) + 1)
    return Matches(tuple(ranks), int((identities.gallery_ids != JUNK_ID).sum()))


def _rows(distances: Array) -> Iterator[NDArray[Any]]:
    step = max(1, BLOCK_BYTES // (8 * distances.shape[1]))
    for start in range(0, len(distances), step):
        block = _numpy(distances[start : start + step])
        if block.dtype.kind not in "fiu" or np.isnan(block).any():
            raise InputError(f"distances must be real numbers without NaN: rows from {start}")
        yield from block


def _whole_numbers(name: str, labels: Labels, length: int) -> NDArray[np.int64]:
    array = _numpy(labels)
    if array.shape != (length,) or array.dtype.kind not in "iu":
        raise InputError(
            f"{name} must be {length} whole numbers, one for each row: "
            f"given shape {array.shape} of {array.dtype}"
        )
    return array.astype(np.int64)


def _numpy(array: Any) -> NDArray[Any]:
    if isinstance(array, Tensor):
        array = array.detach().cpu()
        return np.asarray(array.float() if array.element_size() == 2 else array)
    return np.asarray(array)
