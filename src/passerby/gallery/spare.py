"""Room on the disk that a gallery keeps back: a removal has some when nothing else has."""

from __future__ import annotations

import os
from pathlib import Path

LEAST = 2**20
"""Bytes beside those of the greatest file, which a removal writes anew."""

_BLOCK = b"\0" * 2**20


class Spare:
    """A file of zeros that takes up room until a removal needs it.

    Args:
        file: where it lies.
    """

    def __init__(self, file: Path) -> None:
        self.file = file

    @property
    def size(self) -> int:
        """Bytes that are kept back now."""
        try:
            return self.file.stat().st_size
        except FileNotFoundError:
            return 0

    def keep(self, size: int) -> None:
        """Keeps at least so many bytes back.

        Raises:
            OSError: there is no room for them; as much as before is kept back then.
        """
        before = self.size
        if before >= size:
            return
        handle = os.open(
            self.file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
        )  # fmt: skip
        try:
            _fill(handle, before, size)
        except OSError:
            os.ftruncate(handle, before)
            raise
        finally:
            os.close(handle)

    def give(self) -> None:
        """Gives the room back to the disk."""
        self.file.unlink(missing_ok=True)


def _fill(handle: int, first: int, last: int) -> None:
    """Takes blocks of the disk for a file's bytes; a hole would take none."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(handle, first, last - first)
        return
    while first < last:
        first += os.pwrite(handle, _BLOCK[: last - first], first)
