"""Locks of a gallery's folder: many use it at once, physical removal has it alone."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NAMES = frozenset({"gate.lock", "names.lock", "use.lock", "write.lock"})
"""Files that a gallery's locks are."""

WAIT = 120.0
"""Seconds after which who waits for a lock gives up."""

_LONGEST_NAP = 0.05


class FolderLocks:
    """Locks between threads and processes of one machine; the kernel frees those of a dead one.

    Nobody but the owner of the folder can open the files, and so hold a lock on them.

    Args:
        folder: where the lock files lie.
        wait: seconds after which who waits gives up.
    """

    def __init__(self, folder: Path, wait: float = WAIT) -> None:
        self._folder = folder
        self._wait = wait
        self._held = threading.local()

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Beside others: for reading, and within `writing`. May be nested.

        Raises:
            TimeoutError: somebody else has it; so do the others.
        """
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
    def naming(self) -> Iterator[None]:
        """One correction of names after the other, from what it sees to what it writes."""
        with self._locked("names", fcntl.LOCK_EX):
            yield

    def somebody_writes(self) -> bool:
        """Whether a process or thread is within `writing` now."""
        handle = open_lock(self._folder / "write.lock")
        try:
            lock(handle, fcntl.LOCK_EX, 0, self._folder)
        except TimeoutError:
            return True
        finally:
            os.close(handle)
        return False

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
        gate = self._acquire("gate", kind)
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
        handle = open_lock(self._folder / f"{name}.lock")
        try:
            lock(handle, kind, self._wait, self._folder)
        except BaseException:
            os.close(handle)
            raise
        return handle


def open_lock(file: Path) -> int:
    """A descriptor of a lock's file, which is made if it is not there; never through a link."""
    return os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def lock(handle: int, kind: int, wait: float, what: Path) -> None:
    """Locks an open file; closing it gives the lock back.

    Args:
        handle: a descriptor.
        kind: `fcntl.LOCK_SH` or `fcntl.LOCK_EX`.
        wait: seconds after which it gives up.
        what: is locked by it, for the message.

    Raises:
        TimeoutError: another process or thread has it for longer.
    """
    end, nap = time.monotonic() + wait, 0.0005
    while True:
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                raise TimeoutError(
                    f"{what}: has been in use for {wait:g} s by a process that does not let go: "
                    "end it or wait for it, and try again"
                ) from None
            time.sleep(nap)
            nap = min(2 * nap, _LONGEST_NAP)
        else:
            return
