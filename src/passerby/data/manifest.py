"""One's own pictures, listed in a CSV or Parquet file: the manifest.

Columns: `file_name`, `person_id`, `camera_id` and either `split` (train, query, gallery) or
`is_query` and `is_gallery`; where there are any `timestamp`, `x`, `y`, `width`, `height` (a box in
pixels of the file, cut out on load) and `track_id`. `passerby.data.tables.ALIASES` lists the other
names that are understood.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NoReturn

from passerby.data.labels import names_of, numbered
from passerby.data.tables import ALIASES, Table, read_table
from passerby.types import JUNK_ID, InputError, Sample, Split

_REQUIRED = ("file_name", "person_id", "camera_id")
_BOX = ("x", "y", "width", "height")
_TRUE, _FALSE = ("true", "1", "1.0", "yes"), ("false", "0", "0.0", "no", "")
_SPLITS = {
    "train": "train", "training": "train", "query": "query", "gallery": "gallery",
    "test": "test", "val": "validation", "validation": "validation",
}  # fmt: skip


def load_manifest(file: str | Path, root: str | Path | None = None) -> Split:
    """The pictures that a manifest lists.

    `split` says train, query or gallery; test means gallery unless `is_query` / `is_gallery` of
    the row say otherwise. These two may both be true. Names of persons and cameras that are not all
    whole numbers are labelled in sorted order; person -1 is junk, and so is somebody of the gallery
    whom nobody knows (an empty value). A timestamp is a number of seconds or ISO 8601, in UTC where
    it names no zone. A box is rounded to pixels.

    Args:
        file: `.csv` or `.parquet`.
        root: folder that the file names are relative to; None: the manifest's own.

    Raises:
        InputError: a column or value is missing or wrong (names the row; the head is row 1),
            pictures listed do not exist, or a picture is listed twice for the same part.
    """
    table = read_table(file)
    root = table.file.parent if root is None else Path(root)
    _check_columns(table)
    _check_zones(table)
    people, cameras = _labels(table, "person_id"), _labels(table, "camera_id")
    named = _names(table, "person_id"), _names(table, "camera_id")
    parts: dict[str, list[Sample]] = {"train": [], "query": [], "gallery": []}
    seen: dict[tuple[str, Sample], int] = {}
    for row in range(table.rows):
        labels = people[row], cameras[row]
        sample = _sample(table, row, root, labels, (named[0][row], named[1][row]))
        for part in _parts(table, row):
            if part != "gallery" and not table.columns["person_id"][row]:
                _fail(table, row, "person_id is empty")
            if part != "gallery" and sample.person_id == JUNK_ID:
                _fail(table, row, f"person -1 is junk and cannot be in {part}")
            earlier = seen.setdefault((part, sample), row)
            if earlier != row:
                _fail(table, row, f"lists the same picture for {part} as row {earlier + 2}")
            parts[part].append(sample)
    _check_files(table, {sample.file for samples in parts.values() for sample in samples})
    train, query, gallery = (tuple(sorted(samples, key=_order)) for samples in parts.values())
    warnings = tuple(_warnings(table, train, (*query, *gallery)))
    return Split("manifest", root, train, query, gallery, warnings=warnings)


def list_pictures(file: str | Path, root: str | Path | None = None) -> tuple[Sample, ...]:
    """The pictures that a manifest lists, for embedding: only `file_name` must be there.

    Person and camera are None where there is no such column or value; there are no labels. Parts
    (`split`) do not matter, and files that do not exist are no error here.

    Args:
        file: `.csv` or `.parquet`.
        root: folder that the file names are relative to; None: the manifest's own.

    Returns:
        The pictures in the manifest's order.

    Raises:
        InputError: the column `file_name` is missing, or a value is wrong (names the row).
    """
    table = read_table(file)
    root = table.file.parent if root is None else Path(root)
    missing = [name for name in ("file_name",) if name not in table.columns]
    if set(_BOX) & set(table.columns):
        missing += [name for name in _BOX if name not in table.columns]
    if missing:
        raise InputError(f"{table.file}: the column {' and '.join(missing)} is missing")
    _check_zones(table)
    named = zip(_names(table, "person_id"), _names(table, "camera_id"), strict=True)
    return tuple(
        _sample(table, row, root, (JUNK_ID, JUNK_ID), names) for row, names in enumerate(named)
    )


def parse_time(text: str) -> float:
    """Seconds: a number as it is, ISO 8601 since 1970 (UTC where it names no zone).

    Raises:
        ValueError: neither of the two.

    >>> parse_time("12.5"), parse_time("1970-01-01T01:00:00+00:30"), parse_time("1970-01-02")
    (12.5, 1800.0, 86400.0)
    """
    try:
        seconds = float(text)
    except ValueError:
        moment = datetime.datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=datetime.UTC)
        return moment.timestamp()
    if not math.isfinite(seconds):
        raise ValueError(f"{text} is not finite")
    return seconds


def _check_zones(table: Table) -> None:
    """Refuses times without a zone beside times with one: they would be hours apart."""
    first: dict[bool, int] = {}
    for row, text in enumerate(table.columns.get("timestamp", [])):
        if not text or len(first) == 2 or text.replace(".", "", 1).isdecimal():
            continue
        try:
            zoned = datetime.datetime.fromisoformat(text).tzinfo is not None
        except ValueError:
            continue  # refused with its row
        first.setdefault(zoned, row)
    if len(first) == 2:
        _fail(
            table,
            first[False],
            f"timestamp names no zone, and that of row {first[True] + 2} does: name it in all, or "
            "in none (then all are UTC)",
        )


def _check_columns(table: Table) -> None:
    has = set(table.columns)
    missing = [name for name in _REQUIRED if name not in has]
    if "split" not in has and not {"is_query", "is_gallery"} <= has:
        missing.append("split")
    if has & set(_BOX):
        missing += [name for name in _BOX if name not in has]
    if missing:
        also = {"split": " (or is_query and is_gallery)"}
        names = [name + also.get(name, f" (or {', '.join(ALIASES[name])})") for name in missing]
        raise InputError(f"{table.file}: the column {' and '.join(names)} is missing")
    if table.rows == 0:
        raise InputError(f"{table.file}: lists no pictures")


def _labels(table: Table, column: str) -> list[int]:
    texts = table.columns[column]
    for row, text in enumerate(texts):
        if not text and column == "camera_id":
            _fail(table, row, f"{column} is empty")
    try:
        numbers = {"": JUNK_ID, **numbered(text for text in texts if text)}
    except InputError as error:
        raise InputError(f"{table.file}: {column}: {error}") from None
    if column == "camera_id":
        junk = [row for row, text in enumerate(texts) if numbers[text] == JUNK_ID]
        if junk:
            _fail(table, junk[0], f"camera_id must be at least 0; given {texts[junk[0]]}")
    return [numbers[text] for text in texts]


def _names(table: Table, column: str) -> list[str | None]:
    """None where nothing is known."""
    texts = table.columns.get(column, [""] * table.rows)
    names = names_of(text for text in texts if text)
    return [names.get(text) for text in texts]


def _sample(
    table: Table,
    row: int,
    root: Path,
    labels: tuple[int, int],
    names: tuple[str | None, str | None],
) -> Sample:
    # Manifests made on Windows part folders with a backslash.
    name = table.columns["file_name"][row].replace("\\", "/")
    if not name:
        _fail(table, row, "file_name is empty")
    file = root / name
    if file.is_relative_to(root):
        name = file.relative_to(root).as_posix()
    return Sample(
        file, name, *labels, _time(table, row), _box(table, row),
        _value(table, row, "track_id") or None, *names,
    )  # fmt: skip


def _value(table: Table, row: int, column: str) -> str:
    return table.columns[column][row] if column in table.columns else ""


def _time(table: Table, row: int) -> float | None:
    text = _value(table, row, "timestamp")
    try:
        return parse_time(text) if text else None
    except ValueError:
        _fail(table, row, f"timestamp must be seconds or ISO 8601; given {text!r}")


def _box(table: Table, row: int) -> tuple[int, int, int, int] | None:
    texts = [_value(table, row, column) for column in _BOX]
    if not any(texts):
        return None
    given = ", ".join(f"{column} {text!r}" for column, text in zip(_BOX, texts, strict=True))
    try:
        x, y, width, height = (round(float(text)) for text in texts)
    except (ValueError, OverflowError):
        _fail(table, row, f"a box must be four numbers or four empty values; given {given}")
    if width < 1 or height < 1:
        _fail(table, row, f"a box must be at least 1 x 1 pixels; given {given}")
    return x, y, width, height


def _parts(table: Table, row: int) -> list[str]:
    text = _value(table, row, "split").lower()
    if text and text not in _SPLITS:
        _fail(table, row, f"split must be train, query or gallery; given {text!r}")
    split = _SPLITS[text] if text else ""
    flags = [part for part in ("query", "gallery") if _flag(table, row, f"is_{part}")]
    if split in ("train", "query", "gallery"):
        if flags not in ([], [split]):
            _fail(table, row, f"split is {text!r}, but is_{flags[-1]} is true")
        return [split]
    if split == "test" and not flags:
        return ["gallery"]
    if not flags:
        given = f"split {text!r}" if "split" in table.columns else "is_query, is_gallery false"
        _fail(table, row, f"belongs to none of train, query and gallery ({given})")
    return flags


def _flag(table: Table, row: int, column: str) -> bool:
    text = _value(table, row, column).lower()
    if text not in _TRUE + _FALSE:
        _fail(table, row, f"{column} must be true or false; given {text!r}")
    return text in _TRUE


def _check_files(table: Table, files: Iterable[Path]) -> None:
    listed = sorted(files)
    missing = [file for file in listed if not file.is_file()]
    if missing:
        names = ", ".join(str(file) for file in missing[:3])
        raise InputError(
            f"{table.file}: {len(missing)} of {len(listed)} pictures are missing: {names}"
            + (", ..." if len(missing) > 3 else "")
        )


def _warnings(table: Table, train: Sequence[Sample], test: Sequence[Sample]) -> Iterable[str]:
    if table.unused:
        yield f"{table.file}: columns not used: {', '.join(table.unused)}"
    both = {s.person_id for s in train} & {s.person_id for s in test} - {JUNK_ID}
    if both:
        yield (
            f"{table.file}: {len(both)} people are in train and in query or gallery: "
            "scores will flatter the model"
        )


def _order(sample: Sample) -> tuple[str, tuple[int, ...], str]:
    return sample.name, sample.box or (), sample.track_id or ""


def _fail(table: Table, row: int, rule: str) -> NoReturn:
    raise InputError(f"{table.file}: row {row + 2}: {rule}")
