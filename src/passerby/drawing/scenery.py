"""What a camera sees without people, ray by ray: compiled at first use.

Things are rows of numbers: `TEXTURE` of them say what the surface looks like, the rest where it
lies. World coordinates: right, up, ahead, metres.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from passerby.drawing.surfaces import TEXTURE, surfaces

PLANE = TEXTURE + 6
"""Of an upright plane: texture, normal right and ahead, distance, top, left and right end."""
BLOCK = TEXTURE + 7
"""Of an upright block: texture, low corner, high corner, 1 when it is a cylinder."""
STICK = 6
"""Of a shadow on the ground: from (right, ahead) to (right, ahead), radius, darkness."""


@cache
def scenery() -> SimpleNamespace:
    """The compiled functions by name: `render`, `lit`."""
    from numba import njit

    jit: Callable[..., Any] = njit(nogil=True, fastmath=True, error_model="numpy")
    texture, lit = surfaces().texture, jit(_lit(surfaces().noise))
    nearest = jit(_nearest)
    return SimpleNamespace(
        render=jit(_render(texture, lit, nearest, jit(_sticks))),
        lit=jit(_lit_all(lit)),
    )


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
