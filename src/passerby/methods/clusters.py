"""Who is who without a label: clusters of embeddings, with what is known of tracks and cameras."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from passerby.ranking.jaccard import NearPairs, jaccard_within
from passerby.ranking.profiles import Tracks, unit
from passerby.types import InputError

OUTLIER = -1
"""Label of pictures that are in no cluster."""


@dataclass(frozen=True)
class Clustering:
    """How pictures become clusters."""

    limit: float
    """Greatest Jaccard distance of two neighbours (DBSCAN's eps), below 1."""
    least: int
    """Neighbours, itself counted, that make a picture the core of a cluster."""
    k1: int
    """Neighbours that the k-reciprocal sets are made of."""
    k2: int
    """Neighbours whose encodings are averaged."""


def clusters(
    embeddings: NDArray[np.float32], tracks: NDArray[np.int64], how: Clustering
) -> NDArray[np.int64]:
    """DBSCAN on k-reciprocal Jaccard distances; pictures of one track are one person.

    Args:
        embeddings: (N, D), compared by the cosine.
        tracks: (N,) pictures of one number are of one track; each other picture has its own.
        how: its numbers.

    Returns:
        (N,) labels 0 ... clusters - 1, `OUTLIER` where there is none.
    """
    if len(embeddings) < 2:
        return np.full(len(embeddings), OUTLIER)
    pairs = jaccard_within(embeddings, how.limit, how.k1, how.k2)
    return with_tracks(dbscan(pairs, how.limit, how.least), tracks, how.least)


def dbscan(pairs: NearPairs, limit: float, least: int) -> NDArray[np.int64]:
    """DBSCAN (Ester et al. 1996), by scikit-learn: (N,) labels, `OUTLIER` where there is none.

    Raises:
        InputError: scikit-learn is not installed.
    """
    try:
        from sklearn.cluster import DBSCAN
    except ImportError:
        raise InputError("clusters need scikit-learn: run pip install 'passerby[adapt]'") from None
    from scipy.sparse import csr_array

    count = len(pairs.starts) - 1
    content = (pairs.distances, pairs.columns, pairs.starts.astype(np.int32))
    graph = csr_array(content, shape=(count, count))
    # Rounding puts a distance of exactly the limit on either side.
    found = DBSCAN(eps=limit + 1e-6, min_samples=least, metric="precomputed").fit_predict(graph)
    return np.asarray(found, np.int64)


def with_tracks(
    labels: NDArray[np.int64], tracks: NDArray[np.int64], least: int
) -> NDArray[np.int64]:
    """Gives all pictures of a track one label: the one that most of those in clusters have.

    So one picture in the wrong cluster does not join two people, as merging the clusters would. A
    track of outliers is a cluster of its own if it has `least` pictures.

    Args:
        labels: (N,), `OUTLIER` where there is none.
        tracks: (N,) by number.
        least: pictures of a cluster.

    Returns:
        (N,) labels 0 ... clusters - 1, `OUTLIER` where there is none.
    """
    _, whose, sizes = np.unique(tracks, return_inverse=True, return_counts=True)
    inside = labels != OUTLIER
    count = int(labels.max(initial=OUTLIER)) + 1
    votes, totals = np.unique(whose[inside] * max(count, 1) + labels[inside], return_counts=True)
    of_track = np.where(sizes >= max(least, 2), count + np.arange(len(sizes)), OUTLIER)
    # The last one written stands: the greatest total and, where two are equal, the first label.
    order = np.lexsort((-votes, totals))
    of_track[votes[order] // max(count, 1)] = votes[order] % max(count, 1)
    return renumbered(of_track[whose])


def renumbered(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same clusters, numbered 0, 1, ... without gaps; `OUTLIER` stays."""
    found = np.full(len(labels), OUTLIER)
    inside = labels != OUTLIER
    found[inside] = np.unique(labels[inside], return_inverse=True)[1]
    return found


def without_cameras(
    embeddings: NDArray[np.float32],
    cameras: NDArray[np.int64],
    tracks: NDArray[np.int64],
    how: Clustering,
    returns: float,
) -> tuple[NDArray[np.float32], float]:
    """Embeddings of length 1 without their cameras' moves: `passerby.ranking.profiles`.

    What profiles want is the people that each camera saw. Where there are no tracks, clusters of
    one camera's pictures, which no camera's move parts, stand for them.

    Args:
        embeddings: (N, D).
        cameras: (N,), -1 where the camera is not known.
        tracks: (N,) by number.
        how: to find a camera's people.
        returns: of these, how many are taken for one person.

    Returns:
        (N, D) embeddings, and the mean share of the cameras' moves that was taken out.
    """
    embeddings = unit(embeddings)
    seen = Tracks("cosine")
    for camera in np.unique(cameras[cameras >= 0]):
        here = np.flatnonzero(cameras == camera)
        people = clusters(embeddings[here], tracks[here], how)
        inside = people != OUTLIER
        names = [str(person) for person in people[inside]]
        seen.add(embeddings[here[inside]], [str(camera)] * len(names), names)
    if seen.empty:
        return embeddings, 0.0
    profiles = seen.profiles(returns)
    weights = [profile.weight for profile in profiles.cameras.values()]
    moved = profiles.applied(embeddings, [str(c) if c >= 0 else None for c in cameras])
    return moved, float(np.mean(weights))
