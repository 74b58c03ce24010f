"""Live sources: what is too slow is dropped, what breaks is opened again."""

import threading
import time

import numpy as np
import pytest

from passerby.types import InputError
from passerby.video.frames import Frame, Refused
from passerby.video.live import Live
from passerby.video.resting import Rest, read_rest, write_rest


class Camera:
    """Frames at a pace; each opening does what is said next."""

    live, duration, rate, broken, jumps = True, None, 25.0, 0, 0

    def __init__(self, *plans):
        self.plans = list(plans)
        self.opened = 0

    def frames(self, start=0.0, number=0, *, seek=True):
        plan = self.plans[min(self.opened, len(self.plans) - 1)]
        self.opened += 1
        if isinstance(plan, Exception):
            raise plan
        for index in range(plan):
            time.sleep(0.002)
            yield Frame(np.zeros((4, 4, 3), np.uint8), index, index / 25)


def wait_for(what, seconds=20):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_slow_reader_sees_new_frames_and_the_rest_is_counted():
    live = Live(Camera(200, InputError("gone")), first_wait=30)
    wait_for(lambda: live.failure == "the stream ended")
    frames = [live.take(), live.take()]
    assert [frame.number for frame in frames] == [198, 199]
    assert live.take() is None
    assert live.dropped == 198
    live.close()


def test_it_is_opened_again_with_a_growing_wait():
    camera = Camera(InputError("off"), OSError("still off"), 3, InputError("off"))
    live = Live(camera, first_wait=0.05)
    wait_for(lambda: camera.opened >= 5)
    assert live.reconnects >= 4
    assert live.began
    numbers = [frame.number for frame in iter(live.take, None)]
    assert numbers == [1, 2]
    live.close()


def test_a_clock_that_is_set_back_sets_no_frame_back():
    now = [1000.0]
    live = Live(Camera(3, 3, 10**6), first_wait=0.01, clock=lambda: now[0])
    seen = []
    end = time.monotonic() + 1
    while time.monotonic() < end and len(seen) < 50:
        frame = live.take()
        if frame is not None:
            seen.append(frame.seconds)
            now[0] -= 100
    live.close()
    assert len(seen) > 10
    assert all(b > a for a, b in zip(seen, seen[1:], strict=False))
    assert 1000 <= seen[0] < 1010


def test_a_wrong_password_is_told_apart():
    live = Live(Camera(Refused("rtsp://host: refuses this name and password")), first_wait=9)
    wait_for(lambda: live.refused)
    assert not live.began
    live.close()


def test_its_thread_ends():
    before = threading.active_count()
    live = Live(Camera(10**6))
    wait_for(lambda: live.began)
    live.close()
    wait_for(lambda: threading.active_count() == before)


def test_where_to_go_on(tmp_path):
    file = tmp_path / "camera" / "watch.json"
    assert read_rest(file, "a.mp4", "s") == Rest()
    rest = Rest(12.04, 301, 7, steady=False)
    write_rest(file, "a.mp4", "s", rest)
    assert read_rest(file, "a.mp4", "s") == rest
    with pytest.raises(InputError, match="in the middle of another video"):
        read_rest(file, "b.mp4", "s")
    with pytest.raises(InputError, match="with other settings"):
        read_rest(file, "a.mp4", "t")
    write_rest(file, "a.mp4", "s", Rest(20.0, 500, 9, done=True))
    assert read_rest(file, "b.mp4", "s") == Rest()
    for damaged in ('{"format": 1}', "[" * 100_000):
        file.write_text(damaged)
        with pytest.raises(InputError, match="watch.json: damaged"):
            read_rest(file, "a.mp4", "s")
