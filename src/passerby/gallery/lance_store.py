"""Entries in a folder, kept by LanceDB: no server, several processes at once."""

from __future__ import annotations

import contextlib
import errno
import json
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from passerby.files import write_text
from passerby.gallery.engine_errors import plain_errors
from passerby.gallery.entries import schema
from passerby.gallery.filters import Condition, sql
from passerby.gallery.locks import FolderLocks
from passerby.gallery.nearby import by_distance, nearest_of_batches, shown_columns
from passerby.gallery.store import Parts, Settings
from passerby.parsing import parse_json
from passerby.types import InputError

if TYPE_CHECKING:
    import pyarrow as pa

TABLE = "entries-2"
"""Of this format: rows of another stand beside it while they are written anew."""
OLD_TABLE = "entries"
SETTINGS = "gallery.json"
PENDING = "removal-pending"
"""Lies in the folder from before rows are removed until their bytes are gone from the files."""

PART_ROWS = 2**17
"""Files are joined up to so many rows; a removal writes the files anew that held its rows."""

MOST_PARTS = 128
"""With more than so many files, additions end with joining them."""

_BATCH = 2**14
_FEWEST_ROWS = 2**10
_SPARE = 2**24
_PARTITION_ROWS = 2**12


class LanceStore:
    """See `passerby.gallery.store.Store`.

    Args:
        folder: made when the gallery is created.

    Raises:
        InputError: LanceDB is not installed; the folder holds something else.
    """

    def __init__(self, folder: Path) -> None:
        try:
            import lance  # noqa: F401
            import lancedb  # noqa: F401
        except ImportError as error:
            raise InputError(
                "a gallery in a folder needs LanceDB: pip install 'passerby[gallery]'"
            ) from error
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder}: a gallery is a folder, this is a file")
        if folder.is_dir() and any(folder.iterdir()) and not (folder / SETTINGS).is_file():
            names = {each.name for each in folder.iterdir()}
            if not names <= {"gate.lock", "use.lock", "write.lock"}:
                raise InputError(f"{folder}: is not empty and no gallery: it has no {SETTINGS}")
        self.folder = folder
        self._locks = FolderLocks(folder)
        if (folder / f"{TABLE}.lance").exists() and self._is_new():
            self.forget_old()
        if (folder / PENDING).exists() and self._is_new():
            self._finish_if_there_is_room()

    def settings(self) -> Settings | None:
        """See `Store`."""
        try:
            text = (self.folder / SETTINGS).read_text(encoding="utf-8")
            found: Settings = parse_json(text)
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise InputError(f"{self.folder / SETTINGS}: is damaged: {error}") from error
        return found

    def change_settings(self, change: Callable[[Settings | None], Settings]) -> Settings:
        """See `Store`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._locks.writing(), self._plain_errors():
            before = self.settings()
            after = change(before)
            if before is None:
                wanted = schema(after["width"])
                self._database().create_table(TABLE, schema=wanted, exist_ok=True)
            write_text(self.folder / SETTINGS, json.dumps(after, indent=1) + "\n")
        return after

    def add(self, rows: pa.Table) -> int:
        """See `Store`."""
        with self._locks.writing(), self._plain_errors():
            self._check_room(rows.nbytes)
            table = self._table()
            before = int(table.version)
            found = table.merge_insert("key").when_not_matched_insert_all().execute(rows)
            added = int(found.num_inserted_rows)
            if added:
                self._check_written(before)
            crowded = len(self._dataset().get_fragments()) > MOST_PARTS
        if crowded:
            with self._locks.alone(), self._plain_errors():
                self._clean()
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
        """See `Store`."""
        columns = shown_columns(embeddings)
        if approximate:
            return self._approximate(query, k, conditions, columns, metric)
        batches = self.scan(conditions, shown_columns(True))
        found = nearest_of_batches(query, batches, k, metric)
        if found is None:
            none = schema(query.shape[1]).empty_table().select(columns)
            return [none.append_column("distance", [[]]) for _ in query]
        return [each.select([*columns, "distance"]) for each in found]

    def scan(
        self, conditions: Sequence[Condition], columns: Sequence[str]
    ) -> Iterator[pa.RecordBatch]:
        """See `Store`."""
        # A few rows by key: their other columns are read for them alone, which is 5 times as fast.
        by_key = any(one.column == "key" and one.sign == "in" for one in conditions)
        with self._locks.shared(), self._plain_errors():
            scanner = self._dataset().scanner(
                columns=list(columns),
                filter=sql(conditions),
                batch_size=_BATCH,
                late_materialization=by_key or None,
            )
            yield from scanner.to_batches()

    def count(self, conditions: Sequence[Condition]) -> int:
        """See `Store`."""
        with self._locks.shared(), self._plain_errors():
            return int(self._dataset().count_rows(filter=sql(conditions)))

    def assign(self, conditions: Sequence[Condition], column: str, value: str) -> int:
        """See `Store`."""
        with self._locks.writing(), self._plain_errors():
            table = self._table()
            where = sql(conditions)
            return int(table.update(where=where, values={column: value}).rows_updated)

    def remove(self, conditions: Sequence[Condition]) -> int:
        """See `Store`; when it returns, the embeddings' bytes are in no file of the folder."""
        where = sql(conditions) or "true"
        with self._locks.alone(), self._plain_errors():
            table = self._table()
            rows = int(table.count_rows(where))
            if rows == 0 and not (self.folder / PENDING).exists():
                return 0
            (self.folder / PENDING).touch()
            table.delete(where)
            with self._removal_without_room():
                self._drop_index()  # it may hold copies of embeddings
                self._clean()
            (self.folder / PENDING).unlink()
        return rows

    def upgrade(self, settings: Settings, convert: Callable[[pa.Table], pa.Table]) -> int:
        """See `Store`: the new settings are what makes the new table the gallery's."""
        import lance
        import pyarrow as pa

        old, new = (self.folder / f"{name}.lance" for name in (OLD_TABLE, TABLE))
        with self._locks.alone(), self._plain_errors():
            shutil.rmtree(new, ignore_errors=True)
            dataset = lance.dataset(str(old))
            rows = int(dataset.count_rows())
            wanted = schema(settings["width"])
            self._check_room(sum(file.stat().st_size for file in old.rglob("*") if file.is_file()))

            def batches() -> Iterator[pa.RecordBatch]:
                for batch in dataset.scanner(batch_size=_BATCH).to_batches():
                    made = convert(pa.Table.from_batches([batch])).select(wanted.names)
                    yield from made.cast(wanted).to_batches()

            reader = pa.RecordBatchReader.from_batches(wanted, batches())
            made = lance.write_dataset(reader, str(new), mode="create")
            read = sum(part.num_rows for part in made.scanner().to_batches())
            if read != rows:
                raise InputError(f"{self.folder}: {read} of {rows} entries were written anew")
            write_text(self.folder / SETTINGS, json.dumps(settings, indent=1) + "\n")
            shutil.rmtree(old)
            (self.folder / PENDING).unlink(missing_ok=True)
        return rows

    def forget_old(self) -> None:
        """See `Store`."""
        old = self.folder / f"{OLD_TABLE}.lance"
        if old.exists():
            with self._locks.alone():
                shutil.rmtree(old, ignore_errors=True)

    def _is_new(self) -> bool:
        return (self.settings() or {}).get("format") != 1

    def index(self, metric: str) -> None:
        """See `Store`: IVF with scalar quantisation; candidates are compared exactly."""
        kind = {"squared_euclidean": "l2", "euclidean": "l2", "cosine": "cosine"}[metric]
        with self._locks.writing(), self._plain_errors():
            table = self._table()
            partitions = max(1, int(table.count_rows()) // _PARTITION_ROWS)
            table.create_index(
                metric=kind,
                vector_column_name="embedding",
                index_type="IVF_SQ",
                num_partitions=partitions,
                replace=True,
            )

    def has_index(self) -> bool:
        """See `Store`."""
        with self._locks.shared(), self._plain_errors():
            return bool(self._table().list_indices())

    def reading(self) -> AbstractContextManager[None]:
        """See `Store`."""
        return self._locks.shared()

    def parts(self) -> Parts | None:
        """See `Store`."""
        with self._locks.shared(), self._plain_errors():
            dataset = self._dataset()
            names = tuple(
                json.dumps([each.fragment_id, str(each.metadata.deletion_file)])
                for each in dataset.get_fragments()
            )
            return Parts(int(dataset.version), names, int(dataset.count_rows()))

    def read_part(self, name: str) -> Iterator[pa.RecordBatch]:
        """See `Store`."""
        number = parse_json(name)[0]
        with self._locks.shared(), self._plain_errors():
            fragment = self._dataset().get_fragment(number)
            yield from fragment.scanner(columns=shown_columns(True)).to_batches()

    def described(self) -> dict[str, Any]:
        """See `Store`."""
        files = [each for each in self.folder.rglob("*") if each.is_file()]
        return {
            "engine": "LanceDB",
            "place": str(self.folder),
            "bytes": sum(each.stat().st_size for each in files),
            "files": len(files),
            "removal_pending": (self.folder / PENDING).exists(),
        }

    def close(self) -> None:
        """See `Store`: nothing is held between calls."""

    def _approximate(
        self,
        query: NDArray[np.float32],
        k: int,
        conditions: Sequence[Condition],
        columns: list[str],
        metric: str,
    ) -> list[pa.Table]:
        kind = "cosine" if metric == "cosine" else "l2"
        found = []
        with self._locks.shared(), self._plain_errors():
            table = self._table()
            probes = max(8, int(table.count_rows()) // _PARTITION_ROWS // 8)
            for row in query:
                search = table.search(row).distance_type(kind).nprobes(probes).refine_factor(4)
                where = sql(conditions)
                if where:
                    search = search.where(where, prefilter=True)
                found.append(search.select([*columns, "_distance"]).limit(k).to_arrow())
        return [by_distance(_own_distance(each, columns, metric)) for each in found]

    def _check_room(self, needed: int) -> None:
        free = shutil.disk_usage(self.folder).free
        if free < 2 * needed + _SPARE:
            raise OSError(
                errno.ENOSPC, f"{free:,} bytes are free, {2 * needed + _SPARE:,} needed",
                str(self.folder),
            )  # fmt: skip

    def _check_written(self, before: int) -> None:
        """Takes back what was written since a version if a file of it is not whole.

        Lance does not notice where the system cuts its last write of a file short. What tells
        where everything lies in a file is written last.
        """
        import lance

        table = str(self.folder / f"{TABLE}.lance")
        old = {each.fragment_id for each in lance.dataset(table, version=before).get_fragments()}
        try:
            for each in self._dataset().get_fragments():
                if each.fragment_id not in old:
                    each.scanner(columns=["key"], limit=1).to_table()
        except (OSError, ValueError, RuntimeError) as error:
            self._table().restore(before)
            raise OSError(
                errno.ENOSPC, "a file was not written whole, nothing of this was stored",
                str(self.folder),
            ) from error  # fmt: skip

    def _finish_removal(self) -> None:
        with self._locks.alone(), self._plain_errors(), self._removal_without_room():
            if (self.folder / PENDING).exists():
                self._drop_index()
                self._clean()
                (self.folder / PENDING).unlink()

    def _finish_if_there_is_room(self) -> None:
        """A full disk must not keep anybody from searching."""
        try:
            self._finish_removal()
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            warnings.warn(f"{error.filename}: {error.strerror}", stacklevel=4)

    @contextlib.contextmanager
    def _removal_without_room(self) -> Iterator[None]:
        try:
            with self._plain_errors():
                yield
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise OSError(
                errno.ENOSPC,
                "the disk is full: what was removed is found no more, but its embeddings are still "
                "in files; make room and open the gallery again",
                str(self.folder),
            ) from error

    def _drop_index(self) -> None:
        table = self._table()
        for each in table.list_indices():
            table.drop_index(each.name)

    def _clean(self) -> None:
        from lance.optimize import Compaction

        # What writers that died left may be what fills the disk.
        self._forget_versions()
        table = self.folder / f"{TABLE}.lance"
        size = sum(file.stat().st_size for file in table.rglob("*") if file.is_file())
        free = shutil.disk_usage(self.folder).free
        rows = PART_ROWS
        if free < size + _SPARE:
            # New files stand beside the old ones until these are deleted: a few at a time, then.
            each = size // max(1, int(self._dataset().count_rows()))
            rows = min(PART_ROWS, max(_FEWEST_ROWS, free // 4 // max(1, each)))
        # LanceDB's own `optimize` leaves deleted rows in files that have few of them.
        options: Any = {
            "target_rows_per_fragment": rows,
            "materialize_deletions": True,
            "materialize_deletions_threshold": 0.0,
        }
        while tasks := Compaction.plan(self._dataset(), options).tasks:
            dataset = self._dataset()
            before = int(dataset.version)
            some = tasks if rows == PART_ROWS else tasks[:1]
            Compaction.commit(dataset, [task.execute(dataset) for task in some])
            # Before the files that they were made of are deleted.
            self._check_written(before)
            self._forget_versions()
            if rows == PART_ROWS:
                break

    def _forget_versions(self) -> None:
        # Unverified files are those of writers that died: nobody else is here now.
        self._dataset().cleanup_old_versions(older_than=timedelta(0), delete_unverified=True)

    def _database(self) -> Any:
        import lancedb

        return lancedb.connect(str(self.folder), read_consistency_interval=timedelta(0))

    def _table(self) -> Any:
        return self._database().open_table(TABLE)

    def _dataset(self) -> Any:
        import lance

        return lance.dataset(str(self.folder / f"{TABLE}.lance"))

    def _plain_errors(self) -> contextlib.AbstractContextManager[None]:
        return plain_errors(f"{self.folder}: the gallery's files are damaged or gone")


def _own_distance(rows: pa.Table, columns: list[str], metric: str) -> pa.Table:
    import pyarrow as pa

    distance = rows.column("_distance").to_numpy().astype(np.float32)
    if metric == "euclidean":
        distance = np.sqrt(np.maximum(distance, 0))
    return rows.select(columns).append_column("distance", pa.array(distance, pa.float32()))
