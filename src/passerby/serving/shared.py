"""A small table that the processes of one server share."""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import os
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_HEAD = 64
_ROW = struct.Struct("16s32sdd")
_WAYS = 8
"""Rows that a name may stand in; the oldest of them makes room for a new one."""


@dataclass(frozen=True)
class Row:
    """What is kept under a name."""

    value: bytes
    """Up to 32 bytes."""
    number: float
    time: float
    """Where there is no room, the row of the least time goes."""


class Table:
    """Rows by name, in memory; names are kept as hashes alone.

    Args:
        file: maps it, as other processes do; None: nobody else sees the table.
        rows: how many it has room for, a power of 2.
    """

    def __init__(self, file: Path | None = None, rows: int = 2**14) -> None:
        size = _HEAD + rows * _ROW.size
        self._sets = rows // _WAYS
        self._lock = threading.Lock()
        self._handle: int | None = None
        if file is not None:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            self._handle = os.open(file, flags, 0o600)
            os.ftruncate(self._handle, size)
        self._bytes = mmap.mmap(-1 if self._handle is None else self._handle, size)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While it lasts, nobody else reads or writes; the kernel frees the lock of a dead one."""
        with self._lock:
            if self._handle is not None:
                fcntl.flock(self._handle, fcntl.LOCK_EX)
            try:
                yield
            finally:
                if self._handle is not None:
                    fcntl.flock(self._handle, fcntl.LOCK_UN)

    @property
    def marked(self) -> bool:
        """Whether somebody marked the table."""
        return self._bytes[0] == 1

    def mark(self) -> None:
        """Marks the table, for good."""
        self._bytes[0] = 1

    def get(self, name: str) -> Row | None:
        """The row of a name; None: there is none."""
        key = _key(name)
        for place in self._places(key):
            found, *rest = _ROW.unpack_from(self._bytes, place)
            if found == key:
                return Row(*rest)
        return None

    def put(self, name: str, row: Row) -> None:
        """Keeps a row, in the place of the one that the name has, or of the oldest."""
        key = _key(name)
        there = [(place, *_ROW.unpack_from(self._bytes, place)) for place in self._places(key)]
        own = [place for place, found, *_ in there if found == key]
        free = [place for place, found, *_ in there if found == _NOBODY]
        oldest = min(there, key=lambda each: each[4])[0]
        place = [*own, *free, oldest][0]
        _ROW.pack_into(self._bytes, place, key, row.value, row.number, row.time)

    def remove(self, name: str) -> None:
        """Takes a row out, if there is one."""
        key = _key(name)
        for place in self._places(key):
            if self._bytes[place : place + len(key)] == key:
                self._bytes[place : place + _ROW.size] = bytes(_ROW.size)

    def _places(self, key: bytes) -> range:
        first = _HEAD + int.from_bytes(key[:4], "little") % self._sets * _WAYS * _ROW.size
        return range(first, first + _WAYS * _ROW.size, _ROW.size)


_NOBODY = bytes(16)


def _key(name: str) -> bytes:
    return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).digest()
