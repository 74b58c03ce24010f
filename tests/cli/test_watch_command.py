"""`passerby watch`: from a video to entries of a gallery, once each, whatever happens between."""

import contextlib
import http.server
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import av
import numpy as np
import pytest

from passerby.cli.main import run
from passerby.cli.watch_store import Store
from passerby.embedding.embedder import Embedder
from passerby.gallery.filters import Filter
from passerby.gallery.gallery import Gallery
from passerby.methods import METHODS

START = 1795248000  # 2026-11-21T08:00 UTC


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    import torch

    torch.manual_seed(0)
    method = METHODS["bag_of_tricks"]
    recipe = method.recipe.small()
    folder = tmp_path_factory.mktemp("model")
    Embedder(method, recipe, method.network(recipe)).save(folder)
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """6 people in 24 s of 10 frames/s, two by two; between them nobody."""
    folder, rng = tmp_path_factory.mktemp("video"), np.random.default_rng(0)
    lines = []
    with av.open(str(folder / "walk.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "12", "g": "25"})
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        for number in range(240):
            frame = rng.integers(100, 140, (96, 160, 3), dtype=np.uint8)
            for who in range(6):
                step = number - (who // 2) * 80 - 10 * (who % 2)
                if 0 <= step < 40:
                    left = 5 + 3 * step if who % 2 else 140 - 3 * step
                    top = 10 + 25 * (who % 2)
                    patch = frame[top : top + 56, left : left + 16]
                    patch[:] = rng.integers(40 * who, 40 * who + 60, patch.shape)
                    lines.append(f"{number + 1},-1,{left},{top},16,56,0.9")
            for packet in stream.encode(av.VideoFrame.from_ndarray(frame)):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    (folder / "det.txt").write_text("\n".join(lines) + "\n")
    return folder


def arguments(made, model, place, *more):
    return ["watch", str(made / "walk.mp4"), "--camera", "gate", "--gallery", str(place),
            "--model", str(model), "--boxes", str(made / "det.txt"),
            "--start", "2026-11-21T08:00", *more]  # fmt: skip


def entries(place):
    with Gallery.open(place) as gallery:
        return {
            one.key: (one.camera, one.timestamp, one.file_name, one.track_id)
            for one in gallery.entries()
        }


def events(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.fixture(scope="module")
def whole(made, model, tmp_path_factory):
    """What an uninterrupted run leaves."""
    place = tmp_path_factory.mktemp("whole") / "people.gallery"
    assert run(arguments(made, model, place)) == 0
    return place


def test_each_walk_is_an_entry_with_its_crops(made, model, tmp_path, capsys):
    place = tmp_path / "people.gallery"
    assert run(arguments(made, model, place, "--link", "http://here:8000/", "--keep", "30d")) == 0
    told = events(capsys)
    found = entries(place)
    assert len(found) == 6
    assert [one["key"] for one in told] == sorted(found)
    pictures = tmp_path / "people.pictures"
    for one in told:
        camera, begin, best, track = found[one["key"]]
        assert (camera, track) == ("gate", one["key"])
        assert one["camera"] == "gate"
        assert one["from"] == begin
        assert one["link"].startswith("http://here:8000/v1/entries/picture?key=gate%2F20261121")
        assert set(one) == {"event", "camera", "key", "from", "to", "clock", "link"}
        note = json.loads((pictures / one["key"] / "track.json").read_text())
        assert (note["from"], note["to"]) == (one["from"], one["to"])
        assert best in [f"{one['key']}/{crop['file']}" for crop in note["crops"]]
        files = [pictures / one["key"] / crop["file"] for crop in note["crops"]]
        assert all(file.stat().st_mode & 0o077 == 0 for file in files)
        assert all(crop["box"][2:] == [16, 56] for crop in note["crops"])
    # Walks last 4 s and begin 0, 1, 8, 9, 16, 17 s after the start; two frames confirm them.
    begins = sorted(one["from"] - START for one in told)
    assert np.allclose(begins, [0, 1, 8, 9, 16, 17], atol=0.35)
    assert all(3.4 < one["to"] - one["from"] < 4 for one in told)
    with Gallery.open(place) as gallery:
        expires = [one.expires - one.added for one in gallery.entries()]
        assert np.allclose(expires, 30 * 86400, atol=60)
        assert sum(line["what"] == "add" for line in gallery.audit.lines()) == 6
    # The same command again: nothing to do.
    assert run(arguments(made, model, place, "--link", "http://here:8000/", "--keep", "30d")) == 0
    assert events(capsys) == []
    assert entries(place) == found


def test_embeddings_are_means_of_the_crops(whole, model):
    from PIL import Image

    loaded = Embedder.load(model)
    with Gallery.open(whole) as gallery:
        key = gallery.entries()[0].key
        stored = gallery.embeddings([key])[0]
    folder = whole.with_suffix(".pictures") / key
    crops = [np.asarray(Image.open(file)) for file in sorted(folder.glob("*.jpg"))]
    each = loaded.embed(crops)
    each /= np.linalg.norm(each, axis=1, keepdims=True)
    mean = each.mean(axis=0)
    # The crops lie there as JPEG: nearly what was embedded.
    assert mean @ stored / np.linalg.norm(mean) / np.linalg.norm(stored) > 0.97


class Crash(BaseException):
    """Ends a run at once, as kill -9 does: nothing of passerby catches it."""


@pytest.mark.parametrize("before", [True, False], ids=["before storing", "after storing"])
def test_a_run_that_dies_anywhere_goes_on(made, model, whole, tmp_path, monkeypatch, before):
    place = tmp_path / "people.gallery"
    real, count = Store.put, 0

    def put(self, *arguments):
        nonlocal count
        count += 1
        if before and count % 3 == 0:
            raise Crash
        real(self, *arguments)
        if not before and count % 3 == 0:
            raise Crash

    monkeypatch.setattr(Store, "put", put)
    crashes = 0
    for _ in range(30):
        try:
            assert run(arguments(made, model, place)) == 0
            break
        except Crash:
            crashes += 1
    assert crashes == 2
    assert entries(place) == entries(whole)
    files = [sorted(p.relative_to(f) for p in f.rglob("*.jpg")) for f in
             (place.with_suffix(".pictures"), whole.with_suffix(".pictures"))]  # fmt: skip
    assert files[0] == files[1]


@pytest.mark.slow
def test_kill_9_twenty_times(made, model, whole, tmp_path):
    place = tmp_path / "people.gallery"
    command = [sys.executable, "-m", "passerby", *arguments(made, model, place)]
    source = str(Path(__file__).parents[2] / "src")
    rng = np.random.default_rng(0)
    state = tmp_path / "people.pictures" / "gate"
    for _ in range(20):
        with subprocess.Popen(
            command, env={**os.environ, "PYTHONPATH": source}, stdout=subprocess.DEVNULL
        ) as process:
            for _ in range(1200):
                if state.exists() or process.poll() is not None:
                    break
                time.sleep(0.05)
            time.sleep(float(rng.uniform(0, 1.5)))
            process.kill()
    assert run(arguments(made, model, place)) == 0
    assert entries(place) == entries(whole)


def scraped(port):
    with (
        contextlib.suppress(OSError),
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer,
    ):
        return answer.read().decode()
    return ""


def test_sigterm_finishes_the_open_tracks_and_the_rest_follows(
    made, model, tmp_path, capsys, monkeypatch
):
    """Boxes come through a pipe, so that the signal meets two people in view."""
    place = tmp_path / "people.gallery"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    line = arguments(made, model, place, "--metrics", f"127.0.0.1:{port}")
    line[line.index("--boxes") + 1] = "-"
    source = str(Path(__file__).parents[2] / "src")
    text = (made / "det.txt").read_text().splitlines(keepends=True)
    early = [one for one in text if int(one.split(",")[0]) <= 25]
    process = subprocess.Popen(
        [sys.executable, "-m", "passerby", *line], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": source},
    )  # fmt: skip
    process.stdin.write("".join(early))
    process.stdin.flush()
    # Frame 25 waits for the line after its own: 24 are counted.
    for _ in range(1200):
        if 'passerby_watch_frames_total{camera="gate"} 24.0' in scraped(port):
            break
        time.sleep(0.1)
    assert 'passerby_watch_open{camera="gate"} 2.0' in scraped(port)
    process.send_signal(signal.SIGTERM)
    process.stdin.write("200,-1,5,5,16,56,0.9\n")
    process.stdin.close()
    out = process.stdout.read()
    assert process.wait(60) == 0
    assert len(out.splitlines()) == 2
    assert len(entries(place)) == 2
    rest = json.loads((tmp_path / "people.pictures" / "gate" / "watch.json").read_text())["rest"]
    assert 20 <= rest["number"] <= 26
    assert not rest["done"]
    # The same command again goes on behind it; the boxes begin anew with the pipe.
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(text)))
    assert run(line) == 0
    told = events(capsys)
    assert len(told) == len({one["key"] for one in told}) >= 4
    assert set(entries(place)) >= {one["key"] for one in told}
    assert min(one["from"] for one in told) > START + (rest["number"] / 10)


def test_what_was_removed_or_expired_takes_its_crops_along(made, model, whole, tmp_path):
    place, pictures = tmp_path / "people.gallery", tmp_path / "people.pictures"
    shutil.copytree(whole, place)
    shutil.copytree(whole.with_suffix(".pictures"), pictures)
    keys = sorted(entries(place))
    with Gallery.open(place) as gallery:
        gallery.remove(Filter(keys=keys[:2]))
        store = Store(gallery, None, pictures)
        assert store.forget() == 2
        assert store.forget() == 0
    left = sorted(p.parent.relative_to(pictures).as_posix() for p in pictures.rglob("track.json"))
    assert left == keys[2:]


def test_several_cameras_from_a_file(made, model, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("VIDEOS", str(made))
    (tmp_path / "cameras.yaml").write_text(
        f"gate:\n  place: $VIDEOS/walk.mp4\n  start: 2026-11-21T08:00\n  boxes: {made}/det.txt\n"
        f"yard:\n  place: {made}/walk.mp4\n  boxes: {made}/det.txt\n"
    )
    place = tmp_path / "people.gallery"
    assert run(["watch", "--cameras", str(tmp_path / "cameras.yaml"), "--gallery", str(place),
                "--model", str(model), "--metrics", "127.0.0.1:0"]) == 0  # fmt: skip
    told = events(capsys)
    assert sum(one["camera"] == "gate" for one in told) == 6
    assert sum(one["camera"] == "yard" for one in told) == 6
    yard = [one for one in told if one["camera"] == "yard"]
    assert all(one["clock"] == "video" and one["from"] < 30 for one in yard)
    assert {one[1] for one in entries(place).values() if one[0] == "yard"} == {None}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--camera", "a/b"], "a camera's name"),
        (["--keep", "soon"], "an age must be"),
        (["--webhook", "http://127.0.0.1:9/"], "given together"),
        (["--metrics", "nowhere"], "takes host:port"),
        (["--fps", "-1"], "frames/s must be above 0"),
        (["--cameras", "c.yaml"], "give a PLACE"),
    ],
)
def test_refusals(made, model, tmp_path, capsys, more, message):
    assert run(arguments(made, model, tmp_path / "g", *more)) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "g").exists()


def test_another_video_in_the_middle_is_refused(made, model, whole, tmp_path, capsys):
    place, folder = tmp_path / "people.gallery", tmp_path / "people.pictures" / "gate"
    folder.mkdir(parents=True)
    state = folder / "watch.json"
    plain = json.loads((whole.with_suffix(".pictures") / "gate" / "watch.json").read_text())
    assert plain["rest"]["done"]
    plain["rest"]["done"] = False
    state.write_text(json.dumps(plain))
    assert run(arguments(made, model, place, "--crops", "2")) == 2
    assert "this video with other settings" in capsys.readouterr().err
    assert run(arguments(made, model, place, "--start", "2026-11-22")) == 2
    assert "another video" in capsys.readouterr().err
    state.write_text("{")
    assert run(arguments(made, model, place)) == 2
    assert "damaged" in capsys.readouterr().err


def test_one_process_a_camera(made, model, tmp_path, capsys):
    from filelock import FileLock

    folder = tmp_path / "people.pictures" / "gate"
    folder.mkdir(parents=True)
    with FileLock(folder / ".lock"):
        assert run(arguments(made, model, tmp_path / "people.gallery")) == 2
    assert "another process watches this camera" in capsys.readouterr().err


def test_a_full_disk_is_one_line_and_the_same_command_goes_on(
    made, model, whole, tmp_path, capsys, monkeypatch
):
    from passerby.cli import watch_store

    real, count = watch_store.write_jpeg, 0

    def full(file, image):
        nonlocal count
        count += 1
        if count == 9:
            raise OSError(28, "No space left on device", str(file))
        real(file, image)

    monkeypatch.setattr(watch_store, "write_jpeg", full)
    place = tmp_path / "people.gallery"
    assert run(arguments(made, model, place)) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert run(arguments(made, model, place)) == 0
    assert entries(place) == entries(whole)


class Paced:
    """A recording that behaves as a live camera: it waits for nobody, then it is silent."""

    live, duration, rate, broken, jumps = True, None, 10.0, 0, 0

    def __init__(self, file):
        self.file = file
        self.opened = 0

    def frames(self, start=0.0, number=0, *, seek=True):
        from passerby.video.frames import open_video

        self.opened += 1
        if self.opened == 1:
            for frame in open_video(self.file).frames():
                time.sleep(0.03)
                yield frame


def test_a_live_camera(made, model, tmp_path, capsys, monkeypatch):
    """Its tracks end by time when it falls silent; Ctrl-C ends the command in good order."""
    camera = Paced(made / "walk.mp4")
    monkeypatch.setattr("passerby.cli.watch.open_video", lambda place: camera)
    place = tmp_path / "people.gallery"

    def interrupt():
        for _ in range(600):
            if camera.opened > 1:
                break
            time.sleep(0.1)
        time.sleep(1.5)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    line = arguments(made, model, place, "--shortest", "0.1", "--patience", "0.4")
    at = line.index("--start")
    before = time.time()
    assert run(line[:at] + line[at + 2 :]) == 0
    told = events(capsys)
    assert len(told) == len(entries(place)) >= 5
    assert all(one["clock"] == "utc" and before < one["from"] < time.time() for one in told)
    # A live source tells the time itself.
    assert run(line) == 2
    assert "--start is for files only" in capsys.readouterr().err


def test_a_stream_that_refuses_the_password_ends_the_command(model, made, tmp_path, capsys):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="camera"')
            self.end_headers()

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://user:secret@127.0.0.1:{server.server_port}/live.ts"
    line = arguments(made, model, tmp_path / "people.gallery")[:-2]
    line[1] = address
    assert run(line) == 2
    message = capsys.readouterr().err
    server.shutdown()
    server.server_close()
    assert "refuses this name and password" in message
    assert "secret" not in message
