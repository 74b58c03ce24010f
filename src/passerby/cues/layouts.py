"""Orders in which others list a person's joints, and how each becomes OpenPose's COCO-18."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from passerby.types import JOINT_NAMES, InputError

COCO_17 = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder",
    "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip",
    "left_knee", "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip
"""COCO's keypoints: no neck."""

BODY_25 = (
    *JOINT_NAMES[:8], "mid_hip", *JOINT_NAMES[8:],
    "left_big_toe", "left_small_toe", "left_heel", "right_big_toe", "right_small_toe", "right_heel",
)  # fmt: skip
"""OpenPose's later model."""

LAYOUTS = {18: JOINT_NAMES, 17: COCO_17, 25: BODY_25}
"""By the number of joints, which tells them apart."""


def to_coco_18(joints: NDArray[np.floating]) -> NDArray[np.float32]:
    """Joints in any of `LAYOUTS` in the order of `JOINT_NAMES`.

    A neck that the layout does not have is the middle of the shoulders, where both are known, with
    the lesser of their confidences. Missing joints become (0, 0, 0).

    Args:
        joints: (18, 3), (17, 3) or (25, 3): x, y, confidence.

    Returns:
        (18, 3).

    Raises:
        InputError: another shape, numbers that are not finite, a confidence below 0.
    """
    if joints.ndim != 2 or joints.shape[0] not in LAYOUTS or joints.shape[1] != 3:
        raise InputError(
            "joints must be 18 x (x, y, confidence) (OpenPose; or 17 of COCO, 25 of BODY_25); "
            f"given the shape {joints.shape}"
        )
    names = LAYOUTS[joints.shape[0]]
    if not np.isfinite(joints).all():
        bad = names[int((~np.isfinite(joints)).any(axis=1).argmax())]
        raise InputError(f"joints must be finite numbers; given {bad}")
    if joints[:, 2].min() < 0:
        raise InputError(f"confidences must be at least 0; given {joints[:, 2].min()}")
    found = np.zeros((len(JOINT_NAMES), 3), np.float32)
    for place, name in enumerate(JOINT_NAMES):
        if name in names:
            found[place] = joints[names.index(name)]
    if "neck" not in names:
        sides = found[[JOINT_NAMES.index(f"{side}_shoulder") for side in ("left", "right")]]
        found[JOINT_NAMES.index("neck")] = [*sides[:, :2].mean(axis=0), sides[:, 2].min()]
    found[found[:, 2] == 0] = 0
    return found
