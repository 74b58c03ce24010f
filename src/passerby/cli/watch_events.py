"""What `passerby watch` tells others: a line of JSON for each tracklet, here or to a webhook."""

from __future__ import annotations

import hashlib
import hmac
import json
import queue
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from passerby.types import InputError

ATTEMPTS, FIRST_WAIT, TIMEOUT = 6, 1.0, 10.0
"""How often an event is sent, seconds before the second attempt (then doubled), and how long each
may take."""
WAITING = 1000
"""Events that wait while a receiver does not answer; further ones are given up, counted."""
FAREWELL = 15.0
"""Seconds that are waited at the end for events that still wait."""


def signature(secret: bytes, sent: str, body: bytes) -> str:
    """HMAC-SHA256 of the time of sending, a dot and the body: what `X-Passerby-Signature` holds."""
    return "sha256=" + hmac.new(secret, sent.encode() + b"." + body, hashlib.sha256).hexdigest()


def event_of(
    camera: str, key: str, begin: float, end: float, clock: bool, link: str | None
) -> dict[str, Any]:
    """What is told of a tracklet: no picture and no identity.

    Args:
        camera: its camera.
        key: its entry in the gallery.
        begin: its first box, seconds.
        end: its last box.
        clock: whether seconds count since 1970; else since the video's beginning.
        link: address of the server that shows the gallery; None: no link.
    """
    found: dict[str, Any] = {"event": "tracklet", "camera": camera, "key": key}
    found |= {"from": round(begin, 3), "to": round(end, 3), "clock": "utc" if clock else "video"}
    if link is not None:
        found["link"] = (
            f"{link.rstrip('/')}/v1/entries/picture?{urllib.parse.urlencode({'key': key})}"
        )
    return found


def read_secret(file: Path) -> bytes:
    """The secret that signs, out of a file.

    Raises:
        InputError: no such file, or it holds less than 16 characters.
    """
    if not file.is_file():
        raise InputError(f"{file}: no such file")
    secret = file.read_bytes().strip()
    if len(secret) < 16:
        raise InputError(
            f"{file}: a secret needs at least 16 characters; this one has {len(secret)}"
        )
    return secret


class Webhook:
    """Sends events by POST from a thread of its own: a receiver that hangs holds nobody up.

    Each carries `X-Passerby-Time` (seconds since 1970) and `X-Passerby-Signature` (`signature`).
    After an answer of 4xx (but 408 and 429) an event is given up, after others it is sent again.

    Args:
        address: http:// or https://.
        secret: signs.
        first_wait: seconds before the second attempt.

    Raises:
        InputError: another address.
    """

    def __init__(self, address: str, secret: bytes, *, first_wait: float = FIRST_WAIT) -> None:
        if urllib.parse.urlsplit(address).scheme not in ("http", "https"):
            raise InputError(f"a webhook must start with http:// or https://: given {address!r}")
        self.sent = 0
        self.lost = 0
        self._address = address
        self._secret = secret
        self._wait = first_wait
        self._events: queue.Queue[bytes | None] = queue.Queue(WAITING)
        self._hurry = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def tell(self, event: dict[str, Any]) -> None:
        """Takes an event over; returns at once."""
        try:
            self._events.put_nowait(json.dumps(event).encode())
        except queue.Full:
            self.lost += 1

    def close(self, timeout: float = FAREWELL) -> None:
        """Sends what still waits, as far as there is time; the rest is lost, counted."""
        self._hurry.set()
        try:
            self._events.put(None, timeout=timeout)
        except queue.Full:
            pass
        else:
            self._thread.join(timeout)
        self.lost += sum(1 for one in list(self._events.queue) if one is not None)

    def _work(self) -> None:
        while (body := self._events.get()) is not None:
            if self._delivered(body):
                self.sent += 1
            else:
                self.lost += 1

    def _delivered(self, body: bytes) -> bool:
        wait = self._wait
        for attempt in range(ATTEMPTS):
            if attempt:
                # At the end nobody waits for long.
                self._hurry.wait(wait)
                wait *= 2
            answer = self._post(body)
            if 200 <= answer < 300:
                return True
            if 400 <= answer < 500 and answer not in (408, 429):
                return False
        return False

    def _post(self, body: bytes) -> int:
        """The answer's status; 0: none."""
        sent = str(int(time.time()))
        request = urllib.request.Request(self._address, body, method="POST")
        request.add_header("Content-Type", "application/json")
        request.add_header("X-Passerby-Time", sent)
        request.add_header("X-Passerby-Signature", signature(self._secret, sent, body))
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return int(error.code)
        except (OSError, ValueError):
            return 0
