"""Protocols: which pictures search which, and everything that a number must stand with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from passerby.evaluation.embeddings_file import EmbeddingArrays
from passerby.ranking.matches import Identities, check_identities, find_matches
from passerby.ranking.metrics import AVERAGE_PRECISIONS, scores
from passerby.types import JUNK_ID, InputError, Sample, Scores, Split

Embeddings = NDArray[Any]
"""(N, D), one row for each picture."""


@dataclass(frozen=True)
class Counts:
    """How many pictures a number stands on."""

    queries: int
    """Searches, those without a match included."""
    gallery: int
    """Gallery pictures that can be ranked: all but junk."""
    junk: int
    """Gallery pictures with id -1, never ranked."""
    distractors: int
    """Ranked gallery pictures whose identity no query has."""


@dataclass(frozen=True)
class Evaluation:
    """Scores of one model on one data set, with all that they depend on."""

    data: str
    """Name of the data set, or `embeddings`."""
    folder: str
    """Name of the folder or file that holds it: other pictures may have a data set's layout."""
    protocol: str
    """One of `PROTOCOLS`."""
    metric: str
    """Distance that the gallery was ranked by."""
    feature: str
    """Which feature the embeddings are, in words."""
    fingerprint: str
    """Names the model that made the embeddings."""
    same_camera_filter: bool
    """Pictures of the query's identity and camera were left out of its ranking."""
    step: Scores
    """AP as the mean precision at the hits."""
    trapezoid: Scores
    """AP as the Market-1501 kit computes it; all but AP equals `step`."""
    counts: Counts
    """Pictures on both sides."""
    unmatched: tuple[str, ...]
    """Names of the queries without a match, left out of all means."""


def single_query(
    query_embeddings: Embeddings,
    gallery_embeddings: Embeddings,
    split: Split,
    *,
    metric: str,
    same_camera_filter: bool = True,
) -> dict[str, Scores]:
    """Each query picture searches the gallery (Zheng et al. 2015).

    Args:
        query_embeddings: (Q, D), in the order of `split.query`.
        gallery_embeddings: (G, D), in the order of `split.gallery`.
        split: who and where the pictures are.
        metric: `euclidean`, `squared_euclidean` or `cosine`.
        same_camera_filter: leave pictures of the query's identity and camera out.

    Returns:
        Scores by definition of the average precision: `step`, `trapezoid`.

    Raises:
        InputError: embeddings that do not fit the split, an unknown metric, no query with a match.
    """
    identities = _identities(split, same_camera_filter)
    for side, rows, samples in (
        ("query", query_embeddings, split.query),
        ("gallery", gallery_embeddings, split.gallery),
    ):
        if len(rows) != len(samples):
            raise InputError(
                f"{split.name}: each {side} picture needs one embedding: "
                f"{len(samples)} pictures, {len(rows)} embeddings"
            )
    return _both(query_embeddings, gallery_embeddings, identities, metric)


PROTOCOLS: dict[str, Callable[..., dict[str, Scores]]] = {"single-query": single_query}
"""By name; all take and return what `single_query` does."""


def evaluate_split(
    query_embeddings: Embeddings,
    gallery_embeddings: Embeddings,
    split: Split,
    *,
    metric: str,
    feature: str,
    fingerprint: str,
    protocol: str = "single-query",
    same_camera_filter: bool = True,
) -> Evaluation:
    """Scores the embeddings of a split.

    Args:
        query_embeddings: (Q, D), in the order of `split.query`.
        gallery_embeddings: (G, D), in the order of `split.gallery`.
        split: the data set.
        metric: `euclidean`, `squared_euclidean` or `cosine`.
        feature: which feature the embeddings are, in words.
        fingerprint: names the model.
        protocol: one of `PROTOCOLS`.
        same_camera_filter: leave pictures of the query's identity and camera out.

    Raises:
        InputError: an unknown protocol, or as the protocol's function.
    """
    if protocol not in PROTOCOLS:
        raise InputError(f"the protocol must be one of {', '.join(PROTOCOLS)}: given {protocol!r}")
    by_definition = PROTOCOLS[protocol](
        query_embeddings,
        gallery_embeddings,
        split,
        metric=metric,
        same_camera_filter=same_camera_filter,
    )
    return Evaluation(
        data=split.name,
        folder=split.root.resolve().name,
        protocol=protocol,
        metric=metric,
        feature=feature,
        fingerprint=fingerprint,
        same_camera_filter=same_camera_filter,
        step=by_definition["step"],
        trapezoid=by_definition["trapezoid"],
        counts=_counts(_ids(split.query), _ids(split.gallery)),
        unmatched=tuple(split.query[i].name for i in by_definition["step"].unmatched),
    )


def evaluate_arrays(
    arrays: EmbeddingArrays, *, metric: str = "euclidean", same_camera_filter: bool = True
) -> Evaluation:
    """Scores a file of embeddings, single-query; without cameras nothing is left out for them.

    Raises:
        InputError: an unknown metric, a zero vector under cosine, or no query with a match.
    """
    identities = check_identities(
        (len(arrays.query), len(arrays.gallery)),
        arrays.query_ids,
        arrays.gallery_ids,
        arrays.query_cameras,
        arrays.gallery_cameras,
        same_camera_filter=same_camera_filter,
    )
    by_definition = _both(arrays.query, arrays.gallery, identities, metric)
    return Evaluation(
        data="embeddings",
        folder=arrays.file.name,
        protocol="single-query",
        metric=metric,
        feature=f"as in the file, {arrays.query.shape[1]} wide",
        fingerprint="not known",
        same_camera_filter=same_camera_filter and arrays.query_cameras is not None,
        step=by_definition["step"],
        trapezoid=by_definition["trapezoid"],
        counts=_counts(arrays.query_ids, arrays.gallery_ids),
        unmatched=tuple(f"query row {i}" for i in by_definition["step"].unmatched),
    )


def _both(
    query: Embeddings, gallery: Embeddings, identities: Identities, metric: str
) -> dict[str, Scores]:
    matches = find_matches(query, gallery, identities, metric)
    return {definition: scores(matches, definition) for definition in AVERAGE_PRECISIONS}


def _identities(split: Split, same_camera_filter: bool) -> Identities:
    return check_identities(
        (len(split.query), len(split.gallery)),
        _ids(split.query),
        _ids(split.gallery),
        _cameras(split.query),
        _cameras(split.gallery),
        same_camera_filter=same_camera_filter,
    )


def _ids(samples: tuple[Sample, ...]) -> NDArray[np.int64]:
    return np.array([sample.person_id for sample in samples], np.int64)


def _cameras(samples: tuple[Sample, ...]) -> NDArray[np.int64]:
    return np.array([sample.camera_id for sample in samples], np.int64)


def _counts(query_ids: NDArray[np.int64], gallery_ids: NDArray[np.int64]) -> Counts:
    junk = gallery_ids == JUNK_ID
    distractors = ~junk & ~np.isin(gallery_ids, query_ids)
    return Counts(len(query_ids), int((~junk).sum()), int(junk.sum()), int(distractors.sum()))
