"""The light of one moment: sun and sky, shade, lamps; the same for scene and people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from passerby.drawing.camera import Camera

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Moment:
    """Light at one moment, world coordinates, linear."""

    direction: Vector
    """(3,) unit vector towards the directed light."""
    sun: Vector
    """(3,) strength of the directed light."""
    ambient: Vector
    """(3,) strength of the light from everywhere."""
    edge: Vector
    """(3,) of a building's shadow on the ground: shade where x * e0 + z * e1 > e2."""
    dapple: float
    """Share of the ground that leaves of trees keep in shade, 0-1."""
    gain: Vector
    """(3,) the camera's exposure and white balance, off by this."""


def plain_moment() -> Moment:
    """Soft daylight from above."""
    direction = np.array([0.3, 0.85, -0.43])
    return Moment(direction / np.linalg.norm(direction), np.full(3, 0.35), np.full(3, 0.7),
                  np.array([0.0, 0.0, 1.0]), 0.0, np.ones(3))  # fmt: skip


def draw_moment(draw: np.random.Generator, camera: Camera) -> Moment:
    """Draws the light that falls while a person passes."""
    around = float(draw.uniform(-np.pi, np.pi))
    if not camera.outdoors:
        over, kind = float(draw.uniform(0.8, 1.4)), "hall"
    else:
        kind = str(draw.choice(["sun", "cloud", "shade", "dusk", "night"],
                               p=[0.40, 0.40, 0.12, 0.05, 0.03]))  # fmt: skip
        over = float(draw.uniform(0.35, 1.2)) if kind != "night" else float(draw.uniform(0.9, 1.4))
    sun, ambient, warm, cool = {
        "sun": (1.0, 0.34, 0.10, -0.10),
        "cloud": (0.18, 0.80, 0.0, -0.03),
        "shade": (0.10, 0.75, 0.0, -0.14),
        "dusk": (0.45, 0.50, 0.22, -0.15),
        "night": (0.65, 0.26, 0.35, 0.15),
        "hall": (0.40, 0.55, 0.05, 0.03),
    }[kind]
    angle = float(draw.uniform(-np.pi, np.pi))
    middle = 0.5 * (camera.near + camera.far)
    shaded = kind == "sun" and draw.random() < 0.4
    gain = float(draw.normal(0, 0.18)) + np.array([1.0, 0.0, -1.0]) * float(draw.normal(0, 0.06))
    return Moment(
        direction=np.array([np.cos(over) * np.sin(around), np.sin(over),
                            np.cos(over) * np.cos(around)]),  # fmt: skip
        sun=sun * float(draw.uniform(0.75, 1.25)) * np.array([1 + warm, 1.0, 1 - warm]),
        ambient=ambient * np.array([1 + cool, 1.0, 1 - cool]),
        edge=np.array([np.cos(angle), np.sin(angle),
                       np.sin(angle) * middle + float(draw.uniform(-2, 2))])
        if shaded else np.array([0.0, 0.0, 1.0]),
        dapple=float(draw.uniform(0.2, 0.75)) if kind == "sun" and draw.random() < 0.25 else 0.0,
        gain=np.exp(gain),
    )  # fmt: skip
