"""Embeddings from elsewhere: one NumPy file, or a folder of them, with both sides of the search."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from passerby.evaluation.sides import Embeddings, More, Sides
from passerby.ranking.features import squared_lengths
from passerby.ranking.matches import check_identities
from passerby.ranking.tiles import sides as features_of
from passerby.types import InputError

REQUIRED = ("query", "gallery", "query_ids", "gallery_ids")
"""Arrays that every file has."""

CAMERAS = ("query_cameras", "gallery_cameras")
"""Both or neither."""

MORE = ("multi_query", "multi_query_ids", "multi_query_cameras")
"""All or none."""


@dataclass(frozen=True)
class EmbeddingArrays:
    """What `passerby evaluate --embeddings` reads."""

    file: Path
    """Where it was read from."""
    sides: Sides
    """What it holds, checked: embeddings (float32, or memory-mapped of any real type), int64 ids
    and cameras."""


def read_embeddings(file: str | Path) -> EmbeddingArrays:
    """Reads arrays as `numpy.savez(FILE, query=..., gallery=..., query_ids=...)` writes them.

    Or as `numpy.save(FOLDER / "query.npy", ...)` does, one file for each array: their embeddings
    are memory-mapped, never read as a whole, and may be larger than the memory.

    Args:
        file: an .npz or a folder with `query` (Q, D), `gallery` (G, D), `query_ids` (Q,),
            `gallery_ids` (G,) and, where there are any, `query_cameras` (Q,), `gallery_cameras`
            (G,); for multi-query also `multi_query` (M, D), `multi_query_ids` (M,),
            `multi_query_cameras` (M,): all pictures of the queries' people in the queries' cameras,
            the queries' own included.

    Raises:
        InputError: no such file or folder, not NumPy's, pickled objects, an array that is missing
            or unknown, shapes or types that do not fit, or values that are not finite.
    """
    file = Path(file)
    arrays = _mapped_arrays(file) if file.is_dir() else _arrays(file)
    missing = [name for name in REQUIRED if name not in arrays]
    if missing:
        raise InputError(f"{file}: needs {', '.join(REQUIRED)}: missing {', '.join(missing)}")
    try:
        query, gallery = _checked(arrays["query"], arrays["gallery"])
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
        query,
        gallery,
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
        more, _ = _checked(arrays["multi_query"], sides.query)
        numbers = check_identities(
            (len(more), len(more)),
            arrays["multi_query_ids"],
            arrays["multi_query_ids"],
            arrays["multi_query_cameras"],
            arrays["multi_query_cameras"],
        )
    except InputError as error:
        raise InputError(f"{file}: multi_query (called query here): {error}") from error
    assert numbers.query_cameras is not None
    return More(more, numbers.query_ids, numbers.query_cameras)


def _arrays(file: Path) -> dict[str, NDArray[Any]]:
    if not file.is_file():
        raise InputError(f"{file}: no such file")
    try:
        with np.load(file, allow_pickle=False) as archive:
            _check_names(file, archive.files)
            return {name: np.asarray(archive[name]) for name in archive.files}
    except InputError:
        raise
    except MemoryError as error:
        raise InputError(
            f"{file}: its arrays do not fit into memory ({error}); a folder of .npy files "
            "is read from the disk as it is needed"
        ) from error
    except (
        AttributeError, EOFError, OSError, TypeError, ValueError, zipfile.BadZipFile, zlib.error,
    ) as error:  # fmt: skip
        raise InputError(
            f"{file}: not an .npz of plain numeric arrays as numpy.savez writes it"
        ) from error


def _mapped_arrays(folder: Path) -> dict[str, NDArray[Any]]:
    files = sorted(file for file in folder.iterdir() if not file.name.startswith("."))
    strange = [file.name for file in files if file.suffix != ".npy"]
    if strange:
        raise InputError(f"{folder}: may hold only .npy files: given {', '.join(strange[:3])}")
    _check_names(folder, [file.stem for file in files])
    arrays = {}
    for file in files:
        try:
            arrays[file.stem] = np.load(file, mmap_mode="r", allow_pickle=False)
        except (EOFError, OSError, TypeError, ValueError) as error:
            raise InputError(
                f"{file}: not a plain numeric array as numpy.save writes it"
            ) from error
    return arrays


def _check_names(file: Path, names: Sequence[str]) -> None:
    known = (*REQUIRED, *CAMERAS, *MORE)
    # A misspelt `query_cameras` would switch the camera filter off.
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise InputError(f"{file}: may hold only {', '.join(known)}: given {', '.join(unknown)}")


def _checked(query: NDArray[Any], gallery: NDArray[Any]) -> tuple[Embeddings, Embeddings]:
    """Both sides, which have distances: in float32, or as they lie in their files."""
    for side in features_of(query, gallery, "euclidean"):
        squared_lengths(side, "euclidean")
    return _in_float32(query), _in_float32(gallery)


def _in_float32(embeddings: NDArray[Any]) -> Embeddings:
    if isinstance(embeddings, np.memmap):
        return embeddings
    return np.asarray(embeddings, np.float32)
