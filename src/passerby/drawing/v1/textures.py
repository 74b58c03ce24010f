"""Textures of grounds and walls: functions of two coordinates in metres."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from passerby.drawing.colours import linear

Array = NDArray[np.float32]
Texture = Callable[[Array, Array], Array]


class Noise:
    """Smooth noise of unit scale, 0-1, repeating after 64 units."""

    def __init__(self, draw: np.random.Generator) -> None:
        self.grid = draw.random((64, 64), np.float32)

    def __call__(self, u: Array, v: Array) -> Array:
        """One octave."""
        iu, iv = np.floor(u), np.floor(v)
        fu, fv = u - iu, v - iv
        fu, fv = fu * fu * (3 - 2 * fu), fv * fv * (3 - 2 * fv)
        i0, j0 = iu.astype(np.int32) & 63, iv.astype(np.int32) & 63
        i1, j1 = (i0 + 1) & 63, (j0 + 1) & 63
        g = self.grid
        top = g[i0, j0] * (1 - fu) + g[i1, j0] * fu
        low = g[i0, j1] * (1 - fu) + g[i1, j1] * fu
        out: Array = top * (1 - fv) + low * fv
        return out

    def rough(self, u: Array, v: Array) -> Array:
        """Three octaves."""
        coarse, middle, fine = self(u, v), self(2.1 * u + 7, 2.1 * v), self(4.3 * u, 4.3 * v)
        out: Array = 0.55 * coarse + 0.3 * middle + 0.15 * fine
        return out


def colours(mix: Array, first: tuple[int, int, int], second: tuple[int, int, int]) -> Array:
    """(..., 3) linear light between two sRGB colours, by a share (...)."""
    a, b = np.array(linear(first), np.float32), np.array(linear(second), np.float32)
    return a + mix[..., None] * (b - a)


def darker(colour: tuple[int, int, int], share: float) -> tuple[int, int, int]:
    """A share of an sRGB colour's bytes."""
    r, g, b = (int(share * c) for c in colour)
    return r, g, b


def joints_oftiles(u: Array, v: Array, du: float, dv: float, joint: float) -> NDArray[np.bool_]:
    """Joints of tiles of du x dv."""
    return ((u / du) % 1 < joint / du) | ((v / dv) % 1 < joint / dv)


def tiles(draw: np.random.Generator, noise: Noise, size: float, a: tuple[int, int, int],
           b: tuple[int, int, int], checker: bool = False) -> Texture:  # fmt: skip
    """A floor of square tiles."""
    joint = float(draw.uniform(0.02, 0.05))

    def texture(u: Array, v: Array) -> Array:
        tone = noise(np.floor(u / size) * 1.7, np.floor(v / size) * 1.3)
        if checker:
            tone = 0.15 * tone + 0.85 * ((np.floor(u / size) + np.floor(v / size)) % 2)
        out = colours(tone, a, b) * (0.82 + 0.36 * noise.rough(u * 1.5, v * 1.5))[..., None]
        out[joints_oftiles(u, v, size, size, joint)] *= 0.55
        return out

    return texture


def asphalt(draw: np.random.Generator, noise: Noise) -> Texture:
    """A road with kerb, pavement, lane marks and a zebra crossing."""
    kerb = float(draw.uniform(-1.0, 1.5))

    def texture(u: Array, v: Array) -> Array:
        out = colours(noise.rough(u * 2, v * 2), (70, 70, 74), (112, 110, 108))
        walk = u < kerb
        out[walk] = colours(noise.rough(u * 3, v * 3), (140, 134, 124), (176, 168, 158))[walk]
        out[walk & joints_oftiles(u, v, 0.6, 0.6, 0.03)] *= 0.7
        out[(u > kerb) & (u < kerb + 0.15)] = linear((190, 188, 180))
        line = (np.abs(u - kerb - 2.6) < 0.08) & ((v / 2.4) % 1 < 0.6)
        zebra = (u > kerb + 0.3) & ((u / 0.9) % 1 < 0.5) & (v % 17 < 2.6)
        out[line | zebra] = linear((215, 212, 200))
        return out

    return texture


def grass(draw: np.random.Generator, noise: Noise) -> Texture:
    """A lawn with a winding path."""
    half, bend = float(draw.uniform(0.9, 1.6)), float(draw.uniform(0.3, 0.9))

    def texture(u: Array, v: Array) -> Array:
        out = colours(noise.rough(u * 3.1, v * 3.1), (52, 78, 34), (112, 136, 62))
        off = np.abs(u - bend * np.sin(v * 0.35)) + 0.35 * noise.rough(u * 2, v * 2)
        path = colours(noise.rough(u * 5, v * 5), (160, 138, 108), (204, 186, 156))
        out[off < half] = path[off < half]
        return out

    return texture


def facade(draw: np.random.Generator, noise: Noise) -> Texture:
    """Walls with windows, doors and shop fronts."""
    walls = ((176, 160, 138), (148, 84, 64), (190, 188, 184), (120, 124, 130), (206, 190, 150))
    wall = walls[int(draw.integers(len(walls)))]
    dark = darker(wall, 0.8)
    width, storey = float(draw.uniform(1.6, 3.2)), float(draw.uniform(2.8, 3.6))
    shop = draw.random() < 0.6
    sign = ((176, 40, 40), (36, 84, 160), (40, 120, 76), (220, 170, 50))[int(draw.integers(4))]

    def texture(u: Array, v: Array) -> Array:
        out = colours(noise.rough(u, v), dark, wall)
        if wall[0] == 148:
            row = np.floor(v / 0.16)
            out[((v / 0.16) % 1 < 0.14) | ((u / 0.42 + 0.5 * (row % 2)) % 1 < 0.06)] *= 1.35
        a, b = (u / width) % 1, (v / storey) % 1
        window = (a > 0.22) & (a < 0.78) & (b > 0.30) & (b < 0.82)
        glass = colours(noise(u * 0.7, v * 0.4), (38, 48, 60), (128, 146, 160))
        out[window] = glass[window]
        out[window & ((np.abs(a - 0.5) < 0.02) | (np.abs(b - 0.6) < 0.012))] = linear((220,) * 3)
        ground = v < storey
        if shop:
            front = ground & (a > 0.06) & (a < 0.94) & (v > 0.35) & (v < storey - 0.55)
            goods = colours(noise(u * 4, v * 3), (40, 36, 40), (190, 170, 150))
            out[front] = goods[front]
            out[ground & (v > storey - 0.5) & (v < storey - 0.08)] = linear(sign)
        door = ground & (np.floor(u / width) % 3 == 1) & (a > 0.3) & (a < 0.7) & (v < 2.1)
        out[door] = linear((74, 52, 40))
        return out

    return texture


def foliage(draw: np.random.Generator, noise: Noise) -> Texture:
    """A row of trees."""

    def texture(u: Array, v: Array) -> Array:
        deep = noise.rough(u * 1.3, v * 1.3)
        out = colours(deep * (0.4 + 0.6 * noise(u * 9, v * 9)), (14, 26, 12), (120, 150, 70))
        trunk = (np.abs((u / 2.6) % 1 - 0.5 + 0.05 * np.sin(v)) < 0.045) & (v < 2.8)
        out[trunk] = colours(noise(u * 8, v * 2), (50, 38, 28), (100, 82, 64))[trunk]
        return out

    return texture


def hall_wall(draw: np.random.Generator, noise: Noise) -> Texture:
    """An inner wall with doors, posters and a painted base."""
    tones = ((206, 200, 188), (176, 190, 200), (214, 208, 176), (168, 168, 172), (196, 168, 140))
    tone = tones[int(draw.integers(len(tones)))]
    band = ((60, 90, 140), (150, 60, 50), (70, 110, 80), (90, 90, 96))[int(draw.integers(4))]
    gap = float(draw.uniform(2.2, 3.6))

    def texture(u: Array, v: Array) -> Array:
        out = colours(noise.rough(u * 0.8, v * 0.8), tone, darker(tone, 0.88))
        out[v < 1.0] = colours(noise(u, v), band, band)[v < 1.0]
        out[(v > 1.0) & (v < 1.06)] = linear((230, 230, 226))
        a = (u / gap) % 1
        door = (a > 0.1) & (a < 0.1 + 0.95 / gap) & (v < 2.1)
        out[door] = linear((112, 84, 60))
        poster = (a > 0.62) & (a < 0.84) & (v > 1.25) & (v < 2.15)
        ads = colours(noise(np.floor(u / gap) * 5.3 + u * 2, v * 2), (210, 60, 60), (70, 130, 200))
        out[poster] = ads[poster]
        return out

    return texture


def sky(draw: np.random.Generator, noise: Noise) -> Texture:
    """Clouds over blue or grey."""
    blue = draw.random() < 0.6

    def texture(u: Array, v: Array) -> Array:
        clouds = np.clip(noise.rough(u * 3, v * 5) * 2 - 0.7, 0, 1)
        return colours(clouds, (140, 180, 225) if blue else (205, 208, 212), (240, 240, 240))

    return texture
