"""How a gallery is put in order: a distance, and re-ranking on top of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from passerby.evaluation.sides import Embeddings, Numbers, Sides
from passerby.evaluation.streaming import CHUNK, room
from passerby.ranking.matches import (
    Identities,
    Matches,
    check_identities,
    find_matches,
    find_matches_by_distances,
)
from passerby.ranking.verification import Verification, verify, verify_rows
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

    Re-ranking looks at the whole gallery, junk included, as its authors' program does; under
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

    def matches(self) -> Matches:
        """The ranks of all matches in the whole gallery."""
        sides, identities = self.sides, self._identities()
        if self.ranking.reranking is None:
            return find_matches(sides.query, sides.gallery, identities, self.ranking.metric)
        from passerby.ranking.rerank import find_reranked_matches

        numbers = asdict(self.ranking.reranking)
        return find_reranked_matches(*self._comparable(), identities, **numbers)

    def verification(self) -> Verification:
        """ROC and FNMR at given FMR over all pairs of a query and a gallery picture.

        Raises:
            InputError: no pair of one person, or none of two.
        """
        sides = self.sides
        if self.ranking.reranking is None:
            return verify(
                sides.query,
                sides.gallery,
                sides.query_ids,
                sides.gallery_ids,
                sides.query_cameras,
                sides.gallery_cameras,
                metric=self.ranking.metric,
                same_camera_filter=self.ranking.same_camera_filter,
            )
        from passerby.ranking.rerank import reranked_rows
        from passerby.ranking.rerank_source import FeatureSource

        source = FeatureSource(*self._comparable(), "euclidean", 2, None)
        rows = reranked_rows(source, **asdict(self.ranking.reranking))
        return verify_rows(rows, self._identities())

    def matches_among(self, rows: Numbers, columns: Numbers) -> Matches:
        """The same for some queries and some of the gallery, whatever the cameras."""
        sides = self.sides
        identities = check_identities(
            (len(rows), len(columns)), sides.query_ids[rows], sides.gallery_ids[columns]
        )
        if self.ranking.reranking is None:
            query, gallery = sides.query[rows], sides.gallery[columns]
            return find_matches(query, gallery, identities, self.ranking.metric)
        return find_matches_by_distances(self._reranked[np.ix_(rows, columns)], identities)

    def _identities(self) -> Identities:
        sides = self.sides
        return check_identities(
            (len(sides.query), len(sides.gallery)),
            sides.query_ids,
            sides.gallery_ids,
            sides.query_cameras,
            sides.gallery_cameras,
            same_camera_filter=self.ranking.same_camera_filter,
        )

    @cached_property
    def _reranked(self) -> NDArray[np.float32]:
        """(Q, G), for those who look at parts of it."""
        from passerby.ranking.rerank import rerank

        assert self.ranking.reranking is not None
        return rerank(*self._comparable(), **asdict(self.ranking.reranking))

    def _comparable(self) -> tuple[Embeddings, Embeddings]:
        """Embeddings whose Euclidean distances are in the order of the metric."""
        if self.ranking.metric == "cosine":
            return normalised(self.sides.query), normalised(self.sides.gallery)
        return self.sides.query, self.sides.gallery


def normalised(embeddings: Embeddings) -> NDArray[np.float32]:
    """(N, D) float32 rows of Euclidean length 1; see `room` for where many of them lie.

    Raises:
        InputError: a row is zero or not finite.
    """
    count = len(embeddings)
    lengths = np.empty(count)
    for part in (slice(start, start + CHUNK) for start in range(0, count, CHUNK)):
        rows = np.asarray(embeddings[part], np.float32)
        lengths[part] = np.sqrt(np.einsum("nd,nd->n", rows, rows, dtype=np.float64))
    bad = np.flatnonzero(~np.isfinite(lengths) | (lengths == 0))
    if len(bad):
        raise InputError(
            f"only a finite vector other than zero can be normalised: {len(bad)} of {count} "
            f"embeddings are not, first row {bad[0]}"
        )
    found = room(embeddings.shape)
    for part in (slice(start, start + CHUNK) for start in range(0, count, CHUNK)):
        found[part] = np.asarray(embeddings[part], np.float32) / lengths[part, None]
    return found
