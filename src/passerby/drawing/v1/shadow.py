"""Shadows of people on the ground."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from passerby.drawing.v1.camera import Camera
from passerby.drawing.v1.placing import Placed
from passerby.drawing.v1.render import Array


def draw_shadows(light: Array, camera: Camera, people: list[Placed], xs: Array, ys: Array) -> None:
    """Darkens the ground under and beside people in `light` (h, w, 3), the rays' picture."""
    # Shadows are soft: every second ray in each direction is enough.
    x, y = xs[::2], ys[::2]
    d = camera.rotation
    down = float(d[1, 1]) * y + float(d[2, 1])
    ground = down < -0.02
    if not ground.any():
        return
    t = (-camera.height / down[ground])[:, None]
    right = t * x
    ahead = t * (float(d[1, 2]) * y[ground] + float(d[2, 2]))[:, None]
    seen = np.ones((len(y), len(x)), np.float32)
    for person in people:
        seen[ground] *= _left_by(person, camera, right, ahead)
    light *= seen.repeat(2, 0).repeat(2, 1)[: len(ys), : len(xs), None]


def _left_by(person: Placed, camera: Camera, right: Array, ahead: Array) -> Array:
    """Share of the light that the person leaves to points of the ground."""
    points = person.figure.points
    c, s = np.cos(person.view.heading), np.sin(person.view.heading)
    at = np.array([person.view.right, person.view.ahead])
    turn = np.array([[-c, s], [s, c]])
    feet = [turn @ points[foot][[0, 2]] + at for foot in ("left_ankle", "right_ankle")]
    seen = np.ones(right.shape, np.float32)
    for place, depth, width in ((feet[0], 0.5, 0.028), (feet[1], 0.5, 0.028), (at, 0.35, 0.2)):
        x, z = place.tolist()
        seen *= 1 - depth * np.exp(((right - x) ** 2 + (ahead - z) ** 2) * (-1 / width))
    sun, ambient = float(camera.sun.mean() * camera.light[1]), float(camera.ambient.mean())
    if sun > 0.3:
        fall = -camera.light[[0, 2]] / camera.light[1]
        dark = np.zeros(right.shape, np.float32)
        for a, b, radius in _STICKS:
            start, end = (turn @ points[p][[0, 2]] + at + points[p][1] * fall for p in (a, b))
            np.maximum(dark, _near_line(right, ahead, start, end, radius), out=dark)
        seen *= 1 - 0.85 * sun / (sun + ambient) * dark
    return seen


_STICKS = (
    ("head", "neck", 0.10), ("neck", "pelvis", 0.19), ("left_hip", "left_knee", 0.09),
    ("right_hip", "right_knee", 0.09), ("left_knee", "left_ankle", 0.07),
    ("right_knee", "right_ankle", 0.07),
)  # fmt: skip


def _near_line(x: Array, z: Array, a: NDArray[np.float64], b: NDArray[np.float64],
               radius: float) -> Array:  # fmt: skip
    """1 within `radius` of the line from a to b, falling to 0 over 5 cm."""
    (ax, az), (ux, uz) = a.tolist(), (b - a).tolist()
    px, pz = x - ax, z - az
    s = np.clip((px * ux + pz * uz) * (1 / (ux * ux + uz * uz + 1e-9)), 0, 1)
    px, pz = px - s * ux, pz - s * uz
    out: Array = np.clip((radius - np.sqrt(px * px + pz * pz)) * 20 + 0.5, 0, 1)
    return out
