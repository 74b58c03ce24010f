"""What people carry, ride and push."""

from __future__ import annotations

import numpy as np

from passerby.drawing.figure import BAG, BAGS, EXTRA, VEHICLE, Figure
from passerby.drawing.riding import bicycle


def put_bags(f: Figure) -> None:
    """Adds bag and umbrella."""
    p, bag, h = f.person, f.person.bag, f.size
    size, side = bag.size, bag.side
    loose = (p.outfit.outer or p.outfit.inner).loose
    back = 0.056 + loose + 0.02 * (p.shape.girth - 1)
    name = "left" if side > 0 else "right"
    if bag.kind == "backpack":
        f.add(BAGS, f.at(0, 0.64 - 0.02 * size, -back - 0.034), f.at(0, 0.735, -back - 0.022),
              0.078 * size, 0.064 * size, bag.cloth, scale=(1.0, 0.9, 0.72), zone=BAG)  # fmt: skip
        f.add(BAGS, f.at(0, 0.635, -back - 0.075), f.at(0, 0.675, -back - 0.072), 0.045 * size,
              0.040 * size, bag.cloth, scale=(1.1, 0.8, 0.5), zone=BAG, blend=0.3)  # fmt: skip
    elif bag.kind in ("cross", "shoulder"):
        out = (0.115 + loose) * (0.6 + 0.4 * p.shape.hips * p.shape.girth**0.4)
        high = 0.50 if bag.kind == "cross" else 0.54
        below = f.at(out * side, high - 0.045 * size, -0.005)
        f.add(
            BAGS,
            f.at(out * side, high + 0.035 * size, -0.005),
            below,
            0.062 * size,
            0.066 * size,
            bag.cloth,
            scale=(0.42, 1.0, 1.0),
            cut=True,
            zone=BAG,
        )
    elif bag.kind in ("hand", "plastic"):
        hand = f.points[f"{name}_hand"]
        tall = 0.07 if bag.kind == "hand" else 0.10
        top, low = (hand - np.array([0.0, k * h, 0.0]) for k in (0.06, 0.06 + tall * size))
        f.add(
            BAGS,
            top,
            low,
            0.055 * size,
            0.066 * size,
            bag.cloth,
            scale=(0.36, 1.0, 1.0),
            cut=True,
            zone=BAG,
        )
        f.add(BAGS, hand - np.array([0.0, 0.06 * h, 0.0]), hand, 0.022, 0.005, bag.cloth,
              scale=(0.3, 1.0, 1.0), blend=0.3)  # fmt: skip
    if p.umbrella:
        hand = f.points[f"{'right' if side > 0 else 'left'}_hand"]
        top = hand + np.array([-0.05 * side * h, 0.42 * h, 0.02 * h])
        f.add(EXTRA, hand, top, 0.005, 0.005, p.sole)
        f.add(
            EXTRA,
            top - np.array([0, 0.03 * h, 0]),
            top - np.array([0, 0.031 * h, 0]),
            0.30,
            0.30,
            p.umbrella,
            scale=(1.0, 0.26, 1.0),
        )


def put_bicycle(f: Figure) -> None:
    """Under who rides it, beside who pushes it; bags are on the back or in the basket."""
    p, bag = f.person, f.person.bag
    beside = np.zeros(3)
    if p.cycles == "pushes":
        beside = np.array([bag.side * 0.48, 0.0, 0.15])
    for a, b, r, cloth in bicycle(p.bicycle, bag.kind != "backpack", 0.1 * bag.side):
        f.add(VEHICLE, a + beside, b + beside, r / f.size, r / f.size, cloth)
    if bag.kind == "backpack":
        put_bags(f)
