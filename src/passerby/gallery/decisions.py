"""What people said of two entries: that they are two persons, or that they look again later.

That two are one person is a name that both have, as any correction (`passerby.gallery.corrections`)
gives one. The rest is kept with the gallery's settings: of each pair two digests of 8 bytes of the
entries' keys, so that what is left of an entry after its removal says nothing.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from passerby.types import InputError

Decision = Literal["yes", "no", "later"]
DECISIONS = ("yes", "no", "later")

Pair = tuple[bytes, bytes]

_BYTES = 8
_MADE = re.compile(r"(?:.*/)?person-\d+")


@dataclass(frozen=True)
class Decisions:
    """Pairs of digests of keys, the smaller first."""

    apart: frozenset[Pair] = frozenset()
    """Two persons: must not be joined."""
    later: frozenset[Pair] = frozenset()
    """Not decided yet: are asked last."""

    def taken(self, one: str, other: str, decision: Decision) -> Decisions:
        """With the decision on two entries, which takes the place of an earlier one."""
        pair = frozenset((_pair(one, other),))
        without = replace(self, apart=self.apart - pair, later=self.later - pair)
        if decision == "no":
            return replace(without, apart=without.apart | pair)
        return replace(without, later=without.later | pair) if decision == "later" else without

    def joined(self, other: Decisions) -> Decisions:
        """Those of both."""
        apart = self.apart | other.apart
        return Decisions(apart, (self.later | other.later) - apart)

    def plain(self) -> dict[str, str]:
        """As the settings keep them."""
        return {"apart": _text(self.apart), "later": _text(self.later)}

    @classmethod
    def read(cls, plain: Mapping[str, str]) -> Decisions:
        """From what `plain` made.

        Raises:
            KeyError, TypeError, ValueError: it is damaged.
        """
        return cls(_pairs(plain["apart"]), _pairs(plain["later"]))

    def places(
        self, keys: Sequence[Sequence[str]]
    ) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """The pairs that are apart, and those for later, by the places of their tracks.

        Args:
            keys: of the entries of each track.
        """
        wanted = {digest for pair in self.apart | self.later for digest in pair}
        there: dict[bytes, int] = {}
        if wanted:
            for place, names in enumerate(keys):
                for key in names:
                    digest = _digest(key)
                    if digest in wanted:
                        there[digest] = place
        return _placed(self.apart, there), _placed(self.later, there)


def made_up(name: str | None) -> bool:
    """Whether passerby made the name: it says who is one person, not that nobody else is them.

    >>> made_up("person-12"), made_up("site-a/person-3"), made_up("Anna"), made_up(None)
    (True, True, False, False)
    """
    return name is not None and _MADE.fullmatch(name) is not None


def best_name(names: Iterable[str | None]) -> str | None:
    """The name that several tracks of one person get: one that people gave, else the oldest made.

    Raises:
        InputError: two that people gave.

    >>> best_name(["person-10", None, "person-9"]), best_name([None, "person-1", "Anna"])
    ('person-9', 'Anna')
    """
    known = {name for name in names if name is not None}
    given = sorted(name for name in known if not made_up(name))
    if len(given) > 1:
        raise InputError(
            f"{given[0]} and {given[1]} have names that people gave: merge makes them one"
        )
    if given:
        return given[0]
    return min(known, key=lambda name: (int(name.rpartition("-")[2]), name), default=None)


def _digest(key: str) -> bytes:
    return hashlib.blake2b(key.encode(), digest_size=_BYTES).digest()


def _pair(one: str, other: str) -> Pair:
    first, second = sorted((_digest(one), _digest(other)))
    return first, second


def _text(pairs: frozenset[Pair]) -> str:
    return base64.b64encode(b"".join(a + b for a, b in sorted(pairs))).decode()


def _pairs(text: str) -> frozenset[Pair]:
    rest = base64.b64decode(text, validate=True)
    if len(rest) % (2 * _BYTES):
        raise ValueError("decisions are not pairs of digests")
    starts = range(0, len(rest), 2 * _BYTES)
    return frozenset((rest[i : i + _BYTES], rest[i + _BYTES : i + 2 * _BYTES]) for i in starts)


def _placed(pairs: frozenset[Pair], there: Mapping[bytes, int]) -> list[tuple[int, int]]:
    known = [(there[a], there[b]) for a, b in pairs if a in there and b in there]
    return sorted((min(pair), max(pair)) for pair in known)
