"""The background of a camera: ground, walls, things that stand there; drawn once per camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from passerby.drawing.colours import linear
from passerby.drawing.v1 import textures
from passerby.drawing.v1.camera import Camera
from passerby.drawing.v1.textures import Array, Noise, Texture

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


@dataclass(frozen=True)
class _Plane:
    """An upright plane: all points with right * nx + ahead * nz = distance, up to a height."""

    nx: float
    nz: float
    distance: float
    top: float
    texture: Texture


def _layout(kind: str, camera: Camera, draw: np.random.Generator,
            noise: Noise) -> tuple[Texture, list[_Plane]]:  # fmt: skip
    """Texture of the ground and the walls, from far to near does not matter."""
    yaw = float(draw.uniform(-0.45, 0.45))
    back = camera.far + float(draw.uniform(2.0, 5.0))
    nx, nz = float(np.sin(yaw)), float(np.cos(yaw))
    if kind in ("hall", "corridor"):
        side = 2.6 if kind == "corridor" else 5.0
        wall = textures.hall_wall(draw, noise)
        planes = [_Plane(0, 1, back + (8 if kind == "corridor" else 0), 6, wall),
                  _Plane(-1, 0.12, side, 6, wall), _Plane(1, 0.12, side, 6, wall)]  # fmt: skip
        floor = (((150, 140, 128), (190, 180, 164)), ((176, 176, 178), (206, 206, 204)),
                 ((96, 90, 88), (204, 196, 184)))[int(draw.integers(3))]  # fmt: skip
        return textures.tiles(draw, noise, float(draw.uniform(0.4, 0.9)), floor[0], floor[1],
                      kind == "corridor"), planes  # fmt: skip
    if kind == "park":
        return textures.grass(draw, noise), [
            _Plane(nx, nz, back + 2, 5.0, textures.foliage(draw, noise))
        ]
    planes = [_Plane(nx, nz, back, float(draw.uniform(6, 12)), textures.facade(draw, noise))]
    if kind == "court":
        planes.append(_Plane(-1, 0.3, 5.5, 3.2, textures.foliage(draw, noise)))
        return textures.tiles(draw, noise, 0.22, (112, 100, 92), (160, 146, 132)), planes
    if kind == "street":
        return textures.asphalt(draw, noise), planes
    return textures.tiles(
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
    noise = Noise(draw)
    ground, planes = _layout(kind, camera, draw, noise)
    boxes = _boxes(kind, camera, draw)
    sky = textures.sky(draw, noise)
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
    # Public places are greyer than what people wear.
    grey = out.mean(axis=-1, keepdims=True)
    out = grey + 0.55 * (out - grey)
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


def _draw_box(low: Array, high: Array, colour: Array, world: Array, camera: Camera, noise: Noise,
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
