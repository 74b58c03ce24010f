"""Body regions from joints: the whole body and four parts, cut from a picture (ADN, section 3.2).

Yang et al. 2019, *Attention Driven Person Re-identification*, Eq. 1-2; the paper's index sets are
damaged in print and read by the meaning of its Figure 4. Joints count in pixel centres (the centre
of the top left pixel is 0, 0), boxes in pixel edges: the whole picture is 0, 0, W, H.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from passerby.types import JOINT_NAMES, InputError

Outside = Literal["pad", "clip"]
RegionSource = Literal["joints", "filled", "strips"]

REGION_NAMES = ("whole", "head", "upper_body", "upper_leg", "lower_leg")
"""P_0 ... P_4."""

_OF_PART = {
    "head": ("nose", "neck", "eye", "ear"),
    "upper_body": ("neck", "shoulder", "elbow", "wrist", "hip"),
    "upper_leg": ("hip", "knee"),
    "lower_leg": ("knee", "ankle"),
}
PART_JOINTS = {
    part: np.array([i for i, joint in enumerate(JOINT_NAMES) if joint.split("_")[-1] in ends])
    for part, ends in _OF_PART.items()
}
"""P_1 ... P_4 as positions in `JOINT_NAMES`."""

UPRIGHT = 0.01
"""Stiffness of the canonical pose's fit against turning and scaling, in squared picture heights:
two joints that lie close together cannot turn the body around."""


@dataclass(frozen=True)
class Regions:
    """Where the whole body and its parts lie in one picture."""

    boxes: NDArray[np.float64]
    """(5, 4) left, top, right, bottom in pixel edges, in the order of `REGION_NAMES`."""
    source: RegionSource
    """`joints`: all 18 known; `filled`: some estimated by a canonical pose; `strips`: no pose."""


def regions_by_formula(joints: NDArray[np.floating], beta: float) -> NDArray[np.float64]:
    """Eq. 1 and 2: R_0 ... R_4 from 18 joints.

    Args:
        joints: (18, 2) or (18, 3) x, y; all of them count.
        beta: overlap of neighbouring regions, as a share of H.

    Returns:
        (5, 4) left, top, right, bottom, in the coordinates of the joints.
    """
    points = np.asarray(joints, np.float64)
    x, y = points[:, 0], points[:, 1]
    head, body, thighs, shins = (y[indices] for indices in PART_JOINTS.values())
    top = 2 * head.min() - head.max()
    bottom = 4 / 3 * shins.max() - shins.min() / 3
    height = bottom - top
    left = min(x.mean() - height / 4, x.min())
    right = max(x.mean() + height / 4, x.max())
    overlap = beta * height
    rows = (
        (top, bottom),
        (top, head.max() + overlap),
        (body.min() - overlap, body.max() + overlap),
        (thighs.min() - overlap, thighs.max() + overlap),
        (shins.min() - overlap, bottom),
    )
    return np.array([(left, above, right, below) for above, below in rows])


def strips(height: int, width: int) -> NDArray[np.float64]:
    """The whole picture and four horizontal strips of equal height: (5, 4), as `Regions.boxes`."""
    edges = np.linspace(0, height, 5)
    rows = [(0.0, float(height)), *zip(edges[:-1], edges[1:], strict=True)]
    return np.array([(0, above, width, below) for above, below in rows], np.float64)


def find_regions(
    height: int,
    width: int,
    joints: NDArray[np.floating] | None,
    *,
    beta: float = 5 / 48,
    confidence: float = 0.1,
    outside: Outside = "pad",
) -> Regions:
    """The regions of the person in a picture.

    Joints below `confidence`, or outside the picture, are estimated by the canonical pose that is
    nearest to the others. Without any joint, and where the joints give no body that stands (H of
    Eq. 1 below a tenth of the picture), the regions are horizontal strips.

    Args:
        height: of the picture in pixels.
        width: of the picture in pixels.
        joints: (18, 3) x, y, confidence; None: not known.
        beta: overlap of neighbouring regions, as a share of H.
        confidence: least confidence of a joint that is believed.
        outside: regions may leave the picture (by one picture height at most), or are clipped.

    Raises:
        InputError: joints of another shape, or that are not finite.
    """
    if joints is None:
        return Regions(strips(height, width), "strips")
    joints = np.asarray(joints)
    if joints.shape != (18, 3) or not np.isfinite(joints).all():
        raise InputError(
            f"joints must be 18 x (x, y, confidence), finite: given {joints.shape}"
            + (" with NaN or infinity" if joints.shape == (18, 3) else "")
        )
    x, y = joints[:, 0], joints[:, 1]
    known = (joints[:, 2] >= confidence) & (joints[:, 2] > 0)
    known &= (x >= -0.5) & (x <= width - 0.5) & (y >= -0.5) & (y <= height - 0.5)
    if not known.any():
        return Regions(strips(height, width), "strips")
    source: RegionSource = "joints" if known.all() else "filled"
    points = joints[:, :2] if source == "joints" else fill_in(joints[:, :2], known, height, width)
    boxes = regions_by_formula(points, beta)
    if boxes[0, 3] - boxes[0, 1] < height / 10:
        return Regions(strips(height, width), "strips")
    return Regions(_bounded(boxes + 0.5, height, width, outside), source)


def _bounded(
    boxes: NDArray[np.float64], height: int, width: int, outside: Outside
) -> NDArray[np.float64]:
    """At most one picture height outside, or none; at least one pixel each way."""
    margin = float(height) if outside == "pad" else 0.0
    least = np.array([-margin, -margin, -margin, -margin])
    most = np.array([width + margin, height + margin, width + margin, height + margin])
    boxes = boxes.clip(least, most)
    for low, high in ((0, 2), (1, 3)):
        thin = boxes[:, high] - boxes[:, low] < 1
        if thin.any():
            middle = (boxes[thin, high] + boxes[thin, low]) / 2
            middle = middle.clip(least[low] + 0.5, most[high] - 0.5)
            boxes[thin, low], boxes[thin, high] = middle - 0.5, middle + 0.5
    return boxes


def fill_in(
    points: NDArray[np.floating], known: NDArray[np.bool_], height: int, width: int
) -> NDArray[np.float64]:
    """Estimates the joints that are not known by the nearest canonical pose.

    Each pose is moved, turned and scaled (z -> a z + b in complex numbers) to the known joints:
    the least sum of |a s + b - t|^2 over them + `UPRIGHT` |a - 1|^2. The pose with the least sum
    gives the joints that are missing.

    Args:
        points: (18, 2) x, y.
        known: (18,) at least one.
        height: of the picture in pixels; canonical poses are in units of it.
        width: of the picture in pixels.

    Returns:
        (18, 2); the known joints as they were.
    """
    poses = canonical_poses()
    z = (points[:, 0] - (width - 1) / 2 + 1j * points[:, 1]) / height
    s, t = poses[:, known], z[known]
    centre_s, centre_t = s.mean(axis=1, keepdims=True), t.mean()
    s, t = s - centre_s, t - centre_t
    size = (np.abs(s) ** 2).sum(axis=1)
    a = ((s.conj() * t).sum(axis=1) + UPRIGHT) / (size + UPRIGHT)
    costs = (np.abs(a[:, None] * s - t) ** 2).sum(axis=1) + UPRIGHT * np.abs(a - 1) ** 2
    best = int(costs.argmin())
    fitted = (a[best] * (poses[best] - centre_s[best]) + centre_t) * height
    filled = np.asarray(points, np.float64).copy()
    filled[~known, 0] = fitted.real[~known] + (width - 1) / 2
    filled[~known, 1] = fitted.imag[~known]
    return filled


@lru_cache(maxsize=1)
def canonical_poses() -> NDArray[np.complex128]:
    """(K, 18) x + iy in picture heights, x from the picture's middle; the commonest pose first.

    Learned from synthetic walkers by `tools/canonical_poses.py`.
    """
    file = Path(__file__).with_name("canonical_poses.json")
    poses = np.array(json.loads(file.read_text(encoding="utf-8"))["poses"])
    poses = poses[:, :, 0] + 1j * poses[:, :, 1]
    poses.flags.writeable = False
    return poses


def cut_regions(
    image: NDArray[np.uint8],
    boxes: NDArray[np.floating],
    sizes: Sequence[tuple[int, int]],
    colour: tuple[int, int, int] = (0, 0, 0),
) -> list[NDArray[np.uint8]]:
    """Cuts boxes out of a picture and resizes each: bilinear, antialiased where it shrinks.

    Args:
        image: (H, W, 3).
        boxes: (N, 4) left, top, right, bottom in pixel edges, positive in width and height.
        sizes: height, width of each result.
        colour: of what lies outside the picture.

    Returns:
        N arrays (height, width, 3).
    """
    height, width = image.shape[:2]
    left, top = np.floor(np.minimum(boxes[:, :2].min(axis=0), 0)).astype(int)
    right, bottom = np.ceil(np.maximum(boxes[:, 2:].max(axis=0), (width, height))).astype(int)
    if (left, top, right, bottom) != (0, 0, width, height):
        canvas = np.empty((bottom - top, right - left, 3), np.uint8)
        canvas[:] = colour
        canvas[-top : height - top, -left : width - left] = image
        image = canvas
    whole = Image.fromarray(image)
    moved = (boxes - np.array([left, top, left, top])).tolist()
    return [
        np.asarray(whole.resize((wide, tall), Image.Resampling.BILINEAR, tuple(box)))
        for box, (tall, wide) in zip(moved, sizes, strict=True)
    ]
