"""How far error rates of pairs would move with other people: the bootstrap over persons.

Pairs are not independent: one person who is hard to tell apart is in many of them. What is drawn
anew is therefore the persons, with all their pictures (Bolle, Ratha, Pankanti: Error analysis of
pattern recognition systems - the subsets bootstrap, CVIU 93, 2004, section 4).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from passerby.ranking.matches import TakeRows

Interval = tuple[float, float]
"""Lowest and highest value."""

REPLICATES = 1000
"""How often persons are drawn anew."""

LEVEL = 0.95
"""Share of the replicates that lie within an interval, as much left out below as above."""


def drawn_anew(persons: int, replicates: int = REPLICATES, seed: int = 0) -> NDArray[np.float64]:
    """(replicates, persons) how often each person is drawn, as many in all as there are."""
    random = np.random.Generator(np.random.PCG64(seed))
    shares = np.full(persons, 1 / persons)
    return random.multinomial(persons, shares, replicates).astype(np.float64)


def intervals(
    make_rows: Callable[[TakeRows], None],
    persons: NDArray[np.int64],
    cameras: NDArray[np.int64],
    thresholds: Sequence[float],
    draws: NDArray[np.float64],
) -> list[tuple[Interval, Interval]]:
    """Intervals of FMR and FNMR at fixed thresholds, over all pairs of two cameras.

    With persons p drawn w_p times, a pair of one person counts w_p times, one of p and q counts
    w_p w_q times; two copies of one person make no pair of two.

    Args:
        make_rows: hands on all rows of the (N, N) distances, one block after another.
        persons: (N,) 0 ... P - 1 in ascending order, each at least once.
        cameras: (N,); pictures of one camera are in no pair.
        thresholds: distances below which a pair is accepted.
        draws: (R, P) of `drawn_anew`.

    Returns:
        For each threshold the interval of FMR and that of FNMR.
    """
    levels = [np.float32(threshold) for threshold in thresholds] + [np.float32(np.inf)]
    genuine = np.zeros((len(levels), draws.shape[1]))
    impostor = np.zeros((len(levels), len(draws)))
    starts = np.flatnonzero(np.diff(persons, prepend=-1))

    def take(_: int, first: int, block: NDArray[Any]) -> None:
        rows = slice(first, first + len(block))
        who, begins = np.unique(persons[rows], return_index=True)
        another = cameras[rows, None] != cameras
        for level, below in enumerate(levels):
            accepted = ((block < below) & another).astype(np.float32)
            by_person = np.add.reduceat(np.add.reduceat(accepted, starts, 1), begins, 0)
            own = by_person[np.arange(len(who)), who].copy()
            by_person[np.arange(len(who)), who] = 0
            genuine[level, who] += own
            impostor[level] += np.einsum("rp,rp->r", draws[:, who], draws @ by_person.T)

    make_rows(take)
    with np.errstate(invalid="ignore"):
        accepted = genuine @ draws.T
        missed, matched = 1 - accepted[:-1] / accepted[-1], impostor[:-1] / impostor[-1]
    return [(_middle(matched[i]), _middle(missed[i])) for i in range(len(thresholds))]


def _middle(values: NDArray[np.float64]) -> Interval:
    # A replicate that drew one person alone has no pair of two.
    there = values[np.isfinite(values)]
    low, high = np.quantile(there, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
