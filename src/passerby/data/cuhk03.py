"""CUHK03 (Li et al. 2014): 1,467 people, each seen by one of five pairs of cameras.

It comes as `cuhk-03.mat`, whose pictures are extracted once; as the folders `images_labeled` and
`images_detected` of the pictures extracted before (`1_001_2_06.png`); or, for the new protocol
alone, sorted into Market-1501's folders below `labeled` and `detected` (`0001_c1_1.png`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Literal

from passerby.data.cuhk03_files import (
    NAME,
    TESTSETS,
    Person,
    extract_pictures,
    person_number,
    read_kept_testsets,
    read_new_protocol,
    read_testsets,
)
from passerby.data.images import is_picture
from passerby.data.market1501 import Layout, compare_counts, read_market_layout
from passerby.types import InputError, Sample, Split

MAT = "cuhk-03.mat"
CONFIG = "cuhk03_new_protocol_config_{boxes}.mat"

SORTED = Layout(
    re.compile(r"(\d{4})_c([12])_(\d+)\.(?:png|jpg|jpeg)", re.I),
    "0001_c1_1.png (person, camera, picture)",
    re.compile(r"(?!)"),
    "(none)",
)
"""The new protocol sorted into Market-1501's folders."""

_NEW = {"training identities": 767, "queries": 1400, "query identities": 700}
_PUBLISHED = {
    ("new", "labeled"): {**_NEW, "training pictures": 7368, "gallery pictures": 5328},
    ("new", "detected"): {**_NEW, "training pictures": 7365, "gallery pictures": 5332},
    ("original", "labeled"): {
        "pictures": 14096, "training identities": 1367, "query identities": 100,
    },
    ("original", "detected"): {
        "pictures": 14097, "training identities": 1367, "query identities": 100,
    },
}  # fmt: skip
"""methods.md's table; the number of all pictures is that of the new protocol's lists."""


def load_cuhk03(
    root: str | Path,
    protocol: Literal["new", "original"] = "new",
    boxes: Literal["labeled", "detected"] = "labeled",
    index: int = 0,
    extract_to: Path | None = None,
) -> Split:
    """CUHK03 by one of its two protocols; `Split.variant` names both choices.

    In the original protocol every picture of the 100 test people is a query and in the gallery,
    and `Split.protocol` is `single-gallery-shot`. People are numbered 1 ... 1467 through all
    pairs; the camera is 1 or 2, the first or second of the person's pair. Counts that differ from
    the published ones become one line in `Split.warnings`.

    Args:
        root: the folder that holds cuhk-03.mat or images_labeled / images_detected, itself or in
            a folder right below; and the lists of the new protocol, as they are distributed.
        protocol: new (767 people for training, 700 for testing) or original (1367 and 100).
        boxes: labeled (drawn by hand) or detected.
        index: which of the 20 original splits, 0 ... 19; the new protocol has one.
        extract_to: folder for the pictures of cuhk-03.mat; beside it if not given.

    Raises:
        InputError: an unknown choice, a file is missing or not what it should be, or a listed
            picture does not exist.
    """
    root = Path(root)
    if (protocol, boxes) not in _PUBLISHED:
        raise InputError(
            "cuhk03 has the protocols new and original, boxes labeled and detected: "
            f"given {protocol!r} and {boxes!r}"
        )
    if not root.is_dir():
        raise InputError(f"{root}: no such folder")
    if protocol == "original":
        split = _original(root, boxes, index, extract_to)
    else:
        if index != 0:
            raise InputError(f"cuhk03's new protocol has one split, index 0: given {index}")
        split = _sorted(root, boxes) or _new(root, boxes, extract_to)
    warning = compare_counts(split, _PUBLISHED[protocol, boxes])
    return split if warning is None else replace(split, warnings=(*split.warnings, warning))


def _new(root: Path, boxes: str, extract_to: Path | None) -> Split:
    config = _find(root, CONFIG.format(boxes=boxes))
    if config is None:
        raise InputError(
            f"{root}: contains no {CONFIG.format(boxes=boxes)} (the new protocol's list), "
            f"nor a folder {boxes} with bounding_box_train in it"
        )
    listed = read_new_protocol(config)
    folder = _picture_folder(root, boxes, extract_to)
    missing = [name for name in listed.names if not (folder / name).is_file()]
    if missing:
        raise InputError(
            f"{folder}: lacks {len(missing)} of the {len(listed.names)} pictures that "
            f"{config.name} lists, e.g. {missing[0]}"
        )

    def part(rows: Iterable[int]) -> tuple[Sample, ...]:
        return _samples(
            folder,
            ((listed.names[i], int(listed.people[i]), int(listed.cameras[i])) for i in rows),
        )

    return Split(
        "cuhk03", folder.parent, part(listed.train), part(listed.query), part(listed.gallery),
        variant=f"new protocol, {boxes}",
    )  # fmt: skip


def _original(root: Path, boxes: str, index: int, extract_to: Path | None) -> Split:
    folder = _picture_folder(root, boxes, extract_to)
    testsets = _testsets(root, folder, boxes)
    if not 0 <= index < len(testsets):
        raise InputError(f"index must be from 0 to {len(testsets) - 1}: given {index}")
    wanted = set(testsets[index])
    train: list[tuple[str, int, int]] = []
    test: list[tuple[str, int, int]] = []
    for name, person, camera in _parsed(folder):
        (test if person in wanted else train).append((name, person_number(person), camera))
    both = _samples(folder, test)
    if not train or not both:
        raise InputError(f"{folder}: contains no pictures of people for training and for the test")
    return Split(
        "cuhk03", folder.parent, _samples(folder, train), both, both,
        variant=f"original protocol, {boxes}, split {index}", protocol="single-gallery-shot",
    )  # fmt: skip


def _sorted(root: Path, boxes: str) -> Split | None:
    if not (root / boxes / "bounding_box_train").is_dir():
        return None
    split = read_market_layout(root / boxes, "cuhk03", SORTED)
    return replace(split, variant=f"new protocol, {boxes}")


def _picture_folder(root: Path, boxes: str, extract_to: Path | None) -> Path:
    """Where the extracted pictures lie, after extracting them where there are none yet."""
    name = f"images_{boxes}"
    if extract_to is not None and (extract_to / name).is_dir():
        return extract_to / name
    for place in _places(root):
        if (place / name).is_dir():
            return place / name
    mat = _find(root, MAT)
    if mat is None:
        raise InputError(f"{root}: contains neither {MAT} nor a folder {name}")
    folder = (mat.parent if extract_to is None else extract_to) / name
    extract_pictures(mat, boxes, folder)
    return folder


def _testsets(root: Path, folder: Path, boxes: str) -> list[list[Person]]:
    if (folder.parent / TESTSETS).is_file():
        return read_kept_testsets(folder.parent / TESTSETS)
    mat = _find(root, MAT)
    if mat is not None:
        return read_testsets(mat)
    kept = _find(root, TESTSETS) or _find(root, f"splits_classic_{boxes}.json")
    if kept is None:
        raise InputError(
            f"{root}: the original protocol's test sets stand in {MAT}, {TESTSETS} or "
            f"splits_classic_{boxes}.json; it holds none of them"
        )
    return read_kept_testsets(kept)


def _parsed(folder: Path) -> list[tuple[str, Person, int]]:
    names = sorted(file.name for file in folder.iterdir() if is_picture(file))
    if not names:
        raise InputError(f"{folder}: contains no pictures")
    parsed = [(name, NAME.fullmatch(name)) for name in names]
    odd = [name for name, match in parsed if match is None]
    if odd:
        raise InputError(
            f"{folder / odd[0]}: names must look like 1_001_2_06.png (pair, person, camera, "
            f"cell); {len(odd)} of {len(names)} here do not"
        )
    return [(name, (int(m[1]), int(m[2])), int(m[3])) for name, m in parsed if m is not None]


def _samples(folder: Path, rows: Iterable[tuple[str, int, int]]) -> tuple[Sample, ...]:
    made = [
        Sample(
            folder / name, f"{folder.name}/{name}", person, camera,
            person=_name(name) or str(person), camera=str(camera),
        )
        for name, person, camera in rows
    ]  # fmt: skip
    return tuple(sorted(made, key=lambda sample: sample.name))


def _name(file_name: str) -> str | None:
    """Pair and person, as a picture's name has them: `1_001`."""
    match = NAME.fullmatch(file_name)
    return f"{match[1]}_{match[2]}" if match else None


def _places(root: Path) -> list[Path]:
    return [root, *(entry for entry in sorted(root.iterdir()) if entry.is_dir())]


def _find(root: Path, name: str) -> Path | None:
    found = [place / name for place in _places(root) if (place / name).is_file()]
    return found[0] if found else None
