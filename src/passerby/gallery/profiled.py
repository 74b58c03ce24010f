"""A gallery's camera profiles: learned from its entries, applied while they are searched."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from passerby.gallery.entries import embeddings_of, schema
from passerby.gallery.filters import Condition
from passerby.gallery.nearby import nearest_of_batches, shown_columns
from passerby.gallery.store import Store
from passerby.ranking.profiles import Profiles, Tracks, runs

if TYPE_CHECKING:
    import pyarrow as pa

Scan = Callable[[Sequence[str]], Iterable["pa.RecordBatch"]]
"""The entries, with the columns that are named."""


def learn(scan: Scan, metric: str, returns: float, untracked: int | None) -> Profiles:
    """Profiles of all cameras, from the entries' tracks; the entries are read front to back.

    Args:
        scan: reads the entries.
        metric: of the gallery.
        returns: tracks of one camera that are taken for one person.
        untracked: so many entries without a track that follow each other, by time and then by key,
            count as one; None: they do not count.

    Raises:
        InputError: no track of a known camera; a number below 1.
    """
    named = None if untracked is None else _runs(scan, untracked)
    tracks = Tracks(metric)
    for batch in scan(("key", "camera", "track_id", "embedding")):
        names = batch.column("track_id").to_pylist()
        if named is not None:
            names = [named.get(key, "") for key in batch.column("key").to_pylist()]
        tracks.add(embeddings_of(batch), batch.column("camera").to_pylist(), names)
    return tracks.profiles(returns)


def moved(batches: Iterable[pa.RecordBatch], profiles: Profiles) -> Iterator[pa.RecordBatch]:
    """The same rows, their embeddings without their cameras' moves."""
    import pyarrow as pa

    for batch in batches:
        place = batch.schema.get_field_index("embedding")
        rows = profiles.applied(embeddings_of(batch), batch.column("camera").to_pylist())
        column = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), rows.shape[1])
        yield batch.set_column(place, batch.schema.field(place).name, column)


def nearest_moved(
    store: Store,
    profiles: Profiles,
    query: NDArray[np.float32],
    k: int,
    conditions: Sequence[Condition],
    *,
    metric: str,
    embeddings: bool = False,
) -> list[pa.Table]:
    """As `Store.nearest`, of embeddings without their cameras' moves; any engine's rows are read.

    Args:
        store: whose rows.
        profiles: of the gallery.
        query: (Q, D), already without its cameras' moves.
        k: how many at most.
        conditions: which rows count.
        metric: of the gallery.
        embeddings: whether they are wanted too, as they were compared.
    """
    columns = shown_columns(embeddings)
    batches = moved(store.scan(conditions, shown_columns(True)), profiles)
    found = nearest_of_batches(query, batches, k, metric)
    if found is None:
        none = schema(query.shape[1]).empty_table().select(columns)
        return [none.append_column("distance", [[]]) for _ in query]
    return [each.select([*columns, "distance"]) for each in found]


def _runs(scan: Scan, length: int) -> dict[str, str]:
    columns: tuple[list[str], ...] = ([], [], [], [])
    for batch in scan(("key", "camera", "track_id", "timestamp")):
        for column, values in zip(columns, batch.columns, strict=True):
            column += values.to_pylist()
    keys, cameras, tracks, times = columns
    order = list(zip(times, keys, strict=True))
    return {
        k: name or "" for k, name in zip(keys, runs(cameras, tracks, order, length), strict=True)
    }
