"""Calibration against a plain count of pairs, and against sets whose right answer is known."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from passerby.gallery.calibration import calibrate
from passerby.gallery.gallery import Gallery
from passerby.gallery.new_rows import NewEntries
from passerby.gallery.settings import GallerySettings, Space, sealed
from passerby.ranking.bootstrap import drawn_anew, intervals
from passerby.types import InputError

SPACE = Space("a-model")


def pairs(embeddings, persons, cameras):
    """Distances of genuine and impostor pairs, each pair once."""
    genuine, impostor = [], []
    for i in range(len(embeddings)):
        for j in range(i):
            if persons[i] < 0 or persons[j] < 0:
                continue
            distance = np.sqrt(((embeddings[i].astype(float) - embeddings[j]) ** 2).sum())
            if cameras[i] < 0 or cameras[i] != cameras[j]:
                (genuine if persons[i] == persons[j] else impostor).append(distance)
    return np.array(genuine), np.array(impostor)


@pytest.mark.parametrize("with_cameras", [True, False])
def test_calibration_against_counting(with_cameras):
    rng = np.random.default_rng(2)
    persons = rng.integers(-1, 12, 90)
    cameras = rng.integers(-1, 3, 90) if with_cameras else np.full(90, -1)
    centres = rng.standard_normal((13, 6)) * 2
    embeddings = (centres[persons] + rng.standard_normal((90, 6))).astype(np.float32)
    found = calibrate(
        embeddings, persons, cameras if with_cameras else None, SPACE,
        false_match_rate=0.05, now=7.0,
    )  # fmt: skip
    genuine, impostor = pairs(embeddings, persons, cameras)
    assert (found.genuine, found.impostor) == (len(genuine), len(impostor))
    assert (impostor < found.threshold * 0.9999).mean() <= 0.05
    assert (impostor < found.threshold * 1.0001).sum() + 1 > 0.05 * len(impostor)
    assert found.false_non_match_rate == pytest.approx((genuine >= found.threshold).mean())
    assert (sum(found.genuine_counts), sum(found.impostor_counts)) == (len(genuine), len(impostor))
    below = np.searchsorted(found.edges, np.median(impostor))
    near = (impostor < found.edges[below]).sum()
    assert sum(found.impostor_counts[:below]) == pytest.approx(near, rel=0.05)
    assert (found.fingerprint, found.measured) == ("a-model", 7.0)


def test_calibration_refuses_what_cannot_be_seen():
    rng = np.random.default_rng(2)
    embeddings = rng.standard_normal((20, 4)).astype(np.float32)
    persons = np.arange(20) % 5
    with pytest.raises(InputError, match=r"needs at least 10,000 pairs of two persons: given 160"):
        calibrate(embeddings, persons, None, SPACE, false_match_rate=0.001, now=0.0)
    with pytest.raises(InputError, match="between 0 and 1"):
        calibrate(embeddings, persons, None, SPACE, false_match_rate=1.0, now=0.0)
    with pytest.raises(InputError, match="there are none"):
        calibrate(embeddings, np.full(20, -1), None, SPACE, false_match_rate=0.1, now=0.0)


def two_cameras(shift, persons=30, each=3):
    """Orthogonal persons, 1.41 apart, and a camera that moves all of its pictures by `shift`."""
    who, camera = np.repeat(np.arange(persons), 2 * each), np.tile(np.repeat([0, 1], each), persons)
    embeddings = np.hstack([np.eye(persons)[who], shift * camera[:, None]])
    return embeddings.astype(np.float32), who, camera


def test_both_kinds_of_pairs_follow_one_rule():
    # Cameras 2 apart, persons 1.41: whoever is in them, pictures of one camera are nearer than
    # those of two. Across cameras one person is 2 apart, two persons are sqrt(2 ** 2 + 2): a
    # threshold between them errs nowhere, and one on impostors of one camera misses everybody.
    embeddings, who, camera = two_cameras(2.0)
    found = calibrate(embeddings, who, camera, SPACE, false_match_rate=0.01, now=0.0)
    assert (found.pairs, found.people) == ("other-camera", 30)
    assert (found.genuine, found.impostor) == (30 * 9, 30 * 29 * 9)
    assert (found.false_non_match_rate, found.misses_most) == (0, False)
    assert 2 < found.threshold <= np.sqrt(6) + 1e-4
    # All pairs: 6 of a person's 15 are of one camera, which alone are below the threshold.
    found = calibrate(embeddings, who, camera, SPACE, false_match_rate=0.01, now=0.0, pairs="any")
    assert (found.genuine, found.impostor) == (30 * 15, 30 * 29 // 2 * 36)
    assert found.false_non_match_rate == pytest.approx(9 / 15)
    assert (found.misses_most, found.threshold) == (True, pytest.approx(np.sqrt(2)))


def test_rates_are_counted_one_by_one_and_kept():
    rng = np.random.default_rng(4)
    persons, cameras = np.repeat(np.arange(20), 8), rng.integers(0, 4, 160)
    centres = rng.standard_normal((20, 6))
    embeddings = (centres[persons] + 0.6 * rng.standard_normal((160, 6))).astype(np.float32)
    found = calibrate(embeddings, persons, cameras, SPACE, false_match_rate=0.02, now=0.0)
    genuine, impostor = pairs(embeddings, persons, cameras)
    assert [rate.false_match_rate for rate in found.rates] == [0.1, 0.02, 0.01, 0.001, 0.0001]
    for rate in found.rates[:3]:
        refused = np.sort(impostor)[int(rate.false_match_rate * len(impostor))]
        assert rate.threshold == pytest.approx(refused, rel=1e-5)
        missed = (genuine >= refused - 1e-6).mean()
        assert rate.false_non_match_rate == pytest.approx(missed)
        low, high = rate.false_non_match_interval
        assert low < missed < high
        low, high = rate.false_match_interval
        assert low < rate.false_match_rate < high
    # 10 / rate pairs are needed, of which there are about 9,000.
    assert [rate.threshold for rate in found.rates[3:]] == [None, None]
    settings = GallerySettings(6, SPACE, 0.0, found)

    assert GallerySettings.read(json.loads(json.dumps(settings.plain())), "it") == settings


def test_a_calibration_of_an_earlier_version_says_that_its_rule_was_another():
    embeddings, who, camera = two_cameras(1.0)
    found = calibrate(embeddings, who, camera, SPACE, false_match_rate=0.01, now=0.0)
    kept = asdict(found)
    for name in ("pairs", "people", "rates"):
        del kept[name]
    plain = sealed({**GallerySettings(31, SPACE, 0.0).plain(), "calibration": kept})
    read = GallerySettings.read(plain, "it").calibration
    assert (read.threshold, read.pairs, read.rates) == (found.threshold, "", ())


def test_text_as_a_threshold_is_told_as_such(tmp_path):
    embeddings, who, camera = two_cameras(1.0)
    with pytest.raises(InputError, match="a false match rate must be a number: given '0.01'"):
        calibrate(embeddings, who, camera, SPACE, false_match_rate="0.01", now=0.0)
    with Gallery.open(tmp_path, SPACE) as gallery:
        gallery.add(embeddings[:2], NewEntries(["a", "b"]))
        with pytest.raises(InputError, match="a threshold must be a number: given '1.2'"):
            gallery.search(embeddings[:1], threshold="1.2")
    found = asdict(calibrate(embeddings, who, camera, SPACE, false_match_rate=0.01, now=0.0))
    plain = GallerySettings(31, SPACE, 0.0).plain()
    for told, change in (
        ("a threshold must be a number: given '1.2'", {"threshold": "1.2"}),
        ("must be a number: given 'x'", {"rates": [{**found["rates"][0], "threshold": "x"}]}),
        ("unexpected keyword argument 'limit'", {"limit": 1.0}),
    ):
        with pytest.raises(InputError, match=f"it: the gallery's settings are damaged: .*{told}"):
            GallerySettings.read(sealed({**plain, "calibration": {**found, **change}}), "it")


def test_one_camera_has_no_pairs_of_two():
    embeddings, who, _ = two_cameras(0.0)
    with pytest.raises(InputError, match="by two cameras .--pairs any takes all.: one kind is mis"):
        calibrate(embeddings, who, np.zeros(180, int), SPACE, false_match_rate=0.01, now=0.0)


def test_intervals_equal_a_set_of_copied_persons():
    rng = np.random.default_rng(7)
    persons, cameras = np.repeat(np.arange(6), 5), rng.integers(0, 3, 30)
    points = rng.standard_normal((6, 3))[persons] + 0.5 * rng.standard_normal((30, 3))
    distances = np.linalg.norm(points[:, None] - points, axis=2).astype(np.float32)
    draws = drawn_anew(6, 40, seed=3)
    thresholds = (0.8, 1.5)
    naive = {threshold: ([], []) for threshold in thresholds}
    for draw in draws.astype(int):
        # Each copy is a person of its own; copies of one make no pair.
        copies = [(person, copy) for person in range(6) for copy in range(draw[person])]
        pictures = [(p, c, i) for p, c in copies for i in np.flatnonzero(persons == p)]
        genuine, impostor = [], []
        for a, (p, c, i) in enumerate(pictures):
            for q, d, j in pictures[:a]:
                if cameras[i] != cameras[j] and (p != q or c == d):
                    (genuine if p == q else impostor).append(distances[i, j])
        for threshold, (matched, missed) in naive.items():
            matched.append(np.mean(np.array(impostor) < threshold))
            missed.append(np.mean(np.array(genuine) >= threshold))

    def make_rows(take):
        # A block may end within a person.
        for first in (0, 7, 14):
            take(0, first, distances[first : 30 if first == 14 else first + 7])

    found = intervals(make_rows, persons, cameras, thresholds, draws)
    for (false_match, false_non_match), (matched, missed) in zip(
        found, naive.values(), strict=True
    ):
        np.testing.assert_allclose(false_match, np.quantile(matched, [0.025, 0.975]), rtol=1e-6)
        np.testing.assert_allclose(false_non_match, np.quantile(missed, [0.025, 0.975]), rtol=1e-5)


def test_intervals_hold_the_rate_of_other_people():
    """Persons differ in how hard they are: intervals over pairs would hold it far less often."""
    rng = np.random.default_rng(1)
    threshold, held = 1.0, 0
    for repeat in range(60):
        hard = rng.random(40) < 0.4
        persons, cameras = np.repeat(np.arange(40), 6), np.tile([0, 1], 120)
        # One person is 0.5 apart, or 2 who is hard: FNMR over all people is 0.4.
        gap = np.where(hard, 2.0, 0.5)[persons] / 2
        distances = np.full((240, 240), 9, np.float32)
        same = persons[:, None] == persons
        distances[same] = (gap[:, None] + gap)[same]
        found = intervals(
            lambda take, rows=distances: take(0, 0, rows), persons, cameras, (threshold,),
            drawn_anew(40, 400, repeat),
        )  # fmt: skip
        low, high = found[0][1]
        held += low <= 0.4 <= high
    assert held >= 52
