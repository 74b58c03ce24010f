"""Things of the street beside, behind and in front of a person, drawn flat in metres."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from passerby.drawing.colours import linear

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]
Thing = Callable[[Array, Array, Array, np.random.Generator], tuple[Mask, Array]]
"""(x, y, light, draw) -> where it is, and its linear light (h, w, 3); x (w,) and y (h,) metres."""


def _tone(draw: np.random.Generator, low: int = 20, high: int = 190, chroma: int = 14) -> Array:
    tone, tint = int(draw.integers(low, high)), draw.integers(-chroma, chroma + 1, 3)
    r, g, b = (int(np.clip(tone + t, 3, 250)) for t in tint)
    return np.array(linear((r, g, b)), np.float32)


def _line(x: Array, y: Array, a: tuple[float, float], b: tuple[float, float], r: float) -> Mask:
    ux, uy = b[0] - a[0], b[1] - a[1]
    px, py = x[None, :] - a[0], y[:, None] - a[1]
    k = np.clip((px * ux + py * uy) / (ux * ux + uy * uy), 0, 1)
    return np.asarray((px - k * ux) ** 2 + (py - k * uy) ** 2 < r * r)


def bicycle(x: Array, y: Array, light: Array, draw: np.random.Generator) -> tuple[Mask, Array]:
    """A parked bicycle seen from the side or obliquely."""
    squeeze = float(draw.uniform(0.45, 1.0)) * float(draw.choice([-1, 1]))
    u, r = x / squeeze, 0.33
    dark = np.zeros((len(y), len(x)), bool)
    for centre in (-0.52, 0.52):
        d = np.sqrt((u[None, :] - centre) ** 2 + (y[:, None] - r) ** 2)
        dark |= (np.abs(d - r) < 0.028) | (d < 0.045)
        if draw.random() < 0.5:
            spokes = np.arctan2(y[:, None] - r, u[None, :] - centre)
            dark |= (d < r) & (np.abs((spokes * 2.5) % 1 - 0.5) < 0.05)
    frame = np.zeros_like(dark)
    seat, head, crank = (-0.22, 0.85), (0.36, 0.88), (-0.08, 0.3)
    for a, b in (
        (seat, crank),
        (crank, head),
        (seat, head),
        (seat, (-0.52, r)),
        (crank, (-0.52, r)),
        (head, (0.52, r)),
    ):
        frame |= _line(u, y, a, b, 0.022)
    dark |= _line(u, y, (-0.34, 0.93), (-0.1, 0.93), 0.04)
    dark |= _line(u, y, (0.3, 1.02), (0.42, 0.98), 0.025)
    if draw.random() < 0.5:
        bars = ((u[None, :] * 14) % 1 < 0.35) | ((y[:, None] * 14) % 1 < 0.35)
        frame |= bars & (np.abs(u[None, :] - 0.6) < 0.2) & (np.abs(y[:, None] - 0.8) < 0.14)
    out = np.empty((*dark.shape, 3), np.float32)
    out[:] = _tone(draw, 20, 45) * light
    out[frame] = _tone(draw, 30, 220, 50) * light
    return dark | frame, out


def car(x: Array, y: Array, light: Array, draw: np.random.Generator) -> tuple[Mask, Array]:
    """A parked car: body, windows, wheels."""
    start, long = float(draw.uniform(-1.0, 0.3)), float(draw.uniform(1.5, 4.0))
    u = (x - start) * float(draw.choice([-1, 1]))
    roof, belt = float(draw.uniform(0.9, 1.3)), float(draw.uniform(0.65, 0.85))
    top = np.interp(u, [0, 0.15, 1.0, 1.6, 1.6 + long], [0, 0.7, belt, roof, roof],
                    left=0, right=roof).astype(np.float32)  # fmt: skip
    body = (y[:, None] < top[None, :]) & (y[:, None] > 0.2)
    shade = 0.55 + 0.6 * np.clip(y / belt, 0, 1) ** 2
    out = (_tone(draw, 20, 230, 40) * light)[None, None, :] * shade[:, None, None]
    out = np.broadcast_to(out, (*body.shape, 3)).copy()
    glass = (y[:, None] > belt) & (y[:, None] < top[None, :] - 0.07) & body
    out[glass] = np.array([0.05, 0.06, 0.07], np.float32) * light * 2
    for centre in (0.75, 3.1):
        wheel = (u[None, :] - centre) ** 2 + (y[:, None] - 0.3) ** 2 < 0.31**2
        body |= wheel
        out[wheel] = np.array([0.012, 0.012, 0.014], np.float32) * light
    return body, out.astype(np.float32)


def pole(x: Array, y: Array, light: Array, draw: np.random.Generator) -> tuple[Mask, Array]:
    """A post, lamp or trunk."""
    half = float(draw.choice([0.04, 0.07, 0.14]))
    off = x / half
    mask = np.broadcast_to(np.abs(off) < 1, (len(y), len(x))) & (y[:, None] > 0)
    round_ = np.sqrt(np.clip(1.05 - (off + 0.3) ** 2, 0.12, 1)).astype(np.float32)
    rings = 1 - 0.6 * ((y * float(draw.choice([0.0, 0.9]))) % 1 > 0.8)
    out = (_tone(draw) * light)[None, None, :] * round_[None, :, None] * rings[:, None, None]
    return mask, out.astype(np.float32)


def bin_(x: Array, y: Array, light: Array, draw: np.random.Generator) -> tuple[Mask, Array]:
    """A bin or bollard."""
    half, top = float(draw.uniform(0.1, 0.3)), float(draw.uniform(0.4, 0.9))
    off = x[None, :] / half
    mask = (np.abs(off) < 1 - 0.1 * y[:, None]) & (y[:, None] < top) & (y[:, None] > 0)
    round_ = np.sqrt(np.clip(1.1 - (off + 0.3) ** 2, 0.2, 1))
    rim = np.where(y[:, None] > top - 0.06, 1.3, 1.0)
    out = (_tone(draw, 20, 160, 30) * light)[None, None, :] * (round_ * rim)[..., None]
    return mask, out.astype(np.float32)


def hedge(x: Array, y: Array, light: Array, draw: np.random.Generator) -> tuple[Mask, Array]:
    """A hedge, bush or planter."""
    top, half = float(draw.uniform(0.3, 0.7)), float(draw.choice([0.5, 0.9, 9.0]))
    bumps = np.interp(x, np.linspace(-3, 3, 31), draw.random(31)).astype(np.float32)
    h, w = len(y), len(x)
    leaves = draw.random((h // 3 + 1, w // 3 + 1), np.float32).repeat(3, 0).repeat(3, 1)[:h, :w]
    edge = (top + 0.25 * (bumps - 0.5)) * np.sqrt(np.clip(1.05 - (x / half) ** 2, 0, 1))
    mask = (y[:, None] + 0.06 * leaves < edge[None, :]) & (y[:, None] > 0)
    g = int(draw.integers(60, 120))
    green = np.array(linear((g - 15, g + 10, g // 2)), np.float32)
    return mask, (green * light)[None, None, :] * (0.25 + 1.3 * leaves * leaves)[..., None]


def railing(x: Array, y: Array, light: Array, draw: np.random.Generator) -> tuple[Mask, Array]:
    """A railing or crowd barrier."""
    top, gap = float(draw.uniform(0.7, 1.2)), float(draw.uniform(0.1, 0.3))
    u, v = x[None, :], y[:, None]
    mask = (((u + 9) / gap % 1 < 0.03 / gap) & (v < top)) | (np.abs(v - top) < 0.025)
    mask = (mask | (np.abs(v - 0.15) < 0.02)) & (v > 0)
    out = np.empty((*mask.shape, 3), np.float32)
    out[:] = _tone(draw, 30, 220) * light
    return mask, out


def board(x: Array, y: Array, light: Array, draw: np.random.Generator) -> tuple[Mask, Array]:
    """A sign, box, stall or low wall: a flat board with a band."""
    half, top = float(draw.choice([0.25, 0.5, 9.0])), float(draw.uniform(0.25, 0.7))
    u, v = x[None, :], y[:, None]
    mask = (np.abs(u) < half) & (v < top) & (v > 0)
    out = np.empty((*mask.shape, 3), np.float32)
    out[:] = _tone(draw, 40, 230, 30) * light
    out[(np.abs(v - 0.6 * top) < 0.12 * top) & mask] = _tone(draw, 20, 230, 60) * light
    return mask, out


THINGS: tuple[Thing, ...] = (bicycle, car, pole, bin_, hedge, railing, board)


def put(light: Array, x: Array, y: Array, lit: Array, draw: np.random.Generator) -> Mask:
    """Draws one thing over the picture.

    Args:
        light: (h, w, 3) linear light, drawn over.
        x: (w,) metres from the thing's middle.
        y: (h,) metres above its foot.
        lit: (3,) light on an upright surface.
        draw: which thing, its size and colour.

    Returns:
        (h, w) where it is.
    """
    chosen = int(draw.choice(len(THINGS), p=[0.32, 0.06, 0.18, 0.12, 0.10, 0.14, 0.08]))
    mask, colours = THINGS[chosen](x, y, lit, draw)
    light[mask] = colours[mask]
    return mask
