"""MARS (Zheng et al. 2016): tracks of 1,261 people by 6 cameras.

`bbox_train` and `bbox_test` hold a folder for each person with pictures such as
`0001/0001C1T0001F001.jpg`: person, camera, track, frame. `info` says which pictures are a track:
`train_name.txt` and `test_name.txt` list them all, a row of `tracks_train_info.mat` and
`tracks_test_info.mat` is a track (its first and last line in the list, person, camera), and
`query_IDX.mat` numbers the test tracks that search. All numbers count from 1. Person -1 (folder
`00-1`) is junk, person 0 a distractor.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from passerby.data.matlab import read_old_mat
from passerby.types import InputError, Sample, Split

INFO = {
    "train_name.txt": "", "test_name.txt": "", "tracks_train_info.mat": "track_train_info",
    "tracks_test_info.mat": "track_test_info", "query_IDX.mat": "query_IDX",
}  # fmt: skip
"""Files of `info`, and the variable of each .mat."""

_NAME = re.compile(r"((\d{4}|00-1)C(\d+)T(\d+))F(\d+)\.(?:jpg|jpeg|png)", re.I)
_FOLDER = re.compile(r"mars.*", re.I)
_PUBLISHED = {
    "training pictures": 509_914,
    "training identities": 625,
    "training tracks": 8_298,
    "query tracks": 1_980,
    "gallery tracks": 10_200,
}
"""Of the data set's own files; junk is among the gallery's tracks."""


def load_mars(root: str | Path) -> Split:
    """MARS, ranked track by track; the test tracks that search nothing are the gallery.

    Counts that differ from the published ones become one line in `Split.warnings`.

    Args:
        root: the folder that holds `bbox_train`, `bbox_test` and `info`, or one above it called
            MARS.

    Raises:
        InputError: a folder or file is missing or damaged, scipy is missing, a track's pictures are
            not of one track by their names, a query is junk, or a picture does not exist.
    """
    found = _find(Path(root))
    train = _tracks(found, "train")
    test = _tracks(found, "test")
    numbers = _matrix(found, "query_IDX.mat").reshape(-1)
    if len(numbers) == 0 or numbers.min() < 1 or numbers.max() > len(test):
        raise InputError(
            f"{found / 'info' / 'query_IDX.mat'}: numbers tracks from 1 to {len(test)}"
        )
    searching = set(numbers.tolist())
    query = [track for number, track in enumerate(test, 1) if number in searching]
    gallery = [track for number, track in enumerate(test, 1) if number not in searching]
    for track in query:
        if track[0].person_id < 0:
            raise InputError(f"{track[0].file}: a query cannot be junk (-1)")
    parts = {"training": train, "query": query, "gallery": gallery}
    people, queries, others = (_sorted(tracks) for tracks in parts.values())
    split = Split("mars", found, people, queries, others, protocol="tracks")
    counts = {f"{name} tracks": len(tracks) for name, tracks in parts.items()}
    counts["training pictures"] = len(people)
    counts["training identities"] = len({sample.person_id for sample in people})
    other = [f"{k} {counts[k]:,} ({n:,})" for k, n in _PUBLISHED.items() if counts[k] != n]
    if not other:
        return split
    note = f"{found}: counts differ from mars's published ones: {', '.join(other)}"
    return replace(split, warnings=(note,))


def _find(root: Path) -> Path:
    if not root.is_dir():
        raise InputError(f"{root}: no such folder")
    below = [f for f in sorted(root.iterdir()) if f.is_dir() and _FOLDER.fullmatch(f.name)]
    found = [folder for folder in (root, *below) if (folder / "info").is_dir()]
    if len(found) != 1:
        what = "several folders with info" if found else "no folder info"
        raise InputError(f"{root}: contains {what}: MARS has bbox_train, bbox_test and info")
    missing = [name for name in INFO if not (found[0] / "info" / name).is_file()]
    missing += [name for name in ("bbox_train", "bbox_test") if not (found[0] / name).is_dir()]
    if missing:
        raise InputError(f"{found[0]}: {', '.join(missing)} is missing")
    return found[0]


def _matrix(root: Path, name: str) -> NDArray[np.int64]:
    file = root / "info" / name
    variables = read_old_mat(file)
    if INFO[name] not in variables:
        raise InputError(f"{file}: needs the variable {INFO[name]}, has {', '.join(variables)}")
    values: NDArray[Any] = np.asarray(variables[INFO[name]])
    if values.ndim != 2 or values.dtype.kind not in "iuf" or (values != np.rint(values)).any():
        raise InputError(f"{file}: {INFO[name]} must be a matrix of whole numbers")
    return values.astype(np.int64)


def _tracks(root: Path, part: str) -> list[list[Sample]]:
    """The pictures of each track, in the order of its row."""
    file = root / "info" / f"tracks_{part}_info.mat"
    lines = (root / "info" / f"{part}_name.txt").read_text(encoding="ascii", errors="replace")
    names, rows = lines.split(), _matrix(root, file.name)
    if rows.shape[1] != 4 or len(rows) == 0:
        raise InputError(f"{file}: a row must be first, last, person, camera: given {rows.shape}")
    found = []
    for number, (first, last, person, camera) in enumerate(rows.tolist(), 1):
        if not 1 <= first <= last <= len(names):
            raise InputError(
                f"{file}: row {number} is of lines {first} to {last}: {part}_name.txt has "
                f"{len(names)}"
            )
        track = [_sample(root, part, name) for name in names[first - 1 : last]]
        given = {(sample.track_id, sample.person_id, sample.camera_id) for sample in track}
        if given != {(track[0].track_id, person, camera)}:
            raise InputError(
                f"{file}: row {number} is of person {person} by camera {camera}, its pictures "
                f"{names[first - 1]} to {names[last - 1]} are not of one such track"
            )
        found.append(track)
    missing = [each.file for track in found for each in track if not each.file.is_file()]
    if missing:
        total = sum(map(len, found))
        raise InputError(f"{len(missing)} of {total} pictures are missing, e.g. {missing[0]}")
    return found


def _sample(root: Path, part: str, name: str) -> Sample:
    match = _NAME.fullmatch(name)
    if match is None:
        raise InputError(
            f"{root / 'info' / part}_name.txt: names must look like 0001C1T0001F001.jpg "
            f"(person, camera, track, frame); given {name[:80]!r}"
        )
    person = -1 if match[2] == "00-1" else int(match[2])
    relative = f"bbox_{part}/{match[2]}/{name}"
    return Sample(
        root / relative, relative, person, int(match[3]), track_id=match[1],
        person=match[2] if person > 0 else None, camera=match[3],
    )  # fmt: skip


def _sorted(tracks: list[list[Sample]]) -> tuple[Sample, ...]:
    return tuple(sorted((s for track in tracks for s in track), key=lambda sample: sample.name))
