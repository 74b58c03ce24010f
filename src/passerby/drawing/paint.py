"""Colours of a figure's pixels: garments, openings, straps and face, folds, then the light.

Compiled at first use. `ABOUT` numbers say what of a person is not in the cones.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from passerby.drawing.details import details
from passerby.drawing.figure import HAIR, HEAD, LEG, TAIL, TRUNK, Figure
from passerby.drawing.surfaces import surfaces

Array = NDArray[np.float32]

ABOUT = 36
"""Numbers of a person, in the order of `about`: height, how far the pelvis sinks, half width of the
opening, cloths of inner top and bottom, waist, skin, neck, kind of strap; (9) cloth and side of the
bag, belt, hair, beard, glasses, mask, size of the head; (17) the head's middle, (20) its axes; (29)
seed, shoulders, hem, seam, neck and hem of the inner top, lean of the spine."""
CLOTH = 11
"""Numbers of a cloth: colour, second colour, pattern, period, folds, shine, worn."""

_NECKS = {"round": 0, "deep": 1, "collar": 2, "high": 3, "hood": 2}
_STRAPS = {"backpack": 1, "cross": 2, "shoulder": 3}


def cloth_rows(figure: Figure) -> Array:
    """(C, CLOTH) of the figure's cloths."""
    return np.array(
        [
            [*c.colour, *c.second, c.pattern, c.period, c.folds, c.shine, c.worn]
            for c in figure.cloths
        ],
        np.float32,
    )


def about(figure: Figure) -> Array:
    """(ABOUT,) numbers of the figure's person."""
    p, out = figure.person, np.zeros(ABOUT, np.float32)
    outfit, h = p.outfit, figure.size
    top, inner = outfit.outer or outfit.inner, outfit.inner
    tucked = outfit.tucked and outfit.outer is None
    out[:9] = (h, 0.53 * h - figure.points["pelvis"][1], top.opening, figure.cloth(inner.cloth),
               figure.cloth(outfit.bottom.cloth) if outfit.bottom.kind != "none" else -1,
               0.595 if tucked else 0.50, figure.cloth(p.skin), _NECKS[top.neck],
               _STRAPS.get(p.bag.kind, 0))  # fmt: skip
    out[9:17] = (figure.cloth(p.bag.cloth), p.bag.side,
                 figure.cloth(outfit.belt) if outfit.belt and tucked else -1, figure.cloth(p.hair),
                 p.beard, p.glasses, p.mask, p.head)  # fmt: skip
    out[17:20] = figure.points["head"] + np.array([0.0, 0.055 * h * (p.head - 1), 0.0])
    out[20:29] = figure.head.T.ravel()
    closed = outfit.outer is not None or inner.kind in ("shirt", "polo")
    lean = figure.up[2] / figure.up[1]
    out[29:36] = (
        p.seed % 61,
        p.shape.shoulders,
        top.hem,
        closed,
        _NECKS[inner.neck],
        inner.hem,
        lean,
    )
    return out


@cache
def paints() -> SimpleNamespace:
    """The compiled functions by name: `paint`."""
    from numba import njit

    jit: Callable[..., Any] = njit(nogil=True, fastmath=True, error_model="numpy")
    noise = surfaces().noise
    return SimpleNamespace(paint=jit(_paint(jit(_cloth_at), *details(jit, noise), noise)))


def _cloth_at(a: Array, first: int, second: int, change: float, along: float, zone: int, x: float,
              y: float, z: float, angle: float) -> int:  # fmt: skip
    """Which cloth shows at a point of a garment; y and x in shares of the height."""
    out = first if along < change else second
    front = abs(angle) < 1.5
    if zone == TRUNK and a[4] >= 0 and y < a[5]:
        out = int(a[4])
    if a[11] >= 0 and abs(y - a[5]) < 0.012 and zone in (TRUNK, LEG):
        out = int(a[11])
    if zone in (TRUNK, TAIL):
        wide = a[2] / a[0] * (1 + 0.9 * max(0.0, 0.78 - y) / 0.3) if a[2] > 0 else 0.0
        if front and a[2] > 0 and abs(x) < wide and y < 0.83 and first != a[4]:
            out = int(a[3]) if (y > a[34] or a[4] < 0) else int(a[4])
        if zone == TRUNK and front:
            neck, opened = a[33] if out == a[3] else a[7], out == a[3]
            low = 0.806 if neck == 0 else 0.775 if neck == 1 else 0.79
            if neck < 2:
                if (x / 0.046) ** 2 + ((y - 0.83) / (0.83 - low)) ** 2 < 1:
                    out = int(a[6])
            elif neck == 2 and abs(x) < 0.55 * (y - 0.775):
                out = int(a[3]) if not opened and a[3] != first else int(a[6])
        off = 1.0
        if a[8] == 1 and y > 0.62 and z > -0.05:
            off = abs(abs(x) - 0.062 * a[30]) / 0.013
        elif a[8] == 2 and y > 0.5:
            off = abs(x * a[10] + 0.07 * (y - 0.66) / 0.15) / 0.010
        elif a[8] == 3 and y > 0.58:
            off = abs(x * a[10] - 0.088) / 0.009
        if off < 1:
            out = int(a[9])
    return out


def _paint(
    cloth_at: Callable[..., int],
    pattern: Callable[..., float],
    fold: Callable[..., float],
    face: Callable[..., None],
    noise: Callable[..., float],
) -> Callable[..., None]:
    def paint(
        cones: Array,
        cloths: Array,
        a: Array,
        axes: Array,
        origin: Array,
        xs: Array,
        ys: Array,
        depth: Array,
        cone: NDArray[np.int16],
        normal: Array,
        open_: Array,
        lit: Array,
        share: Array,
        sun: Array,
        strong: Array,
        ambient: Array,
        under: Array,
        up: Array,
        grid: Array,
        out: Array,
    ) -> None:
        """Draws the figure's pixels over `out` (h, w, 3), linear light.

        `share`: (h, w) of the sun that the scene leaves; `under`: (3,) light from the ground;
        `sun` and `up` in the figure's coordinates.
        """
        h, seed = a[0], a[29]
        colour, albedo = np.empty(3, np.float32), np.empty(3, np.float32)
        for i in range(depth.shape[0]):
            for j in range(depth.shape[1]):
                k = cone[i, j]
                if k < 0:
                    continue
                c, t = cones[k], depth[i, j]
                zone = int(c[13])
                vx, vy, vz = t * xs[j] - origin[0], t * ys[i] - origin[1], t - origin[2]
                x = axes[0, 0] * vx + axes[1, 0] * vy + axes[2, 0] * vz
                y = axes[0, 1] * vx + axes[1, 1] * vy + axes[2, 1] * vz
                z = axes[0, 2] * vx + axes[1, 2] * vy + axes[2, 2] * vz
                nx, ny, nz = normal[i, j, 0], normal[i, j, 1], normal[i, j, 2]
                angle = np.arctan2(nx, nz)
                lx, ly, lz = c[3] - c[0], c[4] - c[1], c[5] - c[2]
                square = lx * lx + ly * ly + lz * lz + np.float32(1e-9)
                along = ((x - c[0]) * lx + (y - c[1]) * ly + (z - c[2]) * lz) / square
                yy = (y + a[1]) / h
                upright = zone in (TRUNK, TAIL)
                if upright:
                    # Normals jump where cones meet; stripes must not.
                    lean = a[35] * max(np.float32(0), y + a[1] - np.float32(0.53) * h)
                    angle = np.arctan2(x, np.float32(1.4) * (z - lean))
                m = cloth_at(a, int(c[10]), int(c[11]), c[12], along, zone, x / h, yy, z / h, angle)
                cl = cloths[m]
                radius = 0.09 * h if upright else max(c[6], c[7])
                u = angle * radius
                v = yy * h if upright else c[14] + along * np.sqrt(square)
                if zone == LEG:
                    v = yy * h
                mix = 0.0
                if cl[6] > 0:
                    mix = pattern(cl, u, v, x / h, yy, angle, upright, seed, grid)
                tone = np.float32(1.0)
                if cl[10] > 0:
                    worn = noise(u * 14 + seed, v * 9, grid)
                    thigh = max(0.0, 1 - abs(yy - 0.36) * 7) * max(0.0, nz)
                    tone += cl[10] * (0.5 * (worn - 0.5) + 0.7 * thigh)
                tone *= np.float32(0.94) + np.float32(0.12) * noise(x * 131 + z * 97, y * 141, grid)
                if a[32] > 0 and zone == TRUNK and nz > 0.5 and abs(x) < 0.004 * h and m == c[10]:
                    tone *= np.float32(0.55)
                for q in range(3):
                    albedo[q] = (cl[q] + np.float32(mix) * (cl[3 + q] - cl[q])) * tone
                if zone == HEAD:
                    hx, hy, hz = x - a[17], y - a[18], z - a[19]
                    face(a, (a[20] * hx + a[21] * hy + a[22] * hz) / h,
                         (a[23] * hx + a[24] * hy + a[25] * hz) / h,
                         (a[26] * hx + a[27] * hy + a[28] * hz) / h, cl,
                         cloths[int(a[12])] if a[12] >= 0 else cl, colour)  # fmt: skip
                    hzz = (a[26] * hx + a[27] * hy + a[28] * hz) / h / a[16]
                    hyy = (a[23] * hx + a[24] * hy + a[25] * hz) / h / a[16]
                    if hzz > 0.018 or (hyy > 0.030 and hzz < 0.052):
                        for q in range(3):
                            albedo[q] = colour[q]
                if cl[8] > 0:
                    amount = cl[8]
                    if zone == HAIR:
                        # Strands run down: tone and slope change around the head.
                        wisp = noise(u * 70 + seed, y * 9, grid)
                        du = (noise(u * 70 + seed + 0.5, y * 9, grid) - wisp) * amount
                        dv = 0.4 * (noise(u * 25, y * 30 + seed, grid) - 0.5) * amount
                        for q in range(3):
                            albedo[q] *= np.float32(0.6) + np.float32(0.8) * wisp
                    else:
                        e = np.float32(0.006)
                        f0 = fold(zone, u, v, yy, along, seed, grid)
                        du = (fold(zone, u + e, v, yy, along, seed, grid) - f0) / e * 0.075 * amount
                        dv = (fold(zone, u, v + e, yy, along, seed, grid) - f0) / e * 0.075 * amount
                        if cl[6] == 13:
                            band = (v / (0.05 + 0.3 * cl[7])) % 1
                            dv += (band - 0.5) * 1.1
                        albedo_tone = np.float32(0.86) + np.float32(0.28) * f0
                        for q in range(3):
                            albedo[q] *= albedo_tone
                    s = 1 / (np.sqrt(nx * nx + nz * nz) + np.float32(1e-3))
                    nx, ny, nz = nx - du * nz * s, ny - dv, nz + du * nx * s
                    s = 1 / (np.sqrt(nx * nx + ny * ny + nz * nz) + np.float32(1e-9))
                    nx, ny, nz = nx * s, ny * s, nz * s
                facing = nx * sun[0] + ny * sun[1] + nz * sun[2]
                direct = max(np.float32(0), facing) * lit[i, j] * share[i, j]
                above = nx * up[0] + ny * up[1] + nz * up[2]
                sky = (np.float32(0.6) + np.float32(0.4) * above) * open_[i, j]
                low = max(np.float32(0), np.float32(0.35) - np.float32(0.65) * above) * open_[i, j]
                ex, ey, ez = -vx - origin[0], -vy - origin[1], -vz - origin[2]
                shine = np.float32(0)
                if cl[9] > 0:
                    s = 1 / np.sqrt(ex * ex + ey * ey + ez * ez)
                    wx = (axes[0, 0] * ex + axes[1, 0] * ey + axes[2, 0] * ez) * s + sun[0]
                    wy = (axes[0, 1] * ex + axes[1, 1] * ey + axes[2, 1] * ez) * s + sun[1]
                    wz = (axes[0, 2] * ex + axes[1, 2] * ey + axes[2, 2] * ez) * s + sun[2]
                    s = 1 / (np.sqrt(wx * wx + wy * wy + wz * wz) + np.float32(1e-6))
                    shine = max(np.float32(0), (nx * wx + ny * wy + nz * wz) * s) ** 14
                    shine *= cl[9] * (np.float32(0.25) + direct)
                for q in range(3):
                    out[i, j, q] = albedo[q] * (
                        ambient[q] * sky + under[q] * low + strong[q] * direct
                    ) + shine * (ambient[q] + strong[q])

    return paint
