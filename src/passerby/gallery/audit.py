"""Who did what and when: one line of JSON each, appended; no pictures and no embeddings."""

from __future__ import annotations

import fcntl
import getpass
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from passerby.files import write_text
from passerby.parsing import parse_json


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
            OSError: from the operating system; the line is then not there, or not whole.
        """
        if self.file is None:
            return
        who = getattr(self._acting, "who", None) or self._who
        line = json.dumps({"time": now, "who": who, "what": what, **details}) + "\n"
        with self._locked():
            handle = os.open(self.file, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                end = os.lseek(handle, 0, os.SEEK_END)
                torn = end > 0 and os.pread(handle, 1, end - 1) != b"\n"
                # What a full disk or a crash left of an earlier line stays a line of its own.
                os.write(handle, b"\n" * torn + line.encode())
                os.fsync(handle)
            finally:
                os.close(handle)

    def lines(self) -> list[dict[str, Any]]:
        """What was logged, oldest first; lines that a crash cut off are left out."""
        if self.file is None or not self.file.exists():
            return []
        found = []
        for line in self.file.read_text(encoding="utf-8").splitlines():
            try:
                one = parse_json(line)
            except ValueError:
                continue
            if isinstance(one, dict) and "time" in one:
                found.append(one)
        return found

    def forget(self, before: float) -> int:
        """Takes out the lines from before then; returns how many."""
        if self.file is None or not self.file.exists():
            return 0
        with self._locked():
            lines = self.lines()
            kept = [line for line in lines if line["time"] >= before]
            if len(kept) < len(lines):
                write_text(self.file, "".join(json.dumps(line) + "\n" for line in kept))
                self.file.chmod(0o600)
        return len(lines) - len(kept)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        assert self.file is not None
        self.file.parent.mkdir(parents=True, exist_ok=True)
        lock = self.file.with_name(self.file.name + ".lock")
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
