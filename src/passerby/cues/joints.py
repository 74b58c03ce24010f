"""Joints from a file: JSON, `file_name -> 18 x (x, y, confidence)`, in OpenPose's order."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from passerby.types import JOINT_NAMES, InputError, Sample


def read_joints(file: str | Path) -> dict[str, NDArray[np.float32]]:
    """Sample names to (18, 3) x, y, confidence in pixels of the picture; (0, 0, 0) is missing.

    Raises:
        InputError: the file is missing or no JSON object, or an entry is not 18 times three finite
            numbers with confidence at least 0.
    """
    file = Path(file)
    try:
        entries = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{file}: no such file") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: is no readable JSON file: {error}") from None
    if not isinstance(entries, dict):
        raise InputError(
            f"{file}: joints are an object file_name -> 18 x (x, y, confidence), "
            f"got a {type(entries).__name__}"
        )
    return {name: _entry(file, name, values) for name, values in entries.items()}


def joints_of(
    joints: Mapping[str, NDArray[np.float32]], sample: Sample
) -> NDArray[np.float32] | None:
    """The joints of a sample's picture; None: not known.

    Raises:
        InputError: the sample is a box in a frame: a file name does not tell whose joints.
    """
    if sample.box is not None:
        raise InputError(
            f"{sample.name}: joints go by file name, which cannot tell apart the people of one "
            "frame; cut the boxes into files first"
        )
    return joints.get(sample.name)


def _entry(file: Path, name: str, values: Any) -> NDArray[np.float32]:
    wanted = f"{len(JOINT_NAMES)} x (x, y, confidence)"
    try:
        joints = np.array(values, np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{file}: {name}: joints are {wanted}, got something else") from None
    if joints.shape != (len(JOINT_NAMES), 3):
        raise InputError(f"{file}: {name}: joints are {wanted}, got the shape {joints.shape}")
    if not np.isfinite(joints).all():
        bad = JOINT_NAMES[int((~np.isfinite(joints)).any(axis=1).argmax())]
        raise InputError(f"{file}: {name}: joints are finite numbers, {bad} is not")
    if joints[:, 2].min() < 0:
        raise InputError(f"{file}: {name}: confidences are at least 0, got {joints[:, 2].min()}")
    return joints.astype(np.float32)
