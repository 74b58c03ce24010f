"""Entries in a folder, kept by Lance: no server, several processes at once."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from passerby.files import make_folder, make_private, write_text
from passerby.gallery.engine_errors import plain_errors
from passerby.gallery.entries import schema
from passerby.gallery.filters import Condition, quoted, sql
from passerby.gallery.locks import NAMES, FolderLocks
from passerby.gallery.nearby import by_distance, nearest_of_batches, shown_columns
from passerby.gallery.spare import LEAST, Spare
from passerby.gallery.store import Parts, Settings
from passerby.gallery.unfinished import Mark, leftovers
from passerby.parsing import parse_json
from passerby.types import InputError

if TYPE_CHECKING:
    import pyarrow as pa

TABLE = "entries-2"
"""Of this format: rows of another stand beside it while they are written anew."""
OLD_TABLE, OLD_PENDING = "entries", "removal-pending"
SETTINGS = "gallery.json"
UNFINISHED, SPARE = "unfinished", "spare"
"""The mark that files are changing (`passerby.gallery.unfinished`), and what is kept back."""

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
        InputError: Lance is not installed; the folder holds something else.
    """

    def __init__(self, folder: Path) -> None:
        try:
            import lance  # noqa: F401
        except ImportError as error:
            raise InputError(
                "a gallery in a folder needs Lance: pip install 'passerby[gallery]'"
            ) from error
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder}: a gallery must be a folder, not a file")
        if folder.is_dir() and any(folder.iterdir()) and not (folder / SETTINGS).is_file():
            names = {each.name for each in folder.iterdir()}
            if not names <= NAMES and UNFINISHED not in names:
                raise InputError(f"{folder}: not a gallery: {SETTINGS} is missing")
        if (folder / SETTINGS).exists() and folder.stat().st_mode & 0o077:
            make_private(folder)  # made by an earlier version
        self.folder = folder
        self._versions = folder / f"{TABLE}.lance" / "_versions"
        self._locks = FolderLocks(folder)
        self._mark = Mark(folder / UNFINISHED)
        self._spare = Spare(folder / SPARE)
        if (folder / f"{TABLE}.lance").exists() and self._is_new():
            self.forget_old()
        if self._mark.there and self._is_new() and not self._locks.somebody_writes():
            self._tidy_if_it_can_be_done()

    def settings(self) -> Settings | None:
        """See `Store`."""
        try:
            text = (self.folder / SETTINGS).read_text(encoding="utf-8")
            found: Settings = parse_json(text)
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise InputError(f"{self.folder / SETTINGS}: damaged: {error}") from error
        return found

    def change_settings(self, change: Callable[[Settings | None], Settings]) -> Settings:
        """See `Store`."""
        make_folder(self.folder, private=True)
        with self._changing("the settings were not changed"):
            before = self.settings()
            after = change(before)
            if before is None:
                self._make_table(schema(after["width"]))
            text = json.dumps(after, indent=1) + "\n"
            write_text(self.folder / SETTINGS, text, private=True)
        return after

    def add(self, rows: pa.Table) -> int:
        """See `Store`."""

        def write(table: Any) -> None:
            table.merge_insert("key").when_not_matched_insert_all().execute(rows)

        with self._changing("nothing of this batch was stored"):
            self._check_room(rows.nbytes)
            before = int(self._dataset().count_rows())
            self._committed(write)
            added = int(self._dataset().count_rows()) - before
            crowded = len(self._dataset().get_fragments()) > MOST_PARTS
        if crowded:
            self._join()
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
        where = sql(conditions) or "true"
        with self._changing("nothing was changed"):
            # Counted before: an engine that failed after it had changed them cannot say.
            rows = int(self._dataset().count_rows(where))
            self._committed(lambda table: table.update({column: quoted(value)}, where))
        return rows

    def remove(self, conditions: Sequence[Condition]) -> int:
        """See `Store`; when it returns, the embeddings' bytes are in no file of the folder."""
        where = sql(conditions) or "true"
        with self._locks.alone():
            with self._plain_errors("nothing was removed"):
                rows = int(self._dataset().count_rows(where))
                if rows == 0 and not self._mark.there:
                    return 0
                self._spare.give()
                self._mark.lay(None)
                if rows:
                    self._committed(lambda table: table.delete(where))
            with self._still_in_files("removed"):
                self._drop_index()  # it may hold copies of embeddings
                self._clean()
            with contextlib.suppress(OSError):
                self._mark.take()
            self._keep_spare()
        return rows

    def upgrade(self, settings: Settings, convert: Callable[[pa.Table], pa.Table]) -> int:
        """See `Store`: the new settings are what makes the new table the gallery's."""
        import lance
        import pyarrow as pa

        old, new = (self.folder / f"{name}.lance" for name in (OLD_TABLE, TABLE))
        with self._locks.alone(), self._plain_errors("nothing was changed"):
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
                raise InputError(f"{self.folder}: {read} of {rows} entries were rewritten")
            text = json.dumps(settings, indent=1) + "\n"
            write_text(self.folder / SETTINGS, text, private=True)
            # What cannot be deleted now is by the next opening.
            shutil.rmtree(old, ignore_errors=True)
            (self.folder / OLD_PENDING).unlink(missing_ok=True)
            make_private(self.folder)
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

        def write(table: Any) -> None:
            table.create_index(
                "embedding",
                "IVF_SQ",
                metric=kind,
                num_partitions=max(1, int(table.count_rows()) // _PARTITION_ROWS),
                replace=True,
            )

        with self._changing("no index was made"):
            self._committed(write)

    def has_index(self) -> bool:
        """See `Store`."""
        with self._locks.shared(), self._plain_errors():
            return bool(self._dataset().describe_indices())

    def naming(self) -> AbstractContextManager[None]:
        """See `Store`."""
        return self._locks.naming()

    def reading(self) -> AbstractContextManager[None]:
        """See `Store`."""
        return self._locks.shared()

    def stamp(self) -> object:
        """See `Store`: each version of the table has a file of its own, whose name tells it."""
        try:
            with os.scandir(self._versions) as files:
                return frozenset((file.name, file.inode()) for file in files)
        except FileNotFoundError:
            return None

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
        sizes = []
        for each in self.folder.rglob("*"):
            # Others may be writing: what is gone meanwhile is no part of it.
            with contextlib.suppress(FileNotFoundError):
                if each.is_file():
                    sizes.append(each.stat().st_size)
        kept = self._spare.size
        return {
            "engine": "Lance",
            "place": str(self.folder),
            "bytes": sum(sizes) - kept,
            "kept_back_bytes": kept,
            "files": len(sizes),
            "removal_pending": self._mark.there and not self._locks.somebody_writes(),
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
            dataset = self._dataset()
            probes = max(8, int(dataset.count_rows()) // _PARTITION_ROWS // 8)
            for row in query:
                nearest = {
                    "column": "embedding", "q": row, "k": k, "metric": kind,
                    "nprobes": probes, "refine_factor": 4,
                }  # fmt: skip
                found.append(
                    dataset.to_table(
                        columns=[*columns, "_distance"],
                        filter=sql(conditions),
                        nearest=nearest,
                        prefilter=True,
                    )
                )
        return [by_distance(_own_distance(each, columns, metric)) for each in found]

    @contextlib.contextmanager
    def _changing(self, undone: str) -> Iterator[None]:
        """One writer at a time; what is left where it fails or dies is cleared away."""
        try:
            with self._locks.writing():
                with self._plain_errors(undone):
                    left = self._mark.lay(self._version())
                    yield
                # What is made is made: the next opening ends what cannot be ended now.
                with contextlib.suppress(OSError):
                    make_private(self.folder)
                    self._keep_spare()
                    if not left:
                        self._mark.take()
        except BaseException:
            with contextlib.suppress(OSError, InputError):
                self._tidy()
            raise
        if left:
            self._tidy_if_it_can_be_done()

    def _committed(self, write: Callable[[Any], object]) -> None:
        """Makes a change of the table; one that was made before something failed counts as made.

        Raises:
            OSError: a file was not written whole; the table is as it was before.
        """
        before = self._version()
        assert before is not None
        try:
            write(self._dataset())
        except Exception:
            if self._version() == before:
                raise
        self._check_written(before)

    def _version(self) -> int | None:
        """Of the table; None: there is none yet."""
        if not (self.folder / f"{TABLE}.lance").exists():
            return None
        return int(self._dataset().version)

    def _check_room(self, needed: int) -> None:
        free = shutil.disk_usage(self.folder).free
        wanted = (
            2 * needed + _SPARE + max(0, max(needed, self._greatest()) + LEAST - self._spare.size)
        )
        if free < wanted:
            raise OSError(
                errno.ENOSPC, f"{free:,} bytes are free, {wanted:,} needed", str(self.folder)
            )  # fmt: skip

    def _keep_spare(self) -> None:
        # Where there is no room for it, the next one who finds some keeps it back.
        with contextlib.suppress(OSError):
            self._spare.keep(self._greatest() + LEAST)

    def _greatest(self) -> int:
        files = (self.folder / f"{TABLE}.lance" / "data").glob("*")
        return max((file.stat().st_size for file in files), default=0)

    def _check_written(self, before: int) -> None:
        """Takes back what was written since a version if a file of it is not whole.

        Lance does not notice where the system cuts its last write of a file short. What tells
        where everything lies in a file is written last.
        """
        import lance

        table = str(self.folder / f"{TABLE}.lance")
        old = {
            (each.fragment_id, each.deletion_file())
            for each in lance.dataset(table, version=before).get_fragments()
        }
        try:
            for each in self._dataset().get_fragments():
                if (each.fragment_id, each.deletion_file()) not in old:
                    each.scanner(columns=["key"], limit=1).to_table()
        except (OSError, ValueError, RuntimeError) as error:
            whole: Any = lance.dataset(table, version=before)
            whole.restore()
            raise OSError(
                errno.ENOSPC, "the disk is full: a file was not written whole", str(self.folder)
            ) from error

    def _tidy(self) -> None:
        """Ends what a process that died, or a full disk, left unfinished."""
        with self._locks.alone(), self._plain_errors():
            if not self._mark.there:
                return
            if not (self.folder / SETTINGS).exists():
                self._clear()
                return
            before = self._mark.version
            self._spare.give()
            with self._still_in_files("removed" if before is None else "half stored"):
                if before is None:
                    self._drop_index()
                    self._clean()
                else:
                    if before in {each["version"] for each in self._dataset().versions()}:
                        self._check_written(before)
                    self._forget_versions()
                    make_private(self.folder)
                self._mark.take()
            self._keep_spare()

    def _join(self) -> None:
        """Joins small files; where there is no room for that they stay as they are."""
        with contextlib.suppress(OSError), self._locks.alone(), self._plain_errors():
            left = self._mark.lay(self._version())
            self._clean()
            if not left:
                self._mark.take()

    def _clear(self) -> None:
        """Takes away a gallery whose making was interrupted: nothing was ever stored in it."""
        shutil.rmtree(self.folder / f"{TABLE}.lance", ignore_errors=True)
        for half in self.folder.glob(f".{SETTINGS}.*"):
            half.unlink()
        self._mark.take()

    def _tidy_if_it_can_be_done(self) -> None:
        """Neither a full disk nor somebody who reads on and on keeps anybody from searching."""
        try:
            self._tidy()
        except OSError as error:
            warnings.warn(
                f"{error.filename or self.folder}: {error.strerror or error}", stacklevel=4
            )

    @contextlib.contextmanager
    def _still_in_files(self, what: str) -> Iterator[None]:
        try:
            with self._plain_errors():
                yield
        except OSError as error:
            if error.errno is None:
                raise
            raise OSError(
                error.errno,
                f"{os.strerror(error.errno)}: what was {what} is found no more, but its "
                "embeddings are still in files; make room and open the gallery again",
                str(self.folder),
            ) from error

    def _drop_index(self) -> None:
        dataset = self._dataset()
        for each in dataset.describe_indices():
            dataset.drop_index(each.name)

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
        # The default threshold leaves deleted rows in files that have few of them.
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
        left = [each for each in self._dataset().get_fragments() if each.metadata.deletion_file]
        if left:
            raise OSError(errno.EIO, f"{len(left)} files still hold removed rows", str(self.folder))
        make_private(self.folder)

    def _forget_versions(self) -> None:
        """Deletes all that the table as it stands does not need; nobody else is here now."""
        self._dataset().cleanup_old_versions(older_than=timedelta(0), delete_unverified=True)
        dataset = self._dataset()
        used = set()
        for each in dataset.get_fragments():
            used |= {f"data/{file.path}" for file in each.data_files()}
            if each.metadata.deletion_file:
                used.add(each.metadata.deletion_file.path(each.fragment_id))
        indices = {
            str(segment.uuid) for index in dataset.describe_indices() for segment in index.segments
        }
        for file in leftovers(self.folder / f"{TABLE}.lance", used, indices):
            file.unlink()
        for half in self.folder.glob(f".{SETTINGS}.*"):
            half.unlink()

    def _make_table(self, wanted: pa.Schema) -> None:
        import lance

        table = self.folder / f"{TABLE}.lance"
        if not table.exists():
            lance.write_dataset(wanted.empty_table(), str(table), mode="create")

    def _dataset(self) -> Any:
        import lance

        return lance.dataset(str(self.folder / f"{TABLE}.lance"))

    def _plain_errors(self, undone: str = "") -> contextlib.AbstractContextManager[None]:
        return plain_errors(f"{self.folder}: the gallery's files are damaged or gone", undone)


def _own_distance(rows: pa.Table, columns: list[str], metric: str) -> pa.Table:
    import pyarrow as pa

    distance = rows.column("_distance").to_numpy().astype(np.float32)
    if metric == "euclidean":
        distance = np.sqrt(np.maximum(distance, 0))
    return rows.select(columns).append_column("distance", pa.array(distance, pa.float32()))
