"""Lines that each hold a hash of the one before: none can be changed or cut out unseen.

Whoever may write the file may write all of it anew. Against that helps the last hash, noted
elsewhere.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from passerby.parsing import parse_json
from passerby.types import InputError

PREVIOUS, UNTIL = "previous", "until"
"""Keys of a line: the hash of the line before; of the last line that was taken out on purpose."""

FORGET = "forget"
"""What the line says that is written when old lines are taken out."""

_WINDOW = 2**12


@dataclass(frozen=True)
class Chain:
    """Lines that hold together."""

    lines: int
    """How many."""
    head: str
    """Hash of the last; empty: there is none."""


def hash_of(line: bytes) -> str:
    """Of a line without its end: 32 hexadecimal digits of BLAKE2b."""
    return hashlib.blake2b(line, digest_size=16).hexdigest()


def last_line(file: Path) -> bytes | None:
    """The last line that has its end, however long it is; None: there is none."""
    if not file.exists():
        return None
    with file.open("rb") as opened:
        end, window = opened.seek(0, os.SEEK_END), _WINDOW
        while True:
            first = max(0, end - window)
            opened.seek(first)
            found = opened.read(end - first).split(b"\n")[:-1]
            if len(found) > 1 or (found and first == 0):
                return found[-1]
            if first == 0:
                return None
            window *= 8


def verify(file: Path, lines: Sequence[bytes], head: str) -> Chain:
    """Sees whether each line follows the one before, and the last one is the last.

    Args:
        file: for the message.
        lines: oldest first; the first ones may be from before lines were chained.
        head: hash of the last line as it is kept elsewhere; empty: it is not.

    Raises:
        InputError: the first line that does not follow.
    """
    plain = [_read(file, number, line) for number, line in enumerate(lines, 1)]
    forgotten = {each.get(UNTIL) for each in plain if each.get("what") == FORGET}
    before = None
    for number, (line, each) in enumerate(zip(lines, plain, strict=True), 1):
        previous = each.get(PREVIOUS)
        if before is None:
            follows = previous in (None, "") or previous in forgotten
        else:
            chained = PREVIOUS in plain[number - 2]
            follows = previous == before or (previous is None and not chained)
        if not follows:
            raise InputError(
                f"{file}: line {number} does not follow the one before: the log was changed, or "
                "lines were removed"
            )
        before = hash_of(line)
    # A process that died before it kept the new one leaves one that a later line follows.
    if head not in ("", before) and head not in {each.get(PREVIOUS) for each in plain}:
        raise InputError(f"{file}: lines were removed at its end")
    return Chain(len(lines), before or "")


def _read(file: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        found = parse_json(line.decode("utf-8", "replace"))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise InputError(f"{file}: line {number} is not a line of an audit log")
    return found
