"""Runs the application until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from passerby.serving.app import create_app
from passerby.serving.service import Service
from passerby.serving.settings import Address, Limits
from passerby.serving.tokens import TokenFile
from passerby.types import InputError

GRACE = 30
"""Seconds that requests have to end after the server was told to stop."""
HEAD_SECONDS = 10.0
"""Until the head of a request must have arrived, from the connection or the answer before on."""


@dataclass(frozen=True)
class Certificate:
    """For HTTPS."""

    chain: Path
    """PEM file of the certificate and those that it stands on."""
    key: Path
    """PEM file of its private key."""


def serve(
    service: Service,
    tokens: TokenFile,
    address: Address,
    limits: Limits | None = None,
    certificate: Certificate | None = None,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Answers requests until SIGINT or SIGTERM; what is under way then is finished first.

    Args:
        service: gallery, model, pictures; the gallery is closed at the end.
        tokens: who may use it.
        address: where to listen.
        limits: see there.
        certificate: speak HTTPS.
        ready: told the page's address once it is answered.

    Raises:
        InputError: an address that is not safe without a token, or that cannot be listened on; a
            certificate that cannot be read.
    """
    listening, address = listen(address, tokens, tls=certificate is not None)
    app = create_app(service, tokens, address, limits)
    answer(app, listening, certificate, lambda: ready(url_of(address)) if ready else None)


def listen(address: Address, tokens: TokenFile, *, tls: bool) -> tuple[socket.socket, Address]:
    """Takes the port; the address then names it.

    Raises:
        InputError: an address that is not safe without a token, or that cannot be listened on.
    """
    address.check(len(tokens.all()))
    listening = _socket(address)
    return listening, replace(address, port=listening.getsockname()[1], tls=tls)


def answer(
    app: FastAPI,
    listening: socket.socket,
    certificate: Certificate | None,
    ready: Callable[[], None],
) -> None:
    """Answers what comes to a socket until SIGINT or SIGTERM.

    Raises:
        InputError: a certificate that cannot be read.
    """
    config = configured(app, certificate)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    server = _Server(config, ready)
    try:
        config.load()
    except OSError as error:
        listening.close()
        raise InputError(f"the certificate or its key cannot be read: {error}") from error
    try:
        server.run(sockets=[listening])
    finally:
        listening.close()


def configured(app: FastAPI, certificate: Certificate | None = None) -> uvicorn.Config:
    """How uvicorn runs the application."""
    return uvicorn.Config(
        app, http=_Timely, log_config=None, access_log=False, server_header=False, date_header=True,
        proxy_headers=False, ws="none", lifespan="on", timeout_keep_alive=10,
        timeout_graceful_shutdown=GRACE, h11_max_incomplete_event_size=32_768,
        ssl_certfile=None if certificate is None else certificate.chain,
        ssl_keyfile=None if certificate is None else certificate.key,
    )  # fmt: skip


class _Timely(H11Protocol):
    """Ends connections on which no whole head of a request arrives in time."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait_for_head(None)

    def on_response_complete(self) -> None:
        # The next request may begin in here: its head need not be waited for.
        answered = self.cycle
        super().on_response_complete()
        self._wait_for_head(answered)

    def _wait_for_head(self, before: object) -> None:
        def end() -> None:
            if self.cycle is before:
                self.transport.close()

        self.loop.call_later(HEAD_SECONDS, end)


class _Server(uvicorn.Server):
    """Says when it answers."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


def _socket(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((address.host, address.port))
    except OSError as error:
        listening.close()
        raise InputError(
            f"cannot listen on {address.host} port {address.port}: {error.strerror or error}"
        ) from error
    return listening


def url_of(address: Address) -> str:
    """Of the page."""
    host = f"[{address.host}]" if ":" in address.host else address.host
    if address.names and not address.local:
        host = address.names[0].partition(":")[0]
    return f"http{'s' if address.tls else ''}://{host}:{address.port}/"
