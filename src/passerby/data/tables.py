"""CSV and Parquet files as rows of text, and the names that people give the columns."""

from __future__ import annotations

import csv
import datetime
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from passerby.types import InputError

ALIASES = {
    "file_name": ("filename", "file", "path", "file_path", "image", "image_path", "img_path"),
    "person_id": ("person", "pid", "label", "identity", "identity_id"),
    "camera_id": ("camera", "camid", "cam_id", "cam"),
    "timestamp": ("time",),
    "split": ("subset",),
    "is_query": (),
    "is_gallery": (),
    "x": ("left",),
    "y": ("top",),
    "width": ("w",),
    "height": ("h",),
    "track_id": ("track", "tracklet", "tracklet_id"),
}
"""A manifest's columns and what else they may be called; case does not matter."""


@dataclass(frozen=True)
class Table:
    """A table of text, one sequence a column."""

    file: Path
    """Where it was read."""
    columns: dict[str, Sequence[str]]
    """By the names of `ALIASES`; an empty text is a missing value."""
    unused: tuple[str, ...]
    """Columns that have another name."""
    rows: int
    """How many, without the head; messages count the head as row 1."""


def read_table(file: str | Path) -> Table:
    """A CSV file (UTF-8; comma, semicolon or tab) or a Parquet file (`.parquet`).

    Raises:
        InputError: the file is missing, empty or broken, a row is too long or too short, or two
            columns mean the same.
    """
    file = Path(file)
    if not file.is_file():
        raise InputError(f"{file}: no such file")
    head, columns = _parquet(file) if file.suffix.lower() == ".parquet" else _csv(file)
    meanings = {other: name for name, others in ALIASES.items() for other in (name, *others)}
    known: dict[str, Sequence[str]] = {}
    origin: dict[str, str] = {}
    for title, column in zip(head, columns, strict=True):
        meaning = meanings.get(title.strip().lower())
        if meaning is None:
            continue
        if meaning in known:
            raise InputError(
                f"{file}: the columns {origin[meaning]!r} and {title!r} both mean {meaning!r}"
            )
        known[meaning], origin[meaning] = column, title
    unused = tuple(title for title in head if title not in origin.values())
    return Table(file, known, unused, len(columns[0]) if columns else 0)


def _csv(file: Path) -> tuple[list[str], list[list[str]]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            first = lines.readline()
            lines.seek(0)
            delimiter = max(",;\t", key=first.count)
            rows = list(csv.reader(lines, delimiter=delimiter, strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{file}: not a CSV file in UTF-8: {error}") from None
    if not rows:
        raise InputError(f"{file}: empty")
    head, *body = rows
    while body and not body[-1]:
        body.pop()
    for number, row in enumerate(body, 2):
        if len(row) != len(head):
            raise InputError(
                f"{file}: row {number} has {len(row)} values, the header {len(head)} columns"
            )
    return head, [[row[i].strip() for row in body] for i in range(len(head))]


def _parquet(file: Path) -> tuple[list[str], list[list[str]]]:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(file)
    except (pyarrow.ArrowException, OSError) as error:
        line = str(error).splitlines()[0]
        raise InputError(f"{file}: not a readable Parquet file: {line}") from None
    wanted = [name for name in table.column_names if _is_known(name)]
    others = [name for name in table.column_names if name not in wanted]
    columns = [[_text(value) for value in table.column(name).to_pylist()] for name in wanted]
    empty = [[""] * table.num_rows for _ in others]
    return [*wanted, *others], [*columns, *empty]


def _is_known(title: str) -> bool:
    name = title.strip().lower()
    return name in ALIASES or any(name in others for others in ALIASES.values())


def _text(value: object) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, (datetime.datetime, datetime.date)):
        return value.isoformat()
    return str(value).strip()
