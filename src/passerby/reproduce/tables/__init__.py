"""What each paper's tables need, one file a method."""

from __future__ import annotations

from collections.abc import Callable

from passerby.reproduce.declared import Line, Table, Training
from passerby.reproduce.tables import (
    attention_driven,
    bag_of_tricks,
    feature_mask,
    generated_masks,
    mask_pooling,
    msreid,
)
from passerby.types import InputError

TABLES: dict[str, Callable[[str], tuple[Table, ...]]] = {
    "bag_of_tricks": bag_of_tricks.tables,
    "msreid": msreid.tables,
    "attention_driven": attention_driven.tables,
    "generated_masks": generated_masks.tables,
    "mask_pooling": mask_pooling.tables,
    "feature_mask": feature_mask.tables,
}
"""By method: the tables for a data set."""

FACTS = {("msreid", "2"): True, ("attention_driven", "2"): True, ("attention_driven", "12"): False}
"""Tables that need no training (`reproduce.facts`), by method and number: whether they are about a
data set."""

ACROSS = "all"
"""Stands for all methods in one table."""


def tables_of(method: str, data: str, number: str | None = None) -> tuple[Table, ...]:
    """The tables of a method, or one of them; for `all` the one across methods.

    Args:
        method: a name in `TABLES`, or `all`.
        data: name of the data set.
        number: the paper's number of one table; None: all that go with the data set.

    Raises:
        InputError: there is no such method or table.
    """
    if method == ACROSS and number is not None:
        raise InputError(f"{ACROSS} has no tables of its own to choose from; given {number!r}")
    if method == ACROSS:
        return (across(),)
    if method not in TABLES:
        raise InputError(f"there are tables of {', '.join(TABLES)} and {ACROSS}; given {method!r}")
    tables = TABLES[method](data)
    known = [table.number for table in tables]
    if number is None:
        return tuple(table for table in tables if table.data in ("", data))
    if number not in known:
        raise InputError(f"{method} has the tables {', '.join(known)} to fill; given {number!r}")
    return tuple(table for table in tables if table.number == number)


def across() -> Table:
    """Every method as its recipe has it."""
    lines = tuple(Line(name, Training(name, "whole")) for name in TABLES)
    return Table("", ACROSS, "All methods", lines)
