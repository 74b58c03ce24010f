"""One picture of version 2: scene, people, things in front, then the camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from passerby.drawing import street
from passerby.drawing.boxes import Box
from passerby.drawing.camera import Camera
from passerby.drawing.develop import develop
from passerby.drawing.factors import Factors
from passerby.drawing.layout import Drawn
from passerby.drawing.light import Moment
from passerby.drawing.placing import Placed, joints_of
from passerby.drawing.scene import Array, Scene
from passerby.types import JOINT_NAMES

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Shot:
    """What a picture is taken of, and how."""

    camera: Camera
    scene: Scene
    moment: Moment
    box: Box
    """On the plane z = 1."""
    size: tuple[int, int]
    """Height, width of the stored picture."""
    factors: Factors

    @property
    def own(self) -> tuple[int, int]:
        """Height, width of the box in the camera's own picture, never more than is stored."""
        left, top, right, bottom = self.box
        rows = float(np.clip(self.camera.focal * (bottom - top), 28, self.size[0]))
        return round(rows), max(8, round(rows * (right - left) / (bottom - top)))

    def rays(self) -> tuple[Array, Array]:
        """Columns and rows of the rays on the plane z = 1, finer than the camera's own pixels."""
        rows, columns = self.own
        more = 1.6 if rows < 100 else 1.3
        h, w = round(rows * more), round(columns * more)
        left, top, right, bottom = self.box
        xs = left + (np.arange(w) + 0.5) * ((right - left) / w)
        ys = top + (np.arange(h) + 0.5) * ((bottom - top) / h)
        return xs.astype(np.float32), ys.astype(np.float32)


def draw_picture(shot: Shot, target: Placed | None, others: list[Placed],
                 draw: np.random.Generator) -> Drawn:  # fmt: skip
    """Draws what the camera sees in the box.

    Args:
        shot: camera, scene, light and box.
        target: the person; None draws a picture of nobody.
        others: more people, nearer ones hide farther ones.
        draw: random numbers of this picture.
    """
    xs, ys = rays = shot.rays()
    people = [*others, *([target] if target else [])]
    light = shot.scene.render(shot.camera, shot.moment, rays, *_shadows(shot.moment, people))
    gain = metered(shot, light)
    mine, covered = np.zeros((2, len(ys), len(xs)), bool)
    surface = None
    things: list[Placed | tuple[float, float]] = [*people, *_things(shot, target, draw)]
    for thing in sorted(things, key=_far):
        if isinstance(thing, Placed):
            found = thing.draw(shot.camera, shot.scene, shot.moment, light, rays)
            where = found.where
            if thing is target:
                surface, mine = found, thing.person(found)
                covered |= where & ~mine
                continue
        else:
            where = _draw_thing(shot, thing, light, rays, draw)
        mine = mine & ~where
        if surface is not None:
            covered |= where
    smear = float(draw.exponential(0.8)) * shot.own[0] / 128 if shot.factors.sensor else 0.0
    image = develop(shot.camera.sensor, light, gain, shot.own, shot.size, smear, draw)
    mask = Image.fromarray(mine.astype(np.uint8) * 255).resize(
        (shot.size[1], shot.size[0]), Image.Resampling.BILINEAR
    )
    joints = np.zeros((len(JOINT_NAMES), 3), np.float32)
    if target is not None and surface is not None:
        joints = joints_of(target, surface, covered, shot.box, shot.size)
    return Drawn(
        image,
        np.where(np.asarray(mask) >= 128, 255, 0).astype(np.uint8),
        joints,
        int(draw.integers(82, 96)),
    )


def _far(thing: Placed | tuple[float, float]) -> float:
    """Sorts the farthest first."""
    return -thing.view.ahead if isinstance(thing, Placed) else -thing[1]


def _things(
    shot: Shot, target: Placed | None, draw: np.random.Generator
) -> list[tuple[float, float]]:
    """Places (right, ahead) of things beside, behind and in front of the person."""
    if target is None:
        return []
    out = []
    right, ahead = target.view.right, target.view.ahead
    if shot.factors.background and shot.camera.outdoors:
        for _ in range(int(draw.poisson(0.5))):
            z = ahead + float(draw.uniform(0.6, 6))
            out.append((right * z / ahead + float(draw.uniform(-0.9, 0.9)), z))
    if shot.factors.occluders and draw.random() < shot.camera.cluttered:
        z = max(0.6 * ahead, ahead - float(draw.uniform(0.35, 2.0)))
        out.append((right * z / ahead + float(draw.normal(0, 0.35)), z))
    return out


def _draw_thing(shot: Shot, place: tuple[float, float], light: Array, rays: tuple[Array, Array],
                draw: np.random.Generator) -> Mask:  # fmt: skip
    right, ahead = place
    x, y, z = shot.camera.see(np.array([right, 0.0, ahead]))
    across = ((rays[0] - x / z) * z).astype(np.float32)
    up = ((y / z - rays[1]) * (z / np.cos(shot.camera.tilt))).astype(np.float32)
    point = np.array([[right, 0.6, ahead]], np.float32)
    share = float(shot.scene.lit(shot.moment, point)[0])
    lit = (0.8 * shot.moment.ambient + 0.5 * share * shot.moment.sun).astype(np.float32)
    return street.put(light, across, up, lit, draw)


def metered(shot: Shot, light: Array) -> NDArray[np.float64]:
    """(3,) exposure and white balance: the camera meters all that it sees, this box a little."""
    camera = shot.camera
    xs = np.linspace(-camera.wide, camera.wide, 24, dtype=np.float32)
    ys = np.linspace(-0.35, 0.35, 16, dtype=np.float32)
    nothing = np.zeros((0, 6), np.float32)
    view = shot.scene.render(camera, shot.moment, (xs, ys), nothing, nothing)
    mean = 0.7 * float(np.sqrt(view).mean()) + 0.3 * float(np.sqrt(light).mean())
    exposure: float = (camera.sensor.exposure / mean) ** 2
    out: NDArray[np.float64] = exposure * camera.sensor.balance * shot.moment.gain
    return out


_STICKS = (("head", "neck", 0.10), ("neck", "pelvis", 0.19), ("left_hip", "left_knee", 0.09),
           ("right_hip", "right_knee", 0.09), ("left_knee", "left_ankle", 0.07),
           ("right_knee", "right_ankle", 0.07))  # fmt: skip


def _shadows(moment: Moment, people: list[Placed]) -> tuple[Array, Array]:
    """What people take of the sun, as sticks on the ground, and of the sky around their feet."""
    sticks, feet = [], []
    fall = -moment.direction[[0, 2]] / moment.direction[1]
    for person in people:
        view, points = person.view, person.figure.points
        c, s = np.cos(view.heading), np.sin(view.heading)
        turn = np.array([[-c, s], [s, c]])
        at = np.array([view.right, view.ahead])

        def ground(name: str, turn: NDArray[np.float64] = turn, at: NDArray[np.float64] = at,
                   points: dict[str, NDArray[np.float64]] = points,
                   fall: NDArray[np.float64] = fall) -> NDArray[np.float64]:  # fmt: skip
            out: NDArray[np.float64] = turn @ points[name][[0, 2]] + at + points[name][1] * fall
            return out

        sticks += [[*ground(a), *ground(b), radius, 14.0] for a, b, radius in _STICKS]
        for foot in ("left_ankle", "right_ankle"):
            x, z = turn @ points[foot][[0, 2]] + at
            feet.append([x, z, x, z, 0.10, 4.0])
    nothing = np.zeros((0, 6), np.float32)
    return (
        np.array(sticks, np.float32) if sticks else nothing,
        np.array(feet, np.float32) if feet else nothing,
    )
