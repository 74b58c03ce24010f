"""Joints from files, each format known by its content.

* JSON, `file_name -> 18 x (x, y, confidence)`; also 17 (COCO) or 25 (BODY_25) joints.
* Parquet, the columns `file_name` and `joints` (54 numbers, or 18 lists of 3; 51 and 75 likewise).
* OpenPose's JSON: a folder in the pictures' tree with `a_keypoints.json` for `a.jpg`, or one file,
  `file_name -> {"people": ...}`.
* COCO's keypoints: an object with `images` and `annotations`.

Of several people in one picture the one with the greatest sum of confidences counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from passerby.cues.layouts import to_coco_18
from passerby.parsing import parse_json
from passerby.types import InputError, Sample

OPENPOSE_SUFFIX = "_keypoints.json"
"""How OpenPose calls the file of a picture."""

Joints = dict[str, NDArray[np.float32]]
"""Sample names to (18, 3); the names of OpenPose's single files have no suffix."""


def read_joints(place: str | Path) -> Joints:
    """Sample names to (18, 3) x, y, confidence in pixels of the picture; (0, 0, 0) is missing.

    Raises:
        InputError: the file or folder is missing, unreadable or of an unknown layout, or an entry
            is not 18 (17, 25) times three finite numbers with confidence at least 0.
    """
    place = Path(place)
    if place.is_dir():
        return _folder(place)
    try:
        with place.open("rb") as opened:
            parquet = opened.read(4) == b"PAR1"
    except FileNotFoundError:
        raise InputError(f"{place}: no such file") from None
    except OSError as error:
        raise InputError(f"{place}: cannot be read: {error}") from None
    if parquet:
        return dict(_checked(place, _parquet(place)))
    content = _json(place)
    if isinstance(content, dict) and {"images", "annotations"} <= set(content):
        return dict(_checked(place, _coco(place, content)))
    if not isinstance(content, dict):
        raise InputError(
            f"{place}: joints are an object file_name -> 18 x (x, y, confidence), OpenPose's or "
            f"COCO's with images and annotations; given a {type(content).__name__}"
        )
    if isinstance(content.get("people"), list):
        raise InputError(f"{place}: OpenPose's file of one picture; give the folder of all of them")
    return dict(_checked(place, content.items()))


def joints_of(
    joints: Mapping[str, NDArray[np.float32]], sample: Sample
) -> NDArray[np.float32] | None:
    """The joints of a sample's picture; None: not known.

    Raises:
        InputError: the sample is a box in a frame: a file name does not tell whose joints.
    """
    if sample.box is not None:
        raise InputError(
            f"{sample.name}: joints are found by file name, and people of one frame share "
            "it; cut the boxes into files first"
        )
    found = joints.get(sample.name)
    return joints.get(str(PurePosixPath(sample.name).with_suffix(""))) if found is None else found


def _folder(folder: Path) -> Joints:
    files = sorted(folder.rglob(f"*{OPENPOSE_SUFFIX}"))
    if not files:
        raise InputError(f"{folder}: contains no files *{OPENPOSE_SUFFIX} (OpenPose's joints)")
    found: Joints = {}
    for file in files:
        name = file.relative_to(folder).as_posix().removesuffix(OPENPOSE_SUFFIX)
        found |= _checked(file, [(name, _json(file))])
    return found


def _json(file: Path) -> Any:
    try:
        return parse_json(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: not a readable JSON file: {error}") from None


def _parquet(file: Path) -> Iterator[tuple[str, Any]]:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(file)
    except (pyarrow.ArrowException, OSError) as error:
        line = str(error).splitlines()[0]
        raise InputError(f"{file}: not a readable Parquet file: {line}") from None
    if missing := [name for name in ("file_name", "joints") if name not in table.column_names]:
        raise InputError(
            f"{file}: joints need the columns file_name, joints; {missing[0]} is missing"
        )
    for batch in table.select(["file_name", "joints"]).to_batches():
        yield from zip(batch[0].to_pylist(), batch[1].to_pylist(), strict=True)


def _coco(file: Path, content: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """People by picture; visibility above 0 is the confidence 1."""
    try:
        names = {image["id"]: str(image["file_name"]) for image in content["images"]}
        people: dict[str, list[Any]] = {name: [] for name in names.values()}
        for one in content["annotations"]:
            listed = np.array(one["keypoints"], np.float64).reshape(-1, 3)
            listed[:, 2] = np.where(listed[:, 2] > 0, one.get("score", 1.0), listed[:, 2])
            people[names[one["image_id"]]].append({"pose_keypoints_2d": listed.ravel()})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{file}: COCO's keypoints need images (id, file_name) and annotations (image_id, "
            f"keypoints of 17 x 3 numbers): {type(error).__name__} {error}"
        ) from None
    for name, found in people.items():
        yield name, {"people": found}


def _checked(file: Path, entries: Any) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """The entries as (18, 3), errors with the names of file and picture."""
    for name, values in entries:
        try:
            yield str(name), _entry(values)
        except InputError as error:
            raise InputError(f"{file}: {name}: {error}") from None


def _entry(values: Any) -> NDArray[np.float32]:
    if not isinstance(values, dict):
        return to_coco_18(_numbers(values))
    people = values.get("people")
    if not isinstance(people, list):
        raise InputError("not OpenPose's joints: the list people is missing")
    found = [np.zeros((18, 3), np.float32)]
    for person in people:
        if not isinstance(person, dict) or "pose_keypoints_2d" not in person:
            raise InputError("not OpenPose's joints: one of the people has no pose_keypoints_2d")
        found.append(to_coco_18(_numbers(person["pose_keypoints_2d"])))
    # Of equals the first; the empty one at the start stands for "nobody".
    return max(found, key=lambda joints: float(joints[:, 2].sum()))


def _numbers(values: Any) -> NDArray[np.float64]:
    try:
        numbers = np.array(values, np.float64)
    except (TypeError, ValueError):
        raise InputError("joints must be 18 x (x, y, confidence)") from None
    if numbers.ndim == 1 and len(numbers) % 3 == 0 and len(numbers):
        return numbers.reshape(-1, 3)
    return numbers
