"""Files that are either whole or not there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic(target: str | Path) -> Iterator[Path]:
    """Gives a temporary path beside `target`, renamed to it when the block ends without an error.

    The data reach the disk before the rename, so that a crash leaves the old file or the new one.

    Raises:
        OSError: from the operating system, e.g. when the disk is full; `target` is untouched.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(
        dir=target.parent, prefix=f".{target.name}.", suffix=target.suffix
    )
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(target: str | Path, text: str) -> None:
    """Writes `text` (UTF-8) atomically."""
    with atomic(target) as temporary:
        temporary.write_text(text, encoding="utf-8")
