"""How grounds and walls look, point by point: compiled at first use.

A surface is a row of `TEXTURE` numbers: kind, three colours, sizes, offset, roughness, turn.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

(ASPHALT, TILES, BRICKS, GRASS, CONCRETE, FACADE, SHOP, FOLIAGE, PLASTER, SHUTTER, FENCE, PAINT) = (
    range(12)
)
"""Kinds of surfaces."""
TEXTURE = 16
"""Numbers of a texture: kind, first, second, third colour, size, second size, offset, roughness."""


@cache
def surfaces() -> SimpleNamespace:
    """The compiled functions by name: `noise`, `texture`."""
    from numba import njit

    jit: Callable[..., Any] = njit(nogil=True, fastmath=True, error_model="numpy")
    noise = jit(_noise)
    return SimpleNamespace(noise=noise, texture=jit(_texture(noise, jit(_fbm(noise)), jit(_cell))))


def _noise(u: float, v: float, grid: NDArray[np.float32]) -> float:
    """Smooth noise of unit scale, 0-1, repeating after 64 units."""
    iu, iv = np.floor(u), np.floor(v)
    fu, fv = u - iu, v - iv
    fu, fv = fu * fu * (3 - 2 * fu), fv * fv * (3 - 2 * fv)
    i0, j0 = int(iu) & 63, int(iv) & 63
    i1, j1 = (i0 + 1) & 63, (j0 + 1) & 63
    top = grid[i0, j0] * (1 - fu) + grid[i1, j0] * fu
    low = grid[i0, j1] * (1 - fu) + grid[i1, j1] * fu
    return float(top * (1 - fv) + low * fv)


def _fbm(noise: Callable[..., float]) -> Callable[..., float]:
    def fbm(u: float, v: float, grid: NDArray[np.float32]) -> float:
        """Four octaves, 0-1."""
        return (
            0.42 * noise(u, v, grid)
            + 0.28 * noise(2.1 * u + 7, 2.1 * v, grid)
            + 0.18 * noise(4.3 * u, 4.3 * v + 3, grid)
            + 0.12 * noise(9.1 * u, 9.1 * v, grid)
        )

    return fbm


def _cell(i: float, j: float, grid: NDArray[np.float32]) -> float:
    """A number of its own for each cell of a pattern, 0-1."""
    a, b = int(np.floor(i)), int(np.floor(j))
    return float(grid[(a * 7 + b * 3) & 63, (a * 5 + b * 11 + (a >> 3)) & 63])


def _texture(noise: Callable[..., float], fbm: Callable[..., float],
             cell: Callable[..., float]) -> Callable[..., tuple[float, float, float]]:  # fmt: skip
    def texture(p: NDArray[np.float32], u: float, v: float,
                grid: NDArray[np.float32]) -> tuple[float, float, float]:  # fmt: skip
        """Linear light that the surface sends back, at (u, v) metres along it."""
        kind, s, t, off, rough = int(p[0]), p[10], p[11], p[12], p[13]
        mix, third, gain = 0.0, 0.0, 1.0
        if kind == ASPHALT:
            mix = fbm(u * 2, v * 2, grid)
            gain = 1 - 0.5 * rough + rough * noise(u * 31, v * 31, grid)
            across = (u - off) % (2.5 * s)
            if across < 0.12 and (v * 0.4) % 1 < 0.65:
                third = 0.85
            if t > 0 and v % 14 < 3 and (u / t) % 1 < 0.5:
                third = 0.9
        elif kind == TILES:
            mix = cell(u / s, v / s, grid)
            if t > 0.5:
                mix = 0.2 * mix + 0.8 * ((np.floor(u / s) + np.floor(v / s)) % 2)
            gain = 0.75 + 0.5 * fbm(u * 1.5, v * 1.5, grid)
            gain *= 1 - 0.4 * rough + 0.8 * rough * noise(u * 23, v * 23, grid)
            if (u / s) % 1 < off or (v / s) % 1 < off:
                gain *= 0.55
        elif kind == BRICKS:
            row = np.floor(v / t)
            uu = u / s + 0.5 * (row % 2)
            mix = cell(uu, row, grid)
            gain = 0.72 + 0.55 * fbm(u * 1.3, v * 1.3, grid)
            gain *= 1 - 0.4 * rough + 0.8 * rough * noise(u * 37, v * 37, grid)
            if uu % 1 < off or (v / t) % 1 < off * s / t:
                third = 1.0
        elif kind == GRASS:
            mix = 0.5 * fbm(u * 3, v * 3, grid) + 0.5 * noise(u * 29, v * 29, grid)
            gain = 0.5 + noise(u * 51 + 3, v * 51, grid)
            leaf = cell(u / 0.08, v / 0.08, grid)
            lu = (u / 0.08) % 1 - 0.3 - 0.4 * leaf
            lv = (v / 0.08) % 1 - 0.7 + 0.4 * leaf
            small = 3 * lu * lu + 5 * lv * lv + 3 * lu * lv < 0.35
            if small and leaf < rough * fbm(u * 0.7, v * 0.7, grid):
                third = 0.9
                gain = 0.4 + 8 * leaf
            if np.abs(u - off - 0.4 * np.sin(v * 0.5)) + 0.3 * noise(u * 3, v * 3, grid) < t:
                third, gain = 0.75, 0.75 + 0.5 * noise(u * 23, v * 23, grid)
        elif kind == CONCRETE:
            mix = fbm(u * 0.6, v * 0.6, grid)
            gain = 0.8 + 0.4 * fbm(u * 4, v * 4, grid)
            gain *= 1 - 0.3 * rough + 0.6 * rough * noise(u * 41, v * 41, grid)
            if (u / s) % 1 < 0.02 / s or (v / s) % 1 < 0.02 / s:
                gain *= 0.6
        elif kind == FACADE:
            mix = fbm(u, v, grid)
            a, b = (u / s + off) % 1, (v / t) % 1
            if 0.2 < a < 0.8 and 0.28 < b < 0.84:
                third = 1.0
                gain = 0.4 + 1.6 * noise(u * 0.9, v * 0.6, grid) * cell(u / s + off, v / t, grid)
                if np.abs(a - 0.5) < 0.02 or np.abs(b - 0.6) < 0.012:
                    gain = 3.0
            elif v < 0.5:
                gain = 0.6
        elif kind == SHOP:
            mix = fbm(u, v, grid)
            a = (u / s + off) % 1
            if v > t - 0.6 and v < t - 0.05:
                third = 1.0
                if 0.15 < a < 0.85 and np.abs(v - t + 0.33) < 0.16:
                    third = 1.0 if noise(u * 9, 3.0, grid) > 0.5 else -0.6
            elif 0.04 < a < 0.96 and 0.3 < v < t - 0.7:
                goods = cell(u * 3.1, v * 2.3, grid)
                gain = 0.25 + 1.5 * goods * goods * fbm(u * 5, v * 5, grid)
                third = 0.6 * cell(u * 3.1 + 9, v * 2.3, grid)
        elif kind == FOLIAGE:
            deep = fbm(u * 1.6, v * 1.6, grid)
            mix = deep
            gain = (
                0.25
                + 1.3 * deep * noise(u * 13, v * 13, grid)
                + 0.6 * (noise(u * 31, v * 31, grid) > 0.72)
            )
            if np.abs((u / s + off) % 1 - 0.5) < t and v < 2.0:
                third = 1.0
        elif kind == PLASTER:
            mix = fbm(u * 0.8, v * 0.8, grid)
            gain = 0.85 + 0.3 * noise(u * 17, v * 17, grid) * rough
            if v < t:
                third = 0.9
            a = (u / s + off) % 1
            if 0.1 < a < 0.1 + 0.9 / s and v < 2.1:
                gain, third = 0.45, 0.5
            elif 0.6 < a < 0.85 and 1.2 < v < 2.1:
                third = 2 * cell(u * 5, v * 5, grid) - 0.5
        elif kind == SHUTTER:
            mix = fbm(u * 0.7, v * 0.7, grid)
            gain = 0.75 + 0.45 * (np.abs((v / s) % 1 - 0.5) < 0.32)
            if (u / t + off) % 1 < 0.05:
                gain, third = 0.8, 1.0
        elif kind == FENCE:
            mix = 1.0 * ((u / s + off) % 1 < 0.2 or (np.abs(v - t) < 0.04))
            if mix == 0:
                third = 0.35 + 0.65 * fbm(u * 2, v * 2, grid)
                gain = 0.5 + noise(u * 9, v * 9, grid)
        else:
            mix = 0.3 * fbm(u * 3, v * 3, grid)
            gain = (0.5 + fbm(u * 1.1, v * 1.1, grid)) * (0.75 + 0.5 * noise(u * 9, v * 9, grid))
            if off < v < off + t:
                third = 1.0
        x = p[1] + mix * (p[4] - p[1])
        y = p[2] + mix * (p[5] - p[2])
        z = p[3] + mix * (p[6] - p[3])
        return (
            float(max(0.003, (x + third * (p[7] - x)) * gain)),
            float(max(0.003, (y + third * (p[8] - y)) * gain)),
            float(max(0.003, (z + third * (p[9] - z)) * gain)),
        )

    return texture
