"""Head, hair and what is worn on it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from passerby.drawing.body import Point, rotation_x
from passerby.drawing.cloths import Cloth
from passerby.drawing.figure import HAIR, HAIRS, HAT, HEAD, PLAIN_ZONE, SKIN, Figure, Matrix


def put_head(f: Figure) -> None:
    """Adds head, face, hair and hat."""
    p, h, turn = f.person, f.size * f.person.head, f.head
    lift = 0.055 * f.size * (p.head - 1)
    centre = f.points["head"] + np.array([0.0, lift, 0.0])

    def at(x: float, y: float, z: float) -> Point:
        out: Point = centre + h * (turn @ np.array([x, y, z]))
        return out

    def add(
        group: int,
        a: Point,
        b: Point,
        ra: float,
        rb: float,
        cloth: Cloth,
        zone: int = PLAIN_ZONE,
        scale: tuple[float, float, float] = (1.0, 1.0, 1.0),
        blend: float = 1.0,
    ) -> None:
        f.add(
            group,
            a,
            b,
            ra * p.head,
            rb * p.head,
            cloth,
            scale=scale,
            frame=turn,
            zone=zone,
            blend=blend,
        )

    add(SKIN, at(0, 0.004, 0), at(0, 0.004, 0.001), 0.060, 0.060, p.skin, HEAD, (0.80, 1.06, 0.98))
    add(
        SKIN,
        at(0, -0.018, 0.014),
        at(0, -0.050, 0.030),
        0.042,
        0.022,
        p.skin,
        HEAD,
        (0.95, 1.0, 1.0),
    )
    add(SKIN, at(0, 0.004, 0.058), at(0, -0.014, 0.066), 0.005, 0.010, p.skin, HEAD, blend=0.4)
    for side in (1.0, -1.0):
        add(SKIN, at(0.049 * side, 0.008, -0.004), at(0.049 * side, -0.014, -0.002), 0.012, 0.008,
            p.skin, scale=(0.5, 1.0, 0.8), blend=0.2)  # fmt: skip
    style = p.hair_style
    if style != "bald":
        size = {"short": 0.0625, "full": 0.068, "afro": 0.090}.get(style, 0.066)
        y, z = (0.024, -0.020) if style == "afro" else (0.015, -0.011)
        add(HAIRS, at(0, y, z), at(0, y, z + 0.001), size, size, p.hair, HAIR, (0.86, 1.0, 1.0))
        nape = 0.050 if style == "short" else 0.054
        add(
            HAIRS,
            at(0, 0.0, -0.018),
            at(0, -0.034, -0.024),
            nape,
            0.036,
            p.hair,
            HAIR,
            (0.9, 1.0, 1.0),
        )
    if style in ("full", "bob", "long", "ponytail", "bun"):
        # The fringe, off the middle.
        add(HAIRS, at(0.02, 0.045, 0.030), at(-0.03, 0.040, 0.034), 0.026, 0.022, p.hair, HAIR)
    if style == "bob":
        for side in (1.0, -1.0):
            add(HAIRS, at(0.036 * side, 0.0, -0.006), at(0.044 * side, -0.07, 0.002), 0.030, 0.022,
                p.hair, HAIR)  # fmt: skip
        add(
            HAIRS,
            at(0, 0.0, -0.026),
            at(0, -0.07, -0.026),
            0.058,
            0.046,
            p.hair,
            HAIR,
            (1.0, 1.0, 0.75),
        )
    if style == "long":
        end = at(0, -0.17, -0.05)
        end[2] = min(end[2], f.points["neck"][2] - 0.045 * f.size)
        add(HAIRS, at(0, -0.01, -0.028), end, 0.056, 0.040, p.hair, HAIR, (1.05, 1.0, 0.6))
        for side in (1.0, -1.0):
            add(HAIRS, at(0.040 * side, 0.0, -0.010), at(0.050 * side, -0.11, 0.004), 0.026, 0.018,
                p.hair, HAIR)  # fmt: skip
    if style == "ponytail":
        add(HAIRS, at(0, 0.020, -0.072), at(0, -0.12, -0.095), 0.024, 0.013, p.hair, HAIR)
    if style == "bun":
        add(HAIRS, at(0, 0.045, -0.058), at(0, 0.045, -0.060), 0.029, 0.029, p.hair, HAIR)
    _hat(f, at, turn)


def _hat(f: Figure, at: Callable[[float, float, float], Point], turn: Matrix) -> None:
    p = f.person
    cloth, k = p.hat_cloth, p.head
    if p.hat in ("cap", "beanie", "hat"):
        tall = 0.95 if p.hat == "beanie" else 0.80
        f.add(HAT, at(0, 0.022, -0.008), at(0, 0.022, -0.007), 0.072 * k, 0.072 * k, cloth,
              scale=(0.88, tall, 1.0), frame=turn)  # fmt: skip
    if p.hat == "cap":
        f.add(HAT, at(0, 0.030, 0.045), at(0, 0.018, 0.098), 0.042 * k, 0.036 * k, cloth,
              scale=(1.0, 0.16, 1.0), frame=turn @ rotation_x(0.15))  # fmt: skip
    if p.hat == "hat":
        f.add(HAT, at(0, 0.026, -0.004), at(0, 0.026, -0.003), 0.112 * k, 0.112 * k, cloth,
              scale=(0.95, 0.10, 1.0), frame=turn)  # fmt: skip
    if p.hat in ("scarf", "hood"):
        top = f.person.outfit.outer or f.person.outfit.inner
        cloth = cloth if p.hat == "scarf" else top.cloth
        f.add(
            HAT, at(0, 0.012, -0.016), at(0, -0.04, -0.020), 0.071 * k, 0.060 * k, cloth, frame=turn
        )
        f.add(HAT, at(0, -0.04, -0.020), f.at(0, 0.80, -0.01), 0.058 * k, 0.062, cloth)
