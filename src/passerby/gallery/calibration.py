"""The threshold for a wanted rate of false matches, from labelled pairs of one's own data."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from passerby.gallery.settings import Calibration, Space
from passerby.ranking.identities import check_identities
from passerby.ranking.matches import TakeRows
from passerby.ranking.tiles import row_blocks, sides
from passerby.ranking.verification import Verification, verify_rows
from passerby.types import InputError

MOST = 20_000
"""Of more pictures so many are taken, whole persons at random."""

_BINS = 100
_PAIRS_FOR_RATE = 10


def calibrate(
    embeddings: NDArray[np.float32],
    person_ids: NDArray[np.int64],
    camera_ids: NDArray[np.int64] | None,
    space: Space,
    *,
    false_match_rate: float,
    now: float,
    seed: int = 0,
) -> Calibration:
    """Measures on all pairs of pictures, each pair once.

    Pairs of one person by one camera are left out: they are easier than what a search is for.

    Args:
        embeddings: (N, D).
        person_ids: (N,); pictures with -1 are left out.
        camera_ids: (N,), -1 = unknown (no pair of theirs is left out); None: all unknown.
        space: of the embeddings.
        false_match_rate: wanted FMR, between 0 and 1.
        now: seconds since 1970 in UTC.
        seed: of the persons that are taken of more than `MOST` pictures.

    Raises:
        InputError: a rate outside 0 ... 1; no pair of one person; fewer than 10 / rate pairs of
            two, on which the rate could not be seen.
    """
    if not 0 < false_match_rate < 1:
        raise InputError(f"a false match rate lies between 0 and 1: given {false_match_rate}")
    cameras = np.full(len(person_ids), -1) if camera_ids is None else camera_ids
    chosen = _chosen(person_ids, seed)
    embeddings, ids = embeddings[chosen], person_ids[chosen]
    # A camera of its own for each picture whose camera is not known: nothing but the pair of the
    # picture with itself is then left out for it.
    own = np.where(cameras[chosen] < 0, -2 - np.arange(len(chosen)), cameras[chosen])
    found = _verified(embeddings, ids, own, space, false_match_rate)
    genuine, impostor = found.genuine // 2, found.impostor // 2
    point = found.points[0]
    if (
        point.threshold is None
        or point.false_non_match_rate is None
        or (impostor * false_match_rate < _PAIRS_FOR_RATE - 1e-9)
    ):
        raise InputError(
            f"a false match rate of {false_match_rate:g} needs at least "
            f"{_PAIRS_FOR_RATE / false_match_rate:,.0f} pairs of two persons: given {impostor:,}"
        )
    edges, genuine_counts, impostor_counts = _histogram(found, genuine, impostor)
    return Calibration(
        threshold=point.threshold,
        false_match_rate=false_match_rate,
        false_non_match_rate=point.false_non_match_rate,
        genuine=genuine,
        impostor=impostor,
        fingerprint=space.fingerprint,
        measured=now,
        edges=edges,
        genuine_counts=genuine_counts,
        impostor_counts=impostor_counts,
    )


def _chosen(person_ids: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    known = np.flatnonzero(person_ids >= 0)
    if len(known) == 0:
        raise InputError("calibration needs entries whose identity is known: there are none")
    if len(known) <= MOST:
        return known
    persons, counts = np.unique(person_ids[known], return_counts=True)
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(persons))
    taken = persons[order[np.cumsum(counts[order]) <= MOST]]
    return known[np.isin(person_ids[known], taken)]


def _verified(
    embeddings: NDArray[np.float32],
    ids: NDArray[np.int64],
    cameras: NDArray[np.int64],
    space: Space,
    rate: float,
) -> Verification:
    _, codes = np.unique(cameras, return_inverse=True)
    q, g = sides(embeddings, embeddings, space.metric)
    identities = check_identities((len(q), len(g)), ids, ids, codes, codes)

    def blocks(take: TakeRows) -> None:
        for first, block in row_blocks(q, g, space.metric):
            take(0, first, block.cpu().numpy())

    return verify_rows(blocks, identities, (rate,))


def _histogram(
    found: Verification, genuine: int, impostor: int
) -> tuple[tuple[float, ...], tuple[int, ...], tuple[int, ...]]:
    """Counts of pairs in bins of equal width, interpolated between the thresholds.

    These are 0.8 % apart: taken as they are, the bins' edges would take pairs of their neighbours.
    """
    finite = np.isfinite(found.thresholds)
    last = float(found.thresholds[finite].max()) if finite.any() else 1.0
    edges = np.linspace(min(0.0, float(found.thresholds.min())), last, _BINS + 1)
    counts = []
    for rates, pairs in ((found.true_match_rates, genuine), (found.false_match_rates, impostor)):
        below = np.interp(edges, found.thresholds[finite], rates[finite])
        below[0], below[-1] = 0.0, 1.0
        counts.append(tuple(np.diff(np.rint(below * pairs)).astype(int).tolist()))
    return tuple(edges.tolist()), counts[0], counts[1]
