"""Names: new ones, those of one source among others, and those that are mere numbers."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from itertools import count

from passerby.types import InputError


def new_name(before: Collection[str | None], taken: Collection[str]) -> str:
    """A name that nobody has.

    Args:
        before: who the entries were; None: not known.
        taken: all names there are.

    >>> new_name({"anna"}, ["anna", "anna-2", "bert"])
    'anna-3'
    >>> new_name({None}, ["anna", "person-1"]), new_name({"anna", "bert"}, ["anna", "bert"])
    ('person-2', 'person-1')
    """
    known = {name for name in before if name is not None}
    one = known.pop() if len(known) == 1 and None not in before else None
    stem, first = ("person", 1) if one is None else (one, 2)
    return next(_free(stem, first, set(taken)))


def new_names(taken: Collection[str]) -> Iterator[str]:
    """Names that nobody has, one after the other.

    >>> names = new_names(["anna", "person-2"])
    >>> next(names), next(names)
    ('person-1', 'person-3')
    """
    return _free("person", 1, set(taken))


def _free(stem: str, first: int, taken: set[str]) -> Iterator[str]:
    return (name for n in count(first) if (name := f"{stem}-{n}") not in taken)


def check_namespace(namespace: str) -> None:
    """Refuses what cannot stand before a name.

    Raises:
        InputError: other than letters, digits and `.`, `_`, `-`, or more than 64 of them.
    """
    if not re.fullmatch(r"\w[\w.-]{0,63}", namespace):
        raise InputError(
            f"a namespace must be 1 to 64 letters, digits, dots, - or _: given {namespace[:80]!r}"
        )


def numbers_among(names: Iterable[str | None]) -> list[str]:
    """The names that are bare numbers, sorted.

    >>> numbers_among(["0004", "anna", None, "site-a/7", "12"])
    ['0004', '12']
    """
    return sorted({name for name in names if name is not None and name.isdecimal()})
