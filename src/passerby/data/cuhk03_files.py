"""What CUHK03's own files hold: `cuhk-03.mat`, and the new protocol's two lists.

`cuhk-03.mat` (Li et al. 2014; HDF5) has the cell arrays `labeled` and `detected`, 5 x 1: for each
pair of cameras a cell array of people x 10 pictures, the first five by the pair's first camera, the
others by its second, empty where there are fewer; and `testsets`, 20 x 1, each 100 x 2: pair and
number of the test people. Extracted pictures are called `1_001_2_06.png`: pair, person, camera of
the pair, cell.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from passerby.data.matlab import cell, open_new_mat, read_old_mat, values
from passerby.files import write_text
from passerby.parsing import parse_json
from passerby.types import InputError

if TYPE_CHECKING:
    import h5py

PAIR_PEOPLE = (843, 440, 77, 58, 49)
"""People that each pair of cameras saw, 1,467 in all."""

NAME = re.compile(r"([1-5])_(\d{3})_([12])_(\d{2})\.(?:png|jpg|jpeg)", re.I)
"""Pair, person, camera, cell of an extracted picture."""

TESTSETS = "testsets.json"
"""The test people of the 20 original splits, kept beside the extracted pictures."""

Person = tuple[int, int]
"""Pair of cameras and number within it, each from 1."""


@dataclass(frozen=True)
class NewProtocol:
    """The lists of the 767/700 protocol (Zhong et al. 2017)."""

    names: tuple[str, ...]
    """Of the extracted pictures."""
    people: NDArray[np.int64]
    """(N,) 1 ... 1467, counted through all pairs."""
    cameras: NDArray[np.int64]
    """(N,) 1 or 2."""
    train: NDArray[np.int64]
    """Positions in `names`; likewise `query` and `gallery`."""
    query: NDArray[np.int64]
    gallery: NDArray[np.int64]


def person_number(person: Person) -> int:
    """The person's number counted through all pairs, as the new protocol has it.

    >>> person_number((1, 1)), person_number((2, 1)), person_number((5, 49))
    (1, 844, 1467)
    """
    pair, number = person
    if not (1 <= pair <= 5 and 1 <= number <= PAIR_PEOPLE[pair - 1]):
        raise InputError(f"CUHK03 has no person {number} in camera pair {pair}")
    return sum(PAIR_PEOPLE[: pair - 1]) + number


def read_new_protocol(file: Path) -> NewProtocol:
    """One of `cuhk03_new_protocol_config_{labeled,detected}.mat`.

    Raises:
        InputError: the file cannot be read, or does not hold what it should.
    """
    found = read_old_mat(file)
    wanted = ("filelist", "labels", "camId", "train_idx", "query_idx", "gallery_idx")
    missing = [name for name in wanted if name not in found]
    if missing:
        raise InputError(
            f"{file}: must contain {', '.join(wanted)}, lacks {', '.join(missing)}: "
            "is it a list of CUHK03's new protocol?"
        )
    names = tuple(str(np.ravel(entry)[0]) for entry in found["filelist"].ravel() if np.size(entry))
    numbers = {name: _whole(file, name, found[name]) for name in wanted[1:]}
    size = len(names)
    for name in ("labels", "camId"):
        if len(numbers[name]) != size:
            raise InputError(f"{file}: {name} must be as many as filelist's {size}")
    for name in wanted[3:]:
        rows = numbers[name]
        if len(rows) == 0 or rows.min() < 1 or rows.max() > size:
            raise InputError(f"{file}: {name} must hold numbers from 1 to {size}")
    parts = [numbers[name] - 1 for name in wanted[3:]]
    if len(np.unique(np.concatenate(parts))) != sum(map(len, parts)):
        raise InputError(f"{file}: a picture is listed twice")
    return NewProtocol(names, numbers["labels"], numbers["camId"], *parts)


def read_testsets(file: Path) -> list[list[Person]]:
    """The test people of each original split, from `cuhk-03.mat`.

    Raises:
        InputError: the file cannot be read, or does not hold what it should.
    """
    with open_new_mat(file) as mat:
        sets = _variable(mat, "testsets")
        found = []
        for index in np.ndindex(sets.shape):
            rows = values(mat, cell(mat, sets, index))
            if rows.ndim != 2 or rows.shape[1] != 2:
                raise InputError(f"{file}: a test set must be (people, 2); given {rows.shape}")
            found.append(_people(file, rows.tolist()))
        return found


def read_kept_testsets(file: Path) -> list[list[Person]]:
    """The same from `testsets.json`, or from another toolbox's `splits_classic_*.json`.

    The latter is a list of splits, each with a list `query` of (path of the picture, ...).

    Raises:
        InputError: the file is neither.
    """
    try:
        splits = parse_json(file.read_text(encoding="utf-8"))
        if splits and isinstance(splits[0], dict):
            names = [[Path(str(entry[0])).name for entry in split["query"]] for split in splits]
            matches = [[NAME.fullmatch(name) for name in one] for one in names]
            rows = [sorted({(int(m[1]), int(m[2])) for m in one if m}) for one in matches]
        else:
            rows = splits
        return [_people(file, split) for split in rows]
    except InputError:
        raise
    except (OSError, ValueError, TypeError, KeyError, IndexError):
        raise InputError(f"{file}: not a list of CUHK03's original test sets") from None


def extract_pictures(file: Path, boxes: str, folder: Path) -> None:
    """Writes the pictures of `cuhk-03.mat` to `folder`, which is there whole or not at all.

    The test sets go beside it, to `testsets.json`: `cuhk-03.mat` is not needed again.

    Args:
        file: `cuhk-03.mat`.
        boxes: `labeled` or `detected`.
        folder: must not exist.

    Raises:
        InputError: the file cannot be read, does not hold what it should, or the folder cannot be
            written.
        OSError: from the operating system, e.g. when the disk is full.
    """
    testsets = read_testsets(file)
    unfinished = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        unfinished.mkdir(parents=True)
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be written ({error.strerror}): name a folder for the extracted "
            "pictures by --extract-to"
        ) from None
    try:
        with open_new_mat(file) as mat:
            for name, picture in _pictures(mat, boxes):
                Image.fromarray(picture).save(unfinished / name, compress_level=1)
        write_text(folder.parent / TESTSETS, json.dumps(testsets))
        if not folder.exists():  # else another process was as quick
            unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _pictures(mat: h5py.File, boxes: str) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    pairs = _variable(mat, boxes)
    for pair, index in enumerate(np.ndindex(pairs.shape), 1):
        people = cell(mat, pairs, index)
        if getattr(people, "ndim", 0) != 2 or people.shape[0] != 10:
            raise InputError(f"{mat.filename}: {boxes} of a camera pair must be (people, 10)")
        for number in range(people.shape[1]):
            for place in range(10):
                picture = values(mat, cell(mat, people, (place, number)))
                if picture.ndim == 2 and picture.size <= 2:
                    continue  # an empty cell
                if picture.ndim == 1 and picture.size == 2:
                    continue  # the same, where MATLAB_empty is lost: HDF5 holds its two zeros
                if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
                    raise InputError(
                        f"{mat.filename}: a picture must be (height, width, 3) of uint8; "
                        f"given {picture.shape} of {picture.dtype}"
                    )
                camera = 1 if place < 5 else 2
                name = f"{pair}_{number + 1:03d}_{camera}_{place + 1:02d}.png"
                yield name, np.ascontiguousarray(picture)


def _variable(mat: h5py.File, name: str) -> Any:
    found = mat.get(name)
    if getattr(found, "ndim", 0) != 2 or found.dtype.kind != "O":
        raise InputError(
            f"{mat.filename}: must contain labeled, detected and testsets, as cell arrays; "
            f"{name} is not: is it cuhk-03.mat?"
        )
    return found


def _people(file: Path, rows: Sequence[Sequence[float]]) -> list[Person]:
    people = [(int(pair), int(number)) for pair, number in rows]
    if not people:
        raise InputError(f"{file}: a test set is empty")
    for person in people:
        try:
            person_number(person)
        except InputError as error:
            raise InputError(f"{file}: {error}") from None
    return people


def _whole(file: Path, name: str, array: NDArray[Any]) -> NDArray[np.int64]:
    if array.dtype.kind not in "iu":
        raise InputError(f"{file}: {name} must be whole numbers; given {array.dtype}")
    return array.ravel().astype(np.int64)
