"""Entries on a Milvus server (standalone or distributed), or in a Milvus Lite file."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from passerby.gallery.engine_errors import plain_errors
from passerby.gallery.entries import TEXTS, TIMES, WHOLE, old_schema, schema
from passerby.gallery.filters import Condition, milvus_expression
from passerby.gallery.nearby import by_distance, shown_columns
from passerby.gallery.store import Parts, Settings
from passerby.parsing import parse_json
from passerby.types import InputError

if TYPE_CHECKING:
    import pyarrow as pa

NAME = "passerby"
"""Gallery, where the address names none: its collections are `passerby_entries`, `..._settings`."""

MOST_SETTINGS = 65_000
"""Bytes that the settings may take."""

MOST_HITS = 16_384
"""Milvus returns no more rows of one search."""

_AT_ONCE = 1_000
_METRICS = {"euclidean": "L2", "squared_euclidean": "L2", "cosine": "COSINE"}


class MilvusStore:
    """See `passerby.gallery.store.Store`.

    Each call sees all that calls before it stored (strong consistency).

    Args:
        place: `http://host:port`, `http://host:port/name`, or a file `*.db` for Milvus Lite.
        token: `user:password` or API key.

    Raises:
        InputError: pymilvus is not installed, the name is none of Milvus', no server answers.
    """

    def __init__(self, place: str, token: str | None = None) -> None:
        try:
            from pymilvus import MilvusClient
        except ImportError as error:
            raise InputError(
                "a gallery on a Milvus server needs pymilvus: pip install 'passerby[milvus]'"
            ) from error
        self._place = place
        address, name = _address(place)
        if not re.fullmatch(r"[A-Za-z_]\w{0,200}", name):
            raise InputError(
                f"{place}: a collection's name may have letters, digits and _ only: given {name!r}"
            )
        self._name, self._settings_name, self._old_name = (
            f"{name}_entries",
            f"{name}_settings",
            name,
        )
        with plain_errors(f"{place}: no Milvus server answers"):
            self._client: Any = MilvusClient(uri=address, token=token or "", timeout=20)
            # Milvus Lite opens a file with all collections released, and then answers no query.
            for each in (self._settings_name, self._name):
                self._load(each)

    def settings(self) -> Settings | None:
        """See `Store`."""
        with self._plain_errors():
            if not self._client.has_collection(self._settings_name):
                return None
            found = self._client.query(
                self._settings_name, filter='key == "gallery"', output_fields=["value"],
                consistency_level="Strong",
            )  # fmt: skip
        if not found:
            return None
        settings: Settings = parse_json(found[0]["value"])
        return settings

    def change_settings(self, change: Callable[[Settings | None], Settings]) -> Settings:
        """See `Store`; not safe against another process that does the same at once."""
        before = self.settings()
        after = change(before)
        with self._plain_errors():
            if not self._client.has_collection(self._settings_name):
                self._make_settings()
            if not self._client.has_collection(self._name):
                self._make_entries(after["width"], after["space"]["metric"])
            value = json.dumps(after)
            if len(value.encode()) > MOST_SETTINGS:
                raise InputError(
                    f"a Milvus gallery keeps settings of at most {MOST_SETTINGS:,} bytes, these "
                    f"have {len(value.encode()):,}: so many camera profiles and decisions need a "
                    "gallery in a folder"
                )
            row = {"key": "gallery", "value": value, "unused": [0.0, 0.0]}
            self._client.upsert(self._settings_name, [row])
        return after

    def add(self, rows: pa.Table) -> int:
        """See `Store`."""
        added = 0
        with self._plain_errors():
            for start in range(0, rows.num_rows, _AT_ONCE):
                part = rows.slice(start, _AT_ONCE)
                keys = part.column("key").to_pylist()
                there = {row["key"] for row in self._query([Condition("key", "in", keys)], ["key"])}
                new = [row for row in part.to_pylist() if row["key"] not in there]
                if new:
                    # Not `insert`: of two processes that add one key, both would then have it.
                    self._client.upsert(self._name, new)
                added += len(new)
        return added

    def nearest(
        self,
        query: NDArray[np.float32],
        k: int,
        conditions: Sequence[Condition],
        *,
        metric: str,
        embeddings: bool = False,
        approximate: bool = False,
    ) -> list[pa.Table]:
        """See `Store`; at most `MOST_HITS` rows."""
        if k > MOST_HITS:
            raise InputError(f"a Milvus server returns at most {MOST_HITS} rows: asked for {k}")
        columns = shown_columns(embeddings)
        with self._plain_errors():
            found = self._client.search(
                self._name,
                data=[row.tolist() for row in query],
                anns_field="embedding",
                filter=milvus_expression(conditions),
                limit=k,
                output_fields=columns,
                search_params={"metric_type": _METRICS[metric], "params": {}},
                consistency_level="Strong",
            )
        return [_table(hits, columns, query.shape[1], metric) for hits in found]

    def scan(
        self, conditions: Sequence[Condition], columns: Sequence[str]
    ) -> Iterator[pa.RecordBatch]:
        """See `Store`; rows that others change meanwhile may be seen before or after."""
        import pyarrow as pa

        width = int((self.settings() or {"width": 1})["width"])
        kinds = schema(width)
        shape = pa.schema([kinds.field(name) for name in columns])
        wanted = [*columns, *({"key"} - set(columns))]
        with self._plain_errors():
            for page in self._pages(self._name, conditions, wanted):
                yield pa.RecordBatch.from_pylist(
                    [{name: row[name] for name in columns} for row in page], schema=shape
                )

    def count(self, conditions: Sequence[Condition]) -> int:
        """See `Store`."""
        with self._plain_errors():
            found = self._client.query(
                self._name, filter=milvus_expression(conditions), output_fields=["count(*)"],
                consistency_level="Strong",
            )  # fmt: skip
        return int(found[0]["count(*)"])

    def assign(self, conditions: Sequence[Condition], column: str, value: str) -> int:
        """See `Store`."""
        batches = list(self.scan(conditions, schema(1).names))
        with self._plain_errors():
            for batch in batches:
                rows = [{**row, column: value} for row in batch.to_pylist()]
                self._client.upsert(self._name, rows)
        return sum(batch.num_rows for batch in batches)

    def remove(self, conditions: Sequence[Condition]) -> int:
        """See `Store`: no search finds them; when files lose the bytes is up to the server."""
        rows = self.count(conditions)
        with self._plain_errors():
            if rows:
                self._client.delete(self._name, filter=milvus_expression(conditions))
                self._client.flush(self._name)
                with contextlib.suppress(Exception):  # Milvus Lite has no such call
                    self._client.compact(self._name)
        return rows

    def upgrade(self, settings: Settings, convert: Callable[[pa.Table], pa.Table]) -> int:
        """See `Store`: the new settings are what makes the new collection the gallery's."""
        import pyarrow as pa

        width = int(settings["width"])
        wanted = schema(width)
        with self._plain_errors():
            if self._client.has_collection(self._name):
                self._client.drop_collection(self._name)
            self._make_entries(width, settings["space"]["metric"])
            rows = 0
            self._load(self._old_name)
            before = old_schema(width)
            for page in self._pages(self._old_name, [], before.names):
                table = convert(pa.Table.from_pylist(page, schema=before))
                found = table.select(wanted.names).cast(wanted).to_pylist()
                self._client.upsert(self._name, found)
                rows += len(found)
            if self.count([]) != rows:
                raise InputError(f"{self._place}: not all of {rows} entries were rewritten")
        self.change_settings(lambda _: settings)
        self.forget_old()
        return rows

    def _load(self, collection: str) -> None:
        if self._client.has_collection(collection):
            self._client.load_collection(collection)

    def forget_old(self) -> None:
        """See `Store`."""
        with self._plain_errors():
            # Somebody else's collection may have the gallery's plain name.
            if self._client.has_collection(self._old_name):
                fields = self._client.describe_collection(self._old_name)["fields"]
                if {"person_id", "checksum"} <= {field["name"] for field in fields}:
                    self._client.drop_collection(self._old_name)

    def index(self, metric: str) -> None:
        """See `Store`: HNSW in place of the exhaustive search."""
        with self._plain_errors():
            self._client.release_collection(self._name)
            self._client.drop_index(self._name, "embedding")
            params = self._client.prepare_index_params()
            params.add_index(
                "embedding", index_type="HNSW", metric_type=_METRICS[metric],
                params={"M": 16, "efConstruction": 200},
            )  # fmt: skip
            self._client.create_index(self._name, params)
            self._client.load_collection(self._name)

    def has_index(self) -> bool:
        """See `Store`."""
        with self._plain_errors():
            names = self._client.list_indexes(self._name)
            kinds = [self._client.describe_index(self._name, name) for name in names]
        return any(kind.get("index_type") == "HNSW" for kind in kinds)

    def naming(self) -> AbstractContextManager[None]:
        """See `Store`: a server has no lock, two that correct names at once may give one name."""
        return nullcontext()

    def reading(self) -> AbstractContextManager[None]:
        """See `Store`."""
        return nullcontext()

    def stamp(self) -> object:
        """See `Store`: none."""
        return None

    def parts(self) -> Parts | None:
        """See `Store`: none."""
        return None

    def read_part(self, name: str) -> Iterator[pa.RecordBatch]:
        """See `Store`."""
        raise NotImplementedError(name)

    def described(self) -> dict[str, Any]:
        """See `Store`."""
        return {"engine": "Milvus", "place": self._place, "collection": self._name}

    def close(self) -> None:
        """See `Store`."""
        self._client.close()

    def _pages(
        self, collection: str, conditions: Sequence[Condition], columns: Sequence[str]
    ) -> Iterator[list[dict[str, Any]]]:
        # In pages by the last key seen: iterators of several versions of Milvus skip rows.
        last = ""
        while True:
            after = [*conditions, Condition("key", ">", last)]
            page = self._query(after, columns, _AT_ONCE, collection)
            if not page:
                return
            page.sort(key=lambda row: str(row["key"]))
            last = page[-1]["key"]
            yield page

    def _query(
        self,
        conditions: Sequence[Condition],
        columns: Sequence[str],
        limit: int | None = None,
        collection: str | None = None,
    ) -> list[dict[str, Any]]:
        options = {} if limit is None else {"limit": limit}
        found: list[dict[str, Any]] = self._client.query(
            collection or self._name, filter=milvus_expression(conditions),
            output_fields=list(columns), consistency_level="Strong", **options,
        )  # fmt: skip
        return list(found)

    def _make_entries(self, width: int, metric: str) -> None:
        from pymilvus import DataType

        made = self._client.create_schema(auto_id=False, enable_dynamic_field=False)
        for name, length in TEXTS.items():
            made.add_field(name, DataType.VARCHAR, max_length=length, is_primary=name == "key")
        for name in WHOLE:
            made.add_field(name, DataType.INT64)
        for name in TIMES:
            made.add_field(name, DataType.DOUBLE)
        made.add_field("fingerprint", DataType.VARCHAR, max_length=512)
        made.add_field("embedding", DataType.FLOAT_VECTOR, dim=width)
        params = self._client.prepare_index_params()
        params.add_index("embedding", index_type="FLAT", metric_type=_METRICS[metric])
        self._client.create_collection(
            self._name, schema=made, index_params=params, consistency_level="Strong"
        )

    def _make_settings(self) -> None:
        from pymilvus import DataType

        made = self._client.create_schema(auto_id=False, enable_dynamic_field=False)
        made.add_field("key", DataType.VARCHAR, max_length=64, is_primary=True)
        made.add_field("value", DataType.VARCHAR, max_length=MOST_SETTINGS)
        made.add_field("unused", DataType.FLOAT_VECTOR, dim=2)  # no collection is without one
        params = self._client.prepare_index_params()
        params.add_index("unused", index_type="FLAT", metric_type="L2")
        self._client.create_collection(
            self._settings_name, schema=made, index_params=params, consistency_level="Strong"
        )

    def _plain_errors(self) -> contextlib.AbstractContextManager[None]:
        return plain_errors(f"{self._place}: the Milvus server refused")


def _address(place: str) -> tuple[str, str]:
    """The server's address and the collection's name."""
    if "://" not in place:
        return place, NAME
    parts = urlsplit(place)
    return f"{parts.scheme}://{parts.netloc}", parts.path.strip("/") or NAME


def _table(hits: Any, columns: Sequence[str], width: int, metric: str) -> pa.Table:
    import pyarrow as pa

    kinds = schema(width)
    shape = pa.schema([kinds.field(name) for name in columns])
    rows = pa.Table.from_pylist(
        [{name: hit["entity"][name] for name in columns} for hit in hits], schema=shape
    )
    values = np.array([hit["distance"] for hit in hits], np.float32)
    if metric == "cosine":
        values = 1 - values
    elif metric == "euclidean":
        values = np.sqrt(np.maximum(values, 0))
    return by_distance(rows.append_column("distance", pa.array(values, pa.float32())))
