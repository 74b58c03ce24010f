"""What stands before every request: host, origin, who it is, rates, sizes; and behind: headers."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from passerby.serving.bodies import Bodies, is_there
from passerby.serving.limits import Rates
from passerby.serving.metrics import Metrics
from passerby.serving.page_files import page_files
from passerby.serving.refusals import Refusal, body_of
from passerby.serving.sessions import COOKIE, Sessions
from passerby.serving.settings import Address, Limits
from passerby.serving.tokens import Access, TokenFile

LOG = logging.getLogger("passerby.serving")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}
"""Of every answer. Nothing is kept by browsers: who is removed shall be gone there too."""


HEALTH = "/v1/health"
OPEN = frozenset({HEALTH, "/v1/session", "/v1/openapi.json"})
"""Beside the page's own files: what is answered without a token."""
_FORWARDED = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto",
              "x-real-ip")  # fmt: skip


@dataclass(frozen=True)
class User:
    """Who asks."""

    name: str
    """The token's name; `local` where there are no tokens."""
    access: Access
    """What is allowed."""


class Guard:
    """Wraps the application.

    Args:
        app: what answers.
        address: whose names the Host header may be.
        limits: see there.
        tokens: who may use the server; none there: whoever reaches it.
        sessions: of the page.
        metrics: counts requests.
        rates: of clients.
    """

    def __init__(
        self,
        app: App,
        address: Address,
        limits: Limits,
        tokens: TokenFile,
        sessions: Sessions,
        metrics: Metrics,
        rates: Rates,
    ) -> None:
        self._app = app
        self._address = address
        self._open = OPEN | set(page_files())
        self._limits = limits
        self._tokens = tokens
        self._sessions = sessions
        self._metrics = metrics
        self._rates = rates
        self._bodies = Bodies(limits)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, whatever happens."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        answer = _Answer(send)
        started = time.perf_counter()
        try:
            await self._handle(scope, receive, answer)
        except Refusal as refusal:
            await answer.refuse(refusal)
        except Exception:
            mark = secrets.token_hex(4)
            LOG.exception("error %s in %s %s", mark, scope["method"], scope["path"])
            await answer.refuse(Refusal(500, f"an error of the server; its log calls it {mark}"))
        seconds = time.perf_counter() - started
        route = getattr(scope.get("route"), "path", "other")
        self._metrics.count(scope["method"], route, answer.status, seconds)
        user = scope.get("state", {}).get("user")
        # The path without its query: that names people. Quoted: line breaks would forge lines.
        LOG.info(
            "%s %s %s %r %d %.0f ms", client_of(scope), user.name if user else "-",
            scope["method"][:16], scope["path"][:200], answer.status, 1000 * seconds,
        )  # fmt: skip

    async def _handle(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        headers = headers_of(scope)
        path = scope["path"]
        answer.close = is_there(headers)
        self._check_host(headers, path)
        check_origin(headers, path)
        try:
            user = self._user(headers)
        except Refusal:
            self._pay(f"address {client_of(scope)}")
            raise
        scope.setdefault("state", {})["user"] = user
        known = user is not None and user.name != "local"
        client = f"token {user.name}" if user and known else f"address {client_of(scope)}"
        self._pay(client)
        if user is None and path not in self._open:
            raise Refusal(401, "access token required: send Authorization: Bearer TOKEN, or log in")
        most = self._limits.open_body if path in self._open else self._limits.body
        async with self._bodies.body(client, most, headers, receive) as body:
            answer.close = False
            await self._app(scope, _once(body, receive), answer)

    def _check_host(self, headers: Mapping[str, str], path: str) -> None:
        # A page of another site that lets its name point here (DNS rebinding) is not in the list.
        hosts = self._address.hosts
        if path == HEALTH:
            hosts |= self._address.own_hosts
        if headers.get("host", "").lower() not in hosts:
            raise Refusal(
                421, "this server does not answer to that Host: start it with --name to allow it"
            )

    def _user(self, headers: Mapping[str, str]) -> User | None:
        if not self._sessions.needed:
            # What a proxy passes on may come from anywhere.
            passed_on = any(name in headers for name in _FORWARDED)
            return None if passed_on else User("local", "write")
        given = headers.get("authorization")
        if given is not None:
            scheme, _, text = given.partition(" ")
            token = self._tokens.find(text.strip()) if scheme.lower() == "bearer" else None
            if token is None:
                raise Refusal(401, "invalid token: send Authorization: Bearer TOKEN")
            if token.expired():
                raise Refusal(401, f"the token {token.name} has expired: ask for a new one")
            return User(token.name, token.access)
        cookie = cookie_of(headers)
        token = None if cookie is None else self._sessions.find(cookie)
        return None if token is None else User(token.name, token.access)

    def _pay(self, client: str) -> None:
        wait = self._rates.take(client)
        if wait:
            raise Refusal(429, "too many requests: slow down", retry=wait)


def check_origin(headers: Mapping[str, str], path: str) -> None:
    """Refuses what a page of another site sends; programs that are no browsers send neither header.

    Raises:
        Refusal: the Origin is not this server, or the browser says that another site asks.
    """
    origin = headers.get("origin")
    own = headers.get("host", "").lower()
    if origin is not None and origin.lower() not in (f"http://{own}", f"https://{own}"):
        raise Refusal(403, "requests of pages of other sites are refused (Origin)")
    site = headers.get("sec-fetch-site", "none")
    if site not in ("same-origin", "none") and path != "/":
        raise Refusal(403, "requests of pages of other sites are refused (Sec-Fetch-Site)")


def headers_of(scope: Scope) -> dict[str, str]:
    """The headers by name in small letters.

    Raises:
        Refusal: one that must be there once is there twice.
    """
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        key = name.decode("latin-1").lower()
        if key in found and key in ("host", "origin", "authorization", "cookie", "content-length"):
            raise Refusal(400, f"the header {key} is there twice")
        found[key] = value.decode("latin-1")
    return found


def cookie_of(headers: Mapping[str, str]) -> str | None:
    """The session's cookie; None: there is none."""
    for part in headers.get("cookie", "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            return value
    return None


def client_of(scope: Scope) -> str:
    """The address that the request came from."""
    client = scope.get("client")
    return str(client[0])[:64] if client else "-"


class _Answer:
    """Sends an answer with the headers of every answer; remembers its status."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0
        self.close = False
        """Whether the connection ends with a refusal: a part of the body is still to come."""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            own = {name.lower().encode(): value.encode() for name, value in HEADERS.items()}
            message["headers"] = [*message.get("headers", ()), *own.items()]
        await self._send(message)

    async def refuse(self, refusal: Refusal) -> None:
        if self.status:
            return
        body = body_of(refusal.message)
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        headers |= refusal.headers
        if self.close:
            headers["Connection"] = "close"
        pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        start = {"type": "http.response.start", "status": refusal.status, "headers": pairs}
        await self(start)
        await self({"type": "http.response.body", "body": body})


def _once(body: bytes, receive: Receive) -> Receive:
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
