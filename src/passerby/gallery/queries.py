"""What a search asks of the engine: queries of one filter together, more rows for one of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from passerby.gallery.filters import Filter
from passerby.gallery.settings import Calibration
from passerby.parsing import number

if TYPE_CHECKING:
    import pyarrow as pa


class Fetch:
    """Finds rows for several queries at once, and more of them for one.

    Args:
        nearest: of the engine or the snapshot.
        metric: of the gallery.
        embeddings: whether the rows shall have their embeddings.
        approximate: by the index.
    """

    def __init__(
        self,
        nearest: Callable[..., list[pa.Table]],
        metric: str,
        embeddings: bool,
        approximate: bool,
    ) -> None:
        self._nearest = nearest
        self._options: dict[str, Any] = {"metric": metric, "embeddings": embeddings}
        if approximate:
            self._options["approximate"] = True

    def prepare(
        self,
        queries: NDArray[np.float32],
        filters: Sequence[Filter],
        count: int,
        own: Sequence[Collection[str]] | None = None,
    ) -> None:
        """Finds the first rows of all queries, those of one filter together.

        Args:
            queries: (Q, D).
            filters: Q of them.
            count: rows of each.
            own: for each query, keys that are left out; None: none.
        """
        self._queries, self._filters, self._count = queries, filters, count
        self._own = own or [()] * len(queries)
        self._first: dict[int, pa.Table] = {}
        alike: dict[str, list[int]] = {}
        for row, each in enumerate(filters):
            alike.setdefault(repr(each), []).append(row)
        for rows in alike.values():
            tables = self._found(rows, count)
            self._first.update(zip(rows, tables, strict=True))

    def of(self, row: int) -> Callable[[int], pa.Table]:
        """What `passerby.gallery.answers.answer` takes for a query."""

        def fetch(count: int) -> pa.Table:
            return self._first[row] if count == self._count else self._found([row], count)[0]

        return fetch

    def _found(self, rows: list[int], count: int) -> list[pa.Table]:
        conditions = self._filters[rows[0]].conditions()
        # Queries of one filter stay one search: their own entries are dropped from what it finds.
        more = max(len(self._own[row]) for row in rows)
        found = self._nearest(self._queries[rows], count + more, conditions, **self._options)
        return [
            _without(table, self._own[row], count) for row, table in zip(rows, found, strict=True)
        ]


def _without(rows: pa.Table, keys: Collection[str], count: int) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    if keys:
        own = pc.is_in(rows.column("key"), value_set=pa.array(list(keys), pa.string()))
        rows = rows.filter(pc.invert(own))
    return rows.slice(0, count)


def query_filters(
    base: Filter, now: float, cameras: Sequence[str | None] | None, queries: int
) -> list[Filter]:
    """The filter of each query: nothing expired, and nothing of its own camera if it has one."""
    alive = replace(base, alive_at=now)
    if cameras is None:
        return [alive] * queries
    own = [() if camera is None else (camera,) for camera in cameras]
    return [replace(alive, not_cameras=(*base.not_cameras, *camera)) for camera in own]


def threshold_of(given: float | None, calibration: Calibration | None) -> float | None:
    """The threshold that holds: the given one, else the calibrated one; None: none.

    Raises:
        InputError: not a number.
    """
    if given is None:
        return None if calibration is None else calibration.threshold
    wanted = number(given, "a threshold")
    return None if wanted == np.inf else wanted
