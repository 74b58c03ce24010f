"""Camera profiles against people and cameras whose moves are known, and against a naive formula."""

import numpy as np
import pytest

from passerby.ranking.metrics import evaluate
from passerby.ranking.profiles import Tracks, runs
from passerby.types import InputError


def world(seed, tracks, cameras=4, move=1.0, back=1, width=24, people=None):
    """Tracks of people in cameras that move their embeddings; `back` tracks of each person.

    Returns (N, D) embeddings of one picture a track, cameras, tracks, people, and the moves.
    """
    rng = np.random.default_rng(seed)
    moves = move * rng.standard_normal((cameras, width))
    names = [f"camera {c}" for c in range(cameras)]
    rows, where, who = [], [], []
    for camera in range(cameras):
        pool = people if people is not None else rng.standard_normal((tracks // back, width))
        chosen = rng.permutation(len(pool))[: max(1, tracks // back)]
        for person in np.repeat(chosen, back):
            rows.append(pool[person] + 0.15 * rng.standard_normal(width) + moves[camera])
            where.append(names[camera])
            who.append(person)
    track = [f"{i}" for i in range(len(rows))]
    return np.array(rows, np.float32), where, track, np.array(who), moves


def learned(rows, where, track, **options):
    tracks = Tracks("euclidean")
    tracks.add(rows, where, track)
    return tracks.profiles(**options)


def test_equals_the_formula_in_loops():
    rows, where, track, _, _ = world(1, 9)
    keep = [i for i in range(len(rows)) if not (where[i] == "camera 1" and int(track[i]) % 2)]
    rows, where, track = rows[keep], [where[i] for i in keep], [track[i] for i in keep]
    found = learned(rows, where, track, returns=1.5)
    names = sorted(set(where))
    groups = [rows[[w == name for w in where]].astype(float) for name in names]
    total, n = rows.astype(float).mean(0), [len(group) for group in groups]
    within = sum(((row - g.mean(0)) ** 2).sum() for g in groups for row in g)
    within /= sum(max(0, k - 1.5) for k in n)
    between = sum(len(g) * ((g.mean(0) - total) ** 2).sum() for g in groups) / 3
    tau2 = (between - 1.5 * within) / ((len(rows) - sum(k * k for k in n) / len(rows)) / 3)
    weights = [tau2 / (tau2 + 1.5 * within / k) for k in n]
    mu = sum(w * g.mean(0) for w, g in zip(weights, groups, strict=True)) / sum(weights)
    for name, weight, group in zip(names, weights, groups, strict=True):
        assert found.cameras[name].weight == pytest.approx(weight)
        np.testing.assert_allclose(
            found.cameras[name].move, weight * (group.mean(0) - mu), atol=1e-5
        )
    assert found.ratio == pytest.approx(between / within / 1.5)
    moved = found.applied(rows[:3], ["camera 0", None, "another"])
    np.testing.assert_allclose(moved[0], rows[0] - found.cameras["camera 0"].move, rtol=1e-6)
    np.testing.assert_array_equal(moved[1:], rows[1:3])


def test_equal_counts_give_the_james_stein_factor():
    found = learned(*world(2, 10)[:3])
    assert found.on
    for profile in found.cameras.values():
        assert profile.weight == pytest.approx(1 - 1 / found.ratio)


def test_many_tracks_find_the_moves():
    rows, where, track, _, moves = world(3, 400)
    found = learned(rows, where, track)
    expected = moves - moves.mean(0)
    for camera, move in enumerate(expected):
        profile = found.cameras[f"camera {camera}"]
        assert profile.weight > 0.98
        # The mean of 400 people is off by sqrt(24 / 400) = 0.24, that of all cameras too.
        assert np.linalg.norm(profile.move - move) < 0.45
        assert np.linalg.norm(move) > 3


@pytest.mark.parametrize("tracks", [2, 3, 6, 20])
@pytest.mark.parametrize("back", [1, 2])
def test_cameras_that_move_nothing_are_left_alone(tracks, back):
    """People who come back look like a camera of their own: chance is not taken for a camera."""
    moved = []
    for seed in range(20):
        rows, where, track, _, _ = world(seed, max(tracks, 2 * back), move=0.0, back=back)
        found = learned(rows, where, track)
        moved.append(np.mean([profile.weight for profile in found.cameras.values()]))
    assert np.mean(moved) < 0.15
    if back == 1:
        assert max(moved) == 0


def test_a_track_counts_once_however_many_pictures_it_has():
    rows, where, track, _, _ = world(5, 6)
    rng = np.random.default_rng(0)
    again = np.repeat(np.arange(len(rows)), 30)
    pictures = rows[again] + 0.01 * rng.standard_normal((len(again), 24)).astype(np.float32)
    often = [where[i] for i in again], [track[i] for i in again]
    once, many = learned(rows, where, track), learned(pictures, *often)
    assert [p.tracks for p in many.cameras.values()] == [6] * 4
    for name, profile in once.cameras.items():
        assert many.cameras[name].weight == pytest.approx(profile.weight, abs=0.01)
    # Were each picture somebody, it would be far too sure.
    sure = learned(pictures, often[0], [str(i) for i in range(len(again))])
    assert min(p.weight for p in sure.cameras.values()) > 0.98
    with pytest.raises(InputError, match="there are none, and 720 pictures without a track"):
        learned(pictures, often[0], [None] * len(again))
    # Pictures in the order of their tracks, 30 of each: the same as the tracks, which here are
    # said of half of them.
    half = [name if int(name) % 2 else None for name in often[1]]
    given = runs(often[0], half, [(int(often[1][i]), i) for i in range(len(again))], 30)
    again = learned(pictures, often[0], given)
    for name, profile in many.cameras.items():
        assert again.cameras[name].tracks == 6
        assert again.cameras[name].weight == pytest.approx(profile.weight)


@pytest.mark.parametrize("tracks", [2, 4, 12, 60])
def test_ranking_across_cameras_gains_with_many_and_is_not_harmed_by_few(tracks):
    gains = []
    for seed in range(6):
        people = np.random.default_rng(100 + seed).standard_normal((80, 24))
        rows, where, track, who, _ = world(seed, tracks, people=people)
        found = learned(rows, where, track)
        # Other pictures of 80 people by all cameras, with the same moves.
        rng = np.random.default_rng(seed)
        moves = rng.standard_normal((4, 24))
        ids, cameras = np.tile(np.arange(80), 4), np.repeat(np.arange(4), 80)
        test = people[ids] + 0.15 * rng.standard_normal((320, 24)) + moves[cameras]
        names = [f"camera {c}" for c in cameras]
        raw, moved = (
            evaluate(e, e, ids, ids, cameras, cameras).mean_ap
            for e in (test, found.applied(test.astype(np.float32), names))
        )
        gains.append(moved - raw)
    assert min(gains) > -0.01
    if tracks >= 12:
        assert np.mean(gains) > 0.1


def test_says_which_was_taken_and_why():
    rows, where, track, _, _ = world(1, 9)
    found = learned(rows, where, track)
    assert found.reason.startswith("on: cameras differ ")
    assert found.fingerprint
    assert found.fingerprint == learned(rows, where, track).fingerprint
    assert found.fingerprint != learned(rows[1:], where[1:], track[1:]).fingerprint
    still = learned(*world(1, 9, move=0.0)[:3])
    assert (still.on, still.fingerprint) == (False, "")
    assert still.reason.startswith("off: cameras differ 0.")
    assert still.applied(rows, where) is rows
    one = learned(rows[:9], where[:9], track[:9])
    assert one.reason == "off: there is one camera, and nothing to tell it from"
    few = learned(rows[[0, 10]], [where[0], where[10]], ["a", "b"])
    assert few.reason.startswith("off: too few tracks")


def test_cosine_divides_by_the_length_before_and_after():
    rows, where, track, _, _ = world(4, 20)
    scale = np.random.default_rng(0).uniform(0.1, 9, (len(rows), 1)).astype(np.float32)
    tracks = Tracks("cosine")
    tracks.add(rows * scale, where, track)
    found = tracks.profiles()
    shifted = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    shifted = shifted - np.stack([found.cameras[name].move for name in where])
    expected = shifted / np.linalg.norm(shifted, axis=1, keepdims=True)
    np.testing.assert_allclose(found.applied(rows * scale, where), expected, atol=1e-6)


def test_refuses_what_it_cannot_learn_from():
    with pytest.raises(InputError, match="tracks of known cameras: there are none"):
        learned(np.ones((2, 3), np.float32), [None, ""], [None, None])
    rows, where, track, _, _ = world(1, 9)
    with pytest.raises(InputError, match="at least 1: given 0"):
        learned(rows, where, track, returns=0)
    found = learned(rows, where, track)
    with pytest.raises(InputError, match="1 for 2"):
        found.applied(rows[:2], ["a"])
    with pytest.raises(InputError, match="do not fit embeddings of 5"):
        found.applied(np.ones((1, 5), np.float32), ["camera 0"])
    with pytest.raises(InputError, match="other than zero"):
        Tracks("cosine").add(np.zeros((1, 3), np.float32), ["a"], [None])
