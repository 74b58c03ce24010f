"""A camera's surroundings: ground, walls and things that stand there; drawn once per camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from passerby.drawing import scenery
from passerby.drawing import surfaces as s
from passerby.drawing.camera import Camera
from passerby.drawing.colours import linear
from passerby.drawing.light import Moment

Array = NDArray[np.float32]
Byte = tuple[int, int, int]


@dataclass(frozen=True)
class Scene:
    """What a camera sees without people."""

    ground: Array
    """(TEXTURE,) the ground's texture."""
    planes: Array
    """(P, PLANE) walls."""
    blocks: Array
    """(B, BLOCK) things."""
    sky: Array
    """(4,) its light, and haze per metre."""
    grid: Array
    """(64, 64) random numbers of all noise."""

    def render(self, camera: Camera, moment: Moment, rays: tuple[Array, Array], sticks: Array,
               feet: Array) -> Array:  # fmt: skip
        """Linear light (h, w, 3) along rays (w,), (h,); `sticks` and `feet` cast shadows."""
        xs, ys = rays
        out = np.empty((len(ys), len(xs), 3), np.float32)
        up = moment.ambient.mean() + 0.3 * moment.sun.mean()
        sky = np.append(self.sky[:3] * up, self.sky[3]).astype(np.float32)
        scenery.scenery().render(
            xs, ys, camera.rotation.astype(np.float32), float(camera.height), self.ground,
            self.planes, self.blocks, sun_numbers(moment), moment.sun.astype(np.float32),
            moment.ambient.astype(np.float32), sky, sticks, feet, self.grid, out,
        )  # fmt: skip
        return out

    def lit(self, moment: Moment, points: Array) -> Array:
        """Share of the sun (N,) that reaches world points (N, 3)."""
        out = np.empty(len(points), np.float32)
        scenery.scenery().lit(np.ascontiguousarray(points), sun_numbers(moment), self.grid, out)
        return out


def sun_numbers(moment: Moment) -> Array:
    """(7,) direction, edge, dapple as the kernels take them."""
    dapple = 0.25 + 0.5 * moment.dapple if moment.dapple else 0.0
    return np.array([*moment.direction, *moment.edge, dapple], np.float32)


def _texture(
    kind: int,
    a: Byte,
    b: Byte,
    c: Byte,
    *,
    size: float = 1.0,
    other: float = 1.0,
    offset: float = 0.0,
    rough: float = 0.5,
    turn: float = 0.0,
) -> list[float]:
    colours = [v for colour in (a, b, c) for v in linear(colour)]
    return [float(kind), *colours, size, other, offset, rough, np.cos(turn), np.sin(turn)]


def _tone(draw: np.random.Generator, low: float, high: float, chroma: float = 7.0) -> Byte:
    """A greyish colour."""
    tone, warm, green = draw.uniform(low, high), *draw.normal(0, chroma, 2)
    r, g, b = (int(np.clip(v, 4, 250)) for v in (tone + warm, tone + 0.4 * green, tone - warm))
    return r, g, b


def _bright(draw: np.random.Generator) -> Byte:
    """A colour of signs and cars."""
    palette: list[Byte] = [
        (150, 44, 40),
        (52, 76, 124),
        (52, 96, 70),
        (190, 160, 80),
        (30, 30, 34),
        (225, 225, 222),
        (140, 144, 150),
        (90, 66, 52),
        (64, 66, 70),
    ]
    return palette[int(draw.integers(len(palette)))]


def _ground(draw: np.random.Generator, kind: str) -> list[float]:
    turn = float(draw.uniform(-0.8, 0.8))
    low = float(draw.uniform(50, 165))
    a, b = _tone(draw, low, low + 15), _tone(draw, low + 15, low + 50)
    dark = _tone(draw, 35, 80)
    rough = float(draw.uniform(0.05, 0.7))
    if kind == "street":
        return _texture(s.ASPHALT, a, b, (215, 212, 200), size=float(draw.uniform(1.0, 2.0)),
                        other=float(draw.choice([0.0, 0.9, 1.2])), rough=rough, turn=turn,
                        offset=float(draw.uniform(-2, 2)))  # fmt: skip
    if kind == "pavers":
        size = float(draw.uniform(0.18, 0.5))
        return _texture(s.BRICKS, a, b, dark, size=size, other=size * float(draw.uniform(0.4, 1)),
                        offset=float(draw.uniform(0.04, 0.1)), rough=rough, turn=turn)  # fmt: skip
    if kind == "tiles":
        size = float(draw.uniform(0.3, 1.0))
        return _texture(
            s.TILES,
            a,
            b,
            dark,
            size=size,
            other=float(draw.random() < 0.25),
            offset=float(draw.uniform(0.02, 0.05)),
            rough=0.4 * rough,
            turn=turn,
        )
    if kind == "grass":
        g = int(draw.integers(60, 110))
        leaf: Byte = (170, 120, 60) if draw.random() < 0.6 else (90, 110, 50)
        return _texture(
            s.GRASS,
            (g - 25, g, 25),
            (g + 15, g + 30, 50),
            leaf,
            other=float(draw.choice([-1.0, 0.7, 1.2])),
            offset=float(draw.uniform(-2, 2)),
            rough=float(draw.choice([0.05, 0.4, 0.9])),
            turn=turn,
        )
    return _texture(
        s.CONCRETE, a, b, dark, size=float(draw.uniform(1.5, 5)), rough=rough, turn=turn
    )


def _wall(draw: np.random.Generator, kind: str) -> list[float]:
    a = _tone(draw, 70, 200, 14)
    b = _tone(draw, max(40, a[1] - 35), a[1] + 10, 10)
    off, rough = float(draw.random()), float(draw.uniform(0.1, 0.7))
    if kind == "facade":
        return _texture(s.FACADE, b, a, _tone(draw, 40, 110), size=float(draw.uniform(1.4, 3.4)),
                        other=float(draw.uniform(2.8, 3.8)), offset=off)  # fmt: skip
    if kind == "shop":
        return _texture(s.SHOP, b, a, _bright(draw), size=float(draw.uniform(2.5, 6)),
                        other=float(draw.uniform(3, 4)), offset=off)  # fmt: skip
    if kind == "bricks":
        return _texture(s.BRICKS, (130, 70, 55), (165, 95, 72), a, size=0.42, other=0.15,
                        offset=0.05, rough=rough)  # fmt: skip
    if kind == "foliage":
        g = int(draw.integers(50, 120))
        return _texture(s.FOLIAGE, (14, 22, 10), (g - 10, g + 10, 40), (62, 48, 38),
                        size=float(draw.uniform(1.6, 4)), other=float(draw.uniform(0.02, 0.07)),
                        offset=off)  # fmt: skip
    if kind == "shutter":
        return _texture(s.SHUTTER, b, a, _tone(draw, 40, 90), size=float(draw.uniform(0.08, 0.3)),
                        other=float(draw.uniform(1.5, 4)), offset=off)  # fmt: skip
    if kind == "fence":
        return _texture(s.FENCE, (40, 60, 34), a, (30, 40, 26), size=float(draw.uniform(0.12, 0.3)),
                        other=float(draw.uniform(0.9, 1.6)), offset=off)  # fmt: skip
    return _texture(
        s.PLASTER,
        b,
        a,
        _tone(draw, 60, 160, 25),
        size=float(draw.uniform(2, 5)),
        other=float(draw.choice([0.0, 0.15, 1.0])),
        offset=off,
        rough=rough,
    )


def _blocks(camera: Camera, draw: np.random.Generator) -> list[list[float]]:
    """Cars, bins, bollards, posts, parked bicycles' clutter, beside and behind the walk."""
    out = []
    for _ in range(int(draw.integers(4, 14))):
        z = float(draw.uniform(0.5 * camera.far, 1.6 * camera.far))
        x = float(draw.uniform(-1.1, 1.1)) * camera.wide * z
        kind = str(draw.choice(["car", "post", "bin", "box", "trunk", "bench"]))
        if abs(x) < 0.5 * camera.wide * z and z < camera.far:
            z = camera.far + float(draw.uniform(0.3, 4))
        w, h, d, round_ = {
            "car": (draw.uniform(2, 4.4), draw.uniform(1.2, 1.7), 1.7, 0.0),
            "post": (0.12, draw.uniform(2.5, 6), 0.12, 1.0),
            "bin": (0.5, draw.uniform(0.7, 1.2), 0.5, 1.0),
            "box": (draw.uniform(0.4, 1.6), draw.uniform(0.4, 1.9), 0.6, 0.0),
            "trunk": (draw.uniform(0.2, 0.5), 7.0, 0.0, 1.0),
            "bench": (1.6, 0.45, 0.5, 0.0),
        }[kind]
        d = float(w) if round_ else float(d)
        colour = _bright(draw) if kind in ("car", "bin", "box") else _tone(draw, 30, 150, 12)
        second = _tone(draw, 20, 60) if kind == "car" else _tone(draw, 20, 200, 10)
        band = (0.85, 0.35) if kind == "car" else (float(draw.uniform(0.2, 0.6)), 0.15)
        texture = _texture(s.PAINT, colour, colour, second, other=band[1], offset=band[0])
        out.append([*texture, x, 0.0, z, x + float(w), float(h), z + d, float(round_)])
    return out


def _plain(camera: Camera) -> tuple[list[float], list[list[float]]]:
    floor = _texture(
        s.CONCRETE, (150, 148, 146), (160, 158, 156), (90, 90, 90), size=3.0, rough=0.2
    )
    wall = _texture(
        s.PLASTER, (180, 178, 174), (188, 186, 182), (120, 120, 120), size=1e6, other=0.0
    )
    return floor, [[*wall, 0.0, 1.0, camera.far + 3.0, 5.0, -100.0, 100.0]]


def _built(camera: Camera, draw: np.random.Generator) -> tuple[list[float], list[list[float]]]:
    """A ground and walls that go together."""
    back, wide = camera.far * float(draw.uniform(1.1, 1.8)), camera.wide * camera.far
    yaw = float(draw.normal(0, 0.3))
    nx, nz = float(np.sin(yaw)), float(np.cos(yaw))
    if camera.outdoors:
        ground = str(draw.choice(["street", "pavers", "tiles", "grass", "concrete"],
                                 p=[0.26, 0.28, 0.14, 0.14, 0.18]))  # fmt: skip
        names = ["facade", "shop", "bricks", "foliage", "shutter", "fence", "plaster"]
        weights = [0.2, 0.2, 0.12, 0.22, 0.06, 0.1, 0.1]
    else:
        ground = str(draw.choice(["tiles", "concrete"], p=[0.7, 0.3]))
        names, weights = ["plaster", "shop", "shutter", "bricks"], [0.5, 0.3, 0.1, 0.1]
    kinds = [str(k) for k in draw.choice(names, 3, p=weights)]
    tops = [float(draw.uniform(1.0, 2.2)) if k == "fence" else float(draw.uniform(3, 12))
            for k in kinds]  # fmt: skip
    planes = [[*_wall(draw, kinds[0]), nx, nz, back, tops[0], -100.0, 100.0]]
    for side, chance in ((-1.0, 0.45), (1.0, 0.45)):
        if not camera.outdoors or draw.random() < chance:
            k = 1 if side < 0 else 2
            planes.append(
                [
                    *_wall(draw, kinds[k]),
                    side,
                    float(draw.uniform(0.1, 0.5)),
                    wide * float(draw.uniform(0.5, 1.1)) + 1.0,
                    tops[k],
                    -100.0,
                    100.0,
                ]
            )
    if camera.outdoors and draw.random() < 0.4:
        # Something low in front of the wall: a fence, a hedge.
        low = "fence" if draw.random() < 0.5 else "foliage"
        start = float(draw.uniform(-1.5, 0.5)) * wide
        planes.append([*_wall(draw, low), nx, nz, back * float(draw.uniform(0.7, 0.95)),
                       float(draw.uniform(0.7, 1.5)), start, start + wide * 1.5])  # fmt: skip
    return _ground(draw, ground), planes


def draw_scene(camera: Camera, draw: np.random.Generator, rich: bool) -> Scene:
    """Draws what a camera sees without people; a plain floor and wall unless `rich`."""
    ground, planes = _built(camera, draw) if rich else _plain(camera)
    blocks = _blocks(camera, draw) if rich and camera.outdoors else []
    return Scene(
        np.array(ground, np.float32),
        np.array(planes, np.float32).reshape(-1, scenery.PLANE),
        np.array(blocks, np.float32).reshape(-1, scenery.BLOCK),
        np.array([0.95, 1.0, 1.1, float(draw.uniform(0.0, 0.03))], np.float32),
        draw.random((64, 64), np.float32),
    )
