"""Embeddings in Parquet files: one shard a file, whole or not there.

Columns: `file_name, person, camera` (names, as text), `timestamp, embedding` (fixed-size list of
float32), and `x, y, width, height, track_id, pictures`. What is not known is null. The metadata
hold fingerprint and metric (`passerby.fingerprint`, `passerby.metric`: a gallery imports the files
as they are) and what became of the pictures that have no row.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from passerby.files import atomic
from passerby.parsing import parse_json
from passerby.types import InputError, Sample

FORMAT = 2
"""Version of the columns: from 2 on people and cameras are names."""

OLD_COLUMNS = {"person_id": "person", "camera_id": "camera"}
"""Columns of format 1, whole numbers, and what they are called since."""

PLAN = "embeddings.json"
"""Lies beside the shards and says what they hold: model, metric, list, settings."""

FINGERPRINT = b"passerby.fingerprint"
"""Key in the metadata: the model's, with the source of its cues."""

METRIC = b"passerby.metric"
"""Likewise: `euclidean`, `squared_euclidean` or `cosine`."""

PRECISION = b"passerby.precision"
"""Likewise: what the network computed in."""

TALLY = b"passerby.tally"
"""Likewise: a `Tally` as JSON."""


@dataclass(frozen=True)
class Tally:
    """What became of the pictures of a shard, or of all."""

    pictures: int = 0
    """Given."""
    failed: Mapping[str, str] = field(default_factory=dict)
    """Name (and box) of those that could not be read, and why."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Name (and box) of those that are not good enough: `low` or `blurred`."""
    missing: Mapping[str, int] = field(default_factory=dict)
    """By cue that the model looks at: embedded pictures without it."""

    def plus(self, other: Tally) -> Tally:
        """Both together."""
        cues = sorted({*self.missing, *other.missing})
        return Tally(
            self.pictures + other.pictures,
            {**self.failed, **other.failed},
            {**self.left_out, **other.left_out},
            {cue: self.missing.get(cue, 0) + other.missing.get(cue, 0) for cue in cues},
        )


def shard_file(folder: Path, number: int) -> Path:
    """Where a shard lies."""
    return folder / f"embeddings-{number:05d}.parquet"


def write_shard(
    file: Path,
    rows: Sequence[Sample],
    pictures: Sequence[int],
    embeddings: NDArray[np.float32],
    metadata: Mapping[bytes, str],
    tally: Tally,
) -> None:
    """Writes a shard atomically.

    Args:
        file: where.
        rows: N pictures, or the first ones of N tracks.
        pictures: how many each row stands for.
        embeddings: (N, D); N may be 0.
        metadata: texts by key.
        tally: what became of all pictures.

    Raises:
        OSError: from the operating system.
    """
    import pyarrow as pa
    import pyarrow.parquet

    width = embeddings.shape[1]
    numbers = pa.array(np.ascontiguousarray(embeddings, np.float32).reshape(-1), pa.float32())
    corners = [[None if row.box is None else row.box[k] for row in rows] for k in range(4)]
    columns = {
        "file_name": pa.array([row.name for row in rows], pa.string()),
        "person": pa.array([row.person for row in rows], pa.string()),
        "camera": pa.array([row.camera for row in rows], pa.string()),
        "timestamp": pa.array([row.timestamp for row in rows], pa.float64()),
        "embedding": pa.FixedSizeListArray.from_arrays(numbers, width),
        **{
            name: pa.array(values, pa.int64())
            for name, values in zip(("x", "y", "width", "height"), corners, strict=True)
        },
        "track_id": pa.array([row.track_id for row in rows], pa.string()),
        "pictures": pa.array(pictures, pa.int64()),
    }
    table = pa.table(columns).replace_schema_metadata(
        {**metadata, TALLY: json.dumps(asdict(tally))}
    )
    with atomic(file, private=True) as temporary:
        pa.parquet.write_table(table, temporary, row_group_size=2**14)


def read_tally(file: Path) -> Tally:
    """What became of a shard's pictures.

    Raises:
        InputError: no readable shard.
    """
    try:
        return Tally(**parse_json(_metadata(file)[TALLY]))
    except (ValueError, TypeError) as error:
        raise InputError(f"{file}: not a readable file of embeddings: {error}") from error


def old_format(place: str | Path) -> str:
    """Why files or a gallery with numbers for people are refused, in one line."""
    return (
        f"{place}: is of format 1, which has numbers for people and cameras: "
        f"`passerby gallery upgrade {shlex.quote(str(place))}` brings it to format {FORMAT}, "
        "which has their names"
    )


def check_columns(names: Sequence[str], file: Path) -> None:
    """Refuses the columns of format 1.

    Raises:
        InputError: they are there.
    """
    if set(OLD_COLUMNS) & set(names):
        raise InputError(old_format(written_together(file)))


def written_together(file: Path) -> Path:
    """What is brought over as one: the folder of a file that passerby numbered, else the file."""
    return file.parent if re.fullmatch(r"(embeddings|entries)-\d+\.parquet", file.name) else file


def open_parquet(file: Path) -> Any:
    """A `pyarrow.parquet.ParquetFile`; its rows are not read yet.

    Raises:
        InputError: no readable Parquet file.
    """
    import pyarrow as pa
    import pyarrow.parquet

    if not file.is_file():
        raise InputError(f"{file}: no such file")
    try:
        return pa.parquet.ParquetFile(file)
    except (pa.ArrowException, OSError) as error:
        line = str(error).splitlines()[0]
        raise InputError(f"{file}: not a readable Parquet file: {line}") from None


def read_embeddings(folder: str | Path) -> tuple[list[dict[str, Any]], NDArray[np.float32]]:
    """All rows of a folder of shards in order, as dicts without the embedding; and (N, D).

    Raises:
        InputError: there are no shards, or they are of different models, or of format 1.
    """
    import pyarrow.parquet

    files = sorted(Path(folder).glob("embeddings-*.parquet"))
    if not files:
        raise InputError(f"{folder}: contains no embeddings")
    prints = {_metadata(file)[FINGERPRINT] for file in files}
    if len(prints) > 1:
        raise InputError(f"{folder}: contains embeddings of {len(prints)} different models")
    rows: list[dict[str, Any]] = []
    parts = []
    for file in files:
        table = pyarrow.parquet.read_table(file)
        check_columns(table.column_names, file)
        rows += table.drop_columns(["embedding"]).to_pylist()
        column = table.column("embedding").combine_chunks()
        parts.append(column.flatten().to_numpy().reshape(table.num_rows, column.type.list_size))
    return rows, np.concatenate(parts)


def _metadata(file: Path) -> dict[bytes, bytes]:
    with open_parquet(file) as opened:
        found = opened.schema_arrow.metadata or {}
    if TALLY not in found:
        raise InputError(f"{file}: not a file of embeddings written by passerby")
    return dict(found)
