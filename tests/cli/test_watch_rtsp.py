"""`passerby watch` of a real RTSP server, which goes away and comes back."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
import pytest

from passerby.cli.main import run
from passerby.video.frames import Refused, open_video

pytestmark = pytest.mark.slow
SYSTEM = "/usr/bin/python3"
BINDINGS = "import gi; gi.require_version('GstRtspServer', '1.0')"


@pytest.fixture(scope="module", autouse=True)
def gstreamer():
    found = (
        Path(SYSTEM).exists()
        and not subprocess.run(
            [SYSTEM, "-c", BINDINGS], capture_output=True, check=False
        ).returncode
    )
    if not found:
        pytest.skip("no GStreamer RTSP server: apt-get install gir1.2-gst-rtsp-server-1.0")


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """A block that walks for 8 s of 10 frames/s."""
    file, rng = tmp_path_factory.mktemp("rtsp") / "walk.mp4", np.random.default_rng(0)
    with av.open(str(file), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"g": "10", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        for number in range(80):
            frame = rng.integers(100, 140, (96, 160, 3), dtype=np.uint8)
            frame[20:76, 5 + number : 21 + number] = rng.integers(150, 250, (56, 16, 3))
            for packet in stream.encode(av.VideoFrame.from_ndarray(frame)):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return file


@contextmanager
def serving(port, video, *password):
    server = subprocess.Popen(
        [SYSTEM, str(Path(__file__).with_name("rtsp_server.py")), str(port), str(video), *password],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert server.stdout.readline().strip() == "ready"
        yield
    finally:
        server.kill()
        server.communicate(timeout=30)


@pytest.fixture
def port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def test_passwords(video, port, tmp_path, capsys):
    with serving(port, video, "s3cret"):
        for login in ("", "user:wrong@"):
            with pytest.raises(Refused, match="refuses this name and password"):
                next(open_video(f"rtsp://{login}127.0.0.1:{port}/live").frames())
        frame = next(open_video(f"rtsp://user:s3cret@127.0.0.1:{port}/live").frames())
        assert frame.image.shape == (96, 160, 3)
        (tmp_path / "boxes").touch()
        assert (
            run(
                [
                    "watch",
                    f"rtsp://user:wrong@127.0.0.1:{port}/live",
                    "--camera",
                    "yard",
                    "--gallery",
                    str(tmp_path / "g"),
                    "--boxes",
                    str(tmp_path / "boxes"),
                ]
            )
            == 2
        )
        told = capsys.readouterr().err
        assert "refuses this name and password" in told
        assert "wrong" not in told


def test_a_server_that_goes_away_and_comes_back(video, port, tmp_path):
    """Boxes come through a pipe: all are of the same place, whatever the frame's number."""
    source = str(Path(__file__).parents[2] / "src")
    place = tmp_path / "people.gallery"
    with serving(port, video):
        watching = subprocess.Popen(
            [sys.executable, "-m", "passerby", "watch", f"rtsp://127.0.0.1:{port}/live",
             "--camera", "yard", "--gallery", str(place), "--boxes", "-", "--patience", "0.4",
             "--gap", "0", "--shortest", "0.2"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": source},
        )  # fmt: skip

        def feed():
            for number in range(1, 100_000):
                try:
                    watching.stdin.write(f"{number},-1,60,20,16,56,0.9\n")
                    watching.stdin.flush()
                except (BrokenPipeError, ValueError):
                    return

        threading.Thread(target=feed, daemon=True).start()
        told = []
        threading.Thread(target=lambda: told.extend(watching.stdout), daemon=True).start()
        # The file ends after 8 s, the stream with it: what was followed is told of by then.
        end = time.monotonic() + 240
        while not told and time.monotonic() < end:
            time.sleep(0.2)
        assert told
    before = len(told)
    time.sleep(3)
    with serving(port, video):
        while len(told) <= before and time.monotonic() < end:
            time.sleep(0.2)
        watching.send_signal(signal.SIGINT)
        assert watching.wait(60) == 0
    assert len(told) > before
    keys = [json.loads(line)["key"] for line in told]
    assert len(set(keys)) == len(keys)
