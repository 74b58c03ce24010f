"""Tracks of one person that are joined, and tracks of others that are not."""

import numpy as np
import pytest

from passerby.types import InputError
from passerby.video.boxes import NOBODY, Boxes
from passerby.video.crops import BestCrops
from passerby.video.following import Follower, FollowSettings
from passerby.video.frames import Frame
from passerby.video.joining import JoinSettings, Way, goes_on, off


def way(begin, end, place, speed, height=100.0, noise=0.0, rate=10, seed=0):
    rng = np.random.default_rng(seed)
    found = Way()
    for seconds in np.arange(begin, end, 1 / rate):
        x, y = np.array(place) + np.array(speed) * seconds + rng.normal(0, noise, 2)
        found.add(float(seconds), np.array([x - 20, y - height / 2, x + 20, y + height / 2]))
    return found


def test_a_way_that_leads_on():
    """At 80 pixels a second, hidden from 3.0 to 4.5 s."""
    before, after = way(0, 3, (0, 200), (80, 5)), way(4.5, 6, (0, 200), (80, 5))
    assert off(before, after) == pytest.approx(0, abs=1e-6)
    assert goes_on(before, after, JoinSettings()) == pytest.approx(0, abs=1e-6)
    # 30 pixels aside, at a height of 100.
    aside = way(4.5, 6, (0, 230), (80, 5))
    assert off(before, aside) == pytest.approx(0.3)
    assert goes_on(before, aside, JoinSettings()) is None
    assert goes_on(before, aside, JoinSettings(reach=0.2)) == pytest.approx(0.3)


@pytest.mark.parametrize(
    "after",
    [
        way(5.2, 7, (0, 200), (80, 5)),  # too late
        way(2.5, 4, (0, 200), (80, 5)),  # seen beside the first
        way(4.5, 6, (0, 200), (80, 5), height=140),  # taller
        way(4.5, 6, (720, 200), (-80, 5)),  # comes from there, and walks back
    ],
)
def test_ways_that_do_not(after):
    assert goes_on(way(0, 3, (0, 200), (80, 5)), after, JoinSettings()) is None


def test_boxes_of_a_detector_shake():
    for seed in range(50):
        before = way(0, 3, (0, 200), (80, 5), noise=2, seed=seed)
        after = way(4, 6, (0, 200), (80, 5), noise=2, seed=seed + 99)
        assert goes_on(before, after, JoinSettings()) is not None


class Walkers:
    """A detector: left ends of boxes by frame, of 25 frames/s."""

    def __init__(self, lefts):
        self.lefts = lefts

    def detect(self, frame):
        found = [(left, 50, left + 40, 150) for left in self.lefts(frame.number)]
        if not found:
            return NOBODY
        return Boxes(np.array(found, np.float32), np.full(len(found), 0.9, np.float32))


def followed(lefts, frames=200, **settings):
    follower = Follower(Walkers(lefts), FollowSettings(**settings))
    image = np.random.default_rng(0).integers(0, 256, (200, 900, 3), dtype=np.uint8)
    found = []
    for number in range(frames):
        found += follower.step(Frame(image, number, number / 25))
    assert follower.resting == (not list(lefts(frames - 1)) and follower.collector.open == 0)
    return found + follower.close()


def hidden(number):
    """She walks 4 pixels a frame, and is behind something from frame 60 to 97."""
    return [] if 60 <= number < 98 or number >= 140 else [4 * number]


def test_whoever_passes_behind_something_stays_one():
    (found,) = followed(hidden)
    assert (found.start, found.end) == (pytest.approx(1 / 25, abs=0.05), pytest.approx(139 / 25))
    assert len(found.numbers) == 2
    assert found.frames >= 100
    frames = [crop.frame for crop in found.crops]
    assert frames == sorted(frames)
    assert min(frames) < 60 < 98 <= max(frames)
    assert found.track == 1


def test_not_without_a_gap_nor_where_somebody_else_comes():
    assert len(followed(hidden, join=JoinSettings(gap=0))) == 2

    def another(number):
        return [4 * number] if number < 60 else [700 - 4 * number] if 98 <= number < 140 else []

    found = followed(another)
    assert [one.numbers for one in found] == [(0,), (1,)] or len(found) == 2


def test_two_people_behind_one_pillar_keep_apart():
    def two(number):
        if 60 <= number < 98 or number >= 140:
            return []
        return [4 * number, 800 - 4 * number]

    found = followed(two)
    assert len(found) == 2
    for one in found:
        lefts = [crop.box[0] for crop in one.crops]
        assert lefts in (sorted(lefts), sorted(lefts, reverse=True))


def test_crops_of_both_parts_are_kept():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (200, 100, 3), dtype=np.uint8)
    first, second = BestCrops(2), BestCrops(2)
    for number in range(300):
        one = first if number < 20 else second
        one.offer(Frame(image, number, number / 25), np.array([0, 0, 50, 150]), 0.5)
    first.takes(second)
    frames = [crop.frame for crop in first.chosen()]
    assert len(frames) == 2
    assert len(first._slots) <= 4


def test_settings_that_make_no_sense():
    for wrong in ({"gap": -1}, {"gap": float("inf")}, {"reach": -1}, {"growth": 0.5}):
        with pytest.raises(InputError, match="growth at least 1"):
            JoinSettings(**wrong)
