"""The page's sessions: a token is given once, a cookie stands for it from then on."""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from passerby.serving.tokens import Token, TokenFile

COOKIE = "passerby_session"
HOURS = 12
_MOST = 1000


@dataclass(frozen=True)
class _Session:
    token: Token
    until: float


class Sessions:
    """Sessions in memory: they end with the server, and with their token.

    Args:
        tokens: what sessions stand on.
        clock: seconds that only grow.
    """

    def __init__(self, tokens: TokenFile, clock: Callable[[], float] = monotonic) -> None:
        self._tokens = tokens
        self._clock = clock
        self._lock = threading.Lock()
        self._open: dict[str, _Session] = {}
        self._needed = tokens.there

    @property
    def needed(self) -> bool:
        """Whether a token is needed: where there is a file of tokens, or was since the start.

        Removing the last token, or the file under a running server, opens it to nobody.
        """
        self._needed = self._needed or self._tokens.there
        return self._needed

    def start(self, token: Token) -> str:
        """A new session; the text for its cookie."""
        text = secrets.token_urlsafe(32)
        now = self._clock()
        with self._lock:
            self._open = {key: one for key, one in self._open.items() if one.until > now}
            while len(self._open) >= _MOST:
                self._open.pop(next(iter(self._open)))
            self._open[_key(text)] = _Session(token, now + HOURS * 3600)
        return text

    def find(self, text: str) -> Token | None:
        """The token that a cookie stands for; None: no session, or it or its token ended."""
        session = self._open.get(_key(text))
        if session is None or session.until <= self._clock():
            return None
        now = self._tokens.all().get(session.token.name)
        return now if now == session.token and not now.expired() else None

    def end(self, text: str) -> None:
        """Ends a session, if there is one."""
        with self._lock:
            self._open.pop(_key(text), None)


def _key(text: str) -> str:
    # Looked up by its hash, so that how long the lookup takes tells nothing of the text.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
