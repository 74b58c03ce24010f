"""Galleries as Parquet files: export, import, and backups that know whether they are whole."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from passerby.embedding.shards import FINGERPRINT, METRIC, check_columns, open_parquet
from passerby.files import atomic, make_folder, write_text
from passerby.gallery.entries import (
    DETAILS,
    NEVER,
    NO_TIME,
    UNKNOWN,
    checksums,
    embeddings_of,
    schema,
)  # fmt: skip
from passerby.gallery.settings import GallerySettings, Space
from passerby.parsing import parse_json
from passerby.types import InputError

if TYPE_CHECKING:
    import pyarrow as pa

FILE_ROWS = 100_000
"""Rows of one exported file."""

BACKUP = "backup.json"
"""Written last: a folder without it is no whole backup."""

_ABSENT = {
    "timestamp": NO_TIME, "expires": NEVER,
    **dict.fromkeys(("person", "camera", "track_id", "content"), UNKNOWN),
}  # fmt: skip


@dataclass(frozen=True)
class Exported:
    """What was written."""

    files: tuple[Path, ...]
    """The Parquet files."""
    rows: int
    """Entries in all."""


def check_target(folder: Path, place: str) -> None:
    """Refuses to write entries where a removal would leave them behind, within the gallery.

    Raises:
        InputError: the folder is the gallery's or lies in it, or is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file: entries are written to a folder")
    if "://" not in place and folder.resolve().is_relative_to(Path(place).resolve()):
        raise InputError(f"{folder}: lies in the gallery: take a folder outside of it")


def export_rows(batches: Iterable[pa.RecordBatch], folder: Path, space: Space) -> Exported:
    """Writes `entries-00000.parquet` ...: the columns of embeddings' shards and a gallery's own.

    Unknown values are null.

    Raises:
        InputError: the folder has such files already.
        OSError: from the operating system.
    """
    import pyarrow as pa
    import pyarrow.parquet

    if any(folder.glob("entries-*.parquet")):
        raise InputError(f"{folder}: contains exported entries already; choose another folder")
    make_folder(folder, private=True)
    metadata = {FINGERPRINT: space.fingerprint, METRIC: space.metric}
    files: list[Path] = []
    total = 0
    for table in _of_size(batches, FILE_ROWS):
        file = folder / f"entries-{len(files):05d}.parquet"
        with atomic(file, private=True) as temporary:
            shown = _with_nulls(table).replace_schema_metadata(metadata)
            pa.parquet.write_table(shown, temporary, row_group_size=2**14)
        files.append(file)
        total += table.num_rows
    return Exported(tuple(files), total)


def parquet_files(paths: Sequence[Path]) -> list[Path]:
    """The Parquet files among paths, those in folders included.

    Raises:
        InputError: a path that does not exist, or none in all.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise InputError(f"{path}: no such file or folder")
        found += sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    if not found:
        raise InputError(f"no .parquet file in {', '.join(map(str, paths))}")
    return found


def space_of_file(file: Path) -> Space | None:
    """Fingerprint and metric that a Parquet file states; None: it states none.

    Raises:
        InputError: no readable Parquet file.
    """
    with open_parquet(file) as opened:
        metadata = opened.schema_arrow.metadata or {}
    if FINGERPRINT not in metadata:
        return None
    metric = metadata.get(METRIC, b"euclidean").decode()
    return Space(metadata[FINGERPRINT].decode(), metric)


def read_batches(file: Path, rows: int = 2**14) -> Iterator[pa.Table]:
    """The rows of an exported file or of embeddings' shards; unknown values as a gallery has them.

    Columns `embedding` and `file_name` must be there, others may.

    Raises:
        InputError: not readable, of format 1, or a column is missing or of another type.
    """
    import pyarrow as pa

    opened = open_parquet(file)
    names = opened.schema_arrow.names
    check_columns(names, file)
    for name in ("embedding", "file_name"):
        if name not in names:
            raise InputError(f"{file}: needs the columns file_name and embedding; it has {names}")
    wanted = [name for name in (*DETAILS, "embedding") if name in names]
    try:
        for batch in opened.iter_batches(rows, columns=wanted):
            yield _without_nulls(_typed(pa.Table.from_batches([batch]), file), file)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{file}: damaged: {str(error).splitlines()[0]}") from None


def write_backup_note(folder: Path, settings: GallerySettings, exported: Exported) -> None:
    """Writes what makes the exported files of a folder a backup."""
    files = {file.name: file_digest(file) for file in exported.files}
    note = {"gallery": settings.plain(), "rows": exported.rows, "files": files}
    write_text(folder / BACKUP, json.dumps(note, indent=1) + "\n", private=True)


def read_backup(folder: Path) -> tuple[GallerySettings, list[Path], int]:
    """Settings, files and number of entries of a backup, after checking that every byte is there.

    Raises:
        InputError: no backup, or one that is not whole.
    """
    if not (folder / BACKUP).is_file():
        raise InputError(f"{folder}: not a complete backup: {BACKUP} is missing")
    try:
        note: dict[str, Any] = parse_json((folder / BACKUP).read_text(encoding="utf-8"))
        settings = GallerySettings.read(note["gallery"], str(folder))
        digests, rows = dict(note["files"]), int(note["rows"])
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{folder / BACKUP}: damaged: {error}") from error
    for name, digest in digests.items():
        file = folder / name
        if not re.fullmatch(r"entries-\d+\.parquet", name) or not file.is_file():
            raise InputError(f"{folder}: {name} is missing in the backup")
        if file_digest(file) != digest:
            raise InputError(f"{file}: damaged: wrong checksum")
    return settings, [folder / name for name in sorted(digests)], rows


def damaged_keys(batch: pa.RecordBatch) -> list[str]:
    """Keys of rows whose embedding is not the one that was added, or that lack a column."""
    lacking = np.zeros(batch.num_rows, bool)
    for column in batch.columns:
        lacking |= column.is_null().to_numpy(zero_copy_only=False)
    now = np.array(checksums(embeddings_of(batch)), np.int64)
    kept = batch.column("checksum").fill_null(-1).to_numpy()
    keys = batch.column("key")
    return [str(keys[int(row)].as_py()) for row in np.flatnonzero(lacking | (now != kept))]


def file_digest(file: Path) -> str:
    """SHA-256 of a file's bytes."""
    import hashlib

    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _of_size(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.Table]:
    import pyarrow as pa

    kept: list[pa.RecordBatch] = []
    for batch in batches:
        kept.append(batch)
        if sum(each.num_rows for each in kept) >= rows:
            yield pa.Table.from_batches(kept)
            kept = []
    if kept:
        yield pa.Table.from_batches(kept)


def _with_nulls(rows: pa.Table) -> pa.Table:
    import pyarrow.compute as pc

    for name, absent in _ABSENT.items():
        place, column = rows.column_names.index(name), rows.column(name)
        shown = pc.if_else(pc.equal(column, absent), None, column)
        rows = rows.set_column(place, name, shown)
    return rows


def _typed(rows: pa.Table, file: Path) -> pa.Table:
    """The columns in a gallery's own types; a number is not taken for a text, nor a text for one.

    Raises:
        InputError: a column that holds something else.
    """
    import pyarrow as pa

    kind = rows.column("embedding").type
    lists = pa.types.is_fixed_size_list(kind) and pa.types.is_floating(kind.value_type)
    if not lists or rows.column("embedding").null_count:
        raise InputError(
            f"{file}: the column embedding must be lists of one fixed size of floating-point "
            f"numbers: it is {kind}"
        )
    for place, field in enumerate(rows.schema):
        wanted = schema(kind.list_size).field(field.name).type
        if pa.types.is_null(field.type):
            fits = field.name in _ABSENT
        elif pa.types.is_string(wanted):
            fits = pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
        elif pa.types.is_integer(wanted):
            fits = pa.types.is_integer(field.type)
        else:
            numbers = pa.types.is_floating(field.type) or pa.types.is_integer(field.type)
            fits = numbers or pa.types.is_fixed_size_list(wanted)
        if not fits:
            raise InputError(
                f"{file}: the column {field.name} must be of type {wanted}: it is {field.type}"
            )
        rows = rows.set_column(place, field.name, rows.column(field.name).cast(wanted))
    return rows


def _without_nulls(rows: pa.Table, file: Path) -> pa.Table:
    import pyarrow.compute as pc

    for name, absent in _ABSENT.items():
        if name in rows.column_names:
            place, column = rows.column_names.index(name), rows.column(name)
            rows = rows.set_column(place, name, pc.fill_null(column, absent))
    return rows
