"""Patterns of cloth, folds and faces, point by point; compiled by `paint`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from passerby.drawing.figure import ARM, LEG, TAIL

Array = NDArray[np.float32]


def details(jit: Callable[..., Any], noise: Callable[..., float]) -> tuple[Any, Any, Any]:
    """The compiled functions: of patterns, of folds, of faces."""
    return jit(_pattern(noise)), jit(_fold(noise)), jit(_face)


def _pattern(noise: Callable[..., float]) -> Callable[..., float]:
    def pattern(c: Array, u: float, v: float, x: float, y: float, angle: float, trunk: bool,
                seed: float, grid: Array) -> float:  # fmt: skip
        """Share of the cloth's second colour, 0-1; u around and v along, metres."""
        kind, period = int(c[6]), c[7]
        if kind == 1:
            return 1.0 if (v / period) % 1 < 0.5 else 0.0
        if kind == 2:
            return 0.8 if (u / (0.015 + 0.3 * period)) % 1 < 0.25 else 0.0
        if kind == 3:
            wide = 1.0 if (v / period) % 1 < 0.45 else 0.0
            high = 1.0 if (u / period) % 1 < 0.45 else 0.0
            return 0.5 * (wide + high)
        if kind == 4:
            row = np.floor(v / period)
            du, dv = (u / period + 0.5 * (row % 2)) % 1 - 0.5, (v / period) % 1 - 0.5
            return 1.0 if du * du + dv * dv < 0.08 else 0.0
        if kind == 5:
            return 1.0 if noise(u * 21 + seed, v * 21, grid) > 0.55 else 0.0
        if kind == 10:
            petals = noise(u / period * 1.6 + seed, v / period * 1.6, grid)
            return 1.0 if petals > 0.68 else 0.55 if petals < 0.22 else 0.0
        if kind == 11:
            return 0.35 if (u / 0.012) % 1 < 0.5 else 0.0
        if kind == 13:
            return 0.5 if (v / (0.05 + 0.3 * period)) % 1 < 0.12 else 0.0
        if not trunk:
            return 1.0 if kind == 14 and abs(abs(angle) - 1.57) < 0.3 else 0.0
        if kind == 6 and abs(angle) < 1.5:
            tall = 0.02 + 0.35 * period
            if abs(x) < 0.045 and abs(y - 0.705) < tall:
                return noise(x * 90 + seed, y * 90, grid) * 1.6 - 0.15
        elif kind == 7 and abs(angle) < 1.5:
            if abs(y - 0.72) < 0.012 + 0.05 * period and abs(x) < 0.055:
                return 1.0 if noise(x * 220 + seed, y * 45, grid) > 0.45 else 0.0
        elif kind == 8:
            return 1.0 if y > 0.70 else 0.0
        elif kind == 9:
            return 1.0 if abs(y - 0.68) < 0.015 + 0.1 * period else 0.0
        elif kind == 12 and abs(angle) < 1.2:
            return 1.0 if (x - 0.042) ** 2 + (y - 0.735) ** 2 < 0.012**2 else 0.0
        elif kind == 14:
            return 1.0 if abs(abs(angle) - 1.57) < 0.4 else 0.0
        return 0.0

    return pattern


def _fold(noise: Callable[..., float]) -> Callable[..., float]:
    def fold(zone: int, u: float, v: float, y: float, along: float, seed: float,
             grid: Array) -> float:  # fmt: skip
        """Height of the cloth's folds, 0-1."""
        if zone in (LEG, ARM):
            near = max(0.0, 1 - abs(along - 1) * 3.5) + max(0.0, 1 - abs(along) * 3.5)
            across = noise(u * 9 + seed, v * 30, grid)
            down = noise(u * 17 + seed, v * 6 + 5, grid)
            return min(1.0, near) * across + (1 - 0.6 * min(1.0, near)) * 0.7 * down
        if zone == TAIL:
            drape = noise(u * 16 + seed, v * 2.5, grid)
            return 0.8 * drape + 0.3 * noise(u * 9, v * 14 + seed, grid)
        s = u + 0.6 * v
        t = v - 0.6 * u
        low = max(0.0, 1 - abs(y - 0.6) * 9)
        return (
            0.5 * noise(s * 8 + seed, t * 15, grid)
            + 0.35 * noise(u * 19, v * 9 + seed, grid)
            + 0.4 * low * noise(u * 6, v * 34, grid)
        )

    return fold


def _face(a: Array, x: float, y: float, z: float, skin: Array, hair: Array, out: Array) -> None:
    """Eyes, brows, mouth, beard, glasses and mask; x, y, z in shares of the height, head's axes."""
    k = a[16]
    x, y, z = x / k, y / k, z / k
    tone = np.float32(1.0)
    if z > 0.018:
        eye = ((abs(x) - 0.022) / 0.010) ** 2 + ((y - 0.010) / 0.006) ** 2
        brow = ((abs(x) - 0.022) / 0.014) ** 2 + ((y - 0.022) / 0.0045) ** 2
        socket = ((abs(x) - 0.022) / 0.018) ** 2 + ((y - 0.012) / 0.014) ** 2
        mouth = (x / 0.019) ** 2 + ((y + 0.038) / 0.006) ** 2
        if socket < 1:
            tone = np.float32(0.7)
        if eye < 1:
            tone = np.float32(0.12)
        elif brow < 1:
            tone = np.float32(0.25)
        for c in range(3):
            out[c] = skin[c] * tone
        if mouth < 1:
            out[0], out[1], out[2] = skin[0] * 0.75, skin[1] * 0.45, skin[2] * 0.45
        if a[13] > 0 and y < -0.022 and mouth >= 1:
            for c in range(3):
                out[c] = 0.3 * skin[c] + 0.7 * hair[c]
        if a[14] > 0:
            rim = np.sqrt(((abs(x) - 0.023) / 0.019) ** 2 + ((y - 0.009) / 0.014) ** 2)
            if abs(rim - 1) < 0.22 or (abs(x) < 0.006 and abs(y - 0.011) < 0.003):
                out[0], out[1], out[2] = 0.012, 0.012, 0.014
        if a[15] > 0 and y < -0.004 and z > 0.01:
            out[0], out[1], out[2] = 0.55, 0.62, 0.7
    # Hair grows down to the temples.
    if a[12] >= 0 and y > 0.030 and z < 0.052 and hair[0] >= 0:
        for c in range(3):
            out[c] = hair[c]
