"""Clear pairs and their groups against plain loops over all pairs, in the words of the module."""

from itertools import combinations

import numpy as np
import pytest

from passerby.ranking import rivals
from passerby.ranking.linkage import join_links
from passerby.ranking.rivals import Members, links


class Forbidden:
    """Units that must not be in one group, checked pair by pair."""

    def __init__(self, count, pairs):
        self.pairs = {frozenset(pair) for pair in pairs}
        self.groups = {unit: {unit} for unit in range(count)}

    def apart(self, one, other):
        return any(
            frozenset((a, b)) in self.pairs for a in self.groups[one] for b in self.groups[other]
        )

    def join(self, one, other):
        assert one < other
        self.groups[one] |= self.groups.pop(other)


def made(seed, count=40, width=6, rows=3):
    """Sets of rows around few centres, with their means and spreads."""
    rng = np.random.default_rng(seed)
    centres = 1.5 * rng.standard_normal((count // 4, width))
    sets = [
        centres[i % len(centres)]
        + 0.5 * rng.standard_normal((int(rng.integers(1, rows + 1)), width))
        for i in range(count)
    ]
    rng.shuffle(sets)
    means = np.array([each.mean(0) for each in sets])
    spreads = np.array([((each - each.mean(0)) ** 2).sum(1).mean() for each in sets])
    return sets, Members(means, spreads), rng


def table_of(sets):
    """Mean squared distance of all pairs of rows of each two sets."""
    return np.array(
        [[np.mean([((a - b) ** 2).sum() for a in one for b in other]) for other in sets]
         for one in sets]
    )  # fmt: skip


def one_sided(d, units, kinds, threshold):
    """{(t, y): ratio} as t sees it, and the decoys {(t, z): ratio}."""
    found, decoys = {}, {}
    count = len(d)
    for t in range(count):
        for kind in sorted(set(kinds)):
            if kind == kinds[t] and kind >= 0:
                continue
            there = sorted(
                (y for y in range(count) if kinds[y] == kind and units[y] != units[t]),
                key=lambda y: d[t, y],
            )
            for seen in (found, decoys):
                if not there:
                    break
                x = there[0]
                again = [y for y in there if y == x or units[y] == units[x] or d[x, y] <= d[t, x]]
                others = [y for y in there if y not in again]
                rival = d[t, others[0]] if others else threshold
                if d[t, x] > threshold:
                    break
                for y in again if seen is found else [x]:
                    if d[t, y] < rival and d[t, y] <= threshold:
                        seen[t, y] = d[t, y] / rival
                there = others
    return found, decoys


def naive(d, units, kinds, threshold):
    """Links (ratio, one, other), sorted, and the decoys' ratios, sorted."""
    found, decoys = one_sided(d, units, kinds, threshold)
    both = sorted(
        (max(ratio, found[y, t]), t, y) for (t, y), ratio in found.items() if t < y
        and (y, t) in found
    )  # fmt: skip
    false = sorted(max(r, found[z, t]) for (t, z), r in decoys.items() if (z, t) in found)
    return both, false


def joined(d, units, kinds, threshold, both, false, forbidden):
    """[(a, b, mean distance, sizes, precision)] by going through everything each time."""
    groups = {unit: [i for i in range(len(units)) if units[i] == unit] for unit in set(units)}
    said = {frozenset(pair) for pair in forbidden}
    edges, done = [], []

    def of(i):
        return next(name for name, inside in groups.items() if i in inside)

    def path(u, v):
        """Links between two units of a tree."""
        rings, length = {u}, 0
        while v not in rings:
            rings |= {b for a, b in edges if a in rings} | {a for a, b in edges if b in rings}
            length += 1
        return length

    def fits_better(first, second):
        return any(
            d[a, y] < d[a, b] and d[a, y] <= threshold and d[b, y] > d[a, b]
            for a in first for b in second for y in range(len(d))
            if kinds[y] == kinds[b] and y not in first + second
            and (kinds[a] != kinds[b] or kinds[a] < 0) and units[y] != units[a]
        )  # fmt: skip

    for number, (ratio, a, b) in enumerate(both, 1):
        one, other = of(a), of(b)
        if one == other:
            continue
        first, second = groups[one], groups[other]
        pairs = [(units[i], units[j]) for i in first for j in second]
        if any(frozenset(pair) in said for pair in pairs):
            continue
        distance = np.mean([d[i, j] for i in first for j in second])
        if distance > threshold:
            continue
        if len(first) * len(second) > 1 and (
            fits_better(first, second) or fits_better(second, first)
        ):
            continue
        one, other = sorted((one, other))
        sizes = tuple(len({units[i] for i in groups[name]}) for name in (one, other))
        groups[one] = groups[one] + groups.pop(other)
        edges.append((units[a], units[b]))
        together = [
            (u, v) for inside in groups.values()
            for u, v in combinations(sorted({units[i] for i in inside}), 2)
        ]  # fmt: skip
        wrong = (sum(each <= ratio for each in false) + 1) / number
        lengths = sum(path(u, v) for u, v in together)
        done.append((a, b, distance, sizes, 1 - wrong * lengths / len(together)))
    return done


@pytest.mark.parametrize("kinds", ["none", "three", "some"])
@pytest.mark.parametrize("seed", range(6))
def test_links_and_groups_are_those_of_going_through_all_pairs(monkeypatch, seed, kinds):
    monkeypatch.setattr(rivals, "NEAREST", 64)
    monkeypatch.setattr(rivals, "_BLOCK", 7)
    sets, members, rng = made(seed)
    count = len(sets)
    where = rng.integers(-1 if kinds == "some" else 0, 3, count)
    where = np.full(count, -1) if kinds == "none" else where
    units = np.unique(np.where(rng.random(count) < 0.3, rng.integers(0, 5, count),
                               np.arange(count) + 5), return_inverse=True)[1]  # fmt: skip
    forbidden = [tuple(int(u) for u in rng.integers(0, units.max() + 1, 2)) for _ in range(25)]
    forbidden = [pair for pair in forbidden if pair[0] != pair[1]]
    d = table_of(sets)
    threshold = float(np.quantile(d, 0.2))
    both, false = naive(d, units.tolist(), where.tolist(), threshold)
    found = links(members, units, threshold, None if kinds == "none" else where)
    assert len(both) > 5
    assert [tuple(pair) for pair in found.pairs.tolist()] == [(t, y) for _, t, y in both]
    np.testing.assert_allclose(found.ratios, [ratio for ratio, _, _ in both], rtol=1e-4)
    np.testing.assert_allclose(found.decoys, false, rtol=1e-4)
    steps = join_links(members, units, found, threshold, Forbidden(units.max() + 1, forbidden))
    expected = joined(d, units.tolist(), where.tolist(), threshold, both, false, forbidden)
    assert [(s.one, s.other, s.sizes) for s in steps] == [(a, b, n) for a, b, _, n, _ in expected]
    for name, column in (("distance", 2), ("precision", 4)):
        np.testing.assert_allclose(
            [getattr(step, name) for step in steps], [each[column] for each in expected], rtol=1e-4
        )


def test_whoever_looks_like_somebody_else_is_left_alone():
    """Two people who look alike, in two cameras; a third who looks like nobody."""
    places = np.array([[0.0, 0], [0.3, 0], [9, 9], [0.05, 0.1], [0.35, 0.1], [9, 9.1]])
    members = Members(places, np.zeros(6))
    cameras = np.array([0, 0, 0, 1, 1, 1])
    found = links(members, np.arange(6), 1.0, cameras)
    assert found.pairs.tolist() == [[2, 5], [1, 4], [0, 3]]
    assert found.ratios[0] < 1e-3
    assert found.ratios[1] > 0.05
    # She whom one camera saw alone: whoever looks like her has a rival, herself.
    alone = links(Members(places[:5], np.zeros(5)), np.arange(5), 1.0, cameras[:5])
    assert [2, 5] not in alone.pairs.tolist()


def test_who_comes_back_is_no_rival():
    """One person twice in the second camera, somebody else far away."""
    places = np.array([[0.0, 0], [0.4, 0], [0.4, 0.1], [3, 3]])
    cameras = np.array([0, 1, 1, 1])
    found = links(Members(places, np.zeros(4)), np.arange(4), 1.0, cameras)
    assert found.pairs.tolist() == [[0, 1], [0, 2]]
    np.testing.assert_allclose(found.ratios, [0.16 / 1.0, 0.17 / 1.0], rtol=1e-5)


def test_more_people_again_than_are_looked_at(monkeypatch):
    """The farthest that is looked at stands for the rival: ratios are never too small."""
    sets, members, _ = made(3, count=80)
    cameras = np.arange(80) % 2
    d = table_of(sets)
    threshold = float(np.quantile(d, 0.3))
    whole = {(t, y): r for r, t, y in naive(d, list(range(80)), cameras.tolist(), threshold)[0]}
    monkeypatch.setattr(rivals, "NEAREST", 3)
    found = links(members, np.arange(80), threshold, cameras)
    assert len(found.pairs) > 10
    for (t, y), ratio in zip(found.pairs.tolist(), found.ratios, strict=True):
        assert ratio >= whole[t, y] - 1e-5


@pytest.mark.parametrize(("both", "least"), [(200, 1.0), (30, 0.4)])
def test_decoys_and_wrong_links(both, least):
    """Two cameras; so many people are in both, 200 in each alone. Decoys (as many as are taken for
    wrong) are enough where half come back, and less than half of the wrong ones where few do."""
    wrong = told = right = 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        places = rng.standard_normal((both + 400, 8))
        people = np.concatenate([np.arange(both + 200), np.arange(both),
                                 np.arange(both + 200, both + 400)])  # fmt: skip
        cameras = np.repeat([0, 1], both + 200)
        rows = places[people] + 0.2 * rng.standard_normal((len(people), 8))
        found = links(Members(rows, np.zeros(len(rows))), np.arange(len(rows)), 8.0, cameras)
        clear = found.pairs[found.ratios < 0.6]
        same = people[clear[:, 0]] == people[clear[:, 1]]
        wrong, right = wrong + int((~same).sum()), right + int(same.sum())
        told += int((found.decoys < 0.6).sum()) + 1
    assert right > 100
    assert wrong > 30
    assert least * wrong < told < 3 * wrong


def test_the_order_of_the_input_changes_nothing():
    _, members, rng = made(5)
    cameras = rng.integers(0, 3, 40)
    order = rng.permutation(40)
    threshold = 6.0
    one = links(members, np.arange(40), threshold, cameras)
    other = links(
        Members(members.means[order], members.spreads[order]), np.arange(40), threshold,
        cameras[order],
    )  # fmt: skip

    def named(found, names):
        return sorted(tuple(sorted((names[a], names[b]))) for a, b in found.pairs.tolist())

    assert named(one, list(range(40))) == named(other, order.tolist())
    np.testing.assert_allclose(one.ratios, other.ratios, rtol=1e-5)
