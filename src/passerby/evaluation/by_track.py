"""Track-level evaluation: one mean embedding a track, on both sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from passerby.evaluation.ranker import normalised
from passerby.evaluation.sides import Embeddings, Numbers
from passerby.evaluation.streaming import CHUNK, room
from passerby.types import InputError, Sample, Split


def by_track(
    split: Split, query: Embeddings, gallery: Embeddings, metric: str
) -> tuple[Split, Embeddings, Embeddings]:
    """The split and its embeddings with one entry for each track: its first picture, and the mean.

    Under `cosine` the embeddings are divided by their length before the mean is taken. A picture
    without a track stands for itself; a track of two cameras is two.

    Args:
        split: the data set.
        query: (Q, D), in the order of `split.query`.
        gallery: (G, D), in the order of `split.gallery`.
        metric: of the embeddings.

    Raises:
        InputError: no picture has a track, or one of a camera shows two persons.
    """
    if not any(sample.track_id for sample in (*split.query, *split.gallery)):
        raise InputError(
            f"{split.name} in {split.root} has no tracks: track-level evaluation needs track_id"
        )
    sides = []
    for samples, embeddings in ((split.query, query), (split.gallery, gallery)):
        if len(samples) != len(embeddings):
            raise InputError(
                f"{split.name}: each picture needs one embedding: {len(samples)} pictures, "
                f"{len(embeddings)} embeddings"
            )
        firsts, codes = _tracks(samples)
        sides.append((firsts, _means(embeddings, codes, len(firsts), metric)))
    (queries, q), (entries, g) = sides
    return replace(split, query=queries, gallery=entries, multi_query=()), q, g


def _tracks(samples: Sequence[Sample]) -> tuple[tuple[Sample, ...], Numbers]:
    """The first picture of each track, named by it, and each picture's track by its place there."""
    places: dict[tuple[int, str], int] = {}
    firsts: list[Sample] = []
    codes = np.empty(len(samples), np.int64)
    for row, sample in enumerate(samples):
        key = (sample.camera_id, f"track {sample.track_id}" if sample.track_id else str(row))
        codes[row] = places.setdefault(key, len(firsts))
        if codes[row] == len(firsts):
            firsts.append(sample)
        elif firsts[codes[row]].person_id != sample.person_id:
            raise InputError(
                f"a track must show one person: {sample.track_id} of camera {sample.camera_id} has "
                f"{firsts[codes[row]].name} and {sample.name}"
            )
    return tuple(firsts), codes


def _means(embeddings: Embeddings, codes: Numbers, tracks: int, metric: str) -> Embeddings:
    sums = room((tracks, embeddings.shape[1]))
    sums[:] = 0
    for start in range(0, len(embeddings), CHUNK):
        rows = np.asarray(embeddings[start : start + CHUNK], np.float32)
        if metric == "cosine":
            rows = normalised(rows)
        whose = codes[start : start + CHUNK]
        order = np.argsort(whose, kind="stable")
        there, firsts = np.unique(whose[order], return_index=True)
        sums[there] += np.add.reduceat(rows[order], firsts, axis=0)
    sums /= np.bincount(codes, minlength=tracks)[:, None]
    return sums
