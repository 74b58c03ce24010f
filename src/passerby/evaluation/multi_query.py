"""Multi-query: all pictures of the query's person by the query's camera search as one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from passerby.evaluation.ranker import normalised
from passerby.evaluation.sides import Embeddings, Numbers, Sides
from passerby.types import InputError

Pooling = Literal["mean", "max"]


@dataclass(frozen=True)
class Groups:
    """Which pictures search together with each query."""

    bank: Embeddings
    """(B, D): where `rows` point to."""
    rows: tuple[Numbers, ...]
    """For each query the rows of its pictures in the bank."""
    with_query: NDArray[np.bool_]
    """(Q,) whether the query's own embedding is one of them beside those."""


def pooled(sides: Sides, pooling: Pooling) -> Sides:
    """The sides with each query replaced by what its pictures have in common.

    Each embedding is divided by its Euclidean length, then the mean (or the largest value of each
    component) over the query's pictures is taken and divided by its length again (Zheng et al.
    2015). The gallery's embeddings are divided by their length too: both sides have one scale.
    See `groups_of` for the pictures.

    Args:
        sides: cameras are needed.
        pooling: `mean` or `max`.

    Raises:
        InputError: another pooling, no cameras, a zero vector, or pictures whose mean is zero.
    """
    if pooling not in ("mean", "max"):
        raise InputError(f"pooling must be mean or max: given {pooling!r}")
    groups = groups_of(sides)
    own = normalised(sides.query)
    found = np.empty_like(own)
    for query, (rows, with_query) in enumerate(zip(groups.rows, groups.with_query, strict=True)):
        pictures = normalised(groups.bank[rows]) if len(rows) else own[:0]
        if with_query:
            pictures = np.concatenate([own[query : query + 1], pictures])
        found[query] = pictures.mean(0) if pooling == "mean" else pictures.max(0)
    return replace(sides, query=normalised(found), gallery=normalised(sides.gallery))


def groups_of(sides: Sides) -> Groups:
    """The pictures that search together.

    Where the data set has them (`gt_bbox`), those of the query's person and camera, which hold the
    query's own; a query without any searches alone. Else the query, and the gallery's pictures of
    its person and camera, which are left out of its ranking anyway.

    Raises:
        InputError: cameras are not known, or other numbers of them than of embeddings.
    """
    query_cameras, gallery_cameras = sides.cameras()
    if sides.more is not None:
        rows = _rows(sides.query_ids, query_cameras, sides.more.ids, sides.more.cameras)
        return Groups(sides.more.embeddings, rows, np.array([len(found) == 0 for found in rows]))
    rows = _rows(sides.query_ids, query_cameras, sides.gallery_ids, gallery_cameras)
    same = sides.in_gallery if len(sides.in_gallery) else _equal_rows(sides, rows)
    others = tuple(found[found != picture] for found, picture in zip(rows, same, strict=True))
    return Groups(sides.gallery, others, np.ones(len(rows), np.bool_))


def _rows(
    query_ids: Numbers, query_cameras: Numbers, ids: Numbers, cameras: Numbers
) -> tuple[Numbers, ...]:
    by_place: dict[tuple[int, int], list[int]] = {}
    for row, place in enumerate(zip(ids.tolist(), cameras.tolist(), strict=True)):
        by_place.setdefault(place, []).append(row)
    wanted = zip(query_ids.tolist(), query_cameras.tolist(), strict=True)
    return tuple(np.array(by_place.get(place, []), np.int64) for place in wanted)


def _equal_rows(sides: Sides, rows: tuple[Numbers, ...]) -> Numbers:
    """Of a file nothing tells which pictures are the same but equal embeddings."""
    same = np.full(len(rows), -1, np.int64)
    for query, found in enumerate(rows):
        equal = (sides.gallery[found] == sides.query[query]).all(1)
        if equal.any():
            same[query] = found[equal.argmax()]
    return same
