"""What a camera sees without people, ray by ray: compiled at first use.

Surfaces are rows of numbers: `TEXTURE` of them say what a surface looks like (kind, three colours,
sizes), the rest where it lies. World coordinates: right, up, ahead, metres.
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
PLANE = TEXTURE + 6
"""Of an upright plane: texture, normal right and ahead, distance, top, left and right end."""
BLOCK = TEXTURE + 7
"""Of an upright block: texture, low corner, high corner, 1 when it is a cylinder."""
STICK = 6
"""Of a shadow on the ground: from (right, ahead) to (right, ahead), radius, darkness."""


@cache
def scenery() -> SimpleNamespace:
    """The compiled functions by name: `render`, `lit`, `noise`."""
    from numba import njit

    jit: Callable[..., Any] = njit(nogil=True, fastmath=True, error_model="numpy", cache=False)
    noise = jit(_noise)
    fbm = jit(_fbm(noise))
    cell = jit(_cell)
    texture = jit(_texture(noise, fbm, cell))
    lit = jit(_lit(noise))
    nearest = jit(_nearest)
    return SimpleNamespace(
        render=jit(_render(texture, lit, nearest, jit(_sticks))),
        lit=jit(_lit_all(lit)),
        noise=noise,
    )


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


def _lit(noise: Callable[..., float]) -> Callable[..., float]:
    def lit(x: float, y: float, z: float, sun: NDArray[np.float32],
            grid: NDArray[np.float32]) -> float:  # fmt: skip
        """Share of the sun that reaches a point past buildings and leaves.

        `sun`: direction (3), edge (3), dapple.
        """
        k = y / sun[1]
        x, z = x - k * sun[0], z - k * sun[2]
        share = min(1.0, max(0.0, 0.5 - 8 * (x * sun[3] + z * sun[4] - sun[5])))
        if sun[6] > 0:
            leaves = 0.6 * noise(x * 1.7 + 5, z * 1.7, grid) + 0.4 * noise(x * 4.1, z * 4.1, grid)
            share *= min(1.0, max(0.0, 0.5 + 7 * (leaves - sun[6])))
        return float(share)

    return lit


def _lit_all(lit: Callable[..., float]) -> Callable[..., None]:
    def lit_all(points: NDArray[np.float32], sun: NDArray[np.float32], grid: NDArray[np.float32],
                out: NDArray[np.float32]) -> None:  # fmt: skip
        """The same for world points (N, 3)."""
        for i in range(points.shape[0]):
            out[i] = lit(points[i, 0], points[i, 1], points[i, 2], sun, grid)

    return lit_all


def _sticks(x: float, z: float, sticks: NDArray[np.float32]) -> float:
    """Share of the sun that people leave to a point of the ground."""
    dark = 0.0
    for i in range(sticks.shape[0]):
        s = sticks[i]
        ux, uz, px, pz = s[2] - s[0], s[3] - s[1], x - s[0], z - s[1]
        k = min(1.0, max(0.0, (px * ux + pz * uz) / (ux * ux + uz * uz + 1e-6)))
        px, pz = px - k * ux, pz - k * uz
        near = min(1.0, max(0.0, (s[4] - np.sqrt(px * px + pz * pz)) * s[5] + 0.5))
        dark = max(dark, near)
    return 1 - dark


def _nearest(dx: float, dy: float, dz: float, height: float, planes: NDArray[np.float32],
             blocks: NDArray[np.float32]) -> tuple[float, int]:  # fmt: skip
    """Distance along a ray, and what it meets: -1 sky, 0 ground, planes, then blocks."""
    best, which = 1e9, -1
    if dy < 0:
        best, which = -height / dy, 0
    for i in range(planes.shape[0]):
        p = planes[i, 16:]
        t = p[2] / (p[0] * dx + p[1] * dz)
        if 0 < t < best and height + t * dy < p[3]:
            u = t * (p[1] * dx - p[0] * dz)
            if p[4] < u < p[5]:
                best, which = t, i + 1
    for i in range(blocks.shape[0]):
        b = blocks[i, 16:]
        if b[6] > 0:
            r = 0.5 * (b[3] - b[0])
            cx, cz = b[0] + r, b[2] + r
            a, h = dx * dx + dz * dz, dx * cx + dz * cz
            q = h * h - a * (cx * cx + cz * cz - r * r)
            if q > 0:
                t = (h - np.sqrt(q)) / a
                y = height + t * dy
                if 0 < t < best and b[1] < y < b[4]:
                    best, which = t, 1 + planes.shape[0] + i
            continue
        t0x, t1x = b[0] / dx, b[3] / dx
        t0y, t1y = (b[1] - height) / dy, (b[4] - height) / dy
        t0z, t1z = b[2] / dz, b[5] / dz
        enter = max(min(t0x, t1x), min(t0y, t1y), min(t0z, t1z))
        leave = min(max(t0x, t1x), max(t0y, t1y), max(t0z, t1z))
        if 0 < enter < leave and enter < best:
            best, which = enter, 1 + planes.shape[0] + i
    return best, which


def _render(texture: Callable[..., tuple[float, float, float]], lit: Callable[..., float],
            nearest: Callable[..., tuple[float, int]],
            under: Callable[..., float]) -> Callable[..., None]:  # fmt: skip
    def render(xs: NDArray[np.float32], ys: NDArray[np.float32], rotation: NDArray[np.float32],
               height: float, ground: NDArray[np.float32], planes: NDArray[np.float32],
               blocks: NDArray[np.float32], sun: NDArray[np.float32], strong: NDArray[np.float32],
               ambient: NDArray[np.float32], sky: NDArray[np.float32],
               sticks: NDArray[np.float32], feet: NDArray[np.float32], grid: NDArray[np.float32],
               out: NDArray[np.float32]) -> None:  # fmt: skip
        """Fills `out` (h, w, 3) with linear light. `sky` is its colour and haze per metre."""
        for i in range(ys.shape[0]):
            for j in range(xs.shape[0]):
                x, y = xs[j], ys[i]
                dx = rotation[0, 0] * x + rotation[1, 0] * y + rotation[2, 0]
                dy = rotation[0, 1] * x + rotation[1, 1] * y + rotation[2, 1]
                dz = rotation[0, 2] * x + rotation[1, 2] * y + rotation[2, 2]
                t, which = nearest(dx, dy, dz, height, planes, blocks)
                if which < 0:
                    for c in range(3):
                        out[i, j, c] = sky[c]
                    continue
                px, py, pz = t * dx, height + t * dy, t * dz
                share = lit(px, py, pz, sun, grid)
                facing, above = 0.0, 0.8
                if which == 0:
                    c, s = ground[14], ground[15]
                    r, g, b = texture(ground, c * px - s * pz, s * px + c * pz, grid)
                    facing, above = sun[1], 1.0
                    share *= under(px, pz, sticks)
                    above *= 0.35 + 0.65 * under(px, pz, feet)
                elif which <= planes.shape[0]:
                    p = planes[which - 1]
                    u = t * (p[17] * dx - p[16] * dz)
                    r, g, b = texture(p, u, py, grid)
                    facing = max(0.0, -p[16] * sun[0] - p[17] * sun[2])
                    above *= min(1.0, 0.6 + 0.4 * py)
                else:
                    q = blocks[which - 1 - planes.shape[0]]
                    if q[22] > 0:
                        rad = 0.5 * (q[19] - q[16])
                        nx, nz = (px - q[16] - rad) / rad, (pz - q[18] - rad) / rad
                        r, g, b = texture(q, np.arctan2(nx, -nz) * rad, py, grid)
                        facing = max(0.0, nx * sun[0] + nz * sun[2])
                    else:
                        ex = min(abs(px - q[16]), abs(px - q[19]))
                        ey = min(abs(py - q[17]), abs(py - q[20]))
                        ez = min(abs(pz - q[18]), abs(pz - q[21]))
                        if ey < ex and ey < ez:
                            r, g, b = texture(q, px, pz, grid)
                            facing, above = sun[1], 1.0
                        elif ex < ez:
                            r, g, b = texture(q, pz, py, grid)
                            facing = max(0.0, (-sun[0] if dx > 0 else sun[0]))
                        else:
                            r, g, b = texture(q, px, py, grid)
                            facing = max(0.0, -sun[2])
                    above *= min(1.0, 0.45 + 0.55 * py)
                direct = facing * share
                fog = min(1.0, t * sky[3])
                fog = fog * fog * (3 - 2 * fog) * 0.7
                r *= ambient[0] * above + strong[0] * direct
                g *= ambient[1] * above + strong[1] * direct
                b *= ambient[2] * above + strong[2] * direct
                out[i, j, 0] = r + fog * (sky[0] - r)
                out[i, j, 1] = g + fog * (sky[1] - g)
                out[i, j, 2] = b + fog * (sky[2] - b)

    return render
