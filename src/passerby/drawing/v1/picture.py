"""One picture: the person, the others, what stands in front, the box, the camera."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from passerby.drawing.layout import Drawn
from passerby.drawing.v1.camera import Camera, develop
from passerby.drawing.v1.occluders import KINDS, draw_occluder
from passerby.drawing.v1.placing import Box, Placed, joints_of
from passerby.drawing.v1.render import Array, cast
from passerby.drawing.v1.scene import Scene
from passerby.drawing.v1.shade import Light, shade
from passerby.drawing.v1.shadow import draw_shadows
from passerby.types import JOINT_NAMES

SCALE = 1.5
"""Rays for each stored pixel, along each side."""

_ONE = np.ones(3)


@dataclass(frozen=True)
class Flaws:
    """What makes pictures hard. Probabilities and sizes; all 0 gives clean pictures."""

    jitter: float = 0.05
    """Standard deviation of the box's shift and log size, share of its size."""
    truncated: float = 0.06
    """Probability that the box cuts off a good part of the person."""
    occluded: float = 0.16
    """Probability of an occluder in front."""
    behind: float = 0.22
    """Probability of another person behind."""
    in_front: float = 0.06
    """Probability of another person partly in front."""

    def clean(self) -> Flaws:
        """The same without the detector's flaws: boxes drawn by hand."""
        return replace(self, jitter=0.0, truncated=0.0)


def stored_box(person: Box, flaws: Flaws, draw: np.random.Generator) -> Box:
    """The box that is cut out: the person's with some air, as a detector or a hand draws it."""
    left, top, right, bottom = person
    tall = (bottom - top) * float(draw.uniform(1.01, 1.06))
    wide = max(0.42 * tall, min(0.98 * (right - left), 0.62 * tall)) * float(
        draw.uniform(1.0, 1.08)
    )
    x, y = (left + right) / 2, (top + bottom) / 2
    if flaws.jitter:
        dx, dy, size, aspect = draw.normal(0, flaws.jitter, 4)
        tall, wide = tall * np.exp(size + 0.02), wide * np.exp(size + aspect + 0.02)
        x, y = x + dx * wide, y + 0.6 * dy * tall
    box = [x - wide / 2, y - tall / 2, x + wide / 2, y + tall / 2]
    if draw.random() < flaws.truncated:
        cut = float(draw.uniform(0.15, 0.38))
        side = int(draw.choice([0, 1, 2, 3, 3, 3]))
        # left, top (less), right, bottom
        box[side] += (1 if side < 2 else -1) * cut * (wide if side % 2 == 0 else tall) * (
            0.4 if side == 1 else 1.0)  # fmt: skip
    return float(box[0]), float(box[1]), float(box[2]), float(box[3])


def rays(box: Box, size: tuple[int, int]) -> tuple[Array, Array]:
    """Pixel centres (W,), (H,) of a picture of `box`."""
    h, w = size
    xs = box[0] + (np.arange(w) + 0.5) * ((box[2] - box[0]) / w)
    ys = box[1] + (np.arange(h) + 0.5) * ((box[3] - box[1]) / h)
    return xs.astype(np.float32), ys.astype(np.float32)


def camera_light(camera: Camera, strength: float) -> Light:
    """The light of the scene in camera coordinates."""
    return Light(
        camera.rotation @ camera.light,
        camera.sun * strength,
        camera.ambient,
        camera.rotation @ np.array([0.0, 1.0, 0.0]),
    )


def draw_picture(camera: Camera, scene: Scene, target: Placed | None, others: list[Placed],
                 box: Box, size: tuple[int, int], flaws: Flaws,
                 draw: np.random.Generator) -> Drawn:  # fmt: skip
    """Draws what the camera sees in `box`.

    Args:
        camera: whose picture.
        scene: the camera's background.
        target: the person; None draws a picture of nobody.
        others: more people, nearer ones hide farther ones.
        box: left, top, right, bottom on the plane z = 1.
        size: height, width of the stored picture.
        flaws: probability of an occluder.
        draw: random numbers of this picture.
    """
    fine = (round(size[0] * SCALE), round(size[1] * SCALE))
    xs, ys = rays(box, fine)
    light = scene.crop(box, fine)
    sunshine = camera_light(camera, float(draw.uniform(0.8, 1.15)))
    people = sorted([*others, *([target] if target else [])], key=lambda p: -p.origin[2])
    draw_shadows(light, camera, people, xs, ys)
    mine = np.zeros(fine, bool)
    covered = np.zeros(fine, bool)
    surface = None
    for person in people:
        found = cast(person.cones, xs, ys)
        rows, columns, colours = shade(person.figure, person.cones, found, xs, ys, person.axes,
                                       person.origin, sunshine)  # fmt: skip
        light[rows, columns] = colours
        if person is target:
            surface = found
            mine[rows, columns] = True
        else:
            mine[rows, columns] = False
            if surface is not None:
                covered[rows, columns] = True
    if draw.random() < flaws.occluded:
        lit = 0.9 * camera.ambient + 0.4 * camera.sun
        front = draw_occluder(KINDS[int(draw.integers(len(KINDS)))], light, lit, draw)
        mine &= ~front
        covered |= front
    rows_there = camera.focal * (box[3] - box[1])
    gain = np.exp(draw.normal(0, 0.08)) * (target.view.gain if target else _ONE)
    image = develop(camera, light, size, rows_there, gain, draw)
    mask = Image.fromarray(mine.astype(np.uint8) * 255).resize(
        (size[1], size[0]), Image.Resampling.BOX
    )
    joints = np.zeros((len(JOINT_NAMES), 3), np.float32)
    if target is not None and surface is not None:
        joints = joints_of(target, surface, covered, box, size)
    return Drawn(
        image,
        np.where(np.asarray(mask) >= 128, 255, 0).astype(np.uint8),
        joints,
        int(draw.integers(camera.quality[0], camera.quality[1] + 1)),
    )
