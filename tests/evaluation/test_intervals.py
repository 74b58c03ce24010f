"""Intervals of scores over people."""

import numpy as np

from passerby.evaluation.intervals import score_intervals
from passerby.ranking.metrics import evaluate_distances


def scores_of(right, ids):
    """Queries of `ids`, found first where `right`, second elsewhere; the last has no match."""
    ids = np.append(ids, 99)
    gallery = np.append(np.unique(ids[:-1]), -2)
    distances = np.full((len(ids), len(gallery)), 9.0)
    for row, (found, person) in enumerate(zip(np.append(right, True), ids, strict=True)):
        distances[row, gallery == person] = 1
        distances[row, -1] = 2 if found else 0
    cameras = np.zeros(len(ids), int), np.ones(len(gallery), int)
    return evaluate_distances(distances, ids, gallery, *cameras), ids


def test_queries_of_one_person_move_together():
    random = np.random.default_rng(0)
    right = random.random(40) < 0.6
    one_each, ids = scores_of(right, np.arange(40))
    low, high = score_intervals(one_each, ids)["rank_1"]
    # The normal approximation of a share.
    error = 1.96 * np.sqrt(right.mean() * (1 - right.mean()) / 40)
    np.testing.assert_allclose([low, high], right.mean() + error * np.array([-1, 1]), atol=0.04)
    # Ten alike queries each tell nothing new.
    repeated, ids = scores_of(np.repeat(right, 10), np.repeat(np.arange(40), 10))
    assert score_intervals(repeated, ids)["rank_1"] == (low, high)


def test_around_the_score_and_none_of_other_queries():
    found, ids = scores_of(np.array([True, False, True, True]), np.array([3, 3, 5, 8]))
    spans = score_intervals(found, ids)
    assert spans["rank_1"][0] <= 0.75 <= spans["rank_1"][1]
    assert spans["mean_ap"][0] <= found.mean_ap <= spans["mean_ap"][1]
    assert score_intervals(found, ids[:-1]) == {}
    alone, ids = scores_of(np.array([True, False]), np.array([3, 3]))
    assert score_intervals(alone, ids) == {}
