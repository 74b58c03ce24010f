"""One picture: the person, the others, what stands in front, the box, the camera."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from passerby.data.synthetic.appearance import Person
from passerby.data.synthetic.body import Pose
from passerby.data.synthetic.camera import Camera, develop
from passerby.data.synthetic.dress import Figure, dress, placed
from passerby.data.synthetic.occluders import KINDS, draw_occluder
from passerby.data.synthetic.render import Array, Cones, Surface, cast, extents
from passerby.data.synthetic.scene import HALF_HEIGHT, HALF_WIDTH, Scene
from passerby.data.synthetic.shade import Light, shade
from passerby.types import JOINT_NAMES

SCALE = 1.5
"""Rays for each stored pixel, along each side."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class View:
    """Where a person is and how they move at one moment."""

    right: float
    """World coordinate, metres."""
    ahead: float
    """World coordinate, metres."""
    heading: float
    """Walking direction: 0 straight away from the camera, pi towards it."""
    pose: Pose
    """Of the body."""


@dataclass(frozen=True)
class Placed:
    """A figure in front of a camera."""

    figure: Figure
    cones: Cones
    axes: NDArray[np.float64]
    """(3, 3) from the body's coordinates to the camera's."""
    origin: NDArray[np.float64]
    """(3,) of the body's coordinates, in the camera's."""
    view: View

    @property
    def box(self) -> Box:
        """Left, top, right, bottom on the plane z = 1."""
        all_boxes = extents(self.cones)
        left, top = all_boxes[:, :2].min(axis=0)
        right, bottom = all_boxes[:, 2:].max(axis=0)
        return float(left), float(top), float(right), float(bottom)


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


@dataclass(frozen=True)
class Drawn:
    """A finished picture with its truth."""

    image: NDArray[np.uint8]
    """(H, W, 3) RGB before JPEG."""
    mask: NDArray[np.uint8]
    """(H, W) 255 where the person is seen."""
    joints: NDArray[np.float32]
    """(18, 3) x, y, confidence: 1 seen, 0.3 hidden, 0 outside the picture."""
    quality: int
    """For JPEG."""


def draw_view(camera: Camera, person: Person, heading: float, right: float, ahead: float,
              standing: bool, draw: np.random.Generator) -> View:  # fmt: skip
    """A moment of a person's way."""
    stride = person.stride * float(draw.uniform(0.8, 1.1)) if not standing else 0.05
    swing = [person.swing * float(draw.uniform(0.7, 1.2)) if not standing else 0.04] * 2
    elbow = [float(draw.uniform(0.15, 0.45)) for _ in range(2)]
    if draw.random() < 0.15:
        # A telephone, a hand in the pocket.
        elbow[int(draw.integers(2))] = float(draw.uniform(1.0, 2.0))
    if person.bag.kind == "hand":
        carrying = 0 if person.bag.side > 0 else 1
        swing[carrying], elbow[carrying] = 0.08, 0.1
    pose = Pose(
        phase=float(draw.uniform(-np.pi, np.pi)),
        stride=stride,
        swing=(swing[0], swing[1]),
        elbow=(elbow[0], elbow[1]),
        lean=person.lean + float(draw.normal(0, 0.02)),
        look=float(draw.normal(0, 0.25)),
        nod=float(draw.normal(0.08, 0.1)),
        spread=float(draw.uniform(0.08, 0.18)),
    )
    return View(right, ahead, heading, pose)


def place(camera: Camera, person: Person, view: View) -> Placed:
    """Dresses the person and puts the figure in front of the camera."""
    c, s = np.cos(view.heading), np.sin(view.heading)
    axes = camera.rotation @ np.array([[-c, 0.0, s], [0.0, 1.0, 0.0], [s, 0.0, c]])
    origin = camera.see(np.array([view.right, 0.0, view.ahead]))
    figure = dress(person, view.pose)
    return Placed(figure, placed(figure, axes, origin), axes, origin, view)


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
        tall, wide = tall * np.exp(size + 0.04), wide * np.exp(size + aspect + 0.06)
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


def _shadow(light: Array, camera: Camera, people: list[Placed], xs: Array, ys: Array) -> None:
    """Darkens the ground under and beside people."""
    d = camera.rotation.astype(np.float32)
    down = (d[1, 1] * ys + d[2, 1])[:, None]
    ground = down[:, 0] < -0.02
    if not ground.any():
        return
    t = -np.float32(camera.height) / down[ground]
    right = t * xs[None, :]
    ahead = t * (d[1, 2] * ys[ground] + d[2, 2])[:, None]
    seen = np.ones(right.shape, np.float32)
    sun, ambient = float(camera.sun.mean()) * camera.light[1], float(camera.ambient.mean())
    fall = -camera.light[[0, 2]] / camera.light[1]
    direct = 0.85 * sun / (sun + ambient)
    for person in people:
        points = person.figure.points
        c, s = np.cos(person.view.heading), np.sin(person.view.heading)
        at = np.array([person.view.right, person.view.ahead])
        turn = np.array([[-c, s], [s, c]])
        for foot in ("left_ankle", "right_ankle"):
            x, z = turn @ points[foot][[0, 2]] + at
            near = ((right - x) ** 2 + (ahead - z) ** 2) * np.float32(1 / 0.028)
            seen *= 1 - 0.5 * np.exp(-near)
        near = ((right - at[0]) ** 2 + (ahead - at[1]) ** 2) * np.float32(1 / 0.2)
        seen *= 1 - 0.35 * np.exp(-near)
        if sun < 0.3:
            continue
        cast_shadow = np.zeros(right.shape, np.float32)
        for a, b, radius in _STICKS:
            pa, pb = points[a], points[b]
            qa, qb = (turn @ p[[0, 2]] + at + p[1] * fall for p in (pa, pb))
            cast_shadow = np.maximum(cast_shadow, _near_line(right, ahead, qa, qb, radius))
        seen *= 1 - np.float32(direct) * cast_shadow
    light[ground] *= seen[..., None]


_STICKS = (
    ("head", "neck", 0.10), ("neck", "pelvis", 0.19), ("left_hip", "left_knee", 0.09),
    ("right_hip", "right_knee", 0.09), ("left_knee", "left_ankle", 0.07),
    ("right_knee", "right_ankle", 0.07),
)  # fmt: skip


def _near_line(x: Array, z: Array, a: NDArray[np.float64], b: NDArray[np.float64],
               radius: float) -> Array:  # fmt: skip
    """1 within `radius` of the line from a to b, falling to 0 over 5 cm."""
    u = b - a
    length = float(u @ u) + 1e-9
    px, pz = x - np.float32(a[0]), z - np.float32(a[1])
    s = np.clip((px * np.float32(u[0]) + pz * np.float32(u[1])) * np.float32(1 / length), 0, 1)
    distance = np.hypot(px - s * np.float32(u[0]), pz - s * np.float32(u[1]))
    out: Array = np.clip((np.float32(radius) - distance) * 20 + 0.5, 0, 1)
    return out


def joints_of(target: Placed, surface: Surface, covered: NDArray[np.bool_], box: Box,
              size: tuple[int, int]) -> NDArray[np.float32]:  # fmt: skip
    """The 18 joints in pixels of the stored picture.

    Args:
        target: the person.
        surface: of the person alone, (h, w).
        covered: (h, w) where something stands in front of the person.
        box: what the picture shows.
        size: height, width of the stored picture.
    """
    body = np.array([target.figure.points[name] for name in JOINT_NAMES])
    at = body @ target.axes.T + target.origin
    x = (at[:, 0] / at[:, 2] - box[0]) / (box[2] - box[0])
    y = (at[:, 1] / at[:, 2] - box[1]) / (box[3] - box[1])
    h, w = covered.shape
    out = np.zeros((len(body), 3), np.float32)
    for j, name in enumerate(JOINT_NAMES):
        px, py = x[j] * size[1] - 0.5, y[j] * size[0] - 0.5
        if not (-0.5 <= px <= size[1] - 0.5 and -0.5 <= py <= size[0] - 0.5):
            continue
        row, column = min(h - 1, int(y[j] * h)), min(w - 1, int(x[j] * w))
        # The joint lies inside the limb: its surface may be nearer by the limb's thickness.
        thick = _THICK.get(name.split("_")[-1], 0.13)
        free = not covered[row, column] and at[j, 2] - surface.depth[row, column] < thick
        seen = free and surface.cone[row, column] >= 0
        out[j] = px, py, 1.0 if seen else 0.3
    return out


_THICK = {"nose": 0.05, "eye": 0.035, "ear": 0.035, "elbow": 0.08, "wrist": 0.07, "knee": 0.10,
          "ankle": 0.09, "shoulder": 0.11, "hip": 0.16, "neck": 0.12}  # fmt: skip


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
    _shadow(light, camera, people, xs, ys)
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
    image = develop(camera, light, size, rows_there, float(np.exp(draw.normal(0, 0.10))), draw)
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


def inside(camera: Camera, right: float, ahead: float) -> bool:
    """Whether a person standing there is wholly in the camera's view."""
    low = camera.see(np.array([right, 0.0, ahead]))
    high = camera.see(np.array([right, 1.95, ahead]))
    return bool(
        abs(low[0] / low[2]) < HALF_WIDTH - 0.10
        and low[1] / low[2] < HALF_HEIGHT - 0.01
        and high[1] / high[2] > -HALF_HEIGHT + 0.01
    )
