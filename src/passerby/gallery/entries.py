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

from passerby.types import InputError, Sample

if TYPE_CHECKING:
    import pyarrow as pa

UNKNOWN = -1
"""Person id or camera id that is not known; no null is stored, not every engine has them."""

NO_TIME = -1e18
"""Timestamp that is not known."""

NEVER = 1e18
"""Expiry of an entry that does not expire."""

TEXTS = {"key": 256, "file_name": 2048, "track_id": 256}
"""Text columns and the most bytes that they take."""

WHOLE = ("person_id", "camera_id", "x", "y", "width", "height", "checksum")
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
    person_id: int | None
    """Identity; None: not known."""
    camera_id: int | None
    """Camera; None: not known."""
    timestamp: float | None
    """When the picture was taken, seconds since 1970 in UTC; None: not known."""
    file_name: str
    """The picture as it was named when it was added; empty: none."""
    box: tuple[int, int, int, int] | None
    """x, y, width, height of the person in the picture; None: the whole picture."""
    track_id: str | None
    """Pictures of one track show one person on one path."""
    added: float
    """When the entry was added."""
    expires: float | None
    """When the entry is to be removed; searches leave it out from then on. None: never."""
    fingerprint: str
    """Of the model that made the embedding."""


def key_of(sample: Sample) -> str:
    """The key of a data set's picture: its name, and its box where it has one."""
    box = "" if sample.box is None else "#" + ",".join(map(str, sample.box))
    if len((sample.name + box).encode()) <= TEXTS["key"]:
        return sample.name + box
    return hashlib.blake2b((sample.name + box).encode(), digest_size=32).hexdigest()


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


def to_entries(rows: pa.Table) -> list[Entry]:
    """The rows as entries."""
    return [
        Entry(
            key=row["key"],
            person_id=_known(row["person_id"]),
            camera_id=_known(row["camera_id"]),
            timestamp=None if row["timestamp"] == NO_TIME else row["timestamp"],
            file_name=row["file_name"],
            box=(row["x"], row["y"], row["width"], row["height"]) if row["width"] else None,
            track_id=row["track_id"] or None,
            added=row["added"],
            expires=None if row["expires"] == NEVER else row["expires"],
            fingerprint=row["fingerprint"],
        )
        for row in rows.select(DETAILS).to_pylist()
    ]


def check_texts(name: str, values: Sequence[str]) -> list[str]:
    """Refuses texts that are too long for their column."""
    for value in values:
        if not isinstance(value, str) or len(value.encode()) > TEXTS[name]:
            raise InputError(
                f"a {name} of a gallery must be a text of at most {TEXTS[name]} bytes: "
                f"given {str(value)[:80]!r}"
            )
    return list(values)


def check_ids(name: str, values: Sequence[int | None]) -> NDArray[np.int64]:
    """Ids as whole numbers from 0, with `UNKNOWN` for None and -1."""
    found = np.empty(len(values), np.int64)
    for row, value in enumerate(values):
        number = UNKNOWN if value is None else value
        if not isinstance(number, (int, np.integer)) or isinstance(number, bool):
            raise InputError(f"a {name} must be a whole number or None: given {value!r}")
        if not UNKNOWN <= number < 2**63:
            raise InputError(f"a {name} must be at least 0, or -1 for unknown: given {value!r}")
        found[row] = number
    return found


def check_times(name: str, values: Sequence[float | None], unknown: float) -> NDArray[np.float64]:
    """Times in seconds, with `unknown` for None."""
    found = np.empty(len(values), np.float64)
    for row, value in enumerate(values):
        found[row] = unknown if value is None else float(value)
        if not math.isfinite(found[row]) or abs(found[row]) > NEVER:
            raise InputError(f"a {name} must be seconds since 1970 or None: given {value!r}")
    return found


def _known(number: int) -> int | None:
    return None if number == UNKNOWN else number
