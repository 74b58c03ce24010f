"""Round cones that flow into each other, and rays that meet them: compiled at first use.

A figure is rows of `CONE` numbers in its own coordinates (metres: left, up, front). Cones of one
group blend smoothly, as cloth over a body does; between groups there is an edge.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

GROUP, CUT, SCALED, REACH = 8, 15, 16, 34
CONE = 35
"""Numbers of a cone: ends (0, 3), radii (6, 7), group, blending, first and second cloth and where
they change (10), zone, the pattern's origin along it, whether the end is cut flat (15), whether it
is flattened, by a frame (17) and 1 / scale (26), the least scale, axis (30), 1 / length^2 and
reach (34)."""
_TILE = 8
_MOST = 128
"""Cones that one tile can hold."""


@cache
def solids() -> SimpleNamespace:
    """The compiled functions by name: `trace`."""
    from numba import njit

    jit: Callable[..., Any] = njit(nogil=True, fastmath=True, error_model="numpy")
    inline: Callable[..., Any] = njit(nogil=True, fastmath=True, error_model="numpy",
                                      inline="always")  # fmt: skip
    one = inline(_one)
    near = jit(_near(one))
    return SimpleNamespace(trace=jit(_trace(near, jit(_march(near)), jit(_windows))))


def _one(c: Array, x: float, y: float, z: float) -> Any:
    """Distance to one cone, a little less where it is flattened."""
    px, py, pz = x - c[0], y - c[1], z - c[2]
    if c[16] > 0:
        qx = (px * c[17] + py * c[18] + pz * c[19]) * c[26]
        qy = (px * c[20] + py * c[21] + pz * c[22]) * c[27]
        qz = (px * c[23] + py * c[24] + pz * c[25]) * c[28]
        px, py, pz = qx, qy, qz
    raw = (px * c[30] + py * c[31] + pz * c[32]) * c[33]
    h = min(np.float32(1), max(np.float32(0), raw))
    px, py, pz = px - h * c[30], py - h * c[31], pz - h * c[32]
    d: Any = np.sqrt(px * px + py * py + pz * pz) - c[6] - h * (c[7] - c[6])
    if c[15] > 0:
        d = np.maximum(d, (raw - np.float32(1)) / np.sqrt(c[33]))
    return d * c[29]


def _near(one: Callable[..., float]) -> Callable[..., tuple[float, int]]:
    def near(cones: Array, which: NDArray[np.int16], n: int, x: float, y: float,
             z: float) -> tuple[Any, int]:  # fmt: skip
        """Distance to the nearest of `which[:n]` (sorted by group), and which it is."""
        best: Any = np.float32(1e9)
        found = -1
        group, mine = np.float32(-1), -1
        least: Any = np.float32(1e9)
        together: Any = np.float32(1e9)
        for k in range(n):
            i = which[k]
            c = cones[i]
            if c[8] != group:
                if together < best:
                    best, found = together, mine
                group, together, least = c[8], np.float32(1e9), np.float32(1e9)
            d = one(c, x, y, z)
            if d < least:
                least, mine = d, i
            blend = c[9]
            h = max(np.float32(0), blend - abs(together - d)) / blend
            together = min(together, d) - h * h * blend * np.float32(0.25)
        if together < best:
            best, found = together, mine
        return best, found

    return near


def _windows(cones: Array, origin: Array, axes: Array, xs: Array, ys: Array,
             windows: NDArray[np.int32], depths: Array) -> None:  # fmt: skip
    """First and last row and column that each cone may reach, and its least and greatest depth."""
    dx, dy = xs[1] - xs[0], ys[1] - ys[0]
    for i in range(cones.shape[0]):
        c = cones[i]
        left, top, right, bottom = 1e9, 1e9, -1e9, -1e9
        depths[i, 0], depths[i, 1] = 1e9, -1e9
        for end in range(2):
            px, py, pz = c[3 * end], c[3 * end + 1], c[3 * end + 2]
            vx = axes[0, 0] * px + axes[0, 1] * py + axes[0, 2] * pz + origin[0]
            vy = axes[1, 0] * px + axes[1, 1] * py + axes[1, 2] * pz + origin[1]
            vz = axes[2, 0] * px + axes[2, 1] * py + axes[2, 2] * pz + origin[2]
            r = c[34]
            z = max(0.3, vz - r)
            rr = 1.05 * r / z
            left, right = min(left, vx / vz - rr), max(right, vx / vz + rr)
            top, bottom = min(top, vy / vz - rr), max(bottom, vy / vz + rr)
            depths[i, 0] = min(depths[i, 0], vz - r)
            depths[i, 1] = max(depths[i, 1], vz + r)
        windows[i, 0] = int(np.floor((top - ys[0]) / dy))
        windows[i, 1] = int(np.ceil((bottom - ys[0]) / dy))
        windows[i, 2] = int(np.floor((left - xs[0]) / dx))
        windows[i, 3] = int(np.ceil((right - xs[0]) / dx))


def _march(near: Callable[..., tuple[float, int]]) -> Callable[..., tuple[float, int]]:
    def march(cones: Array, which: NDArray[np.int16], n: int, start: Array, ray: Array, t: float,
              end: float, pixel: float) -> tuple[Any, int]:  # fmt: skip
        """Where a ray (from `start`, of unit depth) meets the figure: depth and cone, or -1."""
        long = np.sqrt(ray[0] * ray[0] + ray[1] * ray[1] + ray[2] * ray[2])
        for _ in range(48):
            d, i = near(cones, which, n, start[0] + t * ray[0], start[1] + t * ray[1],
                        start[2] + t * ray[2])  # fmt: skip
            if d < 0.4 * pixel * t:
                return t, i
            t += np.float32(0.95) * d / long
            if t > end:
                break
        return np.float32(1e9), -1

    return march


def _trace(near: Callable[..., tuple[float, int]], march: Callable[..., tuple[float, int]],
           spread: Callable[..., None]) -> Callable[..., None]:  # fmt: skip
    def trace(cones: Array, axes: Array, origin: Array, xs: Array, ys: Array, sun: Array,
              depth: Array, cone: NDArray[np.int16], normal: Array, open_: Array,
              lit: Array) -> None:  # fmt: skip
        """Meets a figure with the rays of a picture.

        Args:
            cones: (N, CONE), sorted by group.
            axes: (3, 3) from the figure's coordinates to the camera's.
            origin: (3,) of the figure's coordinates, in the camera's.
            xs: (w,) of the rays.
            ys: (h,) of the rays.
            sun: (3,) direction of the light, in the figure's coordinates.
            depth: (h, w) gets the depth, 1e9 where there is nothing.
            cone: (h, w) gets the cone, -1 where there is nothing.
            normal: (h, w, 3) gets the unit normal, in the figure's coordinates.
            open_: (h, w) gets the share of the sky that the figure itself leaves.
            lit: (h, w) gets the share of the sun that it leaves.
        """
        h, w, total = ys.shape[0], xs.shape[0], cones.shape[0]
        windows = np.empty((total, 4), np.int32)
        depths = np.empty((total, 2), np.float32)
        spread(cones, origin, axes, xs, ys, windows, depths)
        start = np.empty(3, np.float32)
        ray = np.empty(3, np.float32)
        for k in range(3):
            start[k] = -(axes[0, k] * origin[0] + axes[1, k] * origin[1] + axes[2, k] * origin[2])
        which = np.empty(_MOST, np.int16)
        pixel = ys[1] - ys[0]
        for top in range(0, h, _TILE):
            for left in range(0, w, _TILE):
                n, first, last = 0, np.float32(1e9), np.float32(0)
                for i in range(total):
                    if (windows[i, 0] < top + _TILE and windows[i, 1] >= top
                            and windows[i, 2] < left + _TILE and windows[i, 3] >= left
                            and n < _MOST):  # fmt: skip
                        which[n] = i
                        n += 1
                        first, last = min(first, depths[i, 0]), max(last, depths[i, 1])
                if n == 0:
                    continue
                for row in range(top, min(h, top + _TILE)):
                    for column in range(left, min(w, left + _TILE)):
                        for k in range(3):
                            ray[k] = axes[0, k] * xs[column] + axes[1, k] * ys[row] + axes[2, k]
                        t, i = march(cones, which, n, start, ray, max(first, np.float32(0.3)),
                                     last, pixel)  # fmt: skip
                        if i < 0:
                            continue
                        depth[row, column], cone[row, column] = t, i
                        x, y, z = (start[0] + t * ray[0], start[1] + t * ray[1],
                                   start[2] + t * ray[2])  # fmt: skip
                        e = np.float32(0.004)
                        a = near(cones, which, n, x + e, y - e, z - e)[0]
                        b = near(cones, which, n, x - e, y - e, z + e)[0]
                        c = near(cones, which, n, x - e, y + e, z - e)[0]
                        d = near(cones, which, n, x + e, y + e, z + e)[0]
                        nx, ny, nz = a - b - c + d, -a - b + c + d, -a + b - c + d
                        s = 1 / (np.sqrt(nx * nx + ny * ny + nz * nz) + np.float32(1e-9))
                        nx, ny, nz = nx * s, ny * s, nz * s
                        normal[row, column, 0] = nx
                        normal[row, column, 1] = ny
                        normal[row, column, 2] = nz
                        free = np.float32(0)
                        for k in range(2):
                            r = np.float32(0.035 + 0.06 * k)
                            d = near(cones, which, n, x + r * nx, y + r * (ny + np.float32(0.3)),
                                     z + r * nz)[0]  # fmt: skip
                            free += min(np.float32(1), max(np.float32(0), d / r))
                        open_[row, column] = np.float32(0.3) + np.float32(0.35) * free
                        share = np.float32(1)
                        if nx * sun[0] + ny * sun[1] + nz * sun[2] > 0:
                            r = np.float32(0.03)
                            for _ in range(4):
                                d = near(
                                    cones,
                                    which,
                                    n,
                                    x + r * sun[0] + 0.01 * nx,
                                    y + r * sun[1] + 0.01 * ny,
                                    z + r * sun[2] + 0.01 * nz,
                                )[0]
                                share = min(share, max(np.float32(0), 5 * d / r))
                                r *= np.float32(1.9)
                        lit[row, column] = share

    return trace
