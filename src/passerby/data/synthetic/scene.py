"""The background of a camera: ground, walls, things that stand there; drawn once per camera."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from passerby.data.synthetic.appearance import linear
from passerby.data.synthetic.camera import Camera

Array = NDArray[np.float32]
Texture = Callable[[Array, Array], Array]

HALF_WIDTH, HALF_HEIGHT = 0.85, 0.62
"""The camera's view on the plane z = 1."""
_WIDTH, _HEIGHT = 850, 620
KINDS = ("plaza", "street", "hall", "park", "court", "corridor")


@dataclass(frozen=True)
class Scene:
    """What a camera sees without people."""

    picture: Image.Image
    """RGB bytes, 255 sqrt(linear light / 1.3)."""

    def crop(self, box: tuple[float, float, float, float], size: tuple[int, int]) -> Array:
        """Linear light (h, w, 3) of the box left, top, right, bottom of the plane z = 1."""
        kx, ky = _WIDTH / (2 * HALF_WIDTH), _HEIGHT / (2 * HALF_HEIGHT)
        left, right = ((x + HALF_WIDTH) * kx for x in (box[0], box[2]))
        top, bottom = ((y + HALF_HEIGHT) * ky for y in (box[1], box[3]))
        # Boxes that leave the view are moved back into it.
        dx = max(0.0, -left) - max(0.0, right - _WIDTH)
        dy = max(0.0, -top) - max(0.0, bottom - _HEIGHT)
        where = (max(0.0, left + dx), max(0.0, top + dy), min(_WIDTH, right + dx),
                 min(_HEIGHT, bottom + dy))  # fmt: skip
        picture = self.picture.resize((size[1], size[0]), Image.Resampling.BILINEAR, box=where)
        out: Array = _DECODE[np.asarray(picture)]
        return out


_DECODE = ((np.arange(256) / 255) ** 2 * 1.3).astype(np.float32)


class _Noise:
    """Smooth noise of unit scale, 0-1, repeating after 64 units."""

    def __init__(self, draw: np.random.Generator) -> None:
        self.grid = draw.random((64, 64), np.float32)

    def __call__(self, u: Array, v: Array) -> Array:
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


def _colours(mix: Array, first: tuple[int, int, int], second: tuple[int, int, int]) -> Array:
    a, b = np.array(linear(first), np.float32), np.array(linear(second), np.float32)
    return a + mix[..., None] * (b - a)


def _darker(colour: tuple[int, int, int], share: float) -> tuple[int, int, int]:
    r, g, b = (int(share * c) for c in colour)
    return r, g, b


def _grid(u: Array, v: Array, du: float, dv: float, joint: float) -> NDArray[np.bool_]:
    """Joints of tiles of du x dv."""
    return ((u / du) % 1 < joint / du) | ((v / dv) % 1 < joint / dv)


def _tiles(draw: np.random.Generator, noise: _Noise, size: float, a: tuple[int, int, int],
           b: tuple[int, int, int], checker: bool = False) -> Texture:  # fmt: skip
    joint = float(draw.uniform(0.02, 0.05))

    def texture(u: Array, v: Array) -> Array:
        tone = noise(np.floor(u / size) * 1.7, np.floor(v / size) * 1.3)
        if checker:
            tone = 0.15 * tone + 0.85 * ((np.floor(u / size) + np.floor(v / size)) % 2)
        out = _colours(tone, a, b) * (0.82 + 0.36 * noise.rough(u * 1.5, v * 1.5))[..., None]
        out[_grid(u, v, size, size, joint)] *= 0.55
        return out

    return texture


def _asphalt(draw: np.random.Generator, noise: _Noise) -> Texture:
    kerb = float(draw.uniform(-1.0, 1.5))

    def texture(u: Array, v: Array) -> Array:
        out = _colours(noise.rough(u * 2, v * 2), (70, 70, 74), (112, 110, 108))
        walk = u < kerb
        out[walk] = _colours(noise.rough(u * 3, v * 3), (140, 134, 124), (176, 168, 158))[walk]
        out[walk & _grid(u, v, 0.6, 0.6, 0.03)] *= 0.7
        out[(u > kerb) & (u < kerb + 0.15)] = linear((190, 188, 180))
        line = (np.abs(u - kerb - 2.6) < 0.08) & ((v / 2.4) % 1 < 0.6)
        zebra = (u > kerb + 0.3) & ((u / 0.9) % 1 < 0.5) & (v % 17 < 2.6)
        out[line | zebra] = linear((215, 212, 200))
        return out

    return texture


def _grass(draw: np.random.Generator, noise: _Noise) -> Texture:
    half, bend = float(draw.uniform(0.9, 1.6)), float(draw.uniform(0.3, 0.9))

    def texture(u: Array, v: Array) -> Array:
        out = _colours(noise.rough(u * 3.1, v * 3.1), (52, 78, 34), (112, 136, 62))
        off = np.abs(u - bend * np.sin(v * 0.35)) + 0.35 * noise.rough(u * 2, v * 2)
        path = _colours(noise.rough(u * 5, v * 5), (160, 138, 108), (204, 186, 156))
        out[off < half] = path[off < half]
        return out

    return texture


def _facade(draw: np.random.Generator, noise: _Noise) -> Texture:
    """Walls with windows, doors and shop fronts."""
    walls = ((176, 160, 138), (148, 84, 64), (190, 188, 184), (120, 124, 130), (206, 190, 150))
    wall = walls[int(draw.integers(len(walls)))]
    dark = _darker(wall, 0.8)
    width, storey = float(draw.uniform(1.6, 3.2)), float(draw.uniform(2.8, 3.6))
    shop = draw.random() < 0.6
    sign = ((176, 40, 40), (36, 84, 160), (40, 120, 76), (220, 170, 50))[int(draw.integers(4))]

    def texture(u: Array, v: Array) -> Array:
        out = _colours(noise.rough(u, v), dark, wall)
        if wall[0] == 148:
            row = np.floor(v / 0.16)
            out[((v / 0.16) % 1 < 0.14) | ((u / 0.42 + 0.5 * (row % 2)) % 1 < 0.06)] *= 1.35
        a, b = (u / width) % 1, (v / storey) % 1
        window = (a > 0.22) & (a < 0.78) & (b > 0.30) & (b < 0.82)
        glass = _colours(noise(u * 0.7, v * 0.4), (38, 48, 60), (128, 146, 160))
        out[window] = glass[window]
        out[window & ((np.abs(a - 0.5) < 0.02) | (np.abs(b - 0.6) < 0.012))] = linear((220,) * 3)
        ground = v < storey
        if shop:
            front = ground & (a > 0.06) & (a < 0.94) & (v > 0.35) & (v < storey - 0.55)
            goods = _colours(noise(u * 4, v * 3), (40, 36, 40), (190, 170, 150))
            out[front] = goods[front]
            out[ground & (v > storey - 0.5) & (v < storey - 0.08)] = linear(sign)
        door = ground & (np.floor(u / width) % 3 == 1) & (a > 0.3) & (a < 0.7) & (v < 2.1)
        out[door] = linear((74, 52, 40))
        return out

    return texture


def _foliage(draw: np.random.Generator, noise: _Noise) -> Texture:
    def texture(u: Array, v: Array) -> Array:
        deep = noise.rough(u * 1.3, v * 1.3)
        out = _colours(deep * (0.4 + 0.6 * noise(u * 9, v * 9)), (14, 26, 12), (120, 150, 70))
        trunk = (np.abs((u / 2.6) % 1 - 0.5 + 0.05 * np.sin(v)) < 0.045) & (v < 2.8)
        out[trunk] = _colours(noise(u * 8, v * 2), (50, 38, 28), (100, 82, 64))[trunk]
        return out

    return texture


def _hall_wall(draw: np.random.Generator, noise: _Noise) -> Texture:
    tones = ((206, 200, 188), (176, 190, 200), (214, 208, 176), (168, 168, 172), (196, 168, 140))
    tone = tones[int(draw.integers(len(tones)))]
    band = ((60, 90, 140), (150, 60, 50), (70, 110, 80), (90, 90, 96))[int(draw.integers(4))]
    gap = float(draw.uniform(2.2, 3.6))

    def texture(u: Array, v: Array) -> Array:
        out = _colours(noise.rough(u * 0.8, v * 0.8), tone, _darker(tone, 0.88))
        out[v < 1.0] = _colours(noise(u, v), band, band)[v < 1.0]
        out[(v > 1.0) & (v < 1.06)] = linear((230, 230, 226))
        a = (u / gap) % 1
        door = (a > 0.1) & (a < 0.1 + 0.95 / gap) & (v < 2.1)
        out[door] = linear((112, 84, 60))
        poster = (a > 0.62) & (a < 0.84) & (v > 1.25) & (v < 2.15)
        ads = _colours(noise(np.floor(u / gap) * 5.3 + u * 2, v * 2), (210, 60, 60), (70, 130, 200))
        out[poster] = ads[poster]
        return out

    return texture


def _sky(draw: np.random.Generator, noise: _Noise) -> Texture:
    blue = draw.random() < 0.6

    def texture(u: Array, v: Array) -> Array:
        clouds = np.clip(noise.rough(u * 3, v * 5) * 2 - 0.7, 0, 1)
        return _colours(clouds, (140, 180, 225) if blue else (205, 208, 212), (240, 240, 240))

    return texture


@dataclass(frozen=True)
class _Plane:
    """An upright plane: all points with right * nx + ahead * nz = distance, up to a height."""

    nx: float
    nz: float
    distance: float
    top: float
    texture: Texture


def _layout(kind: str, camera: Camera, draw: np.random.Generator,
            noise: _Noise) -> tuple[Texture, list[_Plane]]:  # fmt: skip
    """Texture of the ground and the walls, from far to near does not matter."""
    yaw = float(draw.uniform(-0.45, 0.45))
    back = camera.far + float(draw.uniform(2.0, 5.0))
    nx, nz = float(np.sin(yaw)), float(np.cos(yaw))
    if kind in ("hall", "corridor"):
        side = 2.6 if kind == "corridor" else 5.0
        wall = _hall_wall(draw, noise)
        planes = [_Plane(0, 1, back + (8 if kind == "corridor" else 0), 6, wall),
                  _Plane(-1, 0.12, side, 6, wall), _Plane(1, 0.12, side, 6, wall)]  # fmt: skip
        floor = (((150, 140, 128), (190, 180, 164)), ((176, 176, 178), (206, 206, 204)),
                 ((96, 90, 88), (204, 196, 184)))[int(draw.integers(3))]  # fmt: skip
        return _tiles(draw, noise, float(draw.uniform(0.4, 0.9)), floor[0], floor[1],
                      kind == "corridor"), planes  # fmt: skip
    if kind == "park":
        return _grass(draw, noise), [_Plane(nx, nz, back + 2, 5.0, _foliage(draw, noise))]
    planes = [_Plane(nx, nz, back, float(draw.uniform(6, 12)), _facade(draw, noise))]
    if kind == "court":
        planes.append(_Plane(-1, 0.3, 5.5, 3.2, _foliage(draw, noise)))
        return _tiles(draw, noise, 0.22, (112, 100, 92), (160, 146, 132)), planes
    if kind == "street":
        return _asphalt(draw, noise), planes
    return _tiles(
        draw, noise, float(draw.uniform(0.6, 1.1)), (142, 134, 126), (186, 176, 160)
    ), planes


def _boxes(
    kind: str, camera: Camera, draw: np.random.Generator
) -> list[tuple[Array, Array, Array]]:
    """Cars, planters, kiosks beside and behind the walk: low corner, high corner, colour."""
    out = []
    for _ in range(int(draw.integers(3, 7))):
        x = float(draw.uniform(-8, 8))
        z = camera.far + float(draw.uniform(1.2, 3.5))
        if kind == "street":
            size = np.array([draw.uniform(2.5, 4.2), draw.uniform(1.2, 1.6), 1.7])
        else:
            size = np.array([draw.uniform(0.5, 1.8), draw.uniform(0.5, 1.6), draw.uniform(0.4, 1)])
        low = np.array([x, 0, z])
        r, g, b = (int(c) for c in draw.integers(30, 215, 3))
        colour = np.array(linear((r, g, b)))
        grey = colour.mean()
        out.append((low.astype(np.float32), (low + size).astype(np.float32),
                    (grey + 0.6 * (colour - grey)).astype(np.float32)))  # fmt: skip
    return out


def draw_scene(camera: Camera, index: int, draw: np.random.Generator) -> Scene:
    """Draws what camera number `index` sees without people."""
    kind = KINDS[index % len(KINDS)]
    noise = _Noise(draw)
    ground, planes = _layout(kind, camera, draw, noise)
    boxes = _boxes(kind, camera, draw)
    sky = _sky(draw, noise)
    spin = float(draw.uniform(-0.5, 0.5)) if kind not in ("hall", "corridor") else 0.0
    xs = np.linspace(-HALF_WIDTH, HALF_WIDTH, _WIDTH, dtype=np.float32)
    ys = np.linspace(-HALF_HEIGHT, HALF_HEIGHT, _HEIGHT, dtype=np.float32)
    rays = np.stack(np.broadcast_arrays(xs[None, :], ys[:, None], np.float32(1)), -1)
    world: Array = rays @ camera.rotation.astype(np.float32)
    across = np.asarray(world[..., 0] / np.maximum(world[..., 2], 0.1), np.float32)
    out = sky(across, world[..., 1]) * 1.1
    depth = np.full(world.shape[:2], 200.0, np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        _draw_ground(ground, spin, world, camera, depth, out)
        for plane in planes:
            _draw_plane(plane, world, camera, depth, out)
        for low, high, colour in boxes:
            _draw_box(low, high, colour, world, camera, noise, depth, out)
    fog = np.exp(-depth / 90)[..., None]
    out = out * fog + (1 - fog) * 0.6
    coded = 255 * np.sqrt(np.clip(out * np.float32(1 / 1.3), 0, 1))
    return Scene(Image.fromarray(coded.astype(np.uint8)))


def _draw_ground(texture: Texture, spin: float, world: Array, camera: Camera, depth: Array,
                 out: Array) -> None:  # fmt: skip
    t = np.where(world[..., 1] < 0, np.float32(-camera.height) / world[..., 1], np.float32(np.inf))
    hit = t < depth
    u, v = world[..., 0][hit] * t[hit], world[..., 2][hit] * t[hit]
    c, s = np.float32(np.cos(spin)), np.float32(np.sin(spin))
    light = camera.ambient + camera.sun * max(0.25, camera.light[1])
    out[hit] = texture(c * u - s * v, s * u + c * v) * light.astype(np.float32)
    depth[hit] = t[hit]


def _draw_plane(plane: _Plane, world: Array, camera: Camera, depth: Array, out: Array) -> None:
    nx, nz = np.float32(plane.nx), np.float32(plane.nz)
    t = np.float32(plane.distance) / (nx * world[..., 0] + nz * world[..., 2])
    up = np.float32(camera.height) + t * world[..., 1]
    hit = (t > 0) & (t < depth) & (up < plane.top)
    u = np.asarray((nz * world[..., 0] - nx * world[..., 2])[hit] * t[hit], np.float32)
    facing = max(0.0, -plane.nx * camera.light[0] - plane.nz * camera.light[2])
    light = 0.85 * camera.ambient + camera.sun * facing
    above = np.asarray(np.maximum(up[hit], 0), np.float32)
    out[hit] = plane.texture(u + np.float32(30), above) * light.astype(np.float32)
    depth[hit] = t[hit]


def _draw_box(low: Array, high: Array, colour: Array, world: Array, camera: Camera, noise: _Noise,
              depth: Array, out: Array) -> None:  # fmt: skip
    """Slab test against the box; its faces get their own light."""
    origin = np.array([0, camera.height, 0], np.float32)
    t0, t1 = (low - origin) / world, (high - origin) / world
    enter = np.minimum(t0, t1)
    axis = enter.argmax(axis=-1)
    first = enter.max(axis=-1)
    hit = (first < np.maximum(t0, t1).min(axis=-1)) & (first > 0) & (first < depth)
    if not hit.any():
        return
    at = world[hit] * first[hit][:, None] + origin
    face = axis[hit]
    signs = -np.sign(world[hit][np.arange(len(face)), face])
    facing = np.maximum(0, signs * camera.light.astype(np.float32)[face])
    light = 0.8 * camera.ambient + facing[:, None] * camera.sun
    share = (at[:, 1] - low[1]) / (high[1] - low[1])
    tone = np.where((share > 0.55) & (share < 0.9) & (face != 1), 0.35, 1.0)
    tone = tone * (0.85 + 0.3 * noise(at[:, 0] * 3, at[:, 1] * 3)) * np.minimum(1, 0.4 + 2 * share)
    out[hit] = (colour * tone[:, None] * light).astype(np.float32)
    depth[hit] = first[hit]
