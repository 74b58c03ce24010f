"""MSMT17 (Wei et al. 2018): 15 cameras, listed in four text files.

A line of a list is `0000/0000_000_01_0303morning_0008_0.jpg 0`: the picture, relative to `train`
or `test`, and the person's number among that part's people. In the name stand person, picture,
camera (01), day and time, frame. In version 2 faces are blurred and the folders are called
`mask_train_v2` and `mask_test_v2`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Literal

from passerby.data.market1501 import compare_counts
from passerby.types import InputError, Sample, Split

FOLDERS = {"V1": ("train", "test"), "V2": ("mask_train_v2", "mask_test_v2")}
"""By version: where the pictures of training and of test people lie."""

LISTS = ("list_train.txt", "list_val.txt", "list_query.txt", "list_gallery.txt")

_LINE = re.compile(r"(\S.*?)\s+(\d+)")
_NAME = re.compile(r"(?P<person>\d+)_\d+_(?P<camera>\d{2})_.*")
_FOLDER = re.compile(r"msmt[-_ ]?17.*", re.I)
_PUBLISHED = {
    "training pictures": 32621,
    "training identities": 1041,
    "queries": 11659,
    "query identities": 3060,
    "gallery pictures": 82161,
    "gallery identities": 3060,
}
"""Of V1 with the validation list, 2,373 pictures, in the training part (methods.md)."""
_VALIDATION = 2373


def load_msmt17(
    root: str | Path, version: Literal["V1", "V2"] | None = None, with_validation: bool = True
) -> Split:
    """MSMT17, V1 or V2; `Split.variant` says which.

    The lists number the people of the training and of the test part from 0 each; here the test
    people are numbered on after the training people, and a person's name starts with the part
    (`train/0000`, `test/0000`). Counts of V1 that differ from the published
    ones become one line in `Split.warnings`.

    Args:
        root: the folder that holds the lists, or one above it with `MSMT17_V1` or the like inside.
        version: V1 or V2, where the folder holds both; else what it holds.
        with_validation: train on the pictures of list_val.txt too, as most papers do.

    Raises:
        InputError: an unknown version; a list or folder is missing; a line is not as above; a
            picture does not exist or is listed twice in a part.
    """
    found, version = _find(Path(root), version)
    people_folder, test_folder = FOLDERS[version]
    names = LISTS[:2] if with_validation else LISTS[:1]
    train = [sample for name in names for sample in _read_list(found, name, people_folder, 0)]
    first = 1 + max(sample.person_id for sample in train)
    split = Split(
        name="msmt17",
        root=found,
        train=_part(found, "training", train),
        query=_part(found, "query", _read_list(found, LISTS[2], test_folder, first)),
        gallery=_part(found, "gallery", _read_list(found, LISTS[3], test_folder, first)),
        variant=version if with_validation else f"{version} without validation pictures",
    )
    return replace(split, warnings=tuple(_notes(split, version, with_validation)))


def _notes(split: Split, version: str, with_validation: bool) -> list[str]:
    if version == "V2":
        return ["MSMT17 V2 (faces blurred): its scores do not compare with those of V1"]
    less = 0 if with_validation else _VALIDATION
    published = {**_PUBLISHED, "training pictures": _PUBLISHED["training pictures"] - less}
    counts = compare_counts(split, published)
    return [] if counts is None else [counts]


def _find(root: Path, version: str | None) -> tuple[Path, Literal["V1", "V2"]]:
    """The folder of the lists, and the version of the pictures that lie there."""
    if version not in (None, *FOLDERS):
        raise InputError(f"the version of msmt17 must be V1 or V2: given {version!r}")
    if not root.is_dir():
        raise InputError(f"{root}: no such folder")
    below = [f for f in sorted(root.iterdir()) if f.is_dir() and _FOLDER.fullmatch(f.name)]
    found: list[tuple[Path, Literal["V1", "V2"]]] = []
    for folder in (root, *below):
        for known in ("V1", "V2"):
            if version in (None, known) and all((folder / f).is_dir() for f in FOLDERS[known]):
                found.append((folder, "V1" if known == "V1" else "V2"))
    if len(found) != 1:
        wanted = " or ".join(" and ".join(FOLDERS[v]) for v in FOLDERS if version in (None, v))
        what = "both V1 and V2: say which by `version`" if found else f"no folders {wanted}"
        raise InputError(f"{root}: contains {what}")
    return found[0]


def _read_list(root: Path, name: str, folder: str, first: int) -> list[Sample]:
    file = root / name
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise InputError(f"{file}: the list is missing") from None
    except UnicodeDecodeError:
        raise InputError(f"{file}: not a text file") from None
    samples = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        parts = _LINE.fullmatch(line.strip())
        named = _NAME.fullmatch(Path(parts[1]).name) if parts else None
        if parts is None or named is None:
            raise InputError(
                f"{file}: line {number} must look like 0000/0000_000_01_0303morning_0008_0.jpg 0 "
                f"(picture, person); given {line.strip()[:80]!r}"
            )
        sample_name = f"{folder}/{parts[1]}"
        part = "test" if "test" in folder else "train"
        samples.append(
            Sample(
                root / sample_name, sample_name, first + int(parts[2]), int(named["camera"]),
                person=f"{part}/{named['person']}", camera=named["camera"],
            )
        )  # fmt: skip
    if not samples:
        raise InputError(f"{file}: lists no pictures")
    return samples


def _part(root: Path, part: str, samples: list[Sample]) -> tuple[Sample, ...]:
    ordered = sorted(samples, key=lambda sample: sample.name)
    for one, other in zip(ordered, ordered[1:], strict=False):
        if one.name == other.name:
            raise InputError(f"{root}: {one.name} is listed twice in the {part} part")
    missing = [sample.name for sample in ordered if not sample.file.is_file()]
    if missing:
        raise InputError(
            f"{root}: {len(missing)} of {len(ordered)} {part} pictures are missing, e.g. "
            f"{missing[0]}"
        )
    return tuple(ordered)
