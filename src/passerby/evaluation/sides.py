"""Both sides of a search as arrays, whether they come from a data set or from a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from passerby.types import InputError, Sample, Split

Embeddings = NDArray[Any]
"""(N, D), one row for each picture."""

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class More:
    """More pictures of the queries' people in the queries' cameras (Market-1501's `gt_bbox`)."""

    embeddings: Embeddings
    """(M, D)."""
    ids: Numbers
    """(M,)."""
    cameras: Numbers
    """(M,)."""


@dataclass(frozen=True)
class Sides:
    """Embeddings of queries and gallery, and who and where the pictures are."""

    query: Embeddings
    """(Q, D)."""
    gallery: Embeddings
    """(G, D)."""
    query_ids: Numbers
    """(Q,)."""
    gallery_ids: Numbers
    """(G,); -1 is junk."""
    query_cameras: Numbers | None = None
    """(Q,); None: not known, of both sides."""
    gallery_cameras: Numbers | None = None
    """(G,)."""
    more: More | None = None
    """For multi-query; None: it takes the gallery's pictures."""
    in_gallery: Numbers = field(default_factory=lambda: np.empty(0, np.int64))
    """(Q,) row of the gallery that holds the query's very picture, -1: none; empty: not known."""

    def cameras(self) -> tuple[Numbers, Numbers]:
        """(Q,) and (G,) cameras.

        Raises:
            InputError: they are not known.
        """
        if self.query_cameras is None or self.gallery_cameras is None:
            raise InputError("this protocol needs the cameras of both sides: none are given")
        return self.query_cameras, self.gallery_cameras


def sides_of(
    split: Split, query: Embeddings, gallery: Embeddings, more: Embeddings | None = None
) -> Sides:
    """The sides of a data set.

    Args:
        split: who and where the pictures are.
        query: (Q, D), in the order of `split.query`.
        gallery: (G, D), in the order of `split.gallery`.
        more: (M, D), in the order of `split.multi_query`; None: leave these pictures out.

    Raises:
        InputError: another number of embeddings than of pictures.
    """
    parts = [("query", query, split.query), ("gallery", gallery, split.gallery)]
    if more is not None:
        parts.append(("multi_query", more, split.multi_query))
    for side, rows, samples in parts:
        if len(rows) != len(samples):
            raise InputError(
                f"{split.name}: each {side} picture needs one embedding: "
                f"{len(samples)} pictures, {len(rows)} embeddings"
            )
    return Sides(
        query,
        gallery,
        _ids(split.query),
        _ids(split.gallery),
        _cameras(split.query),
        _cameras(split.gallery),
        None if more is None else More(more, _ids(split.multi_query), _cameras(split.multi_query)),
        _same_pictures(split.query, split.gallery),
    )


def _ids(samples: Sequence[Sample]) -> Numbers:
    return np.array([sample.person_id for sample in samples], np.int64)


def _cameras(samples: Sequence[Sample]) -> Numbers:
    return np.array([sample.camera_id for sample in samples], np.int64)


def _same_pictures(query: Sequence[Sample], gallery: Sequence[Sample]) -> Numbers:
    rows = {(sample.file, sample.box): row for row, sample in enumerate(gallery)}
    return np.array([rows.get((sample.file, sample.box), -1) for sample in query], np.int64)
