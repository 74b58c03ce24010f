"""Videos of odd sizes and rates, with nobody in them, or very many people."""

import numpy as np
import pytest

from passerby.video.boxes import NOBODY, Boxes, BoxFile
from passerby.video.following import Follower
from passerby.video.frames import Frame, open_video


def followed(place, lines, tmp_path, rate=25.0):
    (tmp_path / "boxes.txt").write_text("\n".join(lines))
    follower, found = Follower(BoxFile(tmp_path / "boxes.txt"), rate=rate), []
    for frame in open_video(place).frames():
        found += follower.step(frame)
    return found + follower.close()


def test_4k(make_video, tmp_path):
    """A person of 400 x 1,200 pixels who walks 12 pixels a frame, for a second."""
    rng, frames, lines = np.random.default_rng(0), [], []
    for number in range(26):
        frame = np.full((2160, 3840, 3), 120, np.uint8)
        left = 600 + 12 * number
        frame[500:1700, left : left + 400] = (200, 30, 30)
        frame[500:1700:40, left : left + 400] = rng.integers(0, 255, (30, 400, 3))
        frames.append(frame)
        lines.append(f"{number + 1},-1,{left},500,400,1200,0.9")
    file = make_video("wide.mp4", frames, pix_fmt="yuv420p")
    (found,) = followed(file, lines, tmp_path)
    assert found.end == pytest.approx(1.0, abs=0.05)
    for crop in found.crops:
        assert crop.box == (600 + 12 * crop.frame, 500, 400, 1200)
        assert crop.image.shape == (1200, 400, 3)
        assert crop.image[..., 0].mean() > 150 > 90 > crop.image[..., 1].mean()


def test_one_frame_a_second(make_video, tmp_path):
    """Who hardly moves is followed; between two frames nobody can be told from another."""
    frames = [np.full((96, 160, 3), 90 + number, np.uint8) for number in range(12)]
    lines = [f"{number + 1},-1,{40 + number},20,30,60,0.9" for number in range(12)]
    file = make_video("slow.mp4", frames, rate=1)
    (found,) = followed(file, lines, tmp_path, rate=1.0)
    assert (found.start, found.end) == (pytest.approx(1, abs=1.01), pytest.approx(11))
    assert len(found.crops) == 4


def test_nobody(make_video, tmp_path):
    file = make_video("empty.mp4", [np.full((96, 160, 3), 90, np.uint8)] * 30)
    assert followed(file, [], tmp_path) == []


def test_200_people():
    """In rows, each walking 2 pixels a frame: 200 tracks, each person's crops her own."""
    rng = np.random.default_rng(0)
    starts = np.array([(60 * (n % 20), 70 * (n // 20)) for n in range(200)], np.float32)
    colours = rng.integers(0, 256, (200, 3))

    class Crowd:
        def detect(self, frame):
            if frame.number >= 25:
                return NOBODY
            corners = np.column_stack([starts, starts + (24, 60)])
            corners[:, ::2] += 2 * frame.number
            return Boxes(corners.astype(np.float32), np.full(200, 0.9, np.float32))

    follower, found = Follower(Crowd()), []
    for number in range(26):
        image = rng.integers(0, 20, (720, 1280, 3)).astype(np.uint8)
        for (x, y), colour in zip(starts.astype(int), colours, strict=True):
            image[y : y + 60, x + 2 * number : x + 2 * number + 24] += (colour * 0.9).astype(
                np.uint8
            )
        found += follower.step(Frame(image, number, number / 25))
    found += follower.close()
    assert len(found) == 200
    assert len({one.track for one in found}) == 200
    for one in found:
        crop = one.best
        x, y = crop.box[0] - 2 * crop.frame, crop.box[1]
        (place,) = np.flatnonzero((np.abs(starts - (x, y)) <= 1).all(axis=1))
        near = crop.image.reshape(-1, 3).mean(axis=0) - 9.5
        assert np.abs(near - colours[place] * 0.9).max() < 8
