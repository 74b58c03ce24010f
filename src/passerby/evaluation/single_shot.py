"""Single-gallery-shot: galleries of one random picture of each person, as CUHK03's authors draw."""

from __future__ import annotations

import numpy as np
from numpy.random import PCG64, Generator, SeedSequence
from numpy.typing import NDArray

from passerby.evaluation.ranker import Ranker
from passerby.evaluation.sides import Numbers
from passerby.types import JUNK_ID, InputError


def single_shot_cmc(
    ranker: Ranker, galleries: int, seed: int, ranks: int = 50
) -> NDArray[np.float64]:
    """CMC over random galleries (Li et al. 2014, section 5).

    For the queries of each camera, a gallery is one random picture of each person out of the
    pictures of the other cameras. The CMC is the mean over all queries that have a match, and over
    all galleries.

    Args:
        ranker: who searches whom, and by what.
        galleries: how many are drawn for each camera.
        seed: of the drawing; gallery k does not depend on how many there are.
        ranks: length of the CMC, less where fewer people are in the gallery.

    Raises:
        InputError: no gallery, no cameras, or no query with a match.
    """
    if galleries < 1:
        raise InputError(f"single-gallery-shot needs at least one gallery: given {galleries}")
    sides = ranker.sides
    query_cameras, gallery_cameras = sides.cameras()
    people = len(np.unique(sides.gallery_ids[sides.gallery_ids != JUNK_ID]))
    at = np.arange(1, min(ranks, people) + 1)
    hits, searches = np.zeros(len(at), np.int64), 0
    for position, camera in enumerate(np.unique(query_cameras)):
        others = np.flatnonzero((gallery_cameras != camera) & (sides.gallery_ids != JUNK_ID))
        there = np.isin(sides.query_ids, sides.gallery_ids[others])
        rows = np.flatnonzero((query_cameras == camera) & there)
        if len(rows) == 0:
            continue
        for gallery in range(galleries):
            random = Generator(PCG64(SeedSequence([seed, position, gallery])))
            columns = random_gallery(sides.gallery_ids, others, random)
            found = ranker.matches_among(rows, columns).ranks
            first = np.array([found_ranks[0] for found_ranks in found])
            hits += (first[:, None] <= at).sum(0)
            searches += len(rows)
    if searches == 0:
        raise InputError("at least one query must have a match in another camera: none has one")
    return np.asarray(hits / searches, np.float64)


def random_gallery(ids: Numbers, candidates: Numbers, random: Generator) -> Numbers:
    """One candidate of each identity, in ascending order.

    Args:
        ids: (G,) identities.
        candidates: rows of the gallery to choose from.
        random: draws one number for each identity, in the order of the identities.
    """
    ordered = candidates[np.argsort(ids[candidates], kind="stable")]
    _, starts, counts = np.unique(ids[ordered], return_index=True, return_counts=True)
    return np.sort(ordered[starts + random.integers(counts)])
