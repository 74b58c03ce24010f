"""CMC, mAP and mINP: how good a ranking is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from passerby.ranking.matches import (
    Labels,
    Matches,
    check_identities,
    find_matches,
    find_matches_by_distances,
)
from passerby.ranking.tiles import Array
from passerby.types import InputError, Scores


def step_precision(ranks: NDArray[np.int64]) -> float:
    """Average precision: the mean over the P hits of the precision k / rank at each.

    Args:
        ranks: (P,) 1-based ranks of all hits, ascending, P > 0.
    """
    return float(np.mean(np.arange(1, len(ranks) + 1) / ranks))


def trapezoid_precision(ranks: NDArray[np.int64]) -> float:
    """Average precision of the Market-1501 kit (Zheng et al. 2015): the area by trapezoids.

    The sum over the P hits of the step in recall, 1 / P, times the mean of the precision at the
    hit and the precision one rank before it (1 before the first rank).

    Args:
        ranks: (P,) 1-based ranks of all hits, ascending, P > 0.
    """
    hits = np.arange(1, len(ranks) + 1)
    before = np.where(ranks == 1, 1.0, (hits - 1) / np.maximum(ranks - 1, 1))
    return float(np.mean((before + hits / ranks) / 2))


AVERAGE_PRECISIONS = {"step": step_precision, "trapezoid": trapezoid_precision}
"""By name: the ranks of a query's hits to its average precision."""


def scores(matches: Matches, average_precision: str = "step", ranks: int = 50) -> Scores:
    """CMC, mAP and mINP from the ranks of the matches.

    Args:
        matches: from `find_matches`.
        average_precision: `step` or `trapezoid`.
        ranks: length of the CMC, less where the gallery is smaller.

    Raises:
        InputError: an unknown definition, ranks below 1, or no query with a match.
    """
    if average_precision not in AVERAGE_PRECISIONS:
        known = ", ".join(AVERAGE_PRECISIONS)
        raise InputError(f"average_precision must be one of {known}: given {average_precision!r}")
    if ranks < 1:
        raise InputError(f"the CMC needs at least one rank: given {ranks}")
    matched = [hits for hits in matches.ranks if len(hits)]
    if not matched:
        raise InputError(
            "at least one query must have a match in the gallery (in another camera, where cameras "
            f"are given): none of {len(matches.ranks)} has one"
        )
    ap = [
        AVERAGE_PRECISIONS[average_precision](hits) if len(hits) else np.nan
        for hits in matches.ranks
    ]
    first = np.array([hits[0] if len(hits) else 0 for hits in matches.ranks], np.int64)
    at = np.arange(1, min(ranks, matches.gallery) + 1)
    return Scores(
        cmc=np.mean(first[first > 0][:, None] <= at, axis=0),
        mean_ap=float(np.nanmean(ap)),
        mean_inp=float(np.mean([len(hits) / hits[-1] for hits in matched])),
        ap=np.array(ap, np.float64),
        first_match=first,
        unmatched=np.flatnonzero(first == 0),
        average_precision=average_precision,
    )


def evaluate(
    query: Array,
    gallery: Array,
    query_ids: Labels,
    gallery_ids: Labels,
    query_cameras: Labels | None = None,
    gallery_cameras: Labels | None = None,
    *,
    metric: str = "euclidean",
    average_precision: str = "step",
    ranks: int = 50,
    same_camera_filter: bool = True,
) -> Scores:
    """Ranks the gallery for each query by (distance, gallery index) and scores the rankings.

    Gallery pictures with id -1 are never ranked. Where cameras are given, pictures of the query's
    identity *and* camera are left out of its ranking (Zheng et al. 2015). Queries without a match
    are listed in `unmatched` and are left out of all means. Memory is bounded by a block of the
    distance matrix.

    Args:
        query: (Q, D) embeddings.
        gallery: (G, D) embeddings.
        query_ids: (Q,) identities.
        gallery_ids: (G,) identities.
        query_cameras: (Q,), or None together with `gallery_cameras`.
        gallery_cameras: (G,).
        metric: `euclidean`, `squared_euclidean` or `cosine` (1 - cosine).
        average_precision: `step` or `trapezoid` (the Market-1501 kit's).
        ranks: length of the CMC, less where the gallery is smaller.
        same_camera_filter: False ranks pictures of the query's identity and camera as matches.

    Raises:
        InputError: shapes or lengths that do not fit, values that are not finite, a zero vector
            under cosine, an unknown name, or no query with a match.

    Example:
        Matches stand at ranks 1 and 3: precision 1/1 and 2/3.

        >>> import numpy as np
        >>> query = np.array([[0.0, 0.0]])
        >>> gallery = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0], [0.0, 0.5]])
        >>> result = evaluate(query, gallery, [7], [7, 8, 7, 7], [1], [2, 2, 3, 1])
        >>> result.cmc.tolist(), round(result.mean_ap, 4), round(result.mean_inp, 4)
        ([1.0, 1.0, 1.0, 1.0], 0.8333, 0.6667)
    """
    identities = check_identities(
        (len(query), len(gallery)),
        query_ids,
        gallery_ids,
        query_cameras,
        gallery_cameras,
        same_camera_filter=same_camera_filter,
    )
    return scores(find_matches(query, gallery, identities, metric), average_precision, ranks)


def evaluate_distances(
    distances: Array,
    query_ids: Labels,
    gallery_ids: Labels,
    query_cameras: Labels | None = None,
    gallery_cameras: Labels | None = None,
    *,
    average_precision: str = "step",
    ranks: int = 50,
    same_camera_filter: bool = True,
) -> Scores:
    """`evaluate` from a distance matrix, e.g. a re-ranked one, compared in its own precision.

    Args:
        distances: (Q, G), smaller is nearer; negative and infinite values are allowed.
        query_ids: (Q,) identities.
        gallery_ids: (G,) identities, -1 is never ranked.
        query_cameras: (Q,), or None together with `gallery_cameras`.
        gallery_cameras: (G,).
        average_precision: `step` or `trapezoid`.
        ranks: length of the CMC, less where the gallery is smaller.
        same_camera_filter: False ranks pictures of the query's identity and camera as matches.

    Raises:
        InputError: shapes or lengths that do not fit, NaN, or no query with a match.

    Example:
        >>> import numpy as np
        >>> result = evaluate_distances(np.array([[0.2, 0.1, 0.3]]), [5], [5, 6, 5])
        >>> result.first_match.tolist(), round(result.mean_ap, 4)
        ([2], 0.5833)
    """
    shape = tuple(np.shape(distances))
    if len(shape) != 2 or 0 in shape:
        raise InputError(f"distances must be (Q, G) with no empty side: given {shape}")
    identities = check_identities(
        (shape[0], shape[1]),
        query_ids,
        gallery_ids,
        query_cameras,
        gallery_cameras,
        same_camera_filter=same_camera_filter,
    )
    return scores(find_matches_by_distances(distances, identities), average_precision, ranks)
