"""Who did what and when: one line of JSON each, appended; no pictures and no embeddings.

Each line holds a hash of the one before, and the lock's file that of the last: what is changed or
taken out by hand or by a fault is seen (`passerby.gallery.chain`).
"""

from __future__ import annotations

import errno
import fcntl
import getpass
import json
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from passerby.files import make_folder, write_text
from passerby.gallery.chain import FORGET, PREVIOUS, UNTIL, Chain, hash_of, last_line, verify
from passerby.gallery.locks import WAIT, lock, open_lock
from passerby.parsing import parse_json

CLOCK = "clock"
"""What the line says that takes the clock for right after it was wrong."""

MOST = 1024
"""Bytes of a search's filter in the log; of a longer one only counts and beginnings are kept."""


@dataclass(frozen=True)
class Line:
    """One line that is to be written."""

    what: str
    """Was done."""
    details: dict[str, Any]
    """Of it."""
    who: str | None = None
    """Did it; None: whoever this thread acts for."""


class AuditLog:
    """An append-only file.

    Args:
        file: made when the first line is written; None: nothing is logged.
        who: stands in every line; None: the user of this process.
    """

    def __init__(self, file: Path | None, who: str | None = None) -> None:
        self.file = file
        self._who = who or _user()
        self._acting = threading.local()

    @contextmanager
    def acting(self, who: str) -> Iterator[None]:
        """While it lasts, lines that this thread writes name `who`: a server acts for others."""
        before = getattr(self._acting, "who", None)
        self._acting.who = who
        try:
            yield
        finally:
            self._acting.who = before

    def write(self, what: str, now: float, **details: Any) -> None:
        """Appends one line.

        Raises:
            OSError: from the operating system; the line is then not there.
        """
        self.write_together([Line(what, details)], now)

    def write_together(self, lines: Sequence[Line], now: float) -> None:
        """Appends several lines at once: they reach the disk together, or none of them is there.

        Raises:
            OSError: from the operating system; no line is then there.
        """
        if self.file is None or not lines:
            return
        try:
            with self._locked() as head:
                last, clock = self.last(), {}
                if last is not None and lines[0].what != CLOCK and last["time"] > now:
                    # The log's time never goes back: what expired by it stays expired.
                    clock, now = {"clock": now}, last["time"]
                previous, chained = self._previous(head), []
                for line in lines:
                    details = {**line.details, **clock, PREVIOUS: previous}
                    chained.append(self._line(line.what, now, details, line.who))
                    previous = hash_of(chained[-1])
                _append(self.file, b"\n".join(chained))
                _keep_head(head, chained[-1])
        except OSError as error:
            says = error.strerror or str(error)
            raise OSError(
                error.errno,
                f"the audit log cannot be written ({says}); {_policy(lines[0].what)}",
                str(self.file),
            ) from error

    def lines(self) -> list[dict[str, Any]]:
        """What was logged, oldest first; lines that a crash cut off are left out."""
        return [one for one in map(_plain, self._raw()) if one is not None]

    def last(self) -> dict[str, Any] | None:
        """The newest line; None: there is none."""
        if self.file is None or not self.file.exists():
            return None
        return _plain(last_line(self.file))

    def verify(self) -> Chain:
        """Sees whether every line is there, and is as it was written.

        Raises:
            InputError: the first line that is not.
        """
        if self.file is None or not self.file.exists():
            return Chain(0, "")
        with self._locked() as head:
            return verify(self.file, self._raw(), _head(head))

    def forget(self, before: float, now: float) -> int:
        """Takes out the oldest lines, up to the first that is not from before then; how many.

        One more line says so.
        """
        if self.file is None or not self.file.exists():
            return 0
        with self._locked() as head:
            raw = self._raw()
            old = 0
            for line in raw:
                found = _plain(line)
                if found is not None and found["time"] >= before:
                    break
                old += 1
            if old:
                more = {PREVIOUS: self._previous(head), UNTIL: hash_of(raw[old - 1])}
                line = self._line(FORGET, now, {"lines": old, **more})
                text = b"".join(each + b"\n" for each in [*raw[old:], line])
                write_text(self.file, text.decode(), private=True)
                _keep_head(head, line)
        return old

    def _raw(self) -> list[bytes]:
        if self.file is None or not self.file.exists():
            return []
        # Only at line feeds: a key may hold what Python takes for the end of a line elsewhere.
        return self.file.read_bytes().split(b"\n")[:-1]

    def _line(
        self, what: str, now: float, details: dict[str, Any], who: str | None = None
    ) -> bytes:
        who = who or getattr(self._acting, "who", None) or self._who
        return json.dumps({"time": now, "who": who, "what": what, **details}).encode()

    def _previous(self, head: int) -> str:
        assert self.file is not None
        last = last_line(self.file)
        kept = _head(head)
        there = "" if last is None else hash_of(last)
        if kept in ("", there):
            return there
        # A process that died between the two writes leaves the head some lines behind. Otherwise
        # lines were taken out: going on from what is missing keeps that to be seen.
        behind = any((_plain(line) or {}).get(PREVIOUS) == kept for line in self._raw())
        return there if behind else kept

    @contextmanager
    def _locked(self) -> Iterator[int]:
        assert self.file is not None
        make_folder(self.file.parent, private=True)
        handle = open_lock(self.file.with_name(self.file.name + ".lock"))
        try:
            lock(handle, fcntl.LOCK_EX, WAIT, self.file)
            yield handle
        finally:
            os.close(handle)


def brief(described: dict[str, Any]) -> dict[str, Any]:
    """A filter as a search's line has it: lists that are long are counted, not written out."""
    if len(json.dumps(described)) <= MOST:
        return described
    return {
        name: {"count": len(value), "first": [str(one)[:32] for one in value[:3]]}
        if isinstance(value, list)
        else value
        for name, value in described.items()
    }


def _append(file: Path, lines: bytes) -> None:
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    handle = os.open(file, flags, 0o600)
    try:
        end = os.lseek(handle, 0, os.SEEK_END)
        if end > 0 and os.pread(handle, 1, end - 1) != b"\n":
            # A line that a crash cut off was never acknowledged.
            whole = last_line(file)
            end = 0 if whole is None else file.read_bytes().rindex(b"\n") + 1
            os.ftruncate(handle, end)
        try:
            if os.write(handle, lines + b"\n") < len(lines) + 1:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(handle)
        except OSError:
            os.ftruncate(handle, end)
            raise
    finally:
        os.close(handle)


def _keep_head(head: int, line: bytes) -> None:
    # In place and of one length: a full disk has room for it.
    os.pwrite(head, hash_of(line).encode(), 0)


def _head(head: int) -> str:
    return os.pread(head, 64, 0).decode("ascii", "replace")


def _plain(line: bytes | None) -> dict[str, Any] | None:
    try:
        found = parse_json((line or b"").decode("utf-8", "replace"))
    except ValueError:
        return None
    return found if isinstance(found, dict) and "time" in found else None


def _policy(what: str) -> str:
    if what == "search":
        return "no search is answered without its line"
    if what in ("assign", "merge", "split", "rename", "undo", "same", "identify"):
        return "nobody's name is changed without its line"
    if what in ("apart", "later"):
        return "nothing is decided without its line"
    if what in ("remove", "removed", "expire"):
        return "the entries were removed, a removal does not wait for its line"
    return f"the {what} itself was done"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
