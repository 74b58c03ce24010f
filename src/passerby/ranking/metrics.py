"""CMC, mAP and mINP: how good a ranking is."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from passerby.ranking.features import Array
from passerby.ranking.identities import Labels, check_distances, check_identities
from passerby.ranking.matches import Matches, find_matches, find_matches_by_distances
from passerby.types import InputError, Scores


def step_precisions(ranks: NDArray[np.int64], hits: NDArray[np.int64]) -> NDArray[np.float64]:
    """What each hit adds to the average precision, times the number of hits: k / rank.

    Args:
        ranks: (T,) 1-based ranks of hits.
        hits: (T,) 1-based number k of each hit in its own ranking.
    """
    return hits / ranks


def trapezoid_precisions(ranks: NDArray[np.int64], hits: NDArray[np.int64]) -> NDArray[np.float64]:
    """The same for the Market-1501 kit (Zheng et al. 2015): the area by trapezoids.

    The mean of the precision at the hit and the precision one rank before it (1 before the first
    rank); the step in recall is 1 / number of hits.
    """
    before = np.where(ranks == 1, 1.0, (hits - 1) / np.maximum(ranks - 1, 1))
    return np.asarray((before + hits / ranks) / 2, np.float64)


AVERAGE_PRECISIONS = {"step": step_precisions, "trapezoid": trapezoid_precisions}
"""By name: the ranks of a query's hits to what each adds to its average precision."""


def scores(
    matches: Matches,
    average_precision: str = "step",
    ranks: int = 50,
    *,
    ap_cutoff: int | None = None,
    count_unmatched: bool = False,
) -> Scores:
    """CMC, mAP and mINP from the ranks of the matches.

    Args:
        matches: from `find_matches`.
        average_precision: `step` or `trapezoid`.
        ranks: length of the CMC, less where the gallery is smaller.
        ap_cutoff: hits beyond this rank add nothing to AP, which is still divided by their number
            (some published programs stop at rank 50); None: all count.
        count_unmatched: queries without a match count as 0 in all means instead of being left out.

    Raises:
        InputError: an unknown definition, ranks or ap_cutoff below 1, or no query with a match.
    """
    if average_precision not in AVERAGE_PRECISIONS:
        known = ", ".join(AVERAGE_PRECISIONS)
        raise InputError(f"average_precision must be one of {known}: given {average_precision!r}")
    if ranks < 1:
        raise InputError(f"ranks must be at least 1: given {ranks}")
    if ap_cutoff is not None and ap_cutoff < 1:
        raise InputError(f"ap_cutoff must be a rank of at least 1: given {ap_cutoff}")
    totals = matches.totals
    matched = np.flatnonzero(totals)
    if not len(matched):
        raise InputError(
            "at least one query must have a match in the gallery (in another camera, where cameras "
            f"are given): none of {len(totals)} has one"
        )
    firsts = (np.cumsum(totals) - totals)[matched]
    numbers = np.arange(len(matches.flat)) - np.repeat(firsts, totals[matched]) + 1
    added = AVERAGE_PRECISIONS[average_precision](matches.flat, numbers)
    if ap_cutoff is not None:
        added = np.where(matches.flat <= ap_cutoff, added, 0.0)
    ap = np.full(len(totals), np.nan)
    ap[matched] = np.add.reduceat(added, firsts) / totals[matched]
    first_match = np.zeros(len(totals), np.int64)
    first_match[matched] = matches.flat[firsts]
    last_match = matches.flat[firsts + totals[matched] - 1]
    at = np.arange(1, min(ranks, matches.gallery) + 1)
    found = np.cumsum(np.bincount(np.minimum(first_match[matched], at[-1] + 1))[1:])
    counted = len(totals) if count_unmatched else len(matched)
    return Scores(
        cmc=np.append(found, np.full(len(at), len(matched)))[: len(at)] / counted,
        mean_ap=float(ap[matched].sum() / counted),
        mean_inp=float((totals[matched] / last_match).sum() / counted),
        ap=ap,
        first_match=first_match,
        unmatched=np.flatnonzero(totals == 0),
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
    ap_cutoff: int | None = None,
    count_unmatched: bool = False,
    device: torch.device | str | None = None,
) -> Scores:
    """Ranks the gallery for each query by (distance, gallery index) and scores the rankings.

    Gallery pictures with id -1 are never ranked. Where cameras are given, pictures of the query's
    identity *and* camera are left out of its ranking (Zheng et al. 2015). Queries without a match
    are listed in `unmatched` and are left out of all means. Memory is bounded by a few blocks
    of the distance matrix; a memory-mapped gallery is read front to back.

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
        ap_cutoff: hits beyond this rank add nothing to AP, see `scores`; None: all count.
        count_unmatched: queries without a match count as 0 instead of being left out.
        device: where to compute, e.g. `cuda`; None: where the gallery is.

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
    return scores(
        find_matches(query, gallery, identities, metric, device=device),
        average_precision,
        ranks,
        ap_cutoff=ap_cutoff,
        count_unmatched=count_unmatched,
    )


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
    ap_cutoff: int | None = None,
    count_unmatched: bool = False,
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
        ap_cutoff: hits beyond this rank add nothing to AP, see `scores`; None: all count.
        count_unmatched: queries without a match count as 0 instead of being left out.

    Raises:
        InputError: shapes or lengths that do not fit, NaN, or no query with a match.

    Example:
        >>> import numpy as np
        >>> result = evaluate_distances(np.array([[0.2, 0.1, 0.3]]), [5], [5, 6, 5])
        >>> result.first_match.tolist(), round(result.mean_ap, 4)
        ([2], 0.5833)
    """
    identities = check_identities(
        check_distances(distances),
        query_ids,
        gallery_ids,
        query_cameras,
        gallery_cameras,
        same_camera_filter=same_camera_filter,
    )
    return scores(
        find_matches_by_distances(distances, identities),
        average_precision,
        ranks,
        ap_cutoff=ap_cutoff,
        count_unmatched=count_unmatched,
    )
