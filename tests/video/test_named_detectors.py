"""Detectors by name: fetched once, checked by their hash, one line where that fails."""

import hashlib
import http.server
import threading
from dataclasses import replace

import pytest

from passerby.cli.video_options import BoxOptions, detector_of
from passerby.types import InputError
from passerby.video import named_detectors
from passerby.video.named_detectors import NAMED, fetched

CONTENT = b"a network" * 100


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.asked = CONTENT, 0
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked += 1
        self.send_response(200 if self.path == "/tiny.onnx" else 404)
        self.send_header("Content-Length", str(len(self.server.content)))
        self.end_headers()
        self.wfile.write(self.server.content)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(monkeypatch):
    made = Server()
    known = replace(
        NAMED["yolox-tiny"],
        address=f"http://127.0.0.1:{made.server_port}/tiny.onnx",
        sha256=hashlib.sha256(CONTENT).hexdigest(),
    )
    monkeypatch.setattr(named_detectors, "NAMED", {"yolox-tiny": known})
    yield made
    made.shutdown()
    made.server_close()


def test_a_network_is_fetched_once(server, tmp_path):
    for _ in range(2):
        assert fetched("yolox-tiny", tmp_path).read_bytes() == CONTENT
    assert server.asked == 1


def test_another_content_is_refused_and_not_kept(server, tmp_path):
    server.content = b"something else"
    with pytest.raises(InputError, match="its SHA-256 must be"):
        fetched("yolox-tiny", tmp_path)
    assert list(tmp_path.rglob("*.onnx")) == []
    server.content = CONTENT
    file = fetched("yolox-tiny", tmp_path)
    file.write_bytes(b"damaged")
    with pytest.raises(InputError, match="may be deleted"):
        fetched("yolox-tiny", tmp_path)


def test_nobody_there_is_one_line(server, tmp_path):
    server.shutdown()
    server.server_close()
    with pytest.raises(InputError, match="cannot be fetched .* give the file"):
        fetched("yolox-tiny", tmp_path)
    with pytest.raises(InputError, match="cannot be fetched"):
        named_detectors._opened("nonsense")


def test_names_are_taken_by_the_commands(server, tmp_path, monkeypatch):
    from pathlib import Path

    monkeypatch.setenv("PASSERBY_CACHE", str(tmp_path / "cache"))
    with pytest.raises(InputError, match="yolox-tiny.onnx"):  # CONTENT is no network
        detector_of(BoxOptions(detector=Path("yolox-tiny")), "cpu")
    assert server.asked == 1
    with pytest.raises(InputError, match="yolox-small: no such file"):
        detector_of(BoxOptions(detector=Path("yolox-small")), "cpu")
    with pytest.raises(InputError, match="--detector yolox-tiny"):
        detector_of(BoxOptions(), "cpu")


def test_descriptions_of_those_that_are_known():
    for one in NAMED.values():
        assert one.address.startswith("https://github.com/Megvii-BaseDetection/YOLOX/releases/")
        assert len(bytes.fromhex(one.sha256)) == 32
        assert (one.settings.form, one.settings.channels, one.settings.scale) == ("yolox", "bgr", 1)
