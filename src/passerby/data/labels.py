"""Names of people and cameras as the data write them, and the labels that stand for them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from passerby.types import JUNK_ID, InputError

_WHOLE = re.compile(r"(\d{1,18})(?:\.0+)?")
_NEGATIVE = re.compile(r"-\d+(?:\.0+)?")
_JUNK = ("-1", "-1.0")


def names_of(texts: Iterable[str]) -> dict[str, str | None]:
    """The name behind each text: the text itself, or None for junk (`-1`).

    Where all are whole numbers, `12.0` is `12`: so tables with gaps write it. `0012` stays `0012`.

    >>> names_of(["anna", "0012", "-1"])
    {'-1': None, '0012': '0012', 'anna': 'anna'}
    >>> names_of(["12.0", "7.0"])
    {'12.0': '12', '7.0': '7'}
    """
    different = sorted(set(texts))
    matches = {text: _WHOLE.fullmatch(text) for text in different if text not in _JUNK}
    numbers = {text: match[1] for text, match in matches.items() if match is not None}
    own = numbers if len(numbers) == len(matches) else {text: text for text in matches}
    return {text: own.get(text) for text in different}


def numbered(texts: Iterable[str]) -> dict[str, int]:
    """Labels for names, one for each different name.

    Where all names are whole numbers, no two of them the same one, these are the labels (`0012` is
    12). Else the names, sorted, are counted from 0. Junk (`-1`) is -1 either way.

    Raises:
        InputError: a name is a negative number other than -1.

    >>> numbered(["b", "a", "b", "-1"])
    {'-1': -1, 'a': 0, 'b': 1}
    >>> numbered(["7", "0012"])
    {'0012': 12, '7': 7}
    >>> numbered(["7", "0007", "8"])
    {'0007': 0, '7': 1, '8': 2}
    """
    names = names_of(texts)
    own = sorted({name for name in names.values() if name is not None})
    for name in own:
        if _NEGATIVE.fullmatch(name):
            raise InputError(f"ids must be at least 0, or -1 for junk; given {name}")
    whole = all(_WHOLE.fullmatch(name) and name.isdecimal() for name in own)
    labels = {name: int(name) for name in own} if whole else {}
    if len(set(labels.values())) < len(own):
        labels = {name: number for number, name in enumerate(own)}
    return {text: JUNK_ID if name is None else labels[name] for text, name in names.items()}
