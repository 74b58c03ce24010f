"""Events: signed, retried, and never in the way."""

import hashlib
import hmac
import http.server
import json
import threading
import time

import pytest

from passerby.cli.watch_cameras import read_cameras
from passerby.cli.watch_events import Webhook, event_of, read_secret
from passerby.types import InputError

SECRET = b"0123456789abcdef"


class Receiver(http.server.ThreadingHTTPServer):
    """Answers with the statuses given, then 200; a number below 0 waits so long."""

    daemon_threads = True

    def __init__(self, *answers):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers, self.got = list(answers), []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}/events"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((dict(self.headers), body))
        answer = self.server.answers.pop(0) if self.server.answers else 200
        if answer < 0:
            time.sleep(-answer)
            answer = 200
        self.send_response(answer)
        self.end_headers()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def receiver():
    made = []

    def make(*answers):
        made.append(Receiver(*answers))
        return made[-1]

    yield make
    for one in made:
        one.shutdown()
        one.server_close()


def test_events_arrive_in_order_and_signed(receiver):
    server = receiver()
    webhook = Webhook(server.address, SECRET)
    for number in range(5):
        webhook.tell({"number": number})
    webhook.close()
    assert [json.loads(body)["number"] for _, body in server.got] == list(range(5))
    for headers, body in server.got:
        sent = headers["X-Passerby-Time"]
        wanted = hmac.new(SECRET, f"{sent}.".encode() + body, hashlib.sha256).hexdigest()
        assert headers["X-Passerby-Signature"] == f"sha256={wanted}"
        assert abs(time.time() - int(sent)) < 60
    assert (webhook.sent, webhook.lost) == (5, 0)


def test_failures_are_tried_again_and_refusals_are_not(receiver):
    server = receiver(500, 503, 429, 200, 400, 200)
    webhook = Webhook(server.address, SECRET, first_wait=0.01)
    for number in range(3):
        webhook.tell({"number": number})
    webhook.close()
    assert [json.loads(body)["number"] for _, body in server.got] == [0, 0, 0, 0, 1, 2]
    assert (webhook.sent, webhook.lost) == (2, 1)


def test_a_receiver_that_hangs_holds_nobody_up(receiver, monkeypatch):
    server = receiver(-30)
    monkeypatch.setattr("passerby.cli.watch_events.WAITING", 3)
    webhook = Webhook(server.address, SECRET)
    webhook.tell({})
    while not server.got:
        time.sleep(0.01)
    begin = time.monotonic()
    for _ in range(10):
        webhook.tell({})
    assert webhook.lost == 7
    webhook.close(timeout=0.3)
    assert time.monotonic() - begin < 5
    assert webhook.lost == 10


def test_nobody_there():
    webhook = Webhook("http://127.0.0.1:9/", SECRET, first_wait=0.001)
    webhook.tell({})
    webhook.close()
    assert (webhook.sent, webhook.lost) == (0, 1)


def test_an_event_says_who_nobody_is():
    found = event_of("gate", "gate/20261121/080000.200-00001", 10.00049, 12, True, "https://x/")
    assert found == {
        "event": "tracklet", "camera": "gate", "key": "gate/20261121/080000.200-00001",
        "from": 10.0, "to": 12, "clock": "utc",
        "link": "https://x/v1/entries/picture?key=gate%2F20261121%2F080000.200-00001",
    }  # fmt: skip
    assert "link" not in event_of("gate", "k", 0, 1, False, None)


def test_secrets_and_addresses(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_secret(tmp_path / "none")
    (tmp_path / "short").write_text("abc\n")
    with pytest.raises(InputError, match="at least 16 characters; this one has 3"):
        read_secret(tmp_path / "short")
    (tmp_path / "good").write_bytes(SECRET + b"\n")
    assert read_secret(tmp_path / "good") == SECRET
    with pytest.raises(InputError, match="must start with http:// or https://"):
        Webhook("file:///etc/passwd", SECRET)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "contains no cameras"),
        ("- a\n", "contains no cameras"),
        ("a: [\n", "not YAML"),
        ("gate: {start: 3}\n", "gate needs a place"),
        ("gate: {place: x, colour: red}\n", "gate needs a place"),
        ("a/b: x.mp4\n", "a camera's name"),
    ],
)
def test_files_of_cameras_that_are_none(tmp_path, text, message):
    file = tmp_path / "c.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=message):
        read_cameras(file)
