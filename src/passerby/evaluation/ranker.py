"""How a gallery is put in order: a distance, and re-ranking on top of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from passerby.evaluation.sides import Embeddings, Numbers, Sides
from passerby.ranking.matches import (
    Identities,
    Matches,
    check_identities,
    find_matches,
    find_matches_by_distances,
)
from passerby.types import InputError


@dataclass(frozen=True)
class Reranking:
    """k-reciprocal re-ranking (Zhong et al. 2017) and its three numbers."""

    k1: int = 20
    """Neighbours that the k-reciprocal sets are made of."""
    k2: int = 6
    """Neighbours whose sets are averaged."""
    lambda_value: float = 0.3
    """Weight of the original distance."""


@dataclass(frozen=True)
class Ranking:
    """What decides on the order of the gallery."""

    metric: str
    """`euclidean`, `squared_euclidean` or `cosine`."""
    reranking: Reranking | None = None
    """None: the order of the distances."""
    same_camera_filter: bool = True
    """Leave pictures of the query's identity and camera out, where cameras are known."""


class Ranker:
    """Ranks the gallery of two sides, or parts of it.

    Re-ranking looks at the whole gallery once, junk included, as its authors' program does; under
    `cosine` it takes the Euclidean distances of normalised embeddings, which are in the same order.

    Args:
        sides: who searches whom.
        ranking: by what.

    Raises:
        InputError: features that have no distance, or settings that re-ranking refuses.
    """

    def __init__(self, sides: Sides, ranking: Ranking) -> None:
        self.sides = sides
        self.ranking = ranking
        self.distances: NDArray[Any] | None = None
        if ranking.reranking is not None:
            self.distances = _reranked(sides, ranking, ranking.reranking)

    def matches(self) -> Matches:
        """The ranks of all matches in the whole gallery."""
        sides = self.sides
        identities = check_identities(
            (len(sides.query), len(sides.gallery)),
            sides.query_ids,
            sides.gallery_ids,
            sides.query_cameras,
            sides.gallery_cameras,
            same_camera_filter=self.ranking.same_camera_filter,
        )
        return self._find(sides.query, sides.gallery, self.distances, identities)

    def matches_among(self, rows: Numbers, columns: Numbers) -> Matches:
        """The same for some queries and some of the gallery, whatever the cameras."""
        sides = self.sides
        identities = check_identities(
            (len(rows), len(columns)), sides.query_ids[rows], sides.gallery_ids[columns]
        )
        part = None if self.distances is None else self.distances[np.ix_(rows, columns)]
        return self._find(sides.query[rows], sides.gallery[columns], part, identities)

    def _find(
        self,
        query: Embeddings,
        gallery: Embeddings,
        distances: NDArray[Any] | None,
        identities: Identities,
    ) -> Matches:
        if distances is None:
            return find_matches(query, gallery, identities, self.ranking.metric)
        return find_matches_by_distances(distances, identities)


def _reranked(sides: Sides, ranking: Ranking, reranking: Reranking) -> NDArray[Any]:
    from passerby.ranking.rerank import rerank

    query, gallery = sides.query, sides.gallery
    if ranking.metric == "cosine":
        query, gallery = normalised(query), normalised(gallery)
    return np.asarray(rerank(query, gallery, **asdict(reranking)))


def normalised(embeddings: Embeddings) -> NDArray[np.float32]:
    """(N, D) float32 rows of Euclidean length 1.

    Raises:
        InputError: a row is zero or not finite.
    """
    rows = np.asarray(embeddings, np.float32)
    lengths = np.sqrt(np.einsum("nd,nd->n", rows, rows, dtype=np.float64))
    bad = np.flatnonzero(~np.isfinite(lengths) | (lengths == 0))
    if len(bad):
        raise InputError(
            f"only a finite vector other than zero can be normalised: {len(bad)} of {len(rows)} "
            f"embeddings are not, first row {bad[0]}"
        )
    return np.asarray(rows / lengths[:, None], np.float32)
