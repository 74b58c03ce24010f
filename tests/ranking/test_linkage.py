"""Constrained average linkage against going through all groups and all pairs each time."""

import numpy as np
import pytest

from passerby.ranking.linkage import Members, average_linkage, pairs_below


class Forbidden:
    """Units that must not be in one group, checked pair by pair."""

    def __init__(self, count, pairs):
        self.pairs = {frozenset(pair) for pair in pairs}
        self.groups = {unit: {unit} for unit in range(count)}
        self.asked = 0

    def apart(self, one, other):
        self.asked += 1
        return any(
            frozenset((a, b)) in self.pairs for a in self.groups[one] for b in self.groups[other]
        )

    def join(self, one, other):
        assert one < other
        self.groups[one] |= self.groups.pop(other)


def made(seed, count=40, width=6, rows=3):
    """Sets of rows around few centres, with their means and spreads."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((count // 4, width))
    sets = [
        centres[i % len(centres)]
        + 0.5 * rng.standard_normal((int(rng.integers(1, rows + 1)), width))
        for i in range(count)
    ]
    rng.shuffle(sets)
    means = np.array([each.mean(0) for each in sets])
    spreads = np.array([((each - each.mean(0)) ** 2).sum(1).mean() for each in sets])
    return sets, Members(means, spreads), rng


def mean_of_pairs(one, other):
    """Over all pairs of rows of two sets."""
    return float(np.mean([((a - b) ** 2).sum() for a in one for b in other]))


def naive(sets, units, kinds, forbidden, threshold):
    """Joins the nearest two groups that may be joined, over and over; (partition, distances)."""
    groups = {unit: [i for i in range(len(sets)) if units[i] == unit] for unit in set(units)}
    said = {frozenset(pair) for pair in forbidden}
    of = {unit: {unit} for unit in groups}
    table = {(i, j): mean_of_pairs(sets[i], sets[j]) for i in range(len(sets))
             for j in range(len(sets)) if i != j}  # fmt: skip
    distances = []
    while True:
        best = None
        for one in sorted(groups):
            for other in sorted(groups):
                if one >= other:
                    continue
                if any(frozenset((a, b)) in said for a in of[one] for b in of[other]):
                    continue
                pairs = [(i, j) for i in groups[one] for j in groups[other]]
                touching = any(
                    table[p] <= threshold and (kinds is None or kinds[p[0]] < 0
                                               or kinds[p[0]] != kinds[p[1]])
                    for p in pairs
                )  # fmt: skip
                mean = np.mean([table[p] for p in pairs])
                if touching and mean <= threshold and (best is None or mean < best[0]):
                    best = (mean, one, other)
        if best is None:
            return sorted(sorted(g) for g in groups.values()), distances
        mean, one, other = best
        distances.append(mean)
        groups[one] += groups.pop(other)
        of[one] |= of.pop(other)


def found(members, units, kinds, forbidden, threshold):
    rules = Forbidden(int(units.max()) + 1, forbidden)
    limit = pairs_below(members, threshold, kinds)
    joins = average_linkage(members, units, limit, threshold, rules)
    groups = [
        sorted(i for i in range(len(units)) if units[i] in group) for group in rules.groups.values()
    ]
    return sorted(groups), [join.distance for join in joins], rules, joins


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("kinds", [None, 3])
def test_joins_what_the_naive_loop_joins(seed, kinds):
    sets, members, rng = made(seed)
    count = len(sets)
    cameras = None if kinds is None else rng.integers(-1, kinds, count)
    units = np.arange(count)
    if seed % 2:
        # Some members are one unit from the start.
        units = np.minimum(units, rng.permutation(units))
        units = np.unique(units, return_inverse=True)[1]
    pairs = rng.integers(0, units.max() + 1, (25, 2))
    forbidden = [(a, b) for a, b in pairs.tolist() if a != b]
    for threshold in (1.0, 3.0, 8.0, 30.0):
        expected, distances = naive(sets, units.tolist(), cameras, forbidden, threshold)
        groups, steps, rules, _ = found(members, units, cameras, forbidden, threshold)
        assert groups == expected
        np.testing.assert_allclose(steps, distances, rtol=1e-9)
        for one, other in forbidden:
            assert not any({one, other} <= group for group in rules.groups.values())
    assert rules.asked > 0


def test_pairs_are_those_of_the_whole_matrix():
    sets, members, rng = made(3, count=90)
    cameras = rng.integers(-1, 3, len(sets))
    for kinds in (None, cameras):
        expected = [
            (i, j)
            for i in range(90)
            for j in range(i + 1, 90)
            if mean_of_pairs(sets[i], sets[j]) <= 6.0
            and (kinds is None or kinds[i] < 0 or kinds[i] != kinds[j])
        ]
        got = pairs_below(members, 6.0, kinds)
        assert got.pairs.tolist() == [list(pair) for pair in expected]
        assert got.cut == 0
        assert len(expected) > 90
        np.testing.assert_allclose(
            got.distances, [mean_of_pairs(sets[i], sets[j]) for i, j in expected], rtol=1e-9
        )


def test_more_neighbours_are_asked_for_where_there_are_more(monkeypatch):
    from passerby.ranking import linkage

    members = Members(np.zeros((50, 2)), np.zeros(50))
    monkeypatch.setattr(linkage, "FIRST", 3)
    assert len(pairs_below(members, 1.0).pairs) == 50 * 49 // 2
    monkeypatch.setattr(linkage, "MOST", 10)
    cut = pairs_below(members, 1.0)
    assert cut.cut == 50
    assert len(cut.pairs) < 50 * 49 // 2


def test_the_nearest_members_of_two_groups_are_named():
    points = np.array([[0.0], [1.0], [10.0], [12.0], [3.0]])
    members = Members(points, np.zeros(5))
    _, _, _, joins = found(members, np.arange(5), None, [], 200.0)
    assert [(join.one, join.other) for join in joins][:2] == [(0, 1), (2, 3)]
    last = joins[-1]
    assert {last.one, last.other} == {4, 2}
    assert sorted(last.sizes) == [2, 3]


def test_the_order_of_the_input_changes_nothing():
    sets, members, rng = made(5)
    count = len(sets)
    forbidden = [(a, b) for a, b in rng.integers(0, count, (20, 2)).tolist() if a != b]
    groups, _, _, _ = found(members, np.arange(count), None, forbidden, 4.0)
    for _ in range(5):
        order = rng.permutation(count)
        place = np.argsort(order)
        shuffled = Members(members.means[order], members.spreads[order])
        moved = [(int(place[a]), int(place[b])) for a, b in forbidden]
        others, _, _, _ = found(shuffled, np.arange(count), None, moved, 4.0)
        assert sorted(sorted(int(order[i]) for i in group) for group in others) == groups
