"""What engines raise, as one line of ours."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from passerby.types import InputError

_SYSTEM = re.compile(r"os error (\d+)", re.IGNORECASE)
_FULL = re.compile(r"no space left|disk quota|file too large", re.IGNORECASE)


@contextmanager
def plain_errors(damage: str, undone: str = "") -> Iterator[None]:
    """Makes one clear line of the errors that engines raise within.

    Args:
        damage: the place, and what it means where the operating system is not to blame.
        undone: what holds where the operating system is, e.g. "nothing of this batch was stored".

    Raises:
        OSError: of the operating system, e.g. the disk is full.
        InputError: anything else that the engine could not do.
    """
    try:
        yield
    except InputError:
        raise
    except BaseException as error:
        # A panic of Rust code is no `Exception`; damaged files cause some.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        number, text = _system_error(error)
        if number is None:
            raise InputError(f"{damage} ({type(error).__name__}: {text[:200]})") from error
        if isinstance(error, OSError) and error.errno is not None and not undone:
            raise
        says = error.strerror if isinstance(error, OSError) and error.errno else os.strerror(number)
        where = damage.split(":")[0]
        raise OSError(number, f"{says}; {undone}" if undone else says, where) from error


def _system_error(error: BaseException) -> tuple[int | None, str]:
    text = " ".join(str(error).split())
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno, text
    named = _SYSTEM.search(text)
    if named:
        return int(named[1]), text
    return (errno.ENOSPC if _FULL.search(text) else None), text
