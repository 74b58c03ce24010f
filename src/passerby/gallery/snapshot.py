"""A gallery in memory, for searches and look-ups in milliseconds."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from passerby.gallery.entries import DETAILS, embeddings_of, schema
from passerby.gallery.filters import Condition, fulfilled, fulfilled_each
from passerby.gallery.nearby import by_distance
from passerby.gallery.store import Parts, Store
from passerby.ranking.profiles import Profiles
from passerby.types import InputError

if TYPE_CHECKING:
    import pyarrow as pa


_MASK_BYTES = 2**28
"""Most that says which rows count, for all filters that are looked at together."""


@dataclass(frozen=True)
class Held:
    """What a snapshot holds at one moment; it stays so while the snapshot goes on."""

    embeddings: NDArray[np.float32]
    """(N, D), as they are compared."""
    rows: pa.Table
    """N rows, without embeddings."""
    metric: str
    """Of the gallery."""

    def scan(
        self, conditions: Sequence[Condition], columns: Sequence[str]
    ) -> Iterator[pa.RecordBatch]:
        """As `Store.scan`; embeddings are as they are compared."""
        import pyarrow as pa

        places = np.flatnonzero(fulfilled(conditions, self.rows))
        names = [name for name in columns if name != "embedding"]
        table = self.rows.select(names).take(pa.array(places))
        if "embedding" in columns:
            table = _with_embeddings(table, self.embeddings[places])
        yield from table.select(list(columns)).to_batches()

    def nearest(
        self,
        queries: NDArray[np.float32],
        k: int,
        conditions: Sequence[Sequence[Condition]],
        own: Sequence[Collection[str]],
        *,
        embeddings: bool = False,
    ) -> list[pa.Table]:
        """See `passerby.gallery.queries.View`; all queries are one product."""
        from passerby.ranking.nearest import nearest_of_each

        names = [repr(each) for each in conditions]
        filters = dict(zip(names, conditions, strict=True))
        half = len(queries) // 2
        if half and len(filters) * len(self.embeddings) > _MASK_BYTES:
            return [
                table
                for part in (slice(half), slice(half, None))
                for table in self.nearest(
                    queries[part], k, conditions[part], own[part], embeddings=embeddings
                )
            ]
        numbers = {name: number for number, name in enumerate(filters)}
        which = np.array([numbers[name] for name in names], np.int64)
        among = fulfilled_each(list(filters.values()), self.rows)
        more = max((len(keys) for keys in own), default=0)
        places, distances = nearest_of_each(
            queries, self.embeddings, k + more, among, which, self.metric
        )
        there = (places >= 0) & ~self._are_own(places, own)
        there &= np.cumsum(there, axis=1) <= k
        return self._tables(places, distances, there, embeddings)

    def _are_own(
        self, places: NDArray[np.int64], own: Sequence[Collection[str]]
    ) -> NDArray[np.bool_]:
        """(Q, k) which of the places are of keys that their query leaves out."""
        import pyarrow as pa
        import pyarrow.compute as pc

        found = np.zeros(places.shape, bool)
        keys = pa.array(sorted({key for each in own for key in each}), pa.string())
        if len(keys):
            column = self.rows.column("key")
            rows = np.flatnonzero(pc.is_in(column, value_set=keys).to_numpy())
            row_of = dict(zip(column.take(pa.array(rows)).to_pylist(), rows, strict=True))
            for mine, here, left_out in zip(found, places, own, strict=True):
                for key in left_out:
                    mine |= here == row_of.get(key, -1)
        return found

    def _tables(
        self,
        places: NDArray[np.int64],
        distances: NDArray[np.float32],
        there: NDArray[np.bool_],
        embeddings: bool,
    ) -> list[pa.Table]:
        """The rows at the places that are there, for each query."""
        import pyarrow as pa

        every = self.rows.take(pa.array(places[there])).combine_chunks()
        if embeddings:
            every = _with_embeddings(every, self.embeddings[places[there]])
        every = every.append_column("distance", pa.array(distances[there]))
        found, start = [], 0
        for mine, kept in zip(distances, there, strict=True):
            values = mine[kept]
            table = every.slice(start, len(values))
            start += len(values)
            found.append(by_distance(table) if np.any(values[1:] == values[:-1]) else table)
        return found


class Snapshot:
    """The table in memory as it stood at one version; read anew where the version is another.

    Rows that were only added are read alone; anything else drops all and reads all.

    Args:
        store: whose table.
        width: numbers of an embedding.
        metric: of the gallery.
        profiles: what is taken out of embeddings as they are read; None: nothing.

    Raises:
        InputError: the engine has no versions.
    """

    def __init__(
        self, store: Store, width: int, metric: str, profiles: Profiles | None = None
    ) -> None:
        if store.parts() is None:
            raise InputError(
                "only a gallery in a folder can be kept in memory: a Milvus server keeps its own "
                "entries in memory"
            )
        self._store = store
        self._width = width
        self._metric = metric
        self.profiles = profiles
        self._lock = threading.Lock()
        self._stamp: object = None
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

    def now(self) -> Held:
        """The table as it stands now."""
        with self._lock:
            self._refresh()
            return Held(self._embeddings[: self._rows], self._table, self._metric)

    def _refresh(self) -> None:
        # Asked for before the parts: what changes in between is seen by the next search.
        stamp = self._store.stamp()
        if stamp is not None and stamp == self._stamp:
            return
        with self._store.reading():
            parts = self._store.parts()
            assert parts is not None
            if parts.version == self._version:
                self._stamp = stamp
                return
            try:
                self._read(parts)
            except BaseException:
                # Rows of a part that was read in half must not be there twice later.
                self._forget()
                raise
            self._stamp = stamp

    def _read(self, parts: Parts) -> None:
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
        self._version, self._rows, self._parts, self._stamp = -1, 0, (), None
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
