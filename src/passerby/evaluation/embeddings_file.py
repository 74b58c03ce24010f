"""Embeddings from elsewhere: one NumPy file with both sides of the search."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from passerby.evaluation.sides import More, Sides
from passerby.ranking.matches import check_identities
from passerby.ranking.tiles import check_features
from passerby.types import InputError

REQUIRED = ("query", "gallery", "query_ids", "gallery_ids")
"""Arrays that every file has."""

CAMERAS = ("query_cameras", "gallery_cameras")
"""Both or neither."""

MORE = ("multi_query", "multi_query_ids", "multi_query_cameras")
"""All or none."""


@dataclass(frozen=True)
class EmbeddingArrays:
    """What `passerby evaluate --embeddings FILE.npz` reads."""

    file: Path
    """Where it was read from."""
    sides: Sides
    """What it holds, checked: float32 embeddings, int64 ids and cameras."""


def read_embeddings(file: str | Path) -> EmbeddingArrays:
    """Reads arrays as `numpy.savez(FILE, query=..., gallery=..., query_ids=...)` writes them.

    Args:
        file: an .npz with `query` (Q, D), `gallery` (G, D), `query_ids` (Q,), `gallery_ids` (G,)
            and, where there are any, `query_cameras` (Q,), `gallery_cameras` (G,); for multi-query
            also `multi_query` (M, D), `multi_query_ids` (M,), `multi_query_cameras` (M,): all
            pictures of the queries' people in the queries' cameras, the queries' own included.

    Raises:
        InputError: no such file, not an .npz, pickled objects, an array that is missing or
            unknown, shapes or types that do not fit, or values that are not finite.
    """
    file = Path(file)
    arrays = _arrays(file)
    missing = [name for name in REQUIRED if name not in arrays]
    if missing:
        raise InputError(f"{file}: needs {', '.join(REQUIRED)}: missing {', '.join(missing)}")
    try:
        query, gallery = check_features(arrays["query"], arrays["gallery"], "euclidean")
        checked = check_identities(
            (len(query), len(gallery)),
            arrays["query_ids"],
            arrays["gallery_ids"],
            arrays.get("query_cameras"),
            arrays.get("gallery_cameras"),
        )
    except InputError as error:
        raise InputError(f"{file}: {error}") from error
    sides = Sides(
        query.numpy(),
        gallery.numpy(),
        checked.query_ids,
        checked.gallery_ids,
        checked.query_cameras,
        checked.gallery_cameras,
    )
    return EmbeddingArrays(file, replace(sides, more=_more(file, arrays, sides)))


def _more(file: Path, arrays: dict[str, NDArray[Any]], sides: Sides) -> More | None:
    given = [name for name in MORE if name in arrays]
    if not given:
        return None
    if len(given) < len(MORE):
        missing = ", ".join(name for name in MORE if name not in given)
        raise InputError(f"{file}: needs all of {', '.join(MORE)} or none: missing {missing}")
    if sides.query_cameras is None:
        raise InputError(f"{file}: multi_query needs query_cameras and gallery_cameras too")
    try:
        more, _ = check_features(arrays["multi_query"], sides.query, "euclidean")
        numbers = check_identities(
            (len(more), len(more)),
            arrays["multi_query_ids"],
            arrays["multi_query_ids"],
            arrays["multi_query_cameras"],
            arrays["multi_query_cameras"],
        )
    except InputError as error:
        raise InputError(f"{file}: multi_query (here called query): {error}") from error
    assert numbers.query_cameras is not None
    return More(more.numpy(), numbers.query_ids, numbers.query_cameras)


def _arrays(file: Path) -> dict[str, NDArray[Any]]:
    if not file.is_file():
        raise InputError(f"{file}: no such file")
    known = (*REQUIRED, *CAMERAS, *MORE)
    try:
        with np.load(file, allow_pickle=False) as archive:
            # A misspelt `query_cameras` would switch the camera filter off.
            unknown = sorted(set(archive.files) - set(known))
            if unknown:
                raise InputError(
                    f"{file}: may hold only {', '.join(known)}: given {', '.join(unknown)}"
                )
            return {name: np.asarray(archive[name]) for name in archive.files}
    except InputError:
        raise
    except (
        AttributeError, EOFError, OSError, TypeError, ValueError, zipfile.BadZipFile, zlib.error,
    ) as error:  # fmt: skip
        raise InputError(
            f"{file}: is not an .npz of plain numeric arrays as numpy.savez writes it"
        ) from error
