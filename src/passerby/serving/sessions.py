"""The page's sessions: a token is given once, a cookie stands for it from then on."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from time import monotonic

from passerby.serving.shared import Row, Table
from passerby.serving.tokens import Token, TokenFile

COOKIE = "passerby_session"
HOURS = 12


class Sessions:
    """Sessions in memory: they end with the server, and with their token.

    Args:
        tokens: what sessions stand on.
        clock: seconds that only grow, of this machine.
        table: holds the sessions, of several processes too; None: one of its own.
    """

    def __init__(
        self,
        tokens: TokenFile,
        clock: Callable[[], float] = monotonic,
        table: Table | None = None,
    ) -> None:
        self._tokens = tokens
        self._clock = clock
        self._open = table or Table()
        self._look()

    @property
    def needed(self) -> bool:
        """Whether a token is needed: where there is a file of tokens, or was since the start.

        Removing the last token, or the file under a running server, opens it to nobody.
        """
        self._look()
        return self._open.marked

    def start(self, token: Token) -> str:
        """A new session; the text for its cookie."""
        text = secrets.token_urlsafe(32)
        with self._open.alone():
            self._open.put(text, Row(_digest(token), 0.0, self._clock() + HOURS * 3600))
        return text

    def find(self, text: str) -> Token | None:
        """The token that a cookie stands for; None: no session, or it or its token ended."""
        # Kept by its hash, so that how long the look-up takes tells nothing of the text.
        with self._open.alone():
            kept = self._open.get(text)
        if kept is None or kept.time <= self._clock():
            return None
        for token in self._tokens.all().values():
            if _digest(token) == kept.value and not token.expired():
                return token
        return None

    def end(self, text: str) -> None:
        """Ends a session, if there is one."""
        with self._open.alone():
            self._open.remove(text)

    def _look(self) -> None:
        if not self._open.marked and self._tokens.there:
            self._open.mark()


def _digest(token: Token) -> bytes:
    return hashlib.sha256(repr(token).encode()).digest()
