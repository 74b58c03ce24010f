"""From what a caller knows of new entries to rows of the table, checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from passerby.gallery.entries import (
    NEVER,
    NO_TIME,
    UNKNOWN,
    Box,
    check_names,
    check_texts,
    check_times,
    key_of,
    key_of_name,
    make_rows,
)  # fmt: skip
from passerby.gallery.naming import check_namespace
from passerby.types import InputError, Sample

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class NewEntries:
    """What is known of N new entries; of each field there are N values, or None for all."""

    keys: Sequence[str] | None = None
    """Names of the entries, at most 256 bytes each; None: `file_names`, with the box if any."""
    file_names: Sequence[str] | None = None
    """The pictures, as they are to be found again later."""
    persons: Sequence[str | None] | None = None
    """Names of the identities; None: not known."""
    cameras: Sequence[str | None] | None = None
    """Names of the cameras; None: not known."""
    timestamps: Sequence[float | None] | None = None
    """When the pictures were taken, seconds since 1970 in UTC; None: not known."""
    boxes: Sequence[Box | None] | None = None
    """x, y, width, height of the person in the picture; None: the whole picture."""
    track_ids: Sequence[str | None] | None = None
    """Pictures of one track show one person on one path."""
    contents: Sequence[str | None] | None = None
    """Digests of the pictures (`passerby.gallery.entries.content_of`); None: not known."""
    expires: Sequence[float | None] | None = None
    """When they are to be removed; None: never."""
    added: Sequence[float] | None = None
    """When they were added first, for entries from another gallery; None: now."""

    @classmethod
    def of_samples(
        cls,
        samples: Sequence[Sample],
        expires: float | None = None,
        contents: Sequence[str] | None = None,
    ) -> NewEntries:
        """Of a data set's pictures; the digests of their bytes, where those were read."""
        return cls(
            keys=[key_of(sample) for sample in samples],
            file_names=[sample.name for sample in samples],
            persons=[sample.person for sample in samples],
            cameras=[sample.camera for sample in samples],
            timestamps=[sample.timestamp for sample in samples],
            boxes=[sample.box for sample in samples],
            track_ids=[sample.track_id for sample in samples],
            contents=contents,
            expires=[expires] * len(samples),
        )

    def within(self, namespace: str | None) -> NewEntries:
        """The same with all names (keys, files, people, cameras, tracks) in a namespace."""
        if namespace is None:
            return self
        check_namespace(namespace)

        def named(values: Sequence[str | None] | None) -> list[str | None] | None:
            return None if values is None else [each and f"{namespace}/{each}" for each in values]

        names = ("file_names", "persons", "cameras", "track_ids")
        changed: dict[str, Any] = {name: named(getattr(self, name)) for name in names}
        keys = self.keys and [key_of_name(f"{namespace}/{key}") for key in self.keys]
        return replace(self, keys=keys, **changed)

    def taken(self, rows: Sequence[int]) -> NewEntries:
        """Some of them."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return NewEntries(
            **{
                name: None if each is None else [each[row] for row in rows]
                for name, each in values.items()
            }
        )

    @classmethod
    def of_table(cls, rows: pa.Table) -> NewEntries:
        """Of a table with some of a gallery's columns."""
        names = {
            "keys": "key", "file_names": "file_name", "persons": "person", "cameras": "camera",
            "timestamps": "timestamp", "track_ids": "track_id", "contents": "content",
            "expires": "expires", "added": "added",
        }  # fmt: skip
        values = {
            field: rows.column(name).to_pylist()
            for field, name in names.items()
            if name in rows.column_names
        }
        absent: dict[str, Any] = {
            "timestamps": NO_TIME, "expires": NEVER,
            **dict.fromkeys(("persons", "cameras", "track_ids", "contents"), UNKNOWN),
        }  # fmt: skip
        for name in absent.keys() & values.keys():
            values[name] = [None if value == absent[name] else value for value in values[name]]
        corners = ("x", "y", "width", "height")
        if set(corners) <= set(rows.column_names):
            columns = [rows.column(name).to_pylist() for name in corners]
            boxes = zip(*columns, strict=True)
            values["boxes"] = [box if box[2] else None for box in boxes]
        return cls(**values)


def check_embeddings(
    embeddings: NDArray[np.float32], width: int, metric: str
) -> NDArray[np.float32]:
    """(N, D) float32 of the gallery's width, or a refusal."""
    array = np.asarray(embeddings)
    if array.ndim != 2 or array.shape[1] != width or len(array) == 0:
        raise InputError(
            f"embeddings of this gallery must be (N, {width}), at least one: given {array.shape}"
        )
    from passerby.ranking.tiles import check_features

    checked, _ = check_features(array, array[:1], metric)
    return checked.numpy()


def rows_of(
    embeddings: NDArray[np.float32], entries: NewEntries, fingerprint: str, now: float
) -> pa.Table:
    """The rows of new entries.

    Raises:
        InputError: neither keys nor file names; lists of other lengths; a key twice; a value that
            no column takes.
    """
    count = len(embeddings)
    for field in fields(entries):
        values = getattr(entries, field.name)
        if values is not None and len(values) != count:
            raise InputError(
                f"{field.name} needs one value for each embedding: {len(values)} for {count}"
            )
    boxes = [_box(box) for box in entries.boxes or [None] * count]
    keys = check_texts("key", entries.keys or _keys(entries.file_names, boxes))
    if len(set(keys)) < count or "" in keys:
        key, times = Counter(keys).most_common(1)[0] if "" not in keys else ("", 1)
        raise InputError(f"each entry needs its own key, not empty: given {key!r} {times}x")
    timestamps = check_times("timestamp", entries.timestamps or [None] * count, NO_TIME)
    added = check_times("time of adding", entries.added or [now] * count, now)
    corners = np.array(boxes, np.int64).reshape(count, 4)
    columns = {
        "key": keys,
        "file_name": check_texts("file_name", entries.file_names or [""] * count),
        "person": check_names("person", entries.persons or [None] * count),
        "camera": check_names("camera", entries.cameras or [None] * count),
        "track_id": check_names("track", entries.track_ids or [None] * count),
        "content": check_texts(
            "content", [each or "" for each in entries.contents or [""] * count]
        ),
        **{name: corners[:, column] for column, name in enumerate(("x", "y", "width", "height"))},
        "timestamp": timestamps,
        "seen": np.where(timestamps == NO_TIME, added, timestamps),
        "added": added,
        "expires": check_times("time of expiry", entries.expires or [None] * count, NEVER),
        "fingerprint": [fingerprint] * count,
    }
    return make_rows(embeddings, columns)


def _keys(file_names: Sequence[str] | None, boxes: Sequence[Box]) -> list[str]:
    if file_names is None:
        raise InputError("new entries need keys or file names")
    marks = ["#" + ",".join(map(str, box)) if box[2] else "" for box in boxes]
    return [f"{name}{mark}" for name, mark in zip(file_names, marks, strict=True)]


def _box(box: Box | None) -> Box:
    if box is None:
        return (0, 0, 0, 0)
    x, y, width, height = (int(value) for value in box)
    if width < 1 or height < 1:
        raise InputError(f"a box must be x, y, width, height of at least 1 x 1 pixels: given {box}")
    return x, y, width, height
