"""A server that is told to stop, or killed, loses nothing that it acknowledged."""

import signal
import threading
import time

import httpx2
import pytest
from running import running
from served import ColourModel, as_bytes, drawn

from passerby.gallery.gallery import Gallery

pytestmark = pytest.mark.slow


def keys(folder):
    with Gallery.open(folder / "people.gallery", ColourModel()) as gallery:
        gallery.check()
        return {entry.key for entry in gallery.entries()}


def add(url, key, **more):
    sent = as_bytes(drawn(0))
    return httpx2.post(f"{url}/v1/entries", params={"key": key}, content=sent, timeout=120, **more)


def test_what_is_under_way_is_finished_and_answered(tmp_path):
    with running(tmp_path, "--slow") as (url, worker):
        answers = []
        one = threading.Thread(target=lambda: answers.append(add(url, "last")))
        one.start()
        until = time.monotonic() + 60
        while "passerby_work 1.0" not in httpx2.get(f"{url}/v1/metrics", timeout=60).text:
            assert time.monotonic() < until
            time.sleep(0.02)
        worker.send_signal(signal.SIGTERM)
        one.join(60)
        worker.wait(60)
    assert answers[0].json() == {"added": 1, "known": 0}
    assert "last" in keys(tmp_path)


def test_kill_while_adding(tmp_path):
    acknowledged = []
    with running(tmp_path) as (url, worker):

        def fill(client):
            for count in range(10_000):
                key = f"{client}-{count}"
                try:
                    if add(url, key).status_code == 200:
                        acknowledged.append(key)
                except httpx2.TransportError:
                    return

        clients = [threading.Thread(target=fill, args=(client,)) for client in range(3)]
        for client in clients:
            client.start()
        while len(acknowledged) < 15 and worker.poll() is None:
            time.sleep(0.02)
        worker.kill()
        for client in clients:
            client.join(60)
    assert len(acknowledged) >= 15
    assert set(acknowledged) <= keys(tmp_path)
