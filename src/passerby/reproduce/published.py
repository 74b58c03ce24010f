"""The numbers that the papers print, read from `papers/*.csv`."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from passerby.types import InputError

PAPERS = ("attention_driven", "feature_mask", "generated_masks", "mask_pooling", "msreid")
"""By the name of the method that each is about."""

COLUMNS = (
    "table", "method", "variant", "data", "boxes", "protocol", "query_mode", "reranking",
    "average_precision", "metric", "value",
)  # fmt: skip


@dataclass(frozen=True)
class Number:
    """One number of a paper; `papers/left_out.md` says what is not among them."""

    table: str
    """Number of the table, or `text`."""
    method: str
    """passerby's name where it is one of its methods, else as printed."""
    variant: str
    """Which of the method's variants, as printed."""
    data: str
    """Data set; empty for what no data set decides."""
    boxes: str
    """CUHK03's `labeled` or `detected`; else empty."""
    protocol: str
    """`standard`, or CUHK03's `new` or `original`."""
    query_mode: str
    """`single`, `multi` or `not stated`."""
    reranking: str
    """`none`, `k-reciprocal` or `not stated`."""
    average_precision: str
    """The definition of AP behind a mAP; empty for other metrics."""
    metric: str
    """`rank_1` ..., `mean_ap` (per cent), or what else a table counts."""
    printed: str
    """The value with the digits that the paper prints."""

    @property
    def value(self) -> float:
        """The value."""
        return float(self.printed)


@cache
def published(paper: str) -> tuple[Number, ...]:
    """All numbers of a paper, in its order.

    Raises:
        InputError: there is no such paper.
    """
    if paper not in PAPERS:
        raise InputError(f"there are tables of {', '.join(PAPERS)}; given {paper!r}")
    source = files("passerby.reproduce") / "papers" / f"{paper}.csv"
    with source.open(encoding="utf-8") as opened:
        return tuple(Number(*(row[column] for column in COLUMNS)) for row in csv.DictReader(opened))


def find_value(
    numbers: Iterable[Number], table: str, method: str, variant: str, where: Place, metric: str
) -> Number | None:
    """The number of one cell; None where the table has none.

    Raises:
        InputError: the table has several.
    """
    found = [
        n
        for n in numbers
        if (n.table, n.method, n.variant, n.metric) == (table, method, variant, metric)
        and (n.data, n.boxes, n.protocol) == (where.data, where.boxes, where.protocol)
        and (n.query_mode, n.reranking) == (where.query_mode, where.reranking)
    ]
    if len(found) > 1:
        raise InputError(f"table {table} has {len(found)} values of {variant} {metric}, not one")
    return found[0] if found else None


@dataclass(frozen=True)
class Place:
    """Where a number was measured."""

    data: str
    """Data set."""
    boxes: str = ""
    """CUHK03's `labeled` or `detected`."""
    protocol: str = "standard"
    """`standard`, or CUHK03's `new` or `original`."""
    query_mode: str = "single"
    """`single` or `multi`."""
    reranking: str = "none"
    """`none` or `k-reciprocal`."""
