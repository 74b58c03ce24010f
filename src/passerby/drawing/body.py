"""The walking body: where the joints of a person are, from shape and phase of the step.

Body frame, metres: x to the person's left, y up from the ground, z to the front. Lengths in the
code are shares of the standing height.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Point = NDArray[np.float64]


@dataclass(frozen=True)
class Shape:
    """What does not change about a body."""

    height: float
    """Metres, standing."""
    girth: float
    """Thickness of waist and limbs; 1 is average."""
    shoulders: float
    """Width of the shoulders; 1 is average."""
    hips: float
    """Width of the hips; 1 is average."""
    legs: float
    """Length of the legs; 1 is average."""
    bust: float
    """Depth of the chest in front, share of the height; 0 is flat."""


@dataclass(frozen=True)
class Pose:
    """One moment of walking or standing. Angles in radians."""

    phase: float
    """Of the left leg: at pi/2 it is farthest in front, at -pi/2 farthest behind."""
    stride: float
    """Amplitude of the thighs' swing; about 0 is standing."""
    swing: tuple[float, float]
    """Amplitude of the left and of the right arm."""
    elbow: tuple[float, float]
    """Bend of the left and of the right elbow at rest."""
    lean: float
    """Of the trunk to the front."""
    look: float
    """Turn of the head to the left."""
    nod: float
    """Of the head to the front."""
    spread: float
    """Of the arms away from the body."""


def _sagittal(angle: float, length: float, side: float = 0.0) -> Point:
    """A limb that hangs down, swung to the front by `angle` and outwards by `side`."""
    return length * np.array(
        [np.sin(side), -np.cos(angle) * np.cos(side), np.sin(angle) * np.cos(side)]
    )


def rotation_y(angle: float) -> NDArray[np.float64]:
    """Turns the front (z) towards the left (x)."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


def rotation_x(angle: float) -> NDArray[np.float64]:
    """Tilts the top (y) towards the front (z)."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])


def _leg(phase: float, pose: Pose, shape: Shape, side: float) -> dict[str, Point]:
    """Hip to toe of one leg, the hip at height 0."""
    hip = np.array([side * 0.052 * shape.hips, 0.0, 0.0])
    thigh = 0.04 * min(1.0, pose.stride * 4) + pose.stride * np.sin(phase)
    # The knee bends most early in the swing to the front, and a little under the load.
    swinging = max(0.0, np.cos(phase + 0.35)) ** 2
    flex = 0.06 + pose.stride * (2.1 * swinging + 0.25 * max(0.0, np.sin(phase)))
    shin = thigh - flex
    knee = hip + _sagittal(thigh, 0.245 * shape.legs, side * 0.03)
    ankle = knee + _sagittal(shin, 0.242 * shape.legs, side * -0.01)
    pitch = 0.75 * shin
    forward = np.array([side * 0.16, np.sin(pitch), np.cos(pitch)])
    up = np.array([0.0, np.cos(pitch), -np.sin(pitch)])
    return {
        "hip": hip,
        "knee": knee,
        "ankle": ankle,
        "heel": ankle - 0.018 * up - 0.024 * forward,
        "toe": ankle - 0.024 * up + 0.092 * forward,
    }


def _arm(phase: float, pose: Pose, shape: Shape, side: float, shoulder: Point) -> dict[str, Point]:
    """Elbow, wrist and hand; `phase` is that of the leg on the other side."""
    which = 0 if side > 0 else 1
    angle = -0.03 + pose.swing[which] * np.sin(phase)
    bend = pose.elbow[which] + 0.5 * pose.swing[which] * (1 + np.sin(phase)) * 0.5
    out = side * (pose.spread + 0.06 * (shape.girth - 1))
    elbow = shoulder + _sagittal(angle, 0.170, out)
    wrist = elbow + _sagittal(angle + bend, 0.142, 0.3 * out)
    hand = wrist + _sagittal(angle + bend + 0.15, 0.055, 0.0)
    return {"shoulder": shoulder, "elbow": elbow, "wrist": wrist, "hand": hand}


def skeleton(shape: Shape, pose: Pose) -> tuple[dict[str, Point], NDArray[np.float64]]:
    """Named points of the body, and the frame of the head.

    Returns:
        Points (3,) in metres, the lowest sole on the ground, e.g. `left_knee`, `neck`, `head`
        (its centre); and the rotation (3, 3) from the head's own axes to the body's.
    """
    points: dict[str, Point] = {}
    for name, side in (("left", 1.0), ("right", -1.0)):
        phase = pose.phase if side > 0 else pose.phase + np.pi
        for joint, at in _leg(phase, pose, shape, side).items():
            points[f"{name}_{joint}"] = at
    twist = rotation_y(-0.25 * pose.stride * np.sin(pose.phase))
    trunk = rotation_x(pose.lean) @ twist
    points["pelvis"] = np.array([0.0, 0.02, 0.0])
    for name, height in (("waist", 0.10), ("chest", 0.22), ("neck", 0.305), ("head", 0.41)):
        points[name] = trunk @ np.array([0.0, height, 0.012 if name == "head" else 0.0])
    for name, side in (("left", 1.0), ("right", -1.0)):
        shoulder = trunk @ np.array([side * 0.104 * shape.shoulders, 0.262, -0.004])
        other = pose.phase + np.pi if side > 0 else pose.phase
        for joint, at in _arm(other, pose, shape, side, shoulder).items():
            points[f"{name}_{joint}"] = at
    head = rotation_y(pose.look) @ rotation_x(pose.nod)
    for name, x, y, z in (
        ("nose", 0.0, -0.008, 0.066),
        ("left_eye", 0.022, 0.010, 0.055),
        ("right_eye", -0.022, 0.010, 0.055),
        ("left_ear", 0.052, -0.002, -0.002),
        ("right_ear", -0.052, -0.002, -0.002),
    ):
        points[name] = points["head"] + head @ np.array([x, y, z])
    sole = min(float(points[f"{side}_{end}"][1]) for side in ("left", "right") for end in
               ("heel", "toe")) - 0.016  # fmt: skip
    for name, at in points.items():
        points[name] = shape.height * (at - np.array([0.0, sole, 0.0]))
    return points, head
