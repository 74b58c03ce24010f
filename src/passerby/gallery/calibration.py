"""The threshold for a wanted rate of false matches, from labelled pairs of one's own data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from passerby.gallery.settings import Calibration, Pairs, Rate, Space
from passerby.parsing import number
from passerby.ranking.bootstrap import drawn_anew, intervals
from passerby.ranking.identities import check_identities
from passerby.ranking.matches import TakeRows
from passerby.ranking.tiles import row_blocks, sides
from passerby.ranking.verification import OperatingPoint, Verification, verify_rows
from passerby.types import InputError

MOST = 20_000
"""Of more pictures so many are taken, whole persons at random."""

RATES = (1e-1, 1e-2, 1e-3, 1e-4)
"""False match rates that are measured beside the wanted one."""

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
    pairs: Pairs = "other-camera",
    seed: int = 0,
) -> Calibration:
    """Measures on pairs of pictures, each pair once; one rule says which, for both kinds.

    Intervals are those of the rates at the threshold, by the bootstrap over persons.

    Args:
        embeddings: (N, D).
        person_ids: (N,); pictures with -1 are left out.
        camera_ids: (N,), -1 = unknown (no pair of theirs is left out); None: all unknown.
        space: of the embeddings.
        false_match_rate: wanted FMR, between 0 and 1.
        now: seconds since 1970 in UTC.
        pairs: `other-camera`: of pictures of two cameras, the pairs that a search compares which
            leaves the query's camera out; `any`: all.
        seed: of the persons that are taken of more than `MOST` pictures, and of the bootstrap.

    Raises:
        InputError: a rate outside 0 ... 1; no pair of one person; fewer than 10 / rate pairs of
            two, on which the rate could not be seen.
    """
    if not 0 < number(false_match_rate, "a false match rate") < 1:
        raise InputError(f"a false match rate must be between 0 and 1: given {false_match_rate}")
    if pairs not in get_args(Pairs):
        raise InputError(f"pairs must be one of {', '.join(get_args(Pairs))}: given {pairs!r}")
    chosen = _chosen(person_ids, seed)
    embeddings = embeddings[chosen]
    people, ids = np.unique(person_ids[chosen], return_inverse=True)
    cameras = np.full(len(chosen), -1)
    if pairs == "other-camera" and camera_ids is not None:
        cameras = camera_ids[chosen]
    # A camera of its own for each picture whose camera is not known: nothing but the pair of the
    # picture with itself is then left out for it.
    own = np.where(cameras < 0, -2 - np.arange(len(chosen)), cameras)
    rates = sorted({*RATES, false_match_rate}, reverse=True)
    by = " by two cameras (--pairs any takes all)" if (cameras >= 0).any() else ""
    make_rows = _rows(embeddings, space)
    found = _verified(make_rows, ids, own, tuple(rates), by)
    genuine, impostor = found.genuine // 2, found.impostor // 2
    # Of pairs that were each met twice.
    points = [
        point if impostor * point.false_match_rate >= _PAIRS_FOR_RATE - 1e-9
        else OperatingPoint(point.false_match_rate, None, None)
        for point in found.points
    ]  # fmt: skip
    wanted = points[rates.index(false_match_rate)]
    if wanted.threshold is None or wanted.false_non_match_rate is None:
        raise InputError(
            f"a false match rate of {false_match_rate:g} needs at least "
            f"{_PAIRS_FOR_RATE / false_match_rate:,.0f} pairs of two persons{by}: given "
            f"{impostor:,}"
        )
    edges, genuine_counts, impostor_counts = _histogram(found, genuine, impostor)
    return Calibration(
        threshold=wanted.threshold,
        false_match_rate=false_match_rate,
        false_non_match_rate=wanted.false_non_match_rate,
        genuine=genuine,
        impostor=impostor,
        fingerprint=space.fingerprint,
        measured=now,
        edges=edges,
        genuine_counts=genuine_counts,
        impostor_counts=impostor_counts,
        pairs=pairs,
        people=len(people),
        rates=_with_intervals(points, make_rows, ids, own, drawn_anew(len(people), seed=seed)),
    )


def _chosen(person_ids: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Pictures of known people, person after person."""
    known = np.flatnonzero(person_ids >= 0)
    if len(known) == 0:
        raise InputError("calibration needs entries whose identity is known: there are none")
    if len(known) > MOST:
        persons, counts = np.unique(person_ids[known], return_counts=True)
        order = np.random.Generator(np.random.PCG64(seed)).permutation(len(persons))
        taken = persons[order[np.cumsum(counts[order]) <= MOST]]
        known = known[np.isin(person_ids[known], taken)]
    return known[np.argsort(person_ids[known], kind="stable")]


def _rows(embeddings: NDArray[np.float32], space: Space) -> Callable[[TakeRows], None]:
    q, g = sides(embeddings, embeddings, space.metric)

    def blocks(take: TakeRows) -> None:
        for first, block in row_blocks(q, g, space.metric):
            take(0, first, block.cpu().numpy())

    return blocks


def _verified(
    make_rows: Callable[[TakeRows], None],
    ids: NDArray[np.int64],
    cameras: NDArray[np.int64],
    rates: tuple[float, ...],
    by: str,
) -> Verification:
    _, codes = np.unique(cameras, return_inverse=True)
    identities = check_identities((len(ids), len(ids)), ids, ids, codes, codes)
    try:
        return verify_rows(make_rows, identities, rates)
    except InputError:
        raise InputError(
            f"calibration needs pairs of one person and pairs of two{by}: one kind is missing"
        ) from None


def _with_intervals(
    points: Sequence[OperatingPoint],
    make_rows: Callable[[TakeRows], None],
    ids: NDArray[np.int64],
    cameras: NDArray[np.int64],
    draws: NDArray[np.float64],
) -> tuple[Rate, ...]:
    seen = [point.threshold for point in points if point.threshold is not None]
    each = iter(intervals(make_rows, ids, cameras, seen, draws))
    return tuple(
        Rate(
            point.false_match_rate, point.threshold, point.false_non_match_rate,
            *((None, None) if point.threshold is None else next(each)),
        )
        for point in points
    )  # fmt: skip


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
