"""A gallery in memory, for searches and look-ups in milliseconds."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from passerby.gallery.entries import DETAILS, embeddings_of, schema
from passerby.gallery.filters import Condition, fulfilled
from passerby.gallery.nearby import in_order
from passerby.gallery.store import Store
from passerby.ranking.profiles import Profiles
from passerby.types import InputError

if TYPE_CHECKING:
    import pyarrow as pa


class Snapshot:
    """The table in memory as it stood at one version; read anew where the version is another.

    Rows that were only added are read alone; anything else drops all and reads all.

    Args:
        store: whose table.
        width: numbers of an embedding.
        profiles: what is taken out of embeddings as they are read; None: nothing.

    Raises:
        InputError: the engine has no versions.
    """

    def __init__(self, store: Store, width: int, profiles: Profiles | None = None) -> None:
        if store.parts() is None:
            raise InputError(
                "only a gallery in a folder can be kept resident: a Milvus server keeps its own "
                "entries in memory"
            )
        self._store = store
        self._width = width
        self.profiles = profiles
        self._lock = threading.Lock()
        self._version = -1
        self._rows = 0
        self._parts: tuple[str, ...] = ()
        self._embeddings: NDArray[np.float32] = np.empty((0, width), np.float32)
        self._details: list[pa.RecordBatch] = []
        self._table = joined([], width)

    def drop(self) -> None:
        """Frees the memory; the next search reads the table again."""
        with self._lock:
            self._forget()

    @property
    def bytes(self) -> int:
        """Memory that it takes now."""
        return self._embeddings.nbytes + sum(int(rows.nbytes) for rows in self._details)

    @property
    def version(self) -> int:
        """Of the table as it was read last; -1: not read."""
        return self._version

    def nearest(
        self,
        query: NDArray[np.float32],
        k: int,
        conditions: Sequence[Condition],
        *,
        metric: str,
        embeddings: bool = False,
    ) -> list[pa.Table]:
        """As `Store.nearest`, of the table as it stands now."""
        import pyarrow as pa

        from passerby.ranking.nearest import nearest_among

        matrix, rows = self._now()
        among = fulfilled(conditions, rows)
        few = min(k, int(among.sum()))
        if few == 0:
            empty = rows.slice(0, 0).append_column("distance", pa.array([], pa.float32()))
            nothing = np.empty((0, self._width), np.float32)
            return [_with_embeddings(empty, nothing) if embeddings else empty for _ in query]
        found, distances = nearest_among(query, matrix, few, among, metric, repeated=True)
        tables = []
        for places, values in zip(found, distances, strict=True):
            table = rows.take(pa.array(places))
            if embeddings:
                table = _with_embeddings(table, matrix[places])
            tables.append(in_order(table, np.arange(len(places)), values))
        return tables

    def scan(
        self, conditions: Sequence[Condition], columns: Sequence[str]
    ) -> Iterator[pa.RecordBatch]:
        """As `Store.scan`, of the table as it stands now; embeddings are as they are compared."""
        import pyarrow as pa

        matrix, rows = self._now()
        places = np.flatnonzero(fulfilled(conditions, rows))
        table = rows.select([name for name in columns if name != "embedding"]).take(
            pa.array(places)
        )
        if "embedding" in columns:
            table = _with_embeddings(table, matrix[places])
        yield from table.select(list(columns)).to_batches()

    def _now(self) -> tuple[NDArray[np.float32], pa.Table]:
        with self._lock:
            self._refresh()
            return self._embeddings[: self._rows], self._table

    def _refresh(self) -> None:
        with self._store.reading():
            parts = self._store.parts()
            assert parts is not None
            if parts.version == self._version:
                return
            if parts.names[: len(self._parts)] != self._parts:
                self._forget()
            self._make_room(parts.rows)
            for name in parts.names[len(self._parts) :]:
                for batch in self._store.read_part(name):
                    self._append(batch)
            self._parts, self._version = parts.names, parts.version
            self._table = joined(self._details, self._width)

    def _append(self, batch: pa.RecordBatch) -> None:
        import pyarrow as pa

        rows = self._rows + batch.num_rows
        self._make_room(rows)
        embeddings = embeddings_of(batch)
        if self.profiles is not None:
            embeddings = self.profiles.applied(embeddings, batch.column("camera").to_pylist())
        self._embeddings[self._rows : rows] = embeddings
        # A copy: columns of a batch that the engine handed over keep all of it alive.
        self._details.append(batch.select(DETAILS).take(pa.array(np.arange(batch.num_rows))))
        self._rows = rows

    def _make_room(self, rows: int) -> None:
        if rows <= len(self._embeddings):
            return
        # Some spare where it grows; at first as many as there are.
        room = max(rows, len(self._embeddings) * 5 // 4)
        grown = np.empty((room, self._width), np.float32)
        grown[: self._rows] = self._embeddings[: self._rows]
        self._embeddings = grown

    def _forget(self) -> None:
        self._version, self._rows, self._parts = -1, 0, ()
        self._embeddings = np.empty((0, self._width), np.float32)
        self._details = []
        self._table = joined([], self._width)


def joined(details: list[pa.RecordBatch], width: int) -> pa.Table:
    """The rows without embeddings as one table."""
    import pyarrow as pa

    none = schema(width).empty_table().select(DETAILS)
    return pa.Table.from_batches(details, none.schema) if details else none


def _with_embeddings(rows: pa.Table, embeddings: NDArray[np.float32]) -> pa.Table:
    import pyarrow as pa

    width = embeddings.shape[1]
    column = pa.FixedSizeListArray.from_arrays(pa.array(embeddings.ravel()), width)
    return rows.append_column("embedding", column)
