"""Things that stand between camera and person: poles, bins, hedges, railings, walls."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from passerby.drawing.colours import linear
from passerby.drawing.v1.render import Array

KINDS = ("pole", "bin", "hedge", "railing", "wall")


def draw_occluder(kind: str, light: Array, lit: NDArray[np.float64],
                  draw: np.random.Generator) -> NDArray[np.bool_]:  # fmt: skip
    """Draws an occluder over the picture.

    Args:
        kind: one of `KINDS`.
        light: (h, w, 3) linear light, drawn over.
        lit: (3,) light on an upright surface.
        draw: for place, size and colour.

    Returns:
        (h, w) where it covers what lies behind.
    """
    h, w = light.shape[:2]
    y, x = np.arange(h, dtype=np.float32)[:, None] / h, np.arange(w, dtype=np.float32)[None, :] / w
    tone = int(draw.integers(40, 190))
    tint = draw.integers(-18, 19, 3)
    colour = np.array(linear((tone + int(tint[0]), tone + int(tint[1]), tone + int(tint[2]))))
    middle = float(draw.uniform(0.05, 0.95))
    shape = np.zeros((h, w), bool)
    shadow = np.ones((h, w), np.float32)
    if kind == "pole":
        half = float(draw.uniform(0.035, 0.09))
        off = (x - middle) / half + 0 * y
        shape |= np.abs(off) < 1
        shadow = np.sqrt(np.clip(1.05 - (off + 0.3) ** 2, 0.15, 1))
    elif kind == "bin":
        half, top = float(draw.uniform(0.16, 0.3)), float(draw.uniform(0.60, 0.78))
        off = (x - middle) / half + 0 * y
        shape |= (np.abs(off) < 1 - 0.15 * (y - top)) & (y > top)
        shadow = np.sqrt(np.clip(1.1 - (off + 0.3) ** 2, 0.2, 1))
        shadow = np.where(y < top + 0.035, 1.3, shadow * (0.85 + 0.15 * ((x * 24) % 1 < 0.6)))
    elif kind == "hedge":
        top = float(draw.uniform(0.62, 0.80))
        bumps = draw.random(12)
        edge = np.interp(x[0], np.linspace(0, 1, 12), top + 0.05 * bumps)[None, :]
        leaves = draw.random((h // 3 + 1, w // 3 + 1)).repeat(3, 0).repeat(3, 1)[:h, :w]
        shape |= y > edge + 0.02 * leaves
        shadow = (0.25 + 1.2 * leaves * leaves).astype(np.float32)
        colour = np.array(linear((int(draw.integers(40, 80)), int(draw.integers(80, 115)), 42)))
    elif kind == "railing":
        top, gap = float(draw.uniform(0.55, 0.72)), float(draw.uniform(0.10, 0.2))
        bars = ((x + middle) / gap % 1 < 0.16) & (y > top)
        rail = (np.abs(y - top) < 0.012) | (np.abs(y - 0.93) < 0.010)
        shape |= bars | rail
    else:
        top = float(draw.uniform(0.66, 0.82))
        slope = float(draw.uniform(-0.08, 0.08))
        shape |= y > top + slope * x
        shadow = (0.9 + 0.2 * ((y * 30) % 1 < 0.85) * np.ones_like(x)).astype(np.float32)
    light[shape] = (shadow[..., None] * (colour * lit))[shape]
    return shape
