"""Locks of a gallery's folder: many use it at once, physical removal has it alone."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class FolderLocks:
    """Locks between threads and processes of one machine; the kernel frees those of a dead one.

    Args:
        folder: where the lock files lie.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held = threading.local()

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Beside others: for reading, and within `writing`. May be nested."""
        depth = getattr(self._held, "depth", 0)
        self._held.depth = depth + 1
        try:
            if depth:
                yield
            else:
                with self._use(fcntl.LOCK_SH):
                    yield
        finally:
            self._held.depth = depth

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Beside readers, and one writer after the other, so that no key is added twice."""
        with self.shared(), self._locked("write", fcntl.LOCK_EX):
            yield

    @contextmanager
    def alone(self) -> Iterator[None]:
        """With nobody beside: while files are deleted that others may be reading."""
        if getattr(self._held, "depth", 0):
            raise RuntimeError("a thread that reads a gallery cannot have it alone")
        self._held.depth = 1
        try:
            with self._use(fcntl.LOCK_EX):
                yield
        finally:
            self._held.depth = 0

    @contextmanager
    def _use(self, kind: int) -> Iterator[None]:
        # Who waits to be alone holds the gate, so that newcomers queue behind and it has its turn.
        gate = self._acquire("gate", fcntl.LOCK_EX)
        try:
            handle = self._acquire("use", kind)
        finally:
            os.close(gate)
        try:
            yield
        finally:
            os.close(handle)

    @contextmanager
    def _locked(self, name: str, kind: int) -> Iterator[None]:
        handle = self._acquire(name, kind)
        try:
            yield
        finally:
            os.close(handle)

    def _acquire(self, name: str, kind: int) -> int:
        handle = os.open(
            self._folder / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666
        )
        try:
            fcntl.flock(handle, kind)
        except BaseException:
            os.close(handle)
            raise
        return handle
