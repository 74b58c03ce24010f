"""What engines raise, as one line of ours."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

from passerby.types import InputError


@contextmanager
def plain_errors(damage: str) -> Iterator[None]:
    """Makes one clear line of the errors that engines raise within.

    Args:
        damage: what it means where the operating system is not to blame.

    Raises:
        OSError: the disk is full.
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
        if isinstance(error, OSError) and error.errno is not None:
            raise
        text = " ".join(str(error).split())
        full = re.search(r"no space left|os error 28|disk quota|file too large|os error 27", text,
                         re.IGNORECASE)  # fmt: skip
        if full:
            raise OSError(
                errno.ENOSPC, "the disk is full, nothing of this was stored", damage.split(":")[0]
            ) from error
        raise InputError(f"{damage} ({type(error).__name__}: {text[:200]})") from error
