"""When a process that works for this one is killed, e.g. because memory ran out."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager


@contextmanager
def told_of_killed(does: str) -> Iterator[None]:
    """Says it in one line, whether the process is one of a pool or of torch's `DataLoader`.

    Args:
        does: what the process is for, e.g. "draws".

    Raises:
        ChildProcessError: a process was killed.
    """
    try:
        yield
    except RuntimeError as error:
        # Torch has no class of its own for it, and raises it wherever the signal finds this one.
        if not isinstance(error, BrokenProcessPool) and "DataLoader worker" not in str(error):
            raise
        raise ChildProcessError(
            f"a process that {does} was killed: is there memory for so many? See --workers"
        ) from None
