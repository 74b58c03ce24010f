"""People in front of a camera: where, how they walk, the figure in camera coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from passerby.drawing.body import Pose
from passerby.drawing.v1.appearance import Person
from passerby.drawing.v1.camera import Camera
from passerby.drawing.v1.dress import Figure, dress, placed
from passerby.drawing.v1.render import Cones, Surface, extents
from passerby.drawing.v1.scene import HALF_HEIGHT, HALF_WIDTH
from passerby.types import JOINT_NAMES

Box = tuple[float, float, float, float]
"""Left, top, right, bottom on the plane z = 1."""

_ONE = np.ones(3)


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
    gain: NDArray[np.float64]
    """(3,) of the camera at this time of the day."""


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


def draw_view(camera: Camera, person: Person, heading: float, right: float,
              ahead: float, standing: bool, draw: np.random.Generator,
              gain: NDArray[np.float64] = _ONE) -> View:  # fmt: skip
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
    return View(right, ahead, heading, pose, gain)


def place(camera: Camera, person: Person, view: View) -> Placed:
    """Dresses the person and puts the figure in front of the camera."""
    c, s = np.cos(view.heading), np.sin(view.heading)
    axes = camera.rotation @ np.array([[-c, 0.0, s], [0.0, 1.0, 0.0], [s, 0.0, c]])
    origin = camera.see(np.array([view.right, 0.0, view.ahead]))
    figure = dress(person, view.pose)
    return Placed(figure, placed(figure, axes, origin), axes, origin, view)


def inside(camera: Camera, right: float, ahead: float) -> bool:
    """Whether a person standing there is wholly in the camera's view."""
    low = camera.see(np.array([right, 0.0, ahead]))
    high = camera.see(np.array([right, 1.95, ahead]))
    return bool(
        abs(low[0] / low[2]) < HALF_WIDTH - 0.10
        and low[1] / low[2] < HALF_HEIGHT - 0.01
        and high[1] / high[2] > -HALF_HEIGHT + 0.01
    )


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
