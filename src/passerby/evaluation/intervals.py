"""How far scores would move with other people: the bootstrap over the people who are queried.

Queries of one person are not independent, so people are drawn anew with all their queries; the
gallery stays as it is (see `passerby.ranking.bootstrap`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from passerby.ranking.bootstrap import LEVEL, Interval, drawn_anew
from passerby.types import Scores

FEWEST_PEOPLE = 2
"""Fewer tell nothing about others."""


def score_intervals(scores: Scores, query_ids: NDArray[np.int64]) -> dict[str, Interval]:
    """95 % intervals of rank-1 and mAP.

    Args:
        scores: of Q queries; those without a match are left out.
        query_ids: (Q,) whose queries they are.

    Returns:
        By `rank_1` and `mean_ap`; empty where the scores are of other queries than these, as of a
        protocol that draws galleries, or of fewer than two people.
    """
    if len(scores.ap) != len(query_ids):
        return {}
    ranked = ~np.isnan(scores.ap)
    people, who = np.unique(query_ids[ranked], return_inverse=True)
    if len(people) < FEWEST_PEOPLE:
        return {}
    draws = drawn_anew(len(people))
    queries = draws @ np.bincount(who)
    edges = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    found = {}
    for name, values in (
        ("rank_1", scores.first_match[ranked] == 1),
        ("mean_ap", scores.ap[ranked]),
    ):
        low, high = np.quantile(draws @ np.bincount(who, values) / queries, edges)
        found[name] = (float(low), float(high))
    return found
