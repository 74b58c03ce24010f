"""Bicycles as solid cones, and the pose of who rides or pushes one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from passerby.drawing.body import Point, Pose, Shape, skeleton
from passerby.drawing.cloths import CHECKS, Cloth
from passerby.drawing.colours import Colour

WHEEL, BASE = 0.335, 0.53
"""Radius of a wheel; half the distance between the hubs. Metres."""
_SEAT = np.array([0.0, 0.90, -0.22])
_GRIP = np.array([0.24, 1.02, 0.32])
_CRANK = np.array([0.0, 0.29, -0.06])


def _bent(a: Point, b: Point, first: float, second: float, ahead: float) -> tuple[Point, Point]:
    """Two links from a towards b: the joint between them, bent to the front, and their end."""
    reach = b - a
    long = float(np.clip(np.linalg.norm(reach), abs(first - second) + 1e-3, first + second - 1e-3))
    along = reach / np.linalg.norm(reach)
    share = (first**2 - second**2 + long**2) / (2 * long)
    off = np.sqrt(max(0.0, first**2 - share**2))
    front = np.array([0.0, 0.0, ahead]) - along * along[2] * ahead
    front /= np.linalg.norm(front) + 1e-9
    return a + share * along + off * front, a + long * along


def seated(shape: Shape, pose: Pose) -> tuple[dict[str, Point], NDArray[np.float64]]:
    """The skeleton of who rides: hips on the saddle, feet on the pedals, hands on the grips.

    Returns:
        As `body.skeleton`; the ground is at 0 and the bicycle's middle above the origin.
    """
    points, head = skeleton(shape, pose)
    h = shape.height
    points = {name: at - points["pelvis"] + _SEAT for name, at in points.items()}
    for name, side in (("left", 1.0), ("right", -1.0)):
        turn = pose.phase + (0.0 if side > 0 else np.pi)
        pedal = _CRANK + np.array([side * 0.10, 0.16 * np.sin(turn), 0.16 * np.cos(turn)])
        hip, ankle = points[f"{name}_hip"], pedal + np.array([0.0, 0.08, -0.06])
        knee, ankle = _bent(hip, ankle, 0.245 * h * shape.legs, 0.242 * h * shape.legs, 1.0)
        points[f"{name}_knee"], points[f"{name}_ankle"] = knee, ankle
        points[f"{name}_heel"] = ankle + h * np.array([0.0, -0.020, -0.024])
        points[f"{name}_toe"] = ankle + h * np.array([0.0, -0.034, 0.088])
        shoulder, grip = points[f"{name}_shoulder"], _GRIP * np.array([side, 1.0, 1.0])
        elbow, wrist = _bent(shoulder, grip, 0.17 * h, 0.142 * h, -1.0)
        points[f"{name}_elbow"], points[f"{name}_wrist"] = elbow, wrist
        points[f"{name}_hand"] = wrist + h * np.array([0.0, -0.01, 0.045])
    return points, head


def bicycle(frame: Colour, basket: bool, steer: float) -> list[tuple[Point, Point, float, Cloth]]:
    """Ends, radius (metres) and cloth of a bicycle's parts, its middle above the origin."""
    rubber, paint = Cloth((0.012, 0.012, 0.014)), Cloth(frame, shine=0.3)
    metal = Cloth((0.25, 0.26, 0.27), shine=0.4)
    parts = []
    for z, turn in ((-BASE, 0.0), (BASE, steer)):
        angles = np.linspace(0, 2 * np.pi, 15)
        ring = WHEEL * np.stack([np.sin(turn) * np.cos(angles), np.sin(angles),
                                 np.cos(turn) * np.cos(angles)], 1)  # fmt: skip
        ring += np.array([0.0, WHEEL, z])
        parts += [(ring[k], ring[k + 1], 0.020, rubber) for k in range(14)]
        hub = np.array([0.0, WHEEL, z])
        parts += [(hub - [0.02, 0, 0], hub + [0.02, 0, 0], 0.03, metal)]
        parts += [(ring[k], ring[k + 7], 0.004, metal) for k in (1, 3, 5)]
    seat, crank = np.array([0.0, 0.84, -0.22]), _CRANK
    head, fork = np.array([0.0, 0.86, 0.34]), np.array([0.0, WHEEL, BASE])
    rear = np.array([0.0, WHEEL, -BASE])
    for a, b in ((seat, crank), (crank, head), (0.85 * seat + 0.15 * crank, head), (seat, rear),
                 (crank, rear), (head, fork)):  # fmt: skip
        parts.append((a, b, 0.018, paint))
    parts.append((seat - [0, -0.02, 0.1], seat + [0, 0.02, 0.12], 0.035, rubber))
    bar = np.array([0.0, 1.02, 0.34])
    parts.append((head, bar, 0.015, metal))
    parts.append((bar - [0.26, 0, 0.04], bar + [0.26, 0, -0.04], 0.014, rubber))
    if basket:
        wire = Cloth((0.08, 0.08, 0.085), (0.02, 0.02, 0.02), CHECKS, 0.03)
        for y in (0.80, 0.90):
            middle = np.array([0.0, y, BASE + 0.03])
            parts.append((middle - [0.10, 0, 0], middle + [0.10, 0, 0], 0.075, wire))
    return parts
