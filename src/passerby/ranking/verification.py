"""ROC, and the misses at a given rate of false matches: pairs instead of ranked lists.

A pair is of a query and a gallery picture, by two cameras where cameras are given: *genuine* if the
identity is the same, *impostor* if it differs. Both kinds follow this one rule: two pictures of one
camera look alike whoever is in them, so that a threshold on impostors of one camera is too strict
for pairs of two. Junk is in no pair. A pair is accepted if its distance is below the threshold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from passerby.ranking.features import Array
from passerby.ranking.identities import (
    Identities,
    Labels,
    Ranked,
    Runs,
    check_distances,
    check_identities,
)
from passerby.ranking.matches import TakeRows, distance_rows
from passerby.ranking.tiles import row_blocks, sides
from passerby.types import JUNK_ID, InputError

FALSE_MATCH_RATES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
"""Where FNMR is read off, if there are at least 10 / rate impostor pairs."""

_BINS = 2**16
_INFINITY = 0xFF80


@dataclass(frozen=True)
class OperatingPoint:
    """What a rate of false matches costs."""

    false_match_rate: float
    """FMR: the share of impostor pairs that may be accepted."""
    threshold: float | None
    """Greatest threshold that accepts no more; None: not enough impostor pairs."""
    false_non_match_rate: float | None
    """FNMR: share of the genuine pairs that it does not accept; None: not enough pairs."""


@dataclass(frozen=True)
class Verification:
    """How well a threshold on the distance tells persons apart."""

    genuine: int
    """Pairs of one person."""
    impostor: int
    """Pairs of two."""
    thresholds: NDArray[np.float32]
    """(n,) ascending; 2 ** -8 apart, in relation to their size."""
    false_match_rates: NDArray[np.float64]
    """(n,) share of the impostor pairs below each threshold."""
    true_match_rates: NDArray[np.float64]
    """(n,) share of the genuine pairs below each threshold: 1 - FNMR."""
    points: tuple[OperatingPoint, ...]
    """At `FALSE_MATCH_RATES`, exact."""


def verify(
    query: Array,
    gallery: Array,
    query_ids: Labels,
    gallery_ids: Labels,
    query_cameras: Labels | None = None,
    gallery_cameras: Labels | None = None,
    *,
    metric: str = "euclidean",
    same_camera_filter: bool = True,
) -> Verification:
    """ROC and FNMR@FMR from embeddings; memory is bounded by a block of distances.

    Args:
        query: (Q, D).
        gallery: (G, D).
        query_ids: (Q,); queries with id -1 are in no pair.
        gallery_ids: (G,); -1 is in no pair.
        query_cameras: (Q,), or None together with `gallery_cameras`.
        gallery_cameras: (G,).
        metric: `euclidean`, `squared_euclidean` or `cosine`.
        same_camera_filter: False makes pairs of one camera count, of one person and of two.

    Raises:
        InputError: as `evaluate`; no genuine or no impostor pair.
    """
    q, g = sides(query, gallery, metric)
    cameras = query_cameras, gallery_cameras
    identities = check_identities(
        (len(q), len(g)), query_ids, gallery_ids, *cameras, same_camera_filter=same_camera_filter
    )

    def blocks(take: TakeRows) -> None:
        for first, block in row_blocks(q, g, metric):
            take(0, first, block.cpu().numpy())

    return verify_rows(blocks, identities)


def verify_distances(
    distances: Array,
    query_ids: Labels,
    gallery_ids: Labels,
    query_cameras: Labels | None = None,
    gallery_cameras: Labels | None = None,
    *,
    same_camera_filter: bool = True,
) -> Verification:
    """`verify` from a (Q, G) matrix, compared in float32.

    Raises:
        InputError: as `evaluate_distances`; no genuine or no impostor pair.

    Example:
        >>> import numpy as np
        >>> found = verify_distances(np.array([[0.1, 0.3] + [0.2] + [0.9] * 99]),
        ...                          [1], [1, 1] + [2] * 100)
        >>> found.genuine, found.impostor, found.points[0].false_non_match_rate
        (2, 100, 0.0)
        >>> found.points[1].false_match_rate, found.points[1].false_non_match_rate
        (0.01, None)
    """
    identities = check_identities(
        check_distances(distances),
        query_ids,
        gallery_ids,
        query_cameras,
        gallery_cameras,
        same_camera_filter=same_camera_filter,
    )
    return verify_rows(distance_rows(distances), identities)


def verify_rows(
    make_rows: Callable[[TakeRows], None],
    identities: Identities,
    rates: Sequence[float] = FALSE_MATCH_RATES,
) -> Verification:
    """The same from blocks of whole rows, which are made twice.

    Args:
        make_rows: calls what it is given for all rows, see `ranking.matches.TakeRows`.
        identities: of the rows and columns.
        rates: false match rates to read off.

    Raises:
        InputError: no genuine or no impostor pair.
    """
    pairs = _Pairs(identities)
    make_rows(pairs.take)
    below = np.append(0, np.cumsum(pairs.bins))
    impostor, genuine = int(below[-1]), np.sort(pairs.genuine)
    if impostor == 0 or len(genuine) == 0:
        raise InputError(
            "verification needs pairs of one person and pairs of two, by two cameras where these "
            f"are known: given {len(genuine)} and {impostor}"
        )
    # The first impostor pair that must be refused, counted from 0.
    refused = {rate: int(rate * impostor) for rate in rates if impostor * rate >= 10 - 1e-9}
    found = _values_at(make_rows, pairs, sorted(set(refused.values())), below)
    used = np.flatnonzero(pairs.bins + np.bincount(_keys(genuine) >> 16, minlength=_BINS))
    edges = np.unique(np.append(used, used + 1))
    thresholds = _from_keys(edges << 16)
    return Verification(
        genuine=len(genuine),
        impostor=impostor,
        thresholds=thresholds,
        false_match_rates=below[edges] / impostor,
        true_match_rates=np.searchsorted(genuine, thresholds) / len(genuine),
        points=tuple(_point(rate, refused, found, genuine) for rate in rates),
    )


class _Pairs:
    """Counts impostor pairs by the first half of their distance's bits, and keeps genuine ones."""

    def __init__(self, identities: Identities) -> None:
        self._ranked = Ranked.of(identities)
        self._known = identities.query_ids != JUNK_ID
        self._cameras: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None
        if identities.query_cameras is not None and identities.gallery_cameras is not None:
            columns = identities.gallery_cameras[self._ranked.kept]
            self._cameras = identities.query_cameras, columns
        self.bins = np.zeros(_BINS, np.int64)
        self.lock = Lock()
        self.genuine = np.empty(len(self._ranked.hit_queries), np.float32)

    def impostors(self, first: int, block: NDArray[Any]) -> NDArray[np.uint32]:
        """(m, K) keys of distances in their order; those of other pairs are above infinity."""
        ranked = self._ranked
        kept = np.array(ranked.of_columns(block), np.float32)
        part = slice(*np.searchsorted(ranked.hit_queries, (first, first + len(block))))
        hits = ranked.by_id[ranked.hit_places[part]]
        self.genuine[part] = kept[ranked.hit_queries[part] - first, hits]
        rows = slice(first, first + len(block))
        queries, places = Runs(ranked.same.firsts[rows], ranked.same.totals[rows]).expanded()
        kept[queries, ranked.by_id[places]] = np.nan
        kept[~self._known[rows]] = np.nan
        if self._cameras is not None:
            kept[self._cameras[0][rows, None] == self._cameras[1]] = np.nan
        return _keys(kept)

    def take(self, _: int, first: int, block: NDArray[Any]) -> None:
        """Takes one block of rows."""
        keys = self.impostors(first, block).ravel() >> 16
        keys = keys[keys <= _INFINITY]
        counts = np.bincount(keys, minlength=_BINS)
        with self.lock:
            self.bins += counts


def _values_at(
    make_rows: Callable[[TakeRows], None],
    pairs: _Pairs,
    places: Sequence[int],
    below: NDArray[np.int64],
) -> dict[int, np.float32]:
    """The impostor distances at given places of their ascending order."""
    if not places:
        return {}
    homes = np.searchsorted(below, places, "right") - 1
    fine = {int(home): np.zeros(_BINS, np.int64) for home in homes}

    def take(_: int, first: int, block: NDArray[Any]) -> None:
        keys = pairs.impostors(first, block).ravel()
        for home, bins in fine.items():
            low = keys[keys >> 16 == home] & (_BINS - 1)
            counts = np.bincount(low, minlength=_BINS)
            with pairs.lock:
                bins += counts

    make_rows(take)
    values = {}
    for place, home in zip(places, homes.tolist(), strict=True):
        low = np.searchsorted(np.cumsum(fine[home]), place - below[home], "right")
        values[place] = _from_keys(np.array([(home << 16) + int(low)]))[0]
    return values


def _point(
    rate: float,
    refused: dict[float, int],
    values: dict[int, np.float32],
    genuine: NDArray[np.float32],
) -> OperatingPoint:
    if rate not in refused:
        return OperatingPoint(rate, None, None)
    threshold = values[refused[rate]]
    accepted = int(np.searchsorted(genuine, threshold))
    return OperatingPoint(rate, float(threshold), 1 - accepted / len(genuine))


def _keys(values: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Whole numbers in the order of the values; adding 0 makes -0 and 0 one."""
    bits = (values + np.float32(0)).view(np.uint32)
    return np.where(bits >> 31 == 1, ~bits, bits | np.uint32(1 << 31))


def _from_keys(keys: NDArray[Any]) -> NDArray[np.float32]:
    whole = keys.astype(np.uint64)
    bits = np.where(whole >> np.uint64(31) == 1, whole & np.uint64(2**31 - 1), ~whole)
    return bits.astype(np.uint32).view(np.float32)
