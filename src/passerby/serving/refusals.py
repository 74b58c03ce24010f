"""What the server refuses, and how it says so: one line of JSON."""

from __future__ import annotations

import json
import math


class Refusal(Exception):
    """A request that is not answered.

    Args:
        status: of HTTP.
        message: one line for whoever sent it.
        retry: seconds after which it may work.
    """

    def __init__(self, status: int, message: str, retry: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = one_line(message)
        self.headers = {} if retry is None else {"Retry-After": str(max(1, math.ceil(retry)))}
        if status == 401:
            self.headers["WWW-Authenticate"] = "Bearer"


def body_of(message: str) -> bytes:
    """The answer's body."""
    return json.dumps({"error": one_line(message)}).encode() + b"\n"


def one_line(message: str) -> str:
    """A message without line breaks, not longer than a screen's few lines."""
    return " ".join(message.split())[:500]
