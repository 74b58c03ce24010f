"""What keeps tracks apart, how sure a step is, and what people said: each against a plain loop."""

from itertools import product

import numpy as np
import pytest

from passerby.gallery.apart import Apart
from passerby.gallery.decisions import Decisions, best_name
from passerby.gallery.precision import false_matches, precisions
from passerby.gallery.settings import Calibration
from passerby.gallery.tracks import Track
from passerby.gallery.travel import Travel
from passerby.types import InputError

CAMERAS = ("door", "lift", "yard", None)


def drawn(seed, count=24):
    """Tracks with times or none, names of some, and pairs that somebody said are two persons."""
    rng = np.random.default_rng(seed)
    tracks = []
    for i in range(count):
        first = float(rng.integers(0, 60))
        timed = rng.random() < 0.8
        tracks.append(
            Track(
                f"k{i:02d}", None, CAMERAS[rng.integers(0, 4)], f"t{i}", 1,
                first if timed else None, first + float(rng.integers(0, 9)) if timed else None,
            )
        )  # fmt: skip
    names = [[None, None, None, "Anna", "Bert"][rng.integers(0, 5)] for _ in tracks]
    said = {(int(a), int(b)) for a, b in rng.integers(0, count, (12, 2)) if a != b}
    return rng, tracks, names, said


def two(one, other, names, said, tracks, least):
    """Whether two tracks are two persons, in the words of the documentation."""
    a, b = tracks[one], tracks[other]
    if None not in (names[one], names[other]) and names[one] != names[other]:
        return True
    if (one, other) in said or (other, one) in said:
        return True
    if a.camera is None or b.camera is None or a.first is None or b.first is None:
        return False
    moments = {
        m for m in np.arange(0, 80, 0.5) if a.first <= m <= a.last and b.first <= m <= b.last
    }
    if a.camera == b.camera:
        return bool(moments)
    if {a.camera, b.camera} != {"door", "yard"}:
        return False
    return bool(moments) or max(b.first - a.last, a.first - b.last) < least


@pytest.mark.parametrize("seed", range(30))
def test_groups_are_apart_where_any_two_of_their_tracks_are(seed):
    rng, tracks, names, said = drawn(seed)
    travel = Travel({frozenset(("door", "yard")): 5.0})
    rules = Apart([[track] for track in tracks], names, said, travel)
    groups = {i: [i] for i in range(len(tracks))}
    refused = joined = 0
    for _ in range(60):
        one, other = sorted(int(i) for i in rng.choice(sorted(groups), 2, replace=False))
        expected = any(
            two(a, b, names, said, tracks, 5.0) for a, b in product(groups[one], groups[other])
        )
        # A track without a name takes the group's: two names in one group never come about.
        assert rules.apart(one, other) == expected
        assert rules.apart(other, one) == expected
        if expected:
            refused += 1
            continue
        joined += 1
        rules.join(one, other)
        groups[one] += groups.pop(other)
        if len(groups) < 3:
            break
    assert joined > 3
    assert refused > 3


def calibration(impostor):
    counts, edges = np.histogram(impostor, 20, (0.0, 1.0))
    return Calibration(
        0.5, 0.01, 0.1, 10, len(impostor), "m", 0.0, tuple(edges.tolist()),
        (0,) * 20, tuple(counts.tolist()), "any",
    )  # fmt: skip


def test_the_rate_of_false_matches_is_that_of_the_calibration_and_one_more():
    impostor = np.sort(np.random.default_rng(0).beta(8, 4, 5000))
    kept = calibration(impostor)
    for edge in kept.edges:
        rate = (np.sum(impostor < edge) + 1) / 5001
        assert false_matches(kept, np.array([edge]))[0] == pytest.approx(min(1, rate))
    # Between two edges on a straight line, and never below what was never seen.
    low, high = false_matches(kept, np.array(kept.edges[9:11]))
    middle = false_matches(kept, np.array([np.mean(kept.edges[9:11])]))[0]
    assert middle == pytest.approx((low + high) / 2)
    assert false_matches(kept, np.array([0.0]))[0] == pytest.approx(1 / 5001)


def test_precision_is_one_less_the_expected_share_of_strangers():
    kept = calibration(np.random.default_rng(0).beta(8, 4, 5000))
    distances, joined, compared = [0.1, 0.3, 0.2, 0.45], [1, 2, 1, 4], 30
    found = precisions(kept, distances, joined, compared)
    expected = []
    for step in range(4):
        values = [
            1 - false_matches(kept, np.array([max(distances[: i + 1])]))[0]
            * compared / sum(joined[: i + 1])
            for i in range(step, 4)
        ]  # fmt: skip
        expected.append(max(0.0, *values))
    np.testing.assert_allclose(found, expected)
    assert (found > 0).all()
    assert (np.diff(found) <= 0).all()
    # Ten times the gallery, ten times the strangers.
    assert (precisions(kept, distances, joined, 10 * compared) <= found).all()


def test_the_bound_holds_for_people_like_those_of_the_calibration():
    """A thousand drawn galleries: the share of strangers among what is joined stays below it."""
    rng = np.random.default_rng(3)
    kept = calibration(rng.beta(12, 4, 200_000))
    wrong = total = 0
    for _ in range(200):
        strangers, same = rng.beta(12, 4, 4000), rng.beta(3, 12, 60)
        distances = np.concatenate([strangers, same])
        order = np.argsort(distances)
        sure = precisions(kept, distances[order], [1] * len(order), len(order))
        taken = order[sure >= 0.9]
        wrong += int((taken < len(strangers)).sum())
        total += len(taken)
    assert 1 - wrong / total >= 0.9
    assert total > 200 * 30


def test_decisions_survive_the_settings_and_find_their_tracks():
    kept = Decisions().taken("a1", "b2", "no").taken("c1", "a2", "later")
    assert Decisions.read(kept.plain()) == kept
    assert "a1" not in str(kept.plain())
    keys = [["a1", "a2"], ["b1", "b2"], ["c1"]]
    assert kept.places(keys) == ([(0, 1)], [(0, 2)])
    assert kept.places([["a1"], ["c1"]]) == ([], [])
    assert kept.taken("b2", "a1", "yes").apart == frozenset()
    assert kept.taken("a1", "b2", "later").plain()["apart"] == ""
    both = kept.joined(Decisions().taken("a2", "c1", "no"))
    assert both.places(keys) == ([(0, 1), (0, 2)], [])
    for bad in ({"apart": "AAAA", "later": ""}, {"apart": "*", "later": ""}):
        with pytest.raises(ValueError, match=r".*"):
            Decisions.read(bad)


def test_a_name_that_people_gave_counts_more():
    assert best_name([None, None]) is None
    assert best_name(["person-12", "site-a/person-3"]) == "site-a/person-3"
    with pytest.raises(InputError, match="Anna and Bert have names that people gave"):
        best_name(["Bert", "person-1", "Anna"])
