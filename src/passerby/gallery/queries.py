"""A gallery's rows as searches see them: several queries, each with its own filter, at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from passerby.gallery.filters import Condition
from passerby.gallery.profiled import moved, nearest_moved
from passerby.gallery.settings import Calibration
from passerby.gallery.store import Store
from passerby.parsing import number
from passerby.ranking.profiles import Profiles

if TYPE_CHECKING:
    import pyarrow as pa


class View(Protocol):
    """Rows of a gallery; their embeddings are as they are compared."""

    def scan(
        self, conditions: Sequence[Condition], columns: Sequence[str]
    ) -> Iterator[pa.RecordBatch]:
        """As `Store.scan`."""

    def nearest(
        self,
        queries: NDArray[np.float32],
        k: int,
        conditions: Sequence[Sequence[Condition]],
        own: Sequence[Collection[str]],
        *,
        embeddings: bool = False,
    ) -> list[pa.Table]:
        """As `Store.nearest`, each query with its own conditions.

        Args:
            queries: (Q, D).
            k: how many for each at most.
            conditions: Q lists.
            own: for each query, keys that are left out.
            embeddings: whether the rows shall have theirs.
        """


@dataclass(frozen=True)
class Stored:
    """The rows where the engine keeps them."""

    store: Store
    """The engine."""
    metric: str
    """Of the gallery."""
    profiles: Profiles | None = None
    """What is taken out of embeddings before they are compared; None: nothing."""
    approximate: bool = False
    """By the index."""

    def scan(
        self, conditions: Sequence[Condition], columns: Sequence[str]
    ) -> Iterator[pa.RecordBatch]:
        """See `View`; with embeddings, `camera` is one of the columns."""
        batches = self.store.scan(conditions, columns)
        if self.profiles is None or "embedding" not in columns:
            return batches
        return moved(batches, self.profiles)

    def nearest(
        self,
        queries: NDArray[np.float32],
        k: int,
        conditions: Sequence[Sequence[Condition]],
        own: Sequence[Collection[str]],
        *,
        embeddings: bool = False,
    ) -> list[pa.Table]:
        """See `View`; queries of one filter are one search of the engine."""
        alike: dict[str, list[int]] = {}
        for row, each in enumerate(conditions):
            alike.setdefault(repr(each), []).append(row)
        found: dict[int, pa.Table] = {}
        for rows in alike.values():
            more = max(len(own[row]) for row in rows)
            tables = self._nearest(
                queries[rows], k + more, conditions[rows[0]],
                metric=self.metric, embeddings=embeddings,
            )  # fmt: skip
            for row, table in zip(rows, tables, strict=True):
                found[row] = _without(table, own[row], k)
        return [found[row] for row in range(len(queries))]

    def _nearest(
        self, queries: NDArray[np.float32], k: int, conditions: Sequence[Condition], **options: Any
    ) -> list[pa.Table]:
        if self.approximate:
            return self.store.nearest(queries, k, conditions, approximate=True, **options)
        if self.profiles is None:
            return self.store.nearest(queries, k, conditions, **options)
        return nearest_moved(self.store, self.profiles, queries, k, conditions, **options)


class Fetch:
    """Finds rows for several queries at once, and more of them for one.

    Args:
        view: of the gallery.
        embeddings: whether the rows shall have theirs.
        queries: (Q, D).
        conditions: Q lists.
        own: for each query, keys that are left out.
        counts: for each query, how many rows it needs first.
    """

    def __init__(
        self,
        view: View,
        embeddings: bool,
        queries: NDArray[np.float32],
        conditions: Sequence[Sequence[Condition]],
        own: Sequence[Collection[str]],
        counts: Sequence[int],
    ) -> None:
        self._view, self._embeddings = view, embeddings
        self._queries, self._conditions, self._own = queries, conditions, own
        self._counts = counts
        most = max(counts, default=1)
        self._first = view.nearest(queries, most, conditions, own, embeddings=embeddings)

    def of(self, row: int) -> Callable[[int], pa.Table]:
        """What `passerby.gallery.answers.answer` takes for a query."""

        def fetch(count: int) -> pa.Table:
            if count <= self._counts[row]:
                return self._first[row].slice(0, count)
            one = slice(row, row + 1)
            [found] = self._view.nearest(
                self._queries[one], count, self._conditions[one], self._own[one],
                embeddings=self._embeddings,
            )  # fmt: skip
            return found

        return fetch


def _without(rows: pa.Table, keys: Collection[str], count: int) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    if keys:
        own = pc.is_in(rows.column("key"), value_set=pa.array(list(keys), pa.string()))
        rows = rows.filter(pc.invert(own))
    return rows.slice(0, count)


def threshold_of(given: float | None, calibration: Calibration | None) -> float | None:
    """The threshold that holds: the given one, else the calibrated one; None: none.

    Raises:
        InputError: not a number.
    """
    if given is None:
        return None if calibration is None else calibration.threshold
    wanted = number(given, "a threshold")
    return None if wanted == np.inf else wanted
