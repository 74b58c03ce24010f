"""Two processes that answer as one server, under load."""

import os
import signal
import threading
import time

import httpx2
import numpy as np
import psutil
import pytest
from running import running
from served import ColourModel, as_bytes, bearer, drawn

from passerby.gallery.gallery import Gallery
from passerby.gallery.new_rows import NewEntries
from passerby.serving.tokens import TokenFile

pytestmark = pytest.mark.slow

WAIT = 300
"""Seconds: the first search of a process compiles."""


def children(worker):
    """The processes that answer: what `multiprocessing` keeps for itself is none of them."""
    return [
        each
        for each in psutil.Process(worker.pid).children()
        if each.status() != psutil.STATUS_ZOMBIE
        and "resource_tracker" not in " ".join(each.cmdline())
    ]


def asked(url, times, path="/v1/statistics", **more):
    """Answers on as many connections as there are questions: both processes give some."""
    return [httpx2.get(f"{url}{path}", timeout=WAIT, **more) for _ in range(times)]


def search(url, http=httpx2):
    """The keys that a search by an entry finds."""
    query = {"key": "p0/0.png", "k": 200, "everything": True}
    answer = http.get(f"{url}/v1/search/entry", params=query, timeout=WAIT)
    assert answer.status_code == 200, answer.text
    return {hit["entry"]["key"] for hit in answer.json()["hits"]}


def test_removed_means_never_found_again_whoever_answers(tmp_path):
    keys = [f"r{number}" for number in range(60)]
    with running(tmp_path, "--together") as (url, worker):
        rows = np.random.default_rng(0).uniform(0, 1, (60, 6)).astype(np.float32)
        with Gallery.open(tmp_path / "people.gallery", ColourModel()) as gallery:
            gallery.add(rows, NewEntries(keys=keys))
        removing, gone, wrong, searched, stop = set(), {}, [], [], threading.Event()

        def search_on():
            while not stop.is_set():
                # Connections of their own: both processes answer some.
                with httpx2.Client() as http:
                    for _ in range(3):
                        started = time.monotonic()
                        found = search(url, http)
                        wrong.extend(key for key in found if gone.get(key, 1e30) < started)
                        wrong.extend(set(keys) - found - removing)
                        searched.append(started)

        searchers = [threading.Thread(target=search_on) for _ in range(4)]
        for each in searchers:
            each.start()
        for key in keys[:6]:
            before = len(searched)
            while len(searched) < before + 4:
                time.sleep(0.01)
                assert any(each.is_alive() for each in searchers)
            removing.add(key)
            answer = httpx2.delete(f"{url}/v1/entries", params={"key": [key]}, timeout=WAIT)
            assert answer.json() == {"removed": 1}
            gone[key] = time.monotonic()
        stop.set()
        for each in searchers:
            each.join(WAIT)
        assert len(children(worker)) == 2
    assert not wrong
    with Gallery.open(tmp_path / "people.gallery", ColourModel()) as gallery:
        assert {entry.key for entry in gallery.entries()} >= set(keys[6:])
        gallery.check()  # the audit log of both processes holds together
        lines = [line for line in gallery.audit.lines() if line["what"] == "search"]
        assert len(lines) == len(searched)


def test_sessions_rates_metrics_and_names_are_those_of_the_server(tmp_path):
    tokens = TokenFile(tmp_path / "tokens.json")
    texts = {name: tokens.add(name, "write") for name in ("desk", "hall")}
    with running(tmp_path, "--together", "--rate") as (url, worker):
        login = httpx2.post(f"{url}/v1/session", json={"token": texts["desk"]}, timeout=WAIT)
        cookies = dict(login.cookies)
        assert {one.status_code for one in asked(url, 12, cookies=cookies)} == {200}
        told = asked(url, 1, "/v1/metrics", headers=bearer(texts["hall"]))[0].text
        line = next(
            each for each in told.splitlines() if "/v1/statistics" in each and "_total" in each
        )
        assert float(line.split()[-1]) == 12
        httpx2.delete(f"{url}/v1/session", cookies=cookies, timeout=WAIT)
        assert {one.status_code for one in asked(url, 6, cookies=cookies)} == {401}
        # One bucket, of 40 requests: 13 are used up by the token `desk`.
        head = bearer(texts["desk"])
        found = [one.status_code for one in asked(url, 40, headers=head)]
        assert found.count(200) == 27
        tokens.remove("hall")
        head = bearer(texts["hall"])
        assert {one.status_code for one in asked(url, 6, headers=head)} <= {401, 429}


def test_one_that_dies_is_started_anew_and_all_end_together(tmp_path):
    with running(tmp_path, "--together") as (url, worker):
        first, second = children(worker)
        first.kill()
        until = time.monotonic() + WAIT
        while len(children(worker)) < 2 or first in children(worker):
            assert time.monotonic() < until
            time.sleep(0.2)
            assert httpx2.get(f"{url}/v1/health", timeout=WAIT).status_code == 200
        alive = children(worker)
        assert second in alive
        add = httpx2.post(
            f"{url}/v1/entries", params={"key": "new"}, content=as_bytes(drawn(0)), timeout=WAIT
        )
        assert add.status_code == 200
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(WAIT) == -signal.SIGTERM
        assert not any(each.is_running() for each in alive)


def test_they_end_with_the_parent_however_that_ends(tmp_path):
    with running(tmp_path, "--together") as (_, worker):
        alive = children(worker)
        os.kill(worker.pid, signal.SIGKILL)
        psutil.wait_procs(alive, WAIT)
        assert not any(each.is_running() for each in alive)
