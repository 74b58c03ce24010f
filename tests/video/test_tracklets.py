"""Tracks, best crops and tracklets against what was drawn, and against naive loops."""

import numpy as np
import pytest

from passerby.types import InputError
from passerby.video.boxes import NOBODY, Boxes, BoxFile
from passerby.video.crops import BestCrops, visible
from passerby.video.following import Follower, FollowSettings
from passerby.video.frames import Frame, open_video
from passerby.video.tracker import Tracker, TrackerSettings
from passerby.video.tracklets import Collector, TrackletSettings


def boxes_of(*corners, scores=None):
    return Boxes(
        np.array(corners, np.float32).reshape(-1, 4),
        np.array([0.9] * len(corners) if scores is None else scores, np.float32),
    )


@pytest.mark.parametrize("by", ["bytetrack", "ocsort", "botsort"])
def test_two_people_who_cross_keep_their_numbers(by):
    tracker = Tracker(TrackerSettings(by))
    seen = {}
    for n in range(80):
        left, right = 10 + 4 * n, 400 - 4 * n
        # She is higher in the picture, and missed while he is in front of her.
        hers = [] if 44 <= n <= 52 else [(right, 20, right + 40, 120)]
        boxes = boxes_of((left, 70, left + 40, 190), *hers)
        for who, number in zip("ab", tracker.update(boxes, n / 25), strict=False):
            seen.setdefault(who, set()).add(int(number))
    assert seen["a"] - {-1} != seen["b"] - {-1}
    assert len(seen["a"] - {-1}) == len(seen["b"] - {-1}) == 1


def test_numbers_come_back_in_the_order_of_the_boxes():
    tracker = Tracker(TrackerSettings(confirm=1))
    far = ((0, 0, 20, 50), (100, 0, 120, 50), (200, 0, 220, 50))
    for n in range(3):
        tracker.update(boxes_of(*far), n / 25)
    before = tracker.update(boxes_of(*far), 3 / 25)
    after = tracker.update(boxes_of(*far[::-1], scores=[0.7, 0.2, 0.8]), 4 / 25)
    assert len(set(before)) == 3
    assert after.tolist() == before[::-1].tolist()
    assert tracker.update(NOBODY, 5 / 25).tolist() == []


def test_patience_is_in_seconds_at_any_rate():
    for rate in (5, 25):
        for pause, same in ((0.8, True), (2.5, False)):
            tracker = Tracker(TrackerSettings(patience=1.5), rate)
            first = [tracker.update(boxes_of((50, 10, 90, 110)), n / rate) for n in range(9)]
            begin = 8 / rate + pause
            for n in range(1, int(pause * rate)):
                tracker.update(NOBODY, (8 + n) / rate)
            later = [
                tracker.update(boxes_of((50, 10, 90, 110)), begin + n / rate) for n in range(9)
            ]
            assert (first[-1] == later[-1]).all() == same


def naive_visible(corners, height, width):
    """How much of each box no single lower box covers, by counting pixels."""
    found = []
    for mine in corners:
        inside = np.zeros((height, width), bool)
        inside[mine[1] : mine[3], mine[0] : mine[2]] = True
        worst = 0.0
        for other in corners:
            if other[3] > mine[3]:
                cover = np.zeros((height, width), bool)
                cover[other[1] : other[3], other[0] : other[2]] = True
                worst = max(worst, (inside & cover).sum() / inside.sum())
        margin = min(mine[0], mine[1], width - mine[2], height - mine[3])
        found.append((1 - worst) * (0.5 if margin < 2 else 1))
    return found


def test_how_whole_people_are_seen():
    rng = np.random.default_rng(3)
    for _ in range(20):
        begins = rng.integers(0, 60, (5, 2))
        corners = np.concatenate([begins, begins + rng.integers(10, 40, (5, 2))], axis=1)
        found = visible(boxes_of(*corners), 100, 100)
        assert np.allclose(found, naive_visible(corners, 100, 100), atol=1e-6)
    assert visible(NOBODY, 10, 10).tolist() == []


def test_best_crops_are_sharp_and_apart_in_time():
    rng = np.random.default_rng(0)
    best = BestCrops(4)
    corners = np.array([10, 10, 60, 140], np.float32)
    for n in range(400):
        flat = np.full((160, 80, 3), 128, np.uint8)
        if n % 50 == 25:  # one sharp picture in each 2 s
            flat[:] = rng.integers(0, 256, flat.shape)
        best.offer(Frame(flat, n, n / 25), corners, 0.9)
    crops = best.chosen()
    assert len(crops) == 4
    assert all(crop.frame % 50 == 25 for crop in crops)
    assert [c.frame for c in crops] == sorted(c.frame for c in crops)
    assert min(b.seconds - a.seconds for a, b in zip(crops, crops[1:], strict=False)) >= 1.9
    assert len(best._slots) <= 8
    assert crops[0].box == (10, 10, 50, 130)
    assert crops[0].image.shape == (130, 50, 3)


@pytest.mark.parametrize(("better", "worse"), [(0.9, 0.3)])
def test_the_whole_and_the_large_win(better, worse):
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (400, 100, 3), dtype=np.uint8)
    whole = BestCrops(1)
    whole.offer(Frame(noise, 0, 0.0), np.array([0, 0, 50, 200]), worse)
    whole.offer(Frame(noise, 1, 0.1), np.array([0, 0, 50, 200]), better)
    whole.offer(Frame(noise, 2, 0.15), np.array([0, 0, 50, 200]), worse)
    assert whole.chosen()[0].frame == 1
    large = BestCrops(1)
    large.offer(Frame(noise, 0, 0.0), np.array([0, 0, 50, 60]), better)
    large.offer(Frame(noise, 1, 0.1), np.array([0, 0, 50, 240]), better)
    assert large.chosen()[0].frame == 1


def test_a_walk_is_one_tracklet(walk_video, walk_boxes):
    follower = Follower(BoxFile(walk_boxes))
    found = []
    for frame in open_video(walk_video).frames():
        found += follower.step(frame)
    found += follower.close()
    assert len(found) == 1
    (walk,) = found
    # Frames 5 and 6 are not confirmed yet.
    assert (walk.start, walk.end) == (pytest.approx(7 / 25, abs=0.05), pytest.approx(49 / 25))
    assert walk.frames >= 42
    assert 1 <= len(walk.crops) <= 4
    for crop in walk.crops:
        left, top, width, height = crop.box
        assert (top, width, height) == (20, 16, 56)
        assert left == 4 + 2 * crop.frame
        # All of the crop is the red block.
        assert crop.image[..., 0].mean() > 150
        assert crop.image[..., 1].mean() < 80
    assert walk.best.quality == max(crop.quality for crop in walk.crops)


def step(collector, number, *tracks, rate=10):
    rng = np.random.default_rng(number)
    frame = Frame(rng.integers(0, 256, (100, 100, 3), dtype=np.uint8), number, number / rate)
    corners = [(20 * t + 5, 10, 20 * t + 20, 60) for t in range(len(tracks))]
    return collector.add(frame, boxes_of(*corners), np.array(tracks, np.int64))


def test_tracklets_end_by_patience_length_and_close():
    collector = Collector(TrackletSettings(2, shortest=0.5, longest=4.0), patience=1.0)
    found = []
    for n in range(100):
        tracks = [7] if n < 30 else []
        tracks += [8] if 20 <= n < 23 else []  # too short
        tracks += [9, -1] if n >= 40 else []  # stays
        for one in step(collector, n, *tracks):
            found.append((n, one))
    ended = [(n, one.track, round(one.start, 1), round(one.end, 1)) for n, one in found]
    assert ended == [(40, 1, 0.0, 2.9), (81, 3, 4.0, 8.0)]
    assert collector.too_short == 1
    assert collector.open == 1
    assert [(one.track, one.start) for one in collector.close()] == [(4, 8.1)]
    assert collector.open == 0


def test_opencv_without_the_systems_libraries_is_one_line(monkeypatch):
    import builtins

    real = builtins.__import__

    def without(name, *arguments, **more):
        if name == "trackers":
            raise ImportError("libGL.so.1: cannot open shared object file")
        return real(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match="libGL.so.1.*apt-get install libgl1"):
        Tracker(TrackerSettings())


def test_settings_that_make_no_sense():
    with pytest.raises(InputError, match="at least 1 crop"):
        TrackletSettings(crops=0)
    with pytest.raises(InputError, match="patience must be above 0"):
        TrackerSettings(patience=0)
    with pytest.raises(InputError, match="confident must be between"):
        TrackerSettings(confident=1.5)
    assert FollowSettings().tracklet.crops == 4
