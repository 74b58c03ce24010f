"""Ids as numbers, whatever the data call their people and cameras."""

from __future__ import annotations

import re
from collections.abc import Iterable

from passerby.types import JUNK_ID, InputError

_WHOLE = re.compile(r"\d{1,18}(?:\.0+)?")
_NEGATIVE = re.compile(r"-\d+(?:\.0+)?")


def numbered(names: Iterable[str]) -> tuple[dict[str, int], dict[int, str]]:
    """Numbers for ids given as text.

    Where all are whole numbers they are taken as they are (`0012` and `12.0` are 12; tables with
    gaps write 12.0). Else the different names, sorted, are counted from 0. `-1` is junk and
    stays -1 either way.

    Raises:
        InputError: an id is a negative number other than -1.

    Returns:
        Text to number, and number to name (empty where the ids are numbers).

    >>> numbered(["b", "a", "b"])
    ({'a': 0, 'b': 1}, {0: 'a', 1: 'b'})
    >>> numbered(["7", "0012"])
    ({'0012': 12, '7': 7}, {})
    """
    different = sorted(set(names))
    own = [name for name in different if name not in ("-1", "-1.0")]
    junk = {name: JUNK_ID for name in different if name not in own}
    for name in own:
        if _NEGATIVE.fullmatch(name):
            raise InputError(f"ids are at least 0, or -1 for junk, got {name}")
    if all(_WHOLE.fullmatch(name) for name in own):
        return {name: int(name.partition(".")[0]) for name in own} | junk, {}
    return {name: number for number, name in enumerate(own)} | junk, dict(enumerate(own))
