"""One's own pictures in folders, without a list.

`<root>/{train,query,gallery}/<person>/<camera>_*.jpg`, or pictures with Market-1501's names
(`0002_c1s1_000451_03.jpg`) right in those three; or only `<root>/<person>/<camera>_*.jpg`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from passerby.data.images import is_picture
from passerby.data.labels import names_of, numbered
from passerby.data.market1501 import parse_name
from passerby.types import JUNK_ID, InputError, Sample, Split

MARKET_PARTS = ("bounding_box_train", "bounding_box_test")
"""Folders that tell Market-1501's layout."""


class _Found(NamedTuple):
    file: Path
    person: str
    camera: str


def load_folder(root: str | Path, test_share: float = 0.5) -> Split:
    """Pictures sorted into folders.

    With a folder `train` or `gallery` (or `test`) in `root` these and `query` are the parts; one
    that is missing is empty. Else each folder is one person, and the people, sorted, are dealt
    evenly: `test_share` of them are searched for, the others are for training. Wherever there are
    no queries, each person's first picture of each camera is one; it stays in the gallery too,
    where evaluation leaves it out of its own ranking (same person, same camera).

    The camera is what stands before the first `_` of a picture's name (in Market-1501's names,
    the number after `c`). Names that are not all whole numbers are labelled in sorted order.

    Args:
        root: the folder.
        test_share: share of the people to search for, 0 ... 1; only without part folders.

    Raises:
        InputError: a folder is missing or empty, a name does not tell person and camera, or the
            folders are Market-1501's.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"{root}: no such folder")
    if not 0 <= test_share <= 1:
        raise InputError(f"test_share must be from 0 to 1; given {test_share}")
    layout = [name for name in MARKET_PARTS if (root / name).is_dir()]
    if layout:
        raise InputError(
            f"{root}: has a folder {layout[0]}, which is Market-1501's layout: use "
            "--data market1501 (or dukemtmc), not by --data folder"
        )
    parts = _given_parts(root) or _dealt_parts(root, test_share)
    everything = [found for part in ("train", "query", "gallery") for found in parts[part]]
    people = numbered(found.person for found in everything)
    cameras = numbered(found.camera for found in everything)
    persons = names_of(people)

    def samples(part: str) -> tuple[Sample, ...]:
        made = [
            Sample(
                f.file, f.file.relative_to(root).as_posix(), people[f.person], cameras[f.camera],
                person=persons[f.person], camera=f.camera,
            )
            for f in parts[part]
        ]  # fmt: skip
        return tuple(sorted(made, key=lambda sample: sample.name))

    train, query, gallery = samples("train"), samples("query"), samples("gallery")
    for sample in (*train, *query):
        if sample.person_id == JUNK_ID:
            raise InputError(f"{root}: person -1 is junk and may be in the gallery only")
    notes = []
    if gallery and not query:
        query = first_pictures(gallery)
        notes.append(f"{root}: no queries given: {len(query)}, the first of each person and camera")
    if not any((root / part).is_dir() for part in ("train", "gallery", "test")):
        notes.append(
            f"{root}: no train and gallery folders: {_people(train)} people for training, "
            f"{_people(gallery)} to search for"
        )
    return Split("folder", root, train, query, gallery, warnings=tuple(notes))


def first_pictures(samples: Sequence[Sample]) -> tuple[Sample, ...]:
    """The first picture of each person and camera; junk is left out."""
    first: dict[tuple[int, int], Sample] = {}
    for sample in samples:
        if sample.person_id != JUNK_ID:
            first.setdefault((sample.person_id, sample.camera_id), sample)
    return tuple(first.values())


def _given_parts(root: Path) -> dict[str, list[_Found]] | None:
    galleries = [name for name in ("gallery", "test") if (root / name).is_dir()]
    if len(galleries) == 2:
        raise InputError(f"{root}: has both a folder gallery and a folder test: keep one")
    if not galleries and not (root / "train").is_dir():
        return None
    folders = {"train": "train", "query": "query", "gallery": (*galleries, "gallery")[0]}
    parts = {
        part: _read_part(root / name) if (root / name).is_dir() else []
        for part, name in folders.items()
    }
    if parts["query"] and not parts["gallery"]:
        raise InputError(f"{root}: has a folder query but no folder gallery")
    return parts


def _dealt_parts(root: Path, test_share: float) -> dict[str, list[_Found]]:
    found = _read_part(root)
    people = sorted({one.person for one in found})
    # Person k is a test person where the running share passes a whole number.
    steps = [int(test_share * k + 1e-9) for k in range(len(people) + 1)]
    test = {person for k, person in enumerate(people) if steps[k + 1] > steps[k]}
    return {
        "train": [one for one in found if one.person not in test],
        "query": [],
        "gallery": [one for one in found if one.person in test],
    }


def _read_part(folder: Path) -> list[_Found]:
    found: list[_Found] = []
    for entry in sorted(folder.iterdir()):
        if entry.is_dir() and not entry.name.startswith("."):
            found += _read_person(entry)
        elif is_picture(entry):
            found.append(_Found(entry, *_market_name(entry)))
    if not found:
        raise InputError(f"{folder}: contains no pictures")
    return found


def _read_person(folder: Path) -> Iterable[_Found]:
    for entry in sorted(folder.iterdir()):
        if entry.is_dir() and not entry.name.startswith("."):
            raise InputError(f"{entry}: a person's folder may contain pictures only, no folders")
        if is_picture(entry):
            parsed = parse_name(entry.name)
            camera, underscore, _ = entry.name.partition("_")
            if parsed is None and not (underscore and camera):
                raise InputError(
                    f"{entry}: file names in a person's folder must start with the camera, "
                    "<camera>_*"
                )
            yield _Found(entry, folder.name, camera if parsed is None else parsed[1])


def _market_name(file: Path) -> tuple[str, str]:
    parsed = parse_name(file.name)
    if parsed is None:
        raise InputError(
            f"{file}: put the picture into its person's folder, or name it like "
            "0002_c1s1_000451_03.jpg (person 2, camera 1)"
        )
    return parsed


def _people(samples: Iterable[Sample]) -> int:
    return len({sample.person_id for sample in samples} - {JUNK_ID})
