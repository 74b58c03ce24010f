"""How fast people are followed once their boxes are known, beside a plain loop of PyAV and OpenCV.

    python benchmarks/following.py [--seconds 10]

A video of 1280 x 720 at 25 frames/s with 8 people (patches that walk), boxes from a file: decoding,
tracking, joining, choosing crops. The peer decodes with PyAV, cuts every box out, and takes the
variance of OpenCV's Laplacian, as scripts do that keep the sharpest crop; it follows nobody. Both
are measured in CPU time of all threads, one after the other in one process.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np

from passerby.video.boxes import BoxFile
from passerby.video.following import Follower
from passerby.video.frames import open_video

WIDTH, HEIGHT, RATE, PEOPLE = 1280, 720, 25, 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=10)
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as folder:
        video, boxes = Path(folder) / "walk.mp4", Path(folder) / "boxes.txt"
        draw(video, boxes, seconds * RATE)
        follow(video, boxes)  # what is imported or compiled once is not measured
        ways = {"decode alone": decode, "peer": peer, "passerby": follow}
        for name, way in ways.items():
            spent = cpu(lambda way=way: way(video, boxes))
            print(f"{name}: {seconds * RATE / spent:.0f} frames/s of CPU time")


def cpu(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


def decode(video: Path, boxes: Path) -> None:
    for _ in open_video(video).frames():
        pass


def follow(video: Path, boxes: Path) -> None:
    follower = Follower(BoxFile(boxes), rate=RATE)
    found = []
    for frame in open_video(video).frames():
        found += follower.step(frame)
    assert len(found + follower.close()) >= PEOPLE


def peer(video: Path, boxes: Path) -> None:
    rows = defaultdict(list)
    for line in boxes.read_text().split():
        number, _, *box, _ = line.split(",")
        rows[int(number)].append(tuple(map(int, box)))
    best = defaultdict(float)
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        for number, picture in enumerate(container.decode(stream), 1):
            image = picture.to_ndarray(format="bgr24")
            for who, (x, y, width, height) in enumerate(rows[number]):
                grey = cv2.cvtColor(image[y : y + height, x : x + width], cv2.COLOR_BGR2GRAY)
                best[who] = max(best[who], cv2.Laplacian(grey, cv2.CV_64F).var())


def draw(video: Path, boxes: Path, count: int) -> None:
    rng = np.random.default_rng(0)
    ground = rng.integers(60, 200, (45, 80, 3), dtype=np.uint8)
    ground = cv2.resize(ground, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    people = [
        cv2.resize(rng.integers(0, 255, (24, 8, 3), dtype=np.uint8), (100, 300))
        for _ in range(PEOPLE)
    ]
    lines = []
    with av.open(str(video), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(count):
            frame = ground.copy()
            for who, patch in enumerate(people):
                x = (40 + 150 * who + (3 if who % 2 else -3) * number) % (WIDTH - 110)
                y = 100 + 30 * who
                frame[y : y + 300, x : x + 100] = patch
                lines.append(f"{number + 1},-1,{x},{y},100,300,0.9")
            for packet in stream.encode(av.VideoFrame.from_ndarray(frame)):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    boxes.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
