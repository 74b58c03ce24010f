"""Which entries are meant: one filter, said to each engine in its own words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from passerby.gallery.entries import NO_TIME, UNKNOWN
from passerby.types import InputError

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Filter:
    """Entries that fulfil every condition given; none given: all entries."""

    cameras: Sequence[str] | None = None
    """Only of these cameras."""
    not_cameras: Sequence[str] = ()
    """Not of these cameras; entries of unknown cameras stay."""
    since: float | None = None
    """Taken then or later, seconds since 1970 in UTC; entries without a time are left out."""
    until: float | None = None
    """Taken before then; entries without a time are left out."""
    known: bool | None = None
    """True: with a known identity; False: without one."""
    persons: Sequence[str] | None = None
    """Only of these identities."""
    tracks: Sequence[str] | None = None
    """Only of these tracks."""
    keys: Sequence[str] | None = None
    """Only these entries."""
    not_keys: Sequence[str] = ()
    """Not these entries."""
    contents: Sequence[str] | None = None
    """Only of these pictures, by their digests."""
    seen_before: float | None = None
    """Taken before then, or added before then where it is not known when they were taken."""
    expired_by: float | None = None
    """Expired then or earlier."""
    alive_at: float | None = None
    """Not yet expired then."""

    def __post_init__(self) -> None:
        for name in ("cameras", "not_cameras", "persons", "tracks", "keys", "not_keys", "contents"):
            values = getattr(self, name)
            listed = values is None or (
                isinstance(values, Sequence) and not isinstance(values, str)
            )
            if not listed or not all(isinstance(value, str) for value in values or ()):
                raise InputError(f"{name} of a filter must be a list of texts: given {values!r}")
            if not all(_can_be_stored(value) for value in values or ()):
                raise InputError(
                    f"{name} of a filter contain characters that no entry can have: {values!r}"
                )
        for name in ("since", "until", "seen_before", "expired_by", "alive_at"):
            time = getattr(self, name)
            if time is not None and not np.isfinite(time):
                raise InputError(f"{name} of a filter must be a finite time: given {time}")

    @property
    def empty(self) -> bool:
        """Whether it means all entries."""
        return not self.conditions()

    def conditions(self) -> list[Condition]:
        """The same as conditions on columns, all of which must hold."""
        found: list[Condition] = []
        columns = {
            "cameras": "camera", "persons": "person", "tracks": "track_id", "keys": "key",
            "contents": "content",
        }  # fmt: skip
        for name, column in columns.items():
            if getattr(self, name) is not None:
                found.append(Condition(column, "in", _plain(getattr(self, name))))
        if self.not_cameras:
            found.append(Condition("camera", "not in", _plain(self.not_cameras)))
        if self.not_keys:
            found.append(Condition("key", "not in", _plain(self.not_keys)))
        if self.known is not None:
            found.append(Condition("person", "==" if self.known is False else "!=", UNKNOWN))
        times = (
            ("since", "timestamp", ">="), ("until", "timestamp", "<"),
            ("seen_before", "seen", "<"), ("expired_by", "expires", "<="),
            ("alive_at", "expires", ">"),
        )  # fmt: skip
        for name, column, sign in times:
            if getattr(self, name) is not None:
                found.append(Condition(column, sign, float(getattr(self, name))))
        if self.until is not None:
            found.append(Condition("timestamp", ">", NO_TIME))
        return found

    def described(self) -> dict[str, Any]:
        """What was given, for the audit log."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: value if isinstance(value, (float, int)) else _plain(value)
            for name, value in given.items()
            if value is not None and not (isinstance(value, (tuple, list)) and name[:3] == "not"
                                          and not value)
        }  # fmt: skip


@dataclass(frozen=True)
class Condition:
    """A condition on one column."""

    column: str
    """Its name."""
    sign: str
    """`in`, `not in`, `==`, `!=`, `<`, `<=`, `>` or `>=`."""
    value: Any
    """A list of texts for the first two, else a number or a text."""


def sql(conditions: Sequence[Condition]) -> str | None:
    """In the words of Lance; None: no condition."""
    return " AND ".join(_sql(one) for one in conditions) or None


def milvus_expression(conditions: Sequence[Condition]) -> str:
    """In the words of Milvus; empty: no condition."""
    # Its strings know no \\u escapes.
    parts = [
        f"{one.column} {one.sign} {json.dumps(one.value, ensure_ascii=False)}" for one in conditions
    ]
    return " and ".join(parts)


def fulfilled(conditions: Sequence[Condition], rows: pa.Table) -> NDArray[np.bool_]:
    """(N,) which rows of a table fulfil all conditions."""
    every: NDArray[np.bool_] = fulfilled_each([conditions], rows)[0]
    return every


def fulfilled_each(choices: Sequence[Sequence[Condition]], rows: pa.Table) -> NDArray[np.bool_]:
    """(M, N) `fulfilled` of M lists of conditions; each condition is looked at once."""
    result = np.ones((len(choices), rows.num_rows), bool)
    seen: dict[str, NDArray[np.bool_]] = {}
    for own, conditions in zip(result, choices, strict=True):
        for one in conditions:
            if repr(one) not in seen:
                seen[repr(one)] = _fulfilled(one, rows)
            own &= seen[repr(one)]
    return result


def _fulfilled(one: Condition, rows: pa.Table) -> NDArray[np.bool_]:
    import pyarrow as pa
    import pyarrow.compute as pc

    signs = {
        "==": pc.equal, "!=": pc.not_equal, "<": pc.less, "<=": pc.less_equal,
        ">": pc.greater, ">=": pc.greater_equal,
    }  # fmt: skip
    column = rows.column(one.column)
    if one.sign in signs:
        found = signs[one.sign](column, one.value)
    else:
        found = pc.is_in(column, value_set=pa.array(one.value, column.type))
    mask: NDArray[np.bool_] = found.to_numpy(zero_copy_only=False)
    return ~mask if one.sign == "not in" else mask


def _sql(one: Condition) -> str:
    if not isinstance(one.value, list):
        return f"{one.column} {one.sign} {quoted(one.value)}"
    if not one.value:
        return "false" if one.sign == "in" else "true"
    return f"{one.column} {one.sign.upper()} ({', '.join(map(quoted, one.value))})"


def quoted(value: str | float) -> str:
    """A value as SQL has it."""
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


def _can_be_stored(text: str) -> bool:
    """Half a character (a lone surrogate) is no text of any file, and zeros end one."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def _plain(values: Sequence[str]) -> list[str]:
    return sorted(set(values))
