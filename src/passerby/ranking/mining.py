"""The hardest positives and negatives of every picture of a training set, blockwise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from passerby.ranking.counting import hit_distances
from passerby.ranking.features import Array, Features, squared_lengths
from passerby.ranking.identities import Labels, Ranked, check_identities
from passerby.ranking.nearest import Kept
from passerby.ranking.product import worker_count
from passerby.ranking.tiles import each_tile, row_terms, sides
from passerby.types import JUNK_ID, InputError

NONE = -1
"""Stands where there are fewer candidates than asked for."""


def hardest(
    features: Array,
    ids: Labels,
    cameras: Labels,
    positives: int = 10,
    negatives: int = 10,
    metric: str = "euclidean",
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each picture the farthest of its person and the nearest of others.

    Positives are of the same identity in other cameras, negatives of other identities in the same
    camera (Zheng et al., MPM-LTL, Algorithm 1). Pictures with id -1 have none and are none.

    Args:
        features: (N, D), on a processor.
        ids: (N,) identities.
        cameras: (N,).
        positives: how many of the farthest positives.
        negatives: how many of the nearest negatives.
        metric: `euclidean`, `squared_euclidean` or `cosine`.

    Returns:
        positives: (N, positives) indices, farthest first; ties by index; `NONE` where there are
            fewer.
        negatives: (N, negatives) indices, nearest first; ties by index; `NONE` where fewer.

    Raises:
        InputError: as `ranking.nearest.nearest`; labels of another length; numbers below 1.

    Example:
        >>> import numpy as np
        >>> x = np.array([[0.0], [1.0], [5.0], [2.0], [3.0]])
        >>> far, near = hardest(x, [1, 1, 1, 2, 3], [1, 2, 2, 1, 1], 2, 2)
        >>> far[0].tolist(), near[0].tolist(), far[3].tolist()
        ([2, 1], [3, 4], [-1, -1])
    """
    if positives < 1 or negatives < 1:
        raise InputError(
            f"mining needs at least 1 positive and 1 negative: given {positives}, {negatives}"
        )
    own, _ = sides(features, features, metric)
    identities = check_identities((len(own),) * 2, ids, ids, cameras, cameras)
    terms = row_terms(squared_lengths(own, metric), metric)
    ranked = Ranked.of(identities)
    far = _farthest(own, ranked, terms, metric, positives)
    near = np.full((len(own), negatives), NONE, np.int64)
    known = identities.query_ids != JUNK_ID
    assert identities.query_cameras is not None
    for camera in np.unique(identities.query_cameras):
        rows = np.flatnonzero(known & (identities.query_cameras == camera))
        if len(rows):
            near[rows] = _nearest_others(
                own, rows, identities.query_ids[rows], terms, metric, negatives
            )
    return far, near


def _farthest(
    own: Features, ranked: Ranked, terms: Tensor, metric: str, count: int
) -> NDArray[np.int64]:
    found = np.full((len(own), count), NONE, np.int64)
    if len(ranked.hit_queries) == 0:
        return found
    values = hit_distances(own, own.of_rows(ranked.kept), ranked, terms, metric)
    indices = ranked.kept[ranked.by_id[ranked.hit_places]]
    order = np.lexsort((indices, -values, ranked.hit_queries))
    place = np.arange(len(order)) - np.repeat(ranked.hits.firsts, ranked.hits.totals)
    taken = place < count
    found[ranked.hit_queries[taken], place[taken]] = indices[order][taken]
    return found


def _nearest_others(
    own: Features,
    rows: NDArray[np.int64],
    ids: NDArray[np.int64],
    terms: Tensor,
    metric: str,
    count: int,
) -> NDArray[np.int64]:
    kept = Kept(len(rows), count, worker_count())

    def consume(worker: int, first: int, start: int, block: Tensor) -> None:
        same = ids[first : first + len(block), None] == ids[start : start + block.shape[1]]
        block.numpy()[same] = np.inf
        kept.consume(worker, first, start, block)

    camera = own.of_rows(rows)
    each_tile(camera, camera, terms[rows], metric, consume)
    places, values = kept.merged()
    return np.where(np.isfinite(values), rows[np.minimum(places, len(rows) - 1)], NONE)
