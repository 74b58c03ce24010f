"""Named tokens: who may use the server, and whether to change things. Kept as hashes alone."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from passerby.files import one_at_a_time, write_text
from passerby.parsing import parse_json
from passerby.types import InputError

Access = Literal["read", "write"]

_PREFIX = "passerby_"
_LONGEST = 100 * 365 * 86_400
_DUMMY = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True)
class Token:
    """A token as it is kept."""

    name: str
    """Stands in logs and in the audit log."""
    access: Access
    """`read`: searches and pictures; `write`: additions, corrections and removals too."""
    created: float
    """Seconds since 1970 in UTC."""
    hash: str
    """SHA-256 in hexadecimal digits. A slow hash would add nothing: a token is 256 random bits."""
    expires: float | None = None
    """When it ends, seconds since 1970 in UTC; None: never."""

    def expired(self) -> bool:
        """Whether it has ended, by this machine's clock."""
        return self.expires is not None and time.time() >= self.expires


class TokenFile:
    """Tokens in a JSON file that its owner alone can read. Changes are seen by a running server.

    Args:
        file: made with the first token.
    """

    def __init__(self, file: str | Path) -> None:
        self.file = Path(file)
        self._beside = self.file.with_name(f".{self.file.name}.lock")
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._tokens: Mapping[str, Token] = {}

    @property
    def there(self) -> bool:
        """Whether there is a file, of whatever content: then nobody does without a token."""
        try:
            os.lstat(self.file)
        except FileNotFoundError:
            return False
        return True

    def add(self, name: str, access: Access, seconds: float | None = None) -> str:
        """Makes a token; what is returned is kept nowhere.

        Args:
            name: stands in logs.
            access: what it allows.
            seconds: until it expires; None: never.

        Raises:
            InputError: the name is taken, or is not 1 to 64 letters, digits and . _ -; the time
                is not more than 0.
        """
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
            raise InputError(
                "a token's name must be 1 to 64 letters, digits and . _ -, the first a letter or "
                f"digit: given {name[:80]!r}"
            )
        if seconds is not None and not 0 < seconds <= _LONGEST:
            raise InputError(f"a token can last up to 100 years: given {seconds:g} seconds")
        text = _PREFIX + secrets.token_urlsafe(32)
        with one_at_a_time(self._beside):
            tokens = dict(self.all())
            if name in tokens:
                raise InputError(f"token {name!r} already exists: remove it first")
            now = time.time()
            ends = None if seconds is None else now + seconds
            tokens[name] = Token(name, access, now, _hash(text), ends)
            self._write(tokens)
        return text

    def remove(self, name: str) -> None:
        """Makes a token worthless, and the sessions that it opened.

        Raises:
            InputError: there is none of this name.
        """
        with one_at_a_time(self._beside):
            tokens = dict(self.all())
            if name not in tokens:
                raise InputError(f"no token {name!r}; known tokens: {', '.join(tokens)}")
            del tokens[name]
            self._write(tokens)

    def all(self) -> Mapping[str, Token]:
        """The tokens by name, as the file has them now.

        Raises:
            InputError: the file is damaged.
        """
        with self._lock:
            try:
                status = self.file.stat()
            except FileNotFoundError:
                self._seen, self._tokens = None, {}
                return self._tokens
            seen = (status.st_mtime_ns, status.st_size, status.st_ino)
            if seen != self._seen:
                self._tokens = self._read()
                self._seen = seen
            return self._tokens

    def find(self, text: str) -> Token | None:
        """The token of this text; None: there is none. Takes as long whichever it is."""
        digest = _hash(text)
        found = None
        hmac.compare_digest(digest, _DUMMY)
        for token in self.all().values():
            if hmac.compare_digest(digest, token.hash):
                found = token
        return found

    def _read(self) -> dict[str, Token]:
        if self.file.stat().st_mode & 0o022:
            raise InputError(f"{self.file}: other users may write to it: run chmod 600 on it")
        try:
            plain = parse_json(self.file.read_text(encoding="utf-8"))
            tokens = [Token(name=name, **rest) for name, rest in plain["tokens"].items()]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(f"{self.file}: not a file of tokens ({error!r})") from error
        if any(token.access not in ("read", "write") for token in tokens):
            raise InputError(f"{self.file}: access of a token must be read or write")
        for token in tokens:
            if not isinstance(token.expires, int | float | None) or not isinstance(token.hash, str):
                raise InputError(f"{self.file}: not a file of tokens (token {token.name[:64]!r})")
        return {token.name: token for token in tokens}

    def _write(self, tokens: Mapping[str, Token]) -> None:
        plain = {
            name: {
                "access": token.access,
                "created": token.created,
                "expires": token.expires,
                "hash": token.hash,
            }
            for name, token in sorted(tokens.items())
        }
        text = json.dumps({"format": 1, "tokens": plain}, indent=1) + "\n"
        write_text(self.file, text, private=True)


def token_file(place: str, file: Path | None) -> Path:
    """Where the tokens of a gallery lie: as given, else beside its folder.

    Raises:
        InputError: none is given for a gallery that is no folder.
    """
    if file is not None:
        return file
    if "://" in place:
        raise InputError("a gallery on a server has no folder to keep tokens beside: give --tokens")
    folder = Path(place).resolve()
    return folder.with_name(folder.name + ".tokens.json")


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
