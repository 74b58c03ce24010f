"""Galleries and files of format 1, which has numbers for people and cameras, to format 2."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from passerby.embedding.shards import FORMAT, OLD_COLUMNS, PLAN, open_parquet, written_together
from passerby.files import make_private, write_text
from passerby.gallery.audit import AuditLog
from passerby.gallery.engines import audit_file, open_store
from passerby.gallery.entries import UNKNOWN, content_of
from passerby.gallery.lance_store import SETTINGS
from passerby.gallery.settings import GallerySettings, sealed
from passerby.gallery.transfer import BACKUP, file_digest, parquet_files
from passerby.parsing import parse_json
from passerby.types import InputError

if TYPE_CHECKING:
    import pyarrow as pa

Names = Mapping[str, Mapping[str, str]]
"""By old column: the name behind each number, where one is known."""

Convert = Callable[["pa.Table"], "pa.Table"]


@dataclass(frozen=True)
class Upgraded:
    """What was brought over."""

    rows: int
    """Entries or embeddings."""
    files: int
    """Parquet files; 0: a gallery."""


def upgrade(
    place: str | Path,
    *,
    root: Path | None = None,
    token: str | None = None,
    audit: str | Path | None = None,
    who: str | None = None,
    now: float,
) -> Upgraded:
    """Brings a gallery, a backup, exported entries or embeddings' shards to format 2.

    Numbers become the text that they are written as (`4`); in shards, the names that they stood
    for, where those were kept. All is written beside what is there, which stays as it is until the
    new is whole; after an interruption call it again.

    Args:
        place: a gallery (`Gallery.open`), a folder of Parquet files, or one such file.
        root: of a gallery: where its pictures lie, so that searches know them again.
        token: of a Milvus server.
        audit: the gallery's audit log, as `Gallery.open`.
        who: stands in it.
        now: seconds since 1970 in UTC.

    Raises:
        InputError: nothing of format 1 is there, or it is damaged.
        OSError: from the operating system, e.g. when the disk is full; nothing is changed then.
    """
    path = Path(place)
    server = "://" in str(place) or str(place).endswith(".db")
    if server or (path / SETTINGS).is_file():
        rows = _gallery(place, root, token)
        AuditLog(audit_file(place, audit), who).write("upgrade", now, entries=rows, format=FORMAT)
        return Upgraded(rows, 0)
    return _files(path)


def named(rows: pa.Table, names: Names, contents: Callable[[pa.Table], list[str]]) -> pa.Table:
    """Rows of format 1 with names in place of numbers; null and -1 stay what they are: unknown."""
    import pyarrow as pa

    for old, new in OLD_COLUMNS.items():
        if old not in rows.column_names:
            continue
        known = names.get(old, {})
        numbers = rows.column(old).to_pylist()
        texts = [None if n in (None, -1) else known.get(str(n), str(n)) for n in numbers]
        place = rows.column_names.index(old)
        rows = rows.set_column(place, new, pa.array(texts, pa.string()))
    if "checksum" in rows.column_names:
        rows = rows.append_column("content", pa.array(contents(rows), pa.string()))
    return rows


def _gallery(place: str | Path, root: Path | None, token: str | None) -> int:
    store = open_store(place, token)
    try:
        settings = store.settings()
        if settings is None:
            raise InputError(f"{place}: no gallery here")
        if settings.get("format") == FORMAT:
            store.forget_old()
            raise InputError(f"{place}: already has format {FORMAT}")
        if settings.get("format") != 1:
            raise InputError(f"{place}: unknown format: cannot be upgraded")

        def convert(rows: pa.Table) -> pa.Table:
            import pyarrow.compute as pc

            found = named(rows, {}, lambda table: _contents(table, root))
            for name in OLD_COLUMNS.values():
                column = pc.fill_null(found.column(name), UNKNOWN)
                found = found.set_column(found.column_names.index(name), name, column)
            return found

        new = sealed({**settings, "format": FORMAT})
        GallerySettings.read(new, str(place))  # before anything is written
        return store.upgrade(new, convert)
    finally:
        store.close()


def _contents(rows: pa.Table, root: Path | None) -> list[str]:
    if root is None:
        return [UNKNOWN] * rows.num_rows
    read = lru_cache(1)(Path.read_bytes)
    found = []
    for row in rows.select(["file_name", "x", "y", "width", "height"]).to_pylist():
        file = root / row["file_name"]
        box = (row["x"], row["y"], row["width"], row["height"]) if row["width"] else None
        there = bool(row["file_name"]) and file.is_file()
        found.append(content_of(read(file), box) if there else UNKNOWN)
    return found


def _files(place: Path) -> Upgraded:
    """All new files are written before the first takes the place of an old one."""
    import pyarrow.parquet

    place = written_together(place)
    files = parquet_files([place])
    folder = place if place.is_dir() else place.parent
    old = [file for file in files if _is_old(file)]
    note, plan = folder / BACKUP, folder / PLAN
    if not old and not (_format_of(note) == 1 or _format_of(plan) == 1):
        raise InputError(f"{place}: already has format {FORMAT}, or holds no people or cameras")
    names = _names_kept(plan)
    room = Path(tempfile.mkdtemp(prefix=".upgrade-", dir=folder))
    try:
        rows = 0
        for file in old:
            # The file alone: of a folder pyarrow would read all.
            with open_parquet(file) as opened:
                table = opened.read()
            rows += table.num_rows
            made = named(table, names, lambda table: [UNKNOWN] * table.num_rows)
            pyarrow.parquet.write_table(
                made.replace_schema_metadata(table.schema.metadata), room / file.name,
                row_group_size=2**14,
            )  # fmt: skip
        make_private(room)
        notes = _new_notes(note, plan, room)
        for file in old:
            (room / file.name).replace(file)
        for target, text in notes.items():
            write_text(target, text, private=True)
    finally:
        shutil.rmtree(room, ignore_errors=True)
    return Upgraded(rows, len(old))


def _new_notes(note: Path, plan: Path, room: Path) -> dict[Path, str]:
    """What the files that describe a folder say of the new files, written after them."""
    found = {}
    if note.is_file():
        kept = parse_json(note.read_text(encoding="utf-8"))
        kept["gallery"] = sealed({**kept["gallery"], "format": FORMAT})
        for name in kept["files"]:
            new = room / name if (room / name).is_file() else note.parent / name
            kept["files"][name] = file_digest(new)
        found[note] = json.dumps(kept, indent=1) + "\n"
    if plan.is_file():
        kept = parse_json(plan.read_text(encoding="utf-8"))
        kept["format"] = FORMAT
        # The list is that of format 1: what is not finished starts anew, in another folder.
        kept = {key: value for key, value in kept.items() if not key.endswith("_names")}
        found[plan] = json.dumps(kept, indent=2) + "\n"
    return found


def _is_old(file: Path) -> bool:
    with open_parquet(file) as opened:
        return bool(set(OLD_COLUMNS) & set(opened.schema_arrow.names))


def _format_of(file: Path) -> int | None:
    if not file.is_file():
        return None
    kept: Any = parse_json(file.read_text(encoding="utf-8"))
    found = kept.get("gallery", kept).get("format")
    return found if isinstance(found, int) else None


def _names_kept(plan: Path) -> Names:
    if not plan.is_file():
        return {}
    kept = parse_json(plan.read_text(encoding="utf-8"))
    return {old: kept.get(f"{new}_names", {}) for old, new in OLD_COLUMNS.items()}
