"""Names for identities that nobody has named yet."""

from __future__ import annotations

from collections.abc import Collection
from itertools import count


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
    return next(name for n in count(first) if (name := f"{stem}-{n}") not in set(taken))
