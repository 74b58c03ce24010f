"""Ray casting of round cones: the first surface that each pixel's ray meets.

A round cone is the convex hull of two spheres, here inside a linear map that may squash it.
Camera coordinates: x right, y down, z to the front, in metres; the ray of a pixel is
t * (x, y, 1) with x, y on the plane z = 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Cones:
    """P round cones. A point p lies in a sphere about a when (p - a) G (p - a) <= r^2."""

    a: NDArray[np.float64]
    """(P, 3) centres of the first spheres."""
    b: NDArray[np.float64]
    """(P, 3) centres of the second spheres."""
    ra: NDArray[np.float64]
    """(P,) radii before squashing."""
    rb: NDArray[np.float64]
    """(P,) radii before squashing."""
    metric: NDArray[np.float64]
    """(P, 3, 3) the symmetric G; the unit matrix where nothing is squashed."""
    reach: NDArray[np.float64]
    """(P, 3) half extents along the camera's axes of the sphere of radius 1."""
    open_end: NDArray[np.bool_]
    """(P,) whether the second sphere is left out: a sleeve, a skirt."""


@dataclass(frozen=True)
class Surface:
    """What the rays of H x W pixels met first."""

    depth: Array
    """(H, W) z of the point; infinite where there is nothing."""
    cone: NDArray[np.int16]
    """(H, W) which cone; -1 where there is nothing."""
    along: Array
    """(H, W) position between the spheres' centres, 0-1."""


def _sphere_boxes(cones: Cones) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Boxes (P, 4) of the first and of the second spheres; see `extents`."""
    boxes = []
    for centre, radius in ((cones.a, cones.ra), (cones.b, cones.rb)):
        half = cones.reach * radius[:, None]
        near = np.maximum(centre[:, 2] - half[:, 2], 0.05)[:, None]
        far = (centre[:, 2] + half[:, 2])[:, None]
        low, high = centre[:, :2] - half[:, :2], centre[:, :2] + half[:, :2]
        left_top = np.where(low < 0, low / near, low / far)
        right_bottom = np.where(high > 0, high / near, high / far)
        boxes.append(np.concatenate([left_top, right_bottom], axis=1))
    return boxes[0], boxes[1]


def extents(cones: Cones) -> NDArray[np.float64]:
    """(P, 4) least x, least y, greatest x, greatest y on the plane z = 1; never too small."""
    a, b = _sphere_boxes(cones)
    return np.concatenate([np.minimum(a, b)[:, :2], np.maximum(a, b)[:, 2:]], axis=1)


def _windows(boxes: NDArray[np.float64], xs: Array, ys: Array) -> list[tuple[slice, slice] | None]:
    """Rows and columns whose rays may lie in each box (P, 4); None for none."""
    left, right = np.searchsorted(xs, boxes[:, 0]), np.searchsorted(xs, boxes[:, 2])
    top, bottom = np.searchsorted(ys, boxes[:, 1]), np.searchsorted(ys, boxes[:, 3])
    return [
        (slice(t, b), slice(le, r)) if le < r and t < b else None
        for le, r, t, b in np.stack([left, right, top, bottom], axis=1).tolist()
    ]


class _Forms:
    """The products of p = z d - c and d = (x, y, 1) under G, for a window of pixels.

    With c = z d0 and (x', y') = d - d0 they are short sums of Q = (x', y', 0) G (x', y', 0) and
    L = (x', y', 0) G d0, all small near the centre c: float32 is enough far from the camera.
    """

    def __init__(self, metric: NDArray[np.float64], centre: NDArray[np.float64], x: Array,
                 y: Array) -> None:  # fmt: skip
        (gxx, gxy, gxz), (_, gyy, gyz), (_, _, gzz) = metric.tolist()
        cx, cy, z = centre.tolist()
        self.x0, self.y0, self.z = cx / z, cy / z, z
        x, y = x - self.x0, y - self.y0
        self.x, self.y = x, y
        ex, ey = gxx * self.x0 + gxy * self.y0 + gxz, gxy * self.x0 + gyy * self.y0 + gyz
        e0 = ex * self.x0 + ey * self.y0 + gxz * self.x0 + gyz * self.y0 + gzz
        quadratic = gxx * x * x + gyy * y * y
        if abs(gxy) > 1e-9:
            quadratic += x * (2 * gxy * y)
        mixed = quadratic + (ex * x + ey * y)
        self.pp: Array = z * z * quadratic
        self.pd: Array = z * mixed
        mixed += mixed
        mixed -= quadratic
        mixed += e0
        self.dd: Array = mixed

    def along(self, v: NDArray[np.float64]) -> tuple[Array, float]:
        """(x', y', 0) . v for the pixels, and d0 . v."""
        vx, vy, vz = v.tolist()
        return vx * self.x + vy * self.y, vx * self.x0 + vy * self.y0 + vz


def _first_root(a: Array, half_b: Array, c: Array) -> Array:
    """Smaller root of a t^2 + 2 half_b t + c; NaN where there is none."""
    root = half_b * half_b
    root -= a * c
    np.sqrt(root, out=root)
    root += half_b
    root /= a
    np.negative(root, out=root)
    return root


def cast(cones: Cones, xs: Array, ys: Array) -> Surface:
    """Casts the rays (x, y, 1) of all pixels.

    Args:
        cones: in camera coordinates.
        xs: (W,) rising.
        ys: (H,) rising.
    """
    surface = Surface(
        np.full((len(ys), len(xs)), np.inf, np.float32),
        np.full((len(ys), len(xs)), -1, np.int16),
        np.zeros((len(ys), len(xs)), np.float32),
    )
    boxes_a, boxes_b = _sphere_boxes(cones)
    windows_a, windows_b = _windows(boxes_a, xs, ys), _windows(boxes_b, xs, ys)
    windows = _windows(extents(cones), xs, ys)
    column = ys[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        for i, window in enumerate(windows):
            if window is None:
                continue
            solid = _cast_side(cones, i, window, xs, column, surface)
            if solid or cones.rb[i] <= cones.ra[i]:
                _cast_sphere(cones, i, 0.0, windows_a[i], xs, column, surface)
            if not cones.open_end[i] and (solid or cones.rb[i] > cones.ra[i]):
                _cast_sphere(cones, i, 1.0, windows_b[i], xs, column, surface)
    return surface


def _keep(surface: Surface, window: tuple[slice, slice], t: Array, s: Array | float, i: int,
          hit: NDArray[np.bool_]) -> None:  # fmt: skip
    np.copyto(surface.depth[window], t, where=hit)
    np.copyto(surface.cone[window], i, where=hit)
    np.copyto(surface.along[window], s, where=hit)


def _cast_side(cones: Cones, i: int, window: tuple[slice, slice], xs: Array, ys: Array,
               surface: Surface) -> bool:  # fmt: skip
    """The side between the spheres: F(t, s) = 0 and dF/ds = 0, a quadratic in t.

    F(t, s) = |p - a - s u|^2 - (ra + s (rb - ra))^2 with p = t d, u = b - a and G's norm.

    Returns:
        Whether there is a side: False when one sphere lies inside the other.
    """
    u, ra = cones.b[i] - cones.a[i], float(cones.ra[i])
    gu = cones.metric[i] @ u
    dr = float(cones.rb[i]) - ra
    b = float(u @ gu) - dr * dr
    if b <= 1e-9:
        return False
    forms = _Forms(cones.metric[i], cones.a[i], xs[window[1]], ys[window[0]])
    along, k0 = forms.along(gu)
    k, q = along + k0, along * forms.z
    q += ra * dr
    kb = k * (1 / b)
    c = forms.pp
    c -= ra * ra
    c -= q * q * (1 / b)
    t = _first_root(forms.dd - k * kb, forms.pd - q * kb, c)
    s = k * t
    s += q
    s *= 1 / b
    t += forms.z
    _keep(surface, window, t, s, i, (t < surface.depth[window]) & (s > 0) & (s < 1))
    return True


def _cast_sphere(cones: Cones, i: int, end: float, window: tuple[slice, slice] | None, xs: Array,
                 ys: Array, surface: Surface) -> None:  # fmt: skip
    """The first (`end` 0) or the second sphere (1)."""
    if window is None:
        return
    centre = cones.a[i] if end == 0 else cones.b[i]
    radius = float(cones.ra[i] if end == 0 else cones.rb[i])
    forms = _Forms(cones.metric[i], centre, xs[window[1]], ys[window[0]])
    forms.pp -= radius * radius
    t = _first_root(forms.dd, forms.pd, forms.pp)
    t += forms.z
    _keep(surface, window, t, end, i, t < surface.depth[window])


def normals(cones: Cones, surface: Surface, rows: NDArray[np.intp], columns: NDArray[np.intp],
            points: Array) -> Array:  # fmt: skip
    """(3, N) unit normals at `points` (3, N), the surface's points at these pixels."""
    which = surface.cone[rows, columns]
    s = surface.along[rows, columns]
    a = cones.a.T.astype(np.float32)
    u = (cones.b - cones.a).T.astype(np.float32)
    g = cones.metric.astype(np.float32)
    off = points - a[:, which] - s * u[:, which]
    out = np.empty_like(points)
    for k in range(3):
        row = g[:, k, :].T[:, which]
        out[k] = row[0] * off[0] + row[1] * off[1] + row[2] * off[2]
    out /= np.sqrt((out * out).sum(axis=0)) + 1e-12
    return out
