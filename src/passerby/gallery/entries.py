"""What a gallery holds: the table's columns, and one row of it as people read it."""

from __future__ import annotations

import hashlib
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from passerby.embedding.shards import OLD_COLUMNS
from passerby.types import InputError, Sample

if TYPE_CHECKING:
    import pyarrow as pa

Box = tuple[int, int, int, int]

UNKNOWN = ""
"""Text that is not known (person, camera, track, content); no null is stored, not every engine has
them."""

NO_TIME = -1e18
"""Timestamp that is not known."""

NEVER = 1e18
"""Expiry of an entry that does not expire."""

TEXTS = {
    "key": 256, "file_name": 2048, "person": 256, "camera": 256, "track_id": 256, "content": 64,
}  # fmt: skip
"""Text columns and the most bytes that they take."""

WHOLE = ("x", "y", "width", "height", "checksum")
"""Columns of whole numbers."""

TIMES = ("timestamp", "seen", "added", "expires")
"""Columns of seconds since 1970 in UTC."""

DETAILS = (*TEXTS, *WHOLE, *TIMES, "fingerprint")
"""All columns but the embedding."""


@dataclass(frozen=True)
class Entry:
    """One entry of a gallery, without its embedding."""

    key: str
    """Names the entry: an entry whose key is there already is not added again."""
    person: str | None
    """Name of the identity; None: not known."""
    camera: str | None
    """Name of the camera; None: not known."""
    timestamp: float | None
    """When the picture was taken, seconds since 1970 in UTC; None: not known."""
    file_name: str
    """The picture as it was named when it was added; empty: none."""
    box: Box | None
    """x, y, width, height of the person in the picture; None: the whole picture."""
    track_id: str | None
    """Pictures of one track show one person on one path."""
    added: float
    """When the entry was added."""
    expires: float | None
    """When the entry is to be removed; searches leave it out from then on. None: never."""
    fingerprint: str
    """Of the model that made the embedding."""
    content: str | None = None
    """Digest of the picture's bytes (`content_of`); None: not known."""


def content_of(picture: bytes, box: Box | None = None) -> str:
    """Digest of a picture file's bytes, and of the box in it: the same picture has the same."""
    digest = hashlib.blake2b(picture, digest_size=16)
    digest.update(repr(box and tuple(box)).encode())
    return digest.hexdigest()


def key_of(sample: Sample) -> str:
    """The key of a data set's picture: its name, and its box where it has one."""
    box = "" if sample.box is None else "#" + ",".join(map(str, sample.box))
    return key_of_name(sample.name + box)


def key_of_name(name: str) -> str:
    """The name itself, or its digest where it is too long for a key."""
    if len(name.encode()) <= TEXTS["key"]:
        return name
    return hashlib.blake2b(name.encode(), digest_size=32).hexdigest()


def schema(width: int) -> pa.Schema:
    """The table's columns for embeddings of `width` numbers."""
    import pyarrow as pa

    return pa.schema(
        [
            *((name, pa.string()) for name in TEXTS),
            *((name, pa.int64()) for name in WHOLE),
            *((name, pa.float64()) for name in TIMES),
            ("fingerprint", pa.string()),
            ("embedding", pa.list_(pa.float32(), width)),
        ]
    )


def old_schema(width: int) -> pa.Schema:
    """The columns of format 1: numbers for people and cameras, and no digest of the picture."""
    import pyarrow as pa

    numbers = {new: old for old, new in OLD_COLUMNS.items()}
    return pa.schema(
        [
            pa.field(numbers[field.name], pa.int64()) if field.name in numbers else field
            for field in schema(width)
            if field.name != "content"
        ]
    )


def make_rows(embeddings: NDArray[np.float32], columns: dict[str, Any]) -> pa.Table:
    """A table from embeddings (N, D) and all other columns but `checksum`, N values each."""
    import pyarrow as pa

    embeddings = np.ascontiguousarray(embeddings, np.float32)
    width = embeddings.shape[1]
    arrays = dict(columns)
    arrays["checksum"] = checksums(embeddings)
    arrays["embedding"] = pa.FixedSizeListArray.from_arrays(pa.array(embeddings.ravel()), width)
    wanted = schema(width)
    return pa.table({name: arrays[name] for name in wanted.names}, schema=wanted)


def embeddings_of(rows: pa.Table | pa.RecordBatch) -> NDArray[np.float32]:
    """(N, D) embeddings of a table, without a copy where its memory allows it."""
    column = rows.column("embedding")
    width = column.type.list_size
    chunks = getattr(column, "chunks", [column])
    parts = [chunk.flatten().to_numpy(zero_copy_only=True).reshape(-1, width) for chunk in chunks]
    if len(parts) == 1:
        return np.asarray(parts[0])
    return np.concatenate(parts) if parts else np.empty((0, width), np.float32)


def checksums(embeddings: NDArray[np.float32]) -> list[int]:
    """CRC-32 of each row's bytes: shows whether a stored embedding is still what was added."""
    return [zlib.crc32(row) for row in embeddings]


def to_entries(rows: pa.Table | pa.RecordBatch) -> list[Entry]:
    """The rows as entries."""
    columns = [rows.column(name).to_pylist() for name in DETAILS]
    found = []
    for values in zip(*columns, strict=True):
        row = dict(zip(DETAILS, values, strict=True))
        found.append(
            Entry(
                key=row["key"],
                person=row["person"] or None,
                camera=row["camera"] or None,
                timestamp=None if row["timestamp"] == NO_TIME else row["timestamp"],
                file_name=row["file_name"],
                box=(row["x"], row["y"], row["width"], row["height"]) if row["width"] else None,
                track_id=row["track_id"] or None,
                added=row["added"],
                expires=None if row["expires"] == NEVER else row["expires"],
                fingerprint=row["fingerprint"],
                content=row["content"] or None,
            )
        )
    return found


def check_texts(name: str, values: Sequence[str]) -> list[str]:
    """Refuses texts that are too long for their column, or that no file can hold."""
    for value in values:
        if not isinstance(value, str) or len(value.encode("utf-8", "replace")) > TEXTS[name]:
            raise InputError(
                f"a {name} of a gallery must be a text of at most {TEXTS[name]} bytes: "
                f"given {str(value)[:80]!r}"
            )
        if any("\ud800" <= letter <= "\udfff" or letter == "\0" for letter in value):
            raise InputError(f"a {name} of a gallery contains invalid characters: {value[:80]!r}")
    return list(values)


def check_name(kind: str, value: str) -> str:
    """A name of a person, camera or track.

    Raises:
        InputError: no text, empty, too long, with blanks at an end, or with letters that cannot be
            shown.
    """
    fits = isinstance(value, str) and value == value.strip() and value.isprintable()
    if not fits or not 0 < len(value.encode()) <= TEXTS["person"]:
        raise InputError(
            f"a name of a {kind} is a text of 1 to {TEXTS['person']} bytes on one line, without "
            f"blanks at its ends: given {str(value)[:80]!r}"
        )
    return value


def check_names(kind: str, values: Sequence[str | None]) -> list[str]:
    """Names as they are stored, `UNKNOWN` for None."""
    good: dict[str, str] = {}
    for value in values:
        if value is not None and value not in good:
            good[value] = check_name(kind, value)
    return [UNKNOWN if value is None else good[value] for value in values]


def labels_of(names: Sequence[str | None]) -> NDArray[np.int64]:
    """(N,) a number for each name, the same for the same, -1 for None and `UNKNOWN`."""
    numbers: dict[str | None, int] = {None: -1, UNKNOWN: -1}
    for name in names:
        numbers.setdefault(name, len(numbers) - 2)
    return np.array([numbers[name] for name in names], np.int64)


def check_times(name: str, values: Sequence[float | None], unknown: float) -> NDArray[np.float64]:
    """Times in seconds, with `unknown` for None."""
    found = np.empty(len(values), np.float64)
    for row, value in enumerate(values):
        found[row] = unknown if value is None else float(value)
        if not math.isfinite(found[row]) or abs(found[row]) > NEVER:
            raise InputError(f"a {name} must be seconds since 1970 or None: given {value!r}")
    return found
