"""Bodies of requests: received whole, within a size, a time, and a share of the memory."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

from passerby.serving.refusals import Refusal
from passerby.serving.settings import Limits

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class Bodies:
    """Bytes of all bodies that are being received or worked on, counted for each client.

    Args:
        limits: see there.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._held: Counter[str] = Counter()

    @asynccontextmanager
    async def body(
        self, client: str, most: int, headers: Mapping[str, str], receive: Receive
    ) -> AsyncIterator[bytes]:
        """Gives the whole body; its bytes count until the block ends.

        Args:
            client: whose share it takes from.
            most: bytes of this body.
            headers: of the request.
            receive: the rest of the request.

        Raises:
            Refusal: 413, too long; 408, too slow; 429, the client's share is used up; 503, the
                memory for bodies is; 400, the connection ends early.
        """
        _check_length(headers, most)
        body = bytearray()
        try:
            try:
                async with asyncio.timeout(self._limits.seconds):
                    await self._receive(body, client, most, receive)
            except TimeoutError:
                raise Refusal(
                    408, f"a body must arrive within {self._limits.seconds:g} seconds"
                ) from None
            yield bytes(body)
        finally:
            self._held[client] -= len(body)
            if not self._held[client]:
                del self._held[client]

    async def _receive(self, body: bytearray, client: str, most: int, receive: Receive) -> None:
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Refusal(400, "the connection ended before the body did")
            part = message.get("body", b"")
            body += part
            self._take(client, len(part))
            if len(body) > most:
                raise _too_long(most)
            more = message.get("more_body", False)

    def _take(self, client: str, count: int) -> None:
        self._held[client] += count
        if self._held[client] > self._limits.share:
            raise Refusal(429, "too many large bodies of this client at once", retry=1)
        if self._held.total() > self._limits.bodies:
            raise Refusal(503, "too many large bodies at once: try again", retry=1)


def is_there(headers: Mapping[str, str]) -> bool:
    """Whether a request has a body."""
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


def _check_length(headers: Mapping[str, str], most: int) -> None:
    length = headers.get("content-length", "0")
    if "transfer-encoding" in headers and "content-length" in headers:
        # Two servers may disagree where such a body ends (RFC 9112, 6.1).
        raise Refusal(400, "a body has Content-Length or Transfer-Encoding, not both")
    if not (length.isascii() and length.isdigit() and len(length) < 19):
        raise Refusal(400, "Content-Length must be a number")
    if int(length) > most:
        raise _too_long(most)


def _too_long(most: int) -> Refusal:
    return Refusal(413, f"a body has at most {most:,} bytes here")
