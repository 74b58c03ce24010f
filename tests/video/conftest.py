"""Small videos of coloured blocks that walk, and detectors that are constants."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

WIDTH, HEIGHT = 160, 96


def block_at(number, speed=2.0, start=4.0):
    """Left, top, width, height of the walking block in a frame."""
    return int(start + speed * number), 20, 16, 56


def draw_frame(number, blocks, seed=0):
    """A grey frame with noise and its blocks: (colour, box)."""
    rng = np.random.default_rng([seed, number])
    frame = rng.integers(100, 140, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    for colour, (left, top, width, height) in blocks:
        patch = frame[top : top + height, max(left, 0) : left + width]
        patch[:] = (np.array(colour) + rng.integers(-30, 30, patch.shape)).clip(0, 255)
    return frame


def write_video(
    file, frames, *, rate=25, times=None, codec="libx264", pix_fmt="yuv444p", rotation=0
):
    """Writes frames; `times` in seconds, else one each 1/rate."""
    with av.open(str(file), "w") as container:
        stream = container.add_stream(codec, rate=rate, options={"crf": "10", "g": "10"})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pix_fmt
        stream.codec_context.time_base = Fraction(1, 1000)
        if rotation:
            stream.set_display_rotation(rotation)
        for number, image in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(image, format="rgb24")
            seconds = number / rate if times is None else times[number]
            picture.pts, picture.time_base = round(1000 * seconds), Fraction(1, 1000)
            for packet in stream.encode(picture):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return Path(file)


@pytest.fixture
def make_video(tmp_path):
    """Writes a video of given frames; see `write_video`."""
    return lambda name, frames, **more: write_video(tmp_path / name, frames, **more)


@pytest.fixture(scope="session")
def walk_video(tmp_path_factory):
    """60 frames of 25/s: a red block walks from left to right from frame 5 to 49."""
    frames = [
        draw_frame(n, [((200, 30, 30), block_at(n))] if 5 <= n < 50 else []) for n in range(60)
    ]
    return write_video(tmp_path_factory.mktemp("video") / "walk.mp4", frames)


@pytest.fixture
def walk_boxes(tmp_path):
    """Its boxes, as MOTChallenge has them."""
    file = tmp_path / "det.txt"
    lines = [f"{n + 1},-1,{','.join(map(str, block_at(n)))},0.9" for n in range(5, 50)]
    file.write_text("\n".join(lines) + "\n")
    return file
