"""Colours of a figure's pixels: cloth patterns, openings, straps and face, then the light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from passerby.drawing.v1 import appearance as look
from passerby.drawing.v1.dress import FOOT, HEAD, LEG, TAIL, TRUNK, Figure
from passerby.drawing.v1.render import Array, Cones, Surface, normals


@dataclass(frozen=True)
class Light:
    """Light in camera coordinates and linear colours."""

    direction: NDArray[np.float64]
    """(3,) unit vector towards the light."""
    sun: NDArray[np.float64]
    """(3,) strength of the directed light."""
    ambient: NDArray[np.float64]
    """(3,) strength of the light from everywhere."""
    up: NDArray[np.float64]
    """(3,) the world's up."""


@dataclass(frozen=True)
class _Pixels:
    """N pixels of a figure; shapes (N,) unless said otherwise."""

    cone: NDArray[np.int16]
    along: Array
    x: Array
    """To the person's left, from the pelvis, metres."""
    y: Array
    """Height, metres, as if the person stood upright."""
    z: Array
    """To the person's front, from the pelvis, metres."""
    angle: Array
    """Of the normal around the vertical: 0 front, pi/2 the person's left."""
    v: Array
    """Along the limb or trunk, metres."""


def _square(v: Array, period: float) -> NDArray[np.bool_]:
    return np.asarray(v * (1 / period) % 1.0 < 0.5)


def _pattern(cloth: look.Cloth, px: _Pixels, at: NDArray[np.bool_], trunk: NDArray[np.bool_],
             height: float) -> Array:  # fmt: skip
    """Share of the cloth's second colour, 0-1, at the pixels `at`."""
    v, u = px.v[at], px.angle[at] * 0.13
    kind, period = cloth.pattern, cloth.period
    out = np.zeros(len(v), np.float32)
    if kind == look.STRIPES:
        out[_square(v, period)] = 1
    elif kind == look.PINSTRIPES:
        out[_square(u, 0.75 * period)] = 1
    elif kind == look.CHECKS:
        out = 0.5 * (_square(v, period).astype(np.float32) + _square(u, period))
    elif kind == look.DOTS:
        p = 0.9 * period
        row = np.floor(v / p)
        du, dv = (u / p + 0.5 * (row % 2)) % 1 - 0.5, (v / p) % 1 - 0.5
        out[du * du + dv * dv < 0.10] = 1
    elif kind == look.BLOTCHES:
        wave = np.sin(v * 41 + 2 * np.sin(u * 37)) + np.sin(u * 52 + 1.7 * np.sin(v * 33 + 1))
        out[wave > 0.3] = 1
    elif kind in (look.PRINT, look.BLOCK, look.BAND):
        y, x = px.y[at] / height, px.x[at] / height
        if kind == look.BLOCK:
            out[y > 0.695] = 1
        elif kind == look.BAND:
            out[(y > 0.64) & (y < 0.70)] = 1
        else:
            r = (x / 0.05) ** 2 + ((y - 0.70) / (0.02 + 0.3 * period)) ** 2
            front = np.abs(px.angle[at]) < 1.5
            out[(r < 1) & front] = 1
        out *= trunk[at]
    return out


def _cloth_numbers(f: Figure, px: _Pixels, zone: NDArray[np.int8]) -> NDArray[np.int8]:
    """Which cloth each pixel shows."""
    p, h = f.person, f.person.shape.height
    table = np.array([entry[:2] for entry in f.look], np.int8)
    change = np.array([entry[2] for entry in f.look], np.float32)[px.cone]
    out: NDArray[np.int8] = np.where(px.along < change, table[px.cone, 0], table[px.cone, 1])
    front = np.abs(px.angle) < 1.45
    trunk, tail, leg = zone == TRUNK, zone == TAIL, zone == LEG
    if p.bottom.kind != "none":
        waist = 0.59 if p.tucked else 0.50
        out[trunk & (px.y < waist * h)] = f.cloth(p.bottom.cloth)
    # Where a leg comes through what hangs over it, it is the cloth that bulges.
    if p.bottom.kind == "skirt":
        out[leg & (px.y > p.bottom.hem * h)] = f.cloth(p.bottom.cloth)
    if not p.tucked:
        out[leg & (px.y > p.top.hem * h)] = f.cloth(p.top.cloth)
    if p.top.opening:
        wide = p.top.opening + 0.06 * np.maximum(0, 0.75 * h - px.y) * (p.top.kind != "shirt")
        opened = (trunk | tail | (leg & (px.y > p.top.hem * h))) & front
        opened &= (np.abs(px.x) < wide) & (px.y < 0.83 * h)
        out[opened & (px.y > 0.53 * h)] = f.cloth(p.top.inner)
        out[opened & (px.y <= 0.53 * h)] = f.cloth(p.bottom.cloth)
    if p.top.kind in ("tshirt", "sleeveless", "dress"):
        low = 0.775 if p.top.kind == "tshirt" else 0.755
        neck = (px.x / 0.05) ** 2 + ((px.y / h - 0.83) / (0.83 - low)) ** 2 < 1
        out[trunk & front & neck] = f.cloth(p.skin)
    _straps(f, px, zone, front, out)
    if p.bottom.side_stripe:
        side = (zone == LEG) & (np.abs(np.abs(px.angle) - np.pi / 2) < 0.35)
        out[side & (px.x * np.sin(px.angle) > 0)] = f.cloth(_WHITE)
    foot = zone == FOOT
    if foot.any():
        out[foot & (px.along < 2) & (px.z < 9) & (px.v < 0)] = f.cloth(p.sole)
    return out


_WHITE = look.Cloth((0.7, 0.7, 0.7))
_DARK = look.Cloth((0.035, 0.025, 0.02))
_LIPS = look.Cloth((0.32, 0.10, 0.09))


def _straps(f: Figure, px: _Pixels, zone: NDArray[np.int8], front: NDArray[np.bool_],
            out: NDArray[np.int8]) -> None:  # fmt: skip
    p, h = f.person, f.person.shape.height
    trunk = ((zone == TRUNK) | (zone == TAIL)) & (px.y > 0.5 * h)
    if p.bag.kind == "backpack":
        on = np.abs(np.abs(px.x) - 0.065 * h * p.shape.shoulders) < 0.024
        out[trunk & on & (px.z > -0.05 * h) & (px.y > 0.62 * h)] = f.cloth(p.bag.cloth)
    elif p.bag.kind == "cross":
        slope = (px.y / h - 0.66) / 0.15
        on = np.abs(px.x * p.bag.side / h + 0.07 * slope) < 0.014
        out[trunk & on] = f.cloth(p.bag.cloth)
    elif p.bag.kind == "shoulder":
        on = np.abs(px.x * p.bag.side / h - 0.088) < 0.012
        out[trunk & on] = f.cloth(p.bag.cloth)


def _face(f: Figure, px: _Pixels, zone: NDArray[np.int8], points: Array, axes: NDArray[np.float64],
          origin: NDArray[np.float64], out: NDArray[np.int8]) -> None:  # fmt: skip
    """Eyes, brows and mouth, in the head's own coordinates."""
    at = np.nonzero(zone == HEAD)[0]
    if not len(at):
        return
    h = f.person.shape.height
    centre = axes @ f.points["head"] + origin
    x, y, z = (
        (axes @ f.head).T.astype(np.float32) @ (points[:, at] - centre[:, None].astype(np.float32))
    ) / np.float32(h)
    before = z > 0.02
    eyes = before & (((np.abs(x) - 0.022) / 0.009) ** 2 + ((y - 0.011) / 0.0055) ** 2 < 1)
    mouth = before & ((x / 0.020) ** 2 + ((y + 0.036) / 0.005) ** 2 < 1)
    out[at[eyes]] = f.cloth(_DARK)
    if not f.person.hair.beard:
        out[at[mouth]] = f.cloth(_LIPS)


def shade(f: Figure, cones: Cones, surface: Surface, xs: Array, ys: Array,
          axes: NDArray[np.float64], origin: NDArray[np.float64],
          light: Light) -> tuple[NDArray[np.intp], NDArray[np.intp], Array]:  # fmt: skip
    """Colours of the pixels that the figure covers.

    Args:
        f: the figure.
        cones: its cones in camera coordinates.
        surface: what `cast` found for them.
        xs: (W,) of the rays.
        ys: (H,) of the rays.
        axes: (3, 3) from the body's coordinates to the camera's.
        origin: (3,) of the body's coordinates, in the camera's.
        light: the scene's light.

    Returns:
        Rows (N,), columns (N,), colours (N, 3) in linear light.
    """
    rows, columns = np.nonzero(surface.cone >= 0)
    t = surface.depth[rows, columns]
    points = np.stack([t * xs[columns], t * ys[rows], t])
    n = normals(cones, surface, rows, columns, points)
    local = axes.T.astype(np.float32)
    body = local @ (points - origin[:, None].astype(np.float32))
    # Heights count from the pelvis, which sinks a little in a long step.
    body[1] += np.float32(0.53 * f.person.shape.height - f.points["pelvis"][1])
    facing = local @ n
    cone, along = surface.cone[rows, columns], surface.along[rows, columns]
    zone = np.array([entry[3] for entry in f.look], np.int8)[cone]
    start = np.array([entry[4] for entry in f.look], np.float32)[cone]
    length_of = np.sqrt(((cones.b - cones.a) ** 2).sum(axis=1))
    angle = np.arctan2(facing[0], facing[2])
    upright = (zone == TRUNK) | (zone == TAIL) | (zone == LEG)
    axis = ((cones.b - cones.a) / (length_of[:, None] + 1e-9)).T.astype(np.float32)
    off = points - cones.a.T.astype(np.float32)[:, cone]
    v = np.where(upright, body[1], start + (off * axis[:, cone]).sum(axis=0))
    v[zone == FOOT] = facing[1][zone == FOOT] + 0.55
    px = _Pixels(cone, along, body[0], body[1], body[2], angle, v)
    trunk = (zone == TRUNK) | (zone == TAIL)
    number = _cloth_numbers(f, px, zone)
    _face(f, px, zone, points, axes, origin, number)
    colours = np.empty((len(rows), 3), np.float32)
    folds = np.zeros(len(rows), np.float32)
    for i, cloth in enumerate(f.cloths):
        at = number == i
        if not at.any():
            continue
        colours[at] = cloth.colour
        folds[at] = cloth.folds
        if cloth.pattern != look.PLAIN:
            share = _pattern(cloth, px, at, trunk, f.person.shape.height)[:, None]
            first, second = (np.array(c, np.float32) for c in (cloth.colour, cloth.second))
            colours[at] = first + share * (second - first)
    n = _smooth(f, n, local, body, zone == TRUNK)
    colours *= _lit(f, px, n, folds, surface, rows, columns, light)
    return rows, columns, colours


def _smooth(f: Figure, n: Array, local: Array, body: Array, trunk: NDArray[np.bool_]) -> Array:
    """Normals of the trunk blended with those of one oval, so that its cones' seams vanish."""
    wide, deep = 0.105, 0.072
    h = np.float32(f.person.shape.height)
    x, z = body[0, trunk] / h, body[2, trunk] / h
    y = body[1, trunk] / h
    oval = np.stack([x / wide**2, 9 * np.clip(y - 0.75, 0, 1) / deep, z / deep**2])
    oval /= np.sqrt((oval * oval).sum(axis=0)) + 1e-6
    mixed = 0.35 * n[:, trunk] + 0.65 * (local.T @ oval)
    n[:, trunk] = mixed / (np.sqrt((mixed * mixed).sum(axis=0)) + 1e-6)
    return n


def _lit(f: Figure, px: _Pixels, n: Array, folds: Array, surface: Surface,
         rows: NDArray[np.intp], columns: NDArray[np.intp], light: Light) -> Array:  # fmt: skip
    """(N, 3) light that leaves a white surface: Lambert, ambient from above, creases, folds."""
    direct = np.maximum(light.direction.astype(np.float32) @ n, 0)
    above = 0.62 + 0.38 * (light.up.astype(np.float32) @ n)
    ambient = above * _openness(surface)[rows, columns]
    phase = np.float32(f.person.seed % 97)
    wave = np.sin(px.v * 31 + 2.2 * np.sin(px.angle * 2 + phase)) + np.sin(
        px.angle * 5 + px.v * 11 + phase
    )
    ambient *= 1 + folds * wave
    direct *= 1 + 1.6 * folds * wave
    out: Array = ambient[:, None] * light.ambient.astype(np.float32) + direct[
        :, None
    ] * light.sun.astype(np.float32)
    return out


def _openness(surface: Surface) -> Array:
    """How much of the surroundings light a pixel: less where its neighbours are nearer."""
    covered = surface.cone >= 0
    depth = np.where(covered, surface.depth, np.float32(0))
    far = float(depth.max())
    depth[~covered] = far
    r = max(2, surface.depth.shape[0] // 48)
    mean = _box(depth, r)
    out: Array = 1 - np.clip((depth - mean) * 2.6, 0, 0.5)
    return out


def _box(a: Array, r: int) -> Array:
    """Mean over (2 r + 1)^2 pixels, the border repeated."""
    size = 2 * r + 1
    for axis in (0, 1):
        pad = [(0, 0), (0, 0)]
        pad[axis] = (r + 1, r)
        total = np.cumsum(np.pad(a, pad, mode="edge"), axis=axis, dtype=np.float32)
        upper = total[size:] if axis == 0 else total[:, size:]
        lower = total[:-size] if axis == 0 else total[:, :-size]
        a = (upper - lower) * np.float32(1 / size)
    return a
