"""Bodies and connections that are not finished hinder nobody else; sockets as an attacker has."""

import asyncio
import socket
import threading
import time
import urllib.error
import urllib.request
from contextlib import AsyncExitStack, ExitStack, contextmanager, suppress

import pytest
import uvicorn
from served import ColourModel, as_bytes, bearer, drawn, fill

from passerby.serving import server
from passerby.serving.app import create_app
from passerby.serving.bodies import Bodies
from passerby.serving.refusals import Refusal
from passerby.serving.service import Service
from passerby.serving.settings import Address, Limits
from passerby.serving.tokens import TokenFile
from passerby.types import InputError

MOST = 1_000_000
SMALL = Limits(body=MOST, bodies=4 * MOST, rate=0)
LATE = 120
"""Seconds after which a test gives up."""


@contextmanager
def listening(service, tokens, limits=SMALL):
    """A server in a thread; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as opened:
        port = opened.getsockname()[1]
        made = uvicorn.Server(
            server.configured(create_app(service, tokens, Address(port=port), limits))
        )
        thread = threading.Thread(target=made.run, args=([opened],))
        thread.start()
        try:
            yield port
        finally:
            made.should_exit = True
            thread.join()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bodies")
    kept = TokenFile(folder / "tokens.json")
    texts = {name: kept.add(name, "read") for name in ("greedy", "other")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "HEAD_SECONDS", 1.0)
        with listening(fill(folder), kept) as port:
            yield port, texts


def connected(port):
    return socket.create_connection(("127.0.0.1", port), timeout=LATE)


def head(port, path, *lines, method="POST"):
    first = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
    return "\r\n".join([*first, *lines, "", ""]).encode()


def everything(made):
    """What the server sends until it ends the connection."""
    content = b""
    with suppress(ConnectionError):
        while part := made.recv(65_536):
            content += part
    return content


def search(port, token):
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/search/picture", as_bytes(drawn(0)),
        {**bearer(token), "Content-Type": "image/png"},
    )  # fmt: skip
    try:
        with urllib.request.urlopen(request, timeout=LATE) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def unfinished(stack, port, path, *lines, most=MOST):
    """25 posts as great as may be, of each all but the last bytes."""
    made = [stack.enter_context(connected(port)) for _ in range(25)]
    for one in made:
        # What is refused is closed before all is sent.
        with suppress(ConnectionError):
            one.sendall(head(port, path, f"Content-Length: {most}", *lines))
            one.sendall(bytes(most - 10))
    return made


def test_unfinished_logins_hinder_nobody(served):
    port, texts = served
    with ExitStack() as stack:
        made = unfinished(stack, port, "/v1/session")
        assert search(port, texts["other"]) == 200
        for one in made:
            everything(one)


def test_unfinished_pictures_of_one_client_take_its_share_alone(served):
    port, texts = served
    with ExitStack() as stack:
        unfinished(stack, port, "/v1/search/picture", f"Authorization: Bearer {texts['greedy']}")
        assert search(port, texts["other"]) == 200


@pytest.mark.parametrize("path", ["/v1/session", "/v1/search/picture"])
def test_25_unfinished_posts_of_10_mb_at_the_limits_that_hold_by_default(tmp_path, path):
    kept = TokenFile(tmp_path / "tokens.json")
    greedy, other = (f"{kept.add(name, 'read')}" for name in ("greedy", "other"))
    login = [] if path == "/v1/session" else [f"Authorization: Bearer {greedy}"]
    limits = Limits(rate=0)
    assert (limits.body, limits.bodies) == (10_000_000, 256_000_000)
    with listening(fill(tmp_path), kept, limits) as port, ExitStack() as stack:
        unfinished(stack, port, path, *login, most=limits.body)
        assert [search(port, other) for _ in range(3)] == [200] * 3


def test_a_login_is_as_long_as_a_token_needs(served):
    port, _ = served
    with connected(port) as made:
        made.sendall(head(port, "/v1/session", "Content-Length: 4097"))
        assert everything(made).startswith(b"HTTP/1.1 413 ")


def test_two_lengths_are_refused_and_what_follows_is_no_request(served):
    port, texts = served
    token = f"Authorization: Bearer {texts['other']}"
    with connected(port) as made:
        smuggled = head(port, "/v1/statistics", token, method="GET")
        two = ("Content-Length: 5", "Transfer-Encoding: chunked")
        made.sendall(head(port, "/v1/search/picture", token, *two) + b"0\r\n\r\n" + smuggled)
        content = everything(made)
    assert content.startswith(b"HTTP/1.1 400 ")
    assert content.count(b"HTTP/1.1") == 1


def test_a_refusal_before_the_body_ends_the_connection(served):
    port, _ = served
    with connected(port) as made:
        made.sendall(head(port, "/v1/search/picture", "Content-Length: 100"))
        assert everything(made).startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize("first", [False, True], ids=["new", "kept"])
def test_a_head_must_arrive_in_time(served, first):
    port, _ = served
    with connected(port) as made:
        if first:
            made.sendall(head(port, "/v1/health", method="GET"))
            assert made.recv(65_536).startswith(b"HTTP/1.1 200")
        made.sendall(b"GET /v1/health HTTP/1.1\r\nHost: ")
        assert b"HTTP/1.1" not in everything(made)


def test_requests_at_once_and_one_after_the_other_are_answered(served):
    port, _ = served
    with connected(port) as made:
        for _ in range(3):
            made.sendall(head(port, "/v1/health", method="GET") * 2)
            content = b""
            while content.count(b'{"status":"ok"}') < 2:
                part = made.recv(65_536)
                assert part
                content += part
            time.sleep(0.4)


def test_what_is_computed_may_take_longer_than_a_head(tmp_path, monkeypatch):
    class Slow(ColourModel):
        def embed(self, pictures):
            time.sleep(0.5)
            return super().embed(pictures)

    monkeypatch.setattr(server, "HEAD_SECONDS", 0.25)
    picture = as_bytes(drawn(0))
    service = Service(fill(tmp_path).gallery, Slow())
    with listening(service, TokenFile(tmp_path / "t.json")) as port, connected(port) as made:
        made.sendall(head(port, "/v1/search/picture", f"Content-Length: {len(picture)}") + picture)
        assert made.recv(65_536).startswith(b"HTTP/1.1 200")


def test_bodies_are_counted_for_each_client_and_in_all():
    bodies = Bodies(Limits(body=100, bodies=400))

    def sends(client, *sizes):
        left = [{"body": bytes(size), "more_body": True} for size in sizes]
        left[-1]["more_body"] = False

        async def receive():
            return {"type": "http.request", **left.pop(0)}

        return bodies.body(client, 100, {}, receive)

    async def status(client, *sizes):
        try:
            async with sends(client, *sizes) as body:
                return len(body)
        except Refusal as refusal:
            return refusal.status

    async def run():
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(sends("a", 60, 40))
            assert await status("a", 1) == 429
            for other in "bcd":
                await stack.enter_async_context(sends(other, 100))
            assert await status("e", 1) == 503
        assert await status("a", 60, 40) == 100
        assert await status("a", 60, 40) == 100

    asyncio.run(run())


def test_one_body_fits_into_a_share():
    with pytest.raises(InputError, match="4 times"):
        Limits(body=101, bodies=400)
