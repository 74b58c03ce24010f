"""People in front of a camera: where, how they walk, the figure in camera coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from passerby.drawing import solid
from passerby.drawing.body import Pose
from passerby.drawing.boxes import Box
from passerby.drawing.camera import Camera
from passerby.drawing.figure import EXTRA, Figure
from passerby.drawing.light import Moment
from passerby.drawing.paint import about, cloth_rows, paints
from passerby.drawing.people import Person
from passerby.drawing.scene import Scene
from passerby.drawing.wear import dress
from passerby.types import JOINT_NAMES

Array = NDArray[np.float32]

NOTHING = np.float32(1e9)
"""Depth where a ray meets nobody."""


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
class Surface:
    """What the rays of a picture meet of a figure, (h, w) each."""

    depth: Array
    cone: NDArray[np.int16]
    normal: Array
    """(h, w, 3) in the figure's coordinates."""
    open: Array
    """Share of the sky that the figure itself leaves."""
    lit: Array
    """Share of the sun that it leaves."""

    @property
    def where(self) -> NDArray[np.bool_]:
        """Where the figure is seen."""
        return np.asarray(self.cone >= 0)


@dataclass(frozen=True)
class Placed:
    """A figure in front of a camera."""

    figure: Figure
    cones: Array
    """(N, CONE) in the figure's coordinates."""
    axes: Array
    """(3, 3) from the figure's coordinates to the camera's."""
    origin: Array
    """(3,) of the figure's coordinates, in the camera's."""
    view: View

    def person(self, surface: Surface) -> NDArray[np.bool_]:
        """Where the person is seen, without an umbrella and what they ride or push."""
        person = self.cones[:, solid.GROUP] < EXTRA
        return np.asarray(surface.where & person[surface.cone])

    def trace(self, xs: Array, ys: Array, sun: Array) -> Surface:
        """Meets the figure with rays (w,), (h,); `sun` (3,) in the figure's coordinates."""
        shape = (len(ys), len(xs))
        out = Surface(np.full(shape, NOTHING), np.full(shape, -1, np.int16),
                      np.zeros((*shape, 3), np.float32), np.zeros(shape, np.float32),
                      np.zeros(shape, np.float32))  # fmt: skip
        solid.solids().trace(self.cones, self.axes, self.origin, xs, ys, sun, out.depth, out.cone,
                             out.normal, out.open, out.lit)  # fmt: skip
        return out

    def box(self) -> Box:
        """What just holds the person (without an umbrella) on the plane z = 1."""
        seen = self.cones[self.cones[:, solid.GROUP] < EXTRA]
        ends = np.concatenate([seen[:, 0:3], seen[:, 3:6]]) @ self.axes.T + self.origin
        reach = np.tile(seen[:, solid.REACH], 2) / ends[:, 2]
        x, y = ends[:, 0] / ends[:, 2], ends[:, 1] / ends[:, 2]
        left, right = float((x - reach).min()), float((x + reach).max())
        top, bottom = float((y - reach).min()), float((y + reach).max())
        step = (bottom - top) / 56
        xs = np.arange(left + step / 2, right + step, step, dtype=np.float32)
        ys = np.arange(top + step / 2, bottom + step, step, dtype=np.float32)
        body = Placed(self.figure, seen, self.axes, self.origin, self.view)
        rows, columns = np.nonzero(body.trace(xs, ys, np.array([0, -1, 0], np.float32)).where)
        return (float(xs[columns.min()]) - step / 2, float(ys[rows.min()]) - step / 2,
                float(xs[columns.max()]) + step / 2, float(ys[rows.max()]) + step / 2)  # fmt: skip

    def draw(self, camera: Camera, scene: Scene, moment: Moment, light: Array,
             rays: tuple[Array, Array]) -> Surface:  # fmt: skip
        """Draws the person over the picture's light (h, w, 3)."""
        xs, ys = rays
        turn = (camera.rotation.T @ self.axes).T.astype(np.float32)
        sun = (turn @ moment.direction).astype(np.float32)
        surface = self.trace(xs, ys, sun)
        rows, columns = np.nonzero(surface.where)
        share = np.zeros(surface.depth.shape, np.float32)
        t = surface.depth[rows, columns]
        points = np.stack([t * xs[columns], t * ys[rows], t], axis=1)
        world = points @ camera.rotation.astype(np.float32)
        world[:, 1] += np.float32(camera.height)
        share[rows, columns] = scene.lit(moment, world)
        numbers = about(self.figure)
        under = 0.35 * (moment.ambient + 0.5 * moment.sun)
        paints().paint(
            self.cones, cloth_rows(self.figure), numbers, self.axes, self.origin, xs, ys,
            surface.depth, surface.cone, surface.normal, surface.open, surface.lit, share, sun,
            moment.sun.astype(np.float32), moment.ambient.astype(np.float32),
            under.astype(np.float32), turn[:, 1].copy(), scene.grid, light,
        )  # fmt: skip
        return surface


def draw_view(person: Person, heading: float, right: float, ahead: float, standing: bool,
              draw: np.random.Generator) -> View:  # fmt: skip
    """A moment of a person's way."""
    stride = person.stride * float(draw.uniform(0.75, 1.1)) if not standing else 0.05
    swing = [person.swing * float(draw.uniform(0.6, 1.2)) if not standing else 0.04] * 2
    elbow = [float(draw.uniform(0.1, 0.45)) for _ in range(2)]
    if draw.random() < 0.2:
        # A telephone, a hand in the pocket.
        which = int(draw.integers(2))
        elbow[which], swing[which] = float(draw.uniform(0.7, 2.1)), 0.05
    up = 0.0
    if person.cycles == "rides":
        stride, up, lean = 0.02, 0.3, float(draw.uniform(0.25, 0.5))
    else:
        lean = person.lean + float(draw.normal(0, 0.025))
    if person.cycles == "pushes":
        elbow, swing = [0.9, 0.9], [0.05, 0.05]
    carrying = 0 if person.bag.side > 0 else 1
    if person.bag.kind in ("hand", "plastic"):
        swing[carrying], elbow[carrying] = 0.08, 0.1
    if person.umbrella:
        swing[1 - carrying], elbow[1 - carrying] = 0.03, 1.9
    pose = Pose(
        phase=float(draw.uniform(-np.pi, np.pi)), stride=stride, swing=(swing[0], swing[1]),
        elbow=(elbow[0], elbow[1]), lean=lean,
        look=float(draw.normal(0, 0.3)), nod=float(draw.normal(0.1, 0.13)) - up,
        spread=float(draw.uniform(0.06, 0.2)),
    )  # fmt: skip
    return View(right, ahead, heading, pose)


def place(camera: Camera, person: Person, view: View) -> Placed:
    """Dresses the person and puts the figure in front of the camera."""
    c, s = np.cos(view.heading), np.sin(view.heading)
    axes = camera.rotation @ np.array([[-c, 0.0, s], [0.0, 1.0, 0.0], [s, 0.0, c]])
    origin = camera.see(np.array([view.right, 0.0, view.ahead]))
    figure = dress(person, view.pose)
    return Placed(figure, figure.cones(), axes.astype(np.float32), origin.astype(np.float32), view)


_THICK = {"nose": 0.05, "eye": 0.035, "ear": 0.035, "elbow": 0.08, "wrist": 0.07, "knee": 0.10,
          "ankle": 0.09, "shoulder": 0.12, "hip": 0.17, "neck": 0.12}  # fmt: skip


def joints_of(target: Placed, surface: Surface, covered: NDArray[np.bool_], box: Box,
              size: tuple[int, int]) -> Array:  # fmt: skip
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
        thick = _THICK[name.split("_")[-1]]
        free = not covered[row, column] and at[j, 2] - surface.depth[row, column] < thick
        out[j] = px, py, 1.0 if free and surface.cone[row, column] >= 0 else 0.3
    return out
