"""Who and where the pictures are, and which gallery pictures are a query's hits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from passerby.ranking.features import Array
from passerby.types import JUNK_ID, InputError

Labels = Array | Sequence[int]
"""One whole number for each picture."""


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


@dataclass(frozen=True)
class Runs:
    """Runs of one flat array, one for each query."""

    firsts: NDArray[np.int64]
    """(Q,) where a query's run begins."""
    totals: NDArray[np.int64]
    """(Q,) how long it is."""

    def expanded(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """For each member of each run, query after query: the query, and its place in the array."""
        queries = np.repeat(np.arange(len(self.totals)), self.totals)
        offsets = np.arange(len(queries)) - np.repeat(
            np.cumsum(self.totals) - self.totals, self.totals
        )
        return queries, self.firsts[queries] + offsets


@dataclass(frozen=True)
class Ranked:
    """The gallery without junk, and where each query's own identity stands in it."""

    kept: NDArray[np.int64]
    """(K,) gallery indices that are ranked, ascending. A *position* is an index into it."""
    by_id: NDArray[np.int64]
    """(K,) all positions, in order of identity, ascending within one."""
    same: Runs
    """By query, its run in `by_id`: its hits, and what its camera leaves out."""
    hit_queries: NDArray[np.int64]
    """(T,) the query of each hit, ascending."""
    hit_places: NDArray[np.int64]
    """(T,) its place in `by_id`, ascending within a query."""
    hits: Runs
    """By query, its run in `hit_queries` and `hit_places`."""

    @classmethod
    def of(cls, identities: Identities) -> Ranked:
        """Leaves junk out and finds the hits of every query."""
        kept = np.flatnonzero(identities.gallery_ids != JUNK_ID)
        ids = identities.gallery_ids[kept]
        by_id = np.argsort(ids, kind="stable")
        firsts = np.searchsorted(ids[by_id], identities.query_ids, "left")
        ends = np.searchsorted(ids[by_id], identities.query_ids, "right")
        same = Runs(firsts, ends - firsts)
        queries, places = same.expanded()
        if identities.query_cameras is not None and identities.gallery_cameras is not None:
            cameras = identities.gallery_cameras[kept][by_id][places]
            other = cameras != identities.query_cameras[queries]
            queries, places = queries[other], places[other]
        totals = np.bincount(queries, minlength=len(firsts))
        return cls(kept, by_id, same, queries, places, Runs(np.cumsum(totals) - totals, totals))

    def of_columns(self, block: NDArray[Any]) -> NDArray[Any]:
        """(m, G) to (m, K) without junk, in C order; the block itself where there is none."""
        if len(self.kept) == block.shape[1]:
            return block
        return np.take(block, self.kept, axis=1)


def check_distances(distances: Any) -> tuple[int, int]:
    """The shape (Q, G) of a distance matrix.

    Raises:
        InputError: it is no matrix, or it is empty.
    """
    shape = tuple(np.shape(distances))
    if len(shape) != 2 or 0 in shape:
        raise InputError(f"distances must be (Q, G) with no empty side: given {shape}")
    return shape[0], shape[1]


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
    q_ids = whole_numbers("query_ids", query_ids, shape[0])
    g_ids = whole_numbers("gallery_ids", gallery_ids, shape[1])
    if query_cameras is None or gallery_cameras is None:
        return Identities(q_ids, g_ids, None, None)
    q_cameras = whole_numbers("query_cameras", query_cameras, shape[0])
    g_cameras = whole_numbers("gallery_cameras", gallery_cameras, shape[1])
    if not same_camera_filter:
        return Identities(q_ids, g_ids, None, None)
    return Identities(q_ids, g_ids, q_cameras, g_cameras)


def whole_numbers(name: str, labels: Labels, length: int) -> NDArray[np.int64]:
    """Labels as (length,) int64.

    Raises:
        InputError: another length, or something else than whole numbers.
    """
    array: NDArray[Any] = (
        labels.detach().cpu().numpy() if isinstance(labels, Tensor) else np.asarray(labels)
    )
    if array.shape != (length,) or array.dtype.kind not in "iu":
        raise InputError(
            f"{name} must be {length} whole numbers, one for each row: "
            f"given shape {array.shape} of {array.dtype}"
        )
    return array.astype(np.int64)
