"""From the nearest rows to what a search answers: groups, re-ranking, the threshold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from passerby.gallery.entries import UNKNOWN, Entry, embeddings_of, to_entries

if TYPE_CHECKING:
    import pyarrow as pa

Groups = Literal["person", "track"]

_MANY = 1000

FetchRows = Callable[[int], "pa.Table"]
"""The n nearest rows of a query, nearest first, with the column `distance`."""


@dataclass(frozen=True)
class Reranking:
    """k-reciprocal re-ranking of the nearest entries (see `passerby.rerank`)."""

    shortlist: int = 200
    """Nearest entries that take part."""
    k1: int = 20
    """Neighbours that the k-reciprocal sets are made of."""
    k2: int = 6
    """Neighbours whose sets are averaged."""
    lambda_value: float = 0.3
    """Weight of the original distance."""


@dataclass(frozen=True)
class Hit:
    """One entry that a search found."""

    entry: Entry
    """What was found."""
    distance: float
    """From the query, by the gallery's metric."""
    reranked: float | None = None
    """Distance after re-ranking, which the order follows then; None: not re-ranked."""


@dataclass(frozen=True)
class Answer:
    """What a search found for one query."""

    hits: tuple[Hit, ...]
    """Below the threshold, the most similar first; empty: no match."""
    threshold: float | None
    """Distance from which on nothing is a match; None: none is set, every hit is shown."""
    nearest: float | None
    """Distance of the nearest entry, match or not; None: no entry fulfils the filter."""
    itself: tuple[str, ...] = ()
    """Keys of entries that are the query's own picture: they are left out."""


def first_count(k: int, group_by: Groups | None, reranking: Reranking | None) -> int:
    """How many rows `answer` fetches first: more where several of them may become one hit."""
    if reranking is not None:
        return max(k, reranking.shortlist)
    return k if group_by is None or k > _MANY else 4 * k


def answer(
    query: NDArray[np.float32],
    fetch: FetchRows,
    k: int,
    threshold: float | None,
    group_by: Groups | None,
    reranking: Reranking | None,
    metric: str,
) -> Answer:
    """Answers one query.

    Args:
        query: (D,).
        fetch: finds the nearest rows; with their embeddings where they are re-ranked.
        k: hits at most.
        threshold: see `Answer`.
        group_by: one hit for each identity or track, its nearest entry; entries without one each
            stand for themselves.
        reranking: None: the distance orders.
        metric: of the gallery.
    """
    wanted = first_count(k, group_by, reranking)
    while True:
        rows = fetch(wanted)
        every = rows.num_rows < wanted
        distances = rows.column("distance").to_numpy()
        first = float(distances[0]) if len(distances) else None
        below = len(distances) if threshold is None else int(np.sum(distances < threshold))
        order, reranked = _order(query, rows, reranking, metric)
        order = order[order < below]
        if group_by is not None:
            order = order[_first_of_group(rows, order, group_by)]
        if len(order) >= k or every or below < rows.num_rows or group_by is None:
            break
        wanted *= 4
    order = order[:k]
    whole = np.array_equal(order, np.arange(len(order)))
    entries = to_entries(rows.slice(0, len(order)) if whole else rows.take(order))
    hits = (
        Hit(entry, float(distances[row]), None if reranked is None else float(reranked[row]))
        for entry, row in zip(entries, order, strict=True)
    )
    return Answer(tuple(hits), threshold, first)


def _order(
    query: NDArray[np.float32], rows: pa.Table, reranking: Reranking | None, metric: str
) -> tuple[NDArray[np.int64], NDArray[np.float32] | None]:
    order: NDArray[Any] = np.arange(rows.num_rows)
    if reranking is None or rows.num_rows < 2:
        return order, None
    from passerby.ranking.rerank import rerank

    k1, k2 = min(reranking.k1, rows.num_rows), min(reranking.k2, rows.num_rows)
    embeddings = embeddings_of(rows)
    weight = reranking.lambda_value
    values = rerank(query[None], embeddings, k1, k2, weight, metric=metric)[0]
    return np.argsort(values, kind="stable"), values


def _first_of_group(
    rows: pa.Table, order: NDArray[np.int64], group_by: Groups
) -> NDArray[np.bool_]:
    columns = (rows.column(name).to_pylist() for name in ("person", "camera", "track_id"))
    groups = [group_of(group_by, *names) for names in zip(*columns, strict=True)]
    met: set[tuple[str, str]] = set()
    first = np.ones(len(order), bool)
    for place, row in enumerate(order.tolist()):
        group = groups[row]
        if group is not None:
            first[place] = group not in met
            met.add(group)
    return first


def group_of(
    group_by: Groups, person: str | None, camera: str | None, track: str | None
) -> tuple[str, str] | None:
    """What an entry is shown as one with, by its names; None: it stands for itself.

    >>> group_of("person", "Anna", "lift", "7"), group_of("track", "Anna", "lift", "7")
    (('', 'Anna'), ('lift', '7'))
    """
    name = person if group_by == "person" else track
    # A track is one of its camera.
    return ("" if group_by == "person" else camera or UNKNOWN, name) if name else None
