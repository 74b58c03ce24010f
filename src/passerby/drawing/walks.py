"""Who walks where and when: the plan of a drawn video."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from passerby.drawing.camera import Camera, draw_camera
from passerby.drawing.factors import Factors
from passerby.drawing.layout import CAMERA, TRACK
from passerby.drawing.people import Person
from passerby.drawing.placing import Placed, View, draw_view, place
from passerby.randomness import keyed
from passerby.types import InputError

_STEP = 1.45
"""Metres of two steps."""


@dataclass(frozen=True)
class VideoRecipe:
    """People who walk through the views of several cameras."""

    cameras: int = 4
    """Number of cameras, at least 1."""
    people: int = 60
    """Number of people; each passes every camera."""
    visits: int = 2
    """Number of times that each person passes each camera."""
    minutes: float = 10.0
    """Length of each camera's video; all start at the same time."""
    rate: int = 10
    """Frames per second."""
    width: int = 640
    """Width of a frame, in pixels."""
    height: int = 360
    """Height of a frame, in pixels."""
    seed: int = 1
    """Random seed."""

    def __post_init__(self) -> None:
        least = {"cameras": 1, "people": 1, "visits": 1, "rate": 1, "width": 64, "height": 64,
                 "seed": 0}  # fmt: skip
        for name, value in least.items():
            if getattr(self, name) < value:
                raise InputError(
                    f"a drawn video's {name} must be at least {value}; given {getattr(self, name)}"
                )
        if self.width % 2 or self.height % 2 or not 0.05 <= self.minutes <= 24 * 60:
            raise InputError(
                "a drawn video needs even sides and 0.05 to 1440 minutes; given "
                f"{self.width} x {self.height} and {self.minutes:g}"
            )

    @property
    def frames(self) -> int:
        """Of each camera."""
        return round(self.minutes * 60 * self.rate)


@dataclass(frozen=True)
class Walk:
    """One person's way through one camera's view, in a straight line."""

    identity: int
    """The person, from 1."""
    begin: float
    """Seconds; at the view's border."""
    seconds: float
    """How long it lasts, the pause included."""
    speed: float
    """Metres per second."""
    pause: tuple[float, float]
    """From when, and for how many seconds, the person stands."""
    view: View
    """Where it begins, and how the person walks."""

    def at(self, camera: Camera, person: Person, now: float) -> Placed | None:
        """The person at a time; None: not in this view."""
        past = now - self.begin
        if not 0 <= past < self.seconds:
            return None
        standing = min(max(past - self.pause[0], 0.0), self.pause[1])
        metres = (past - standing) * self.speed
        still = 0 < standing < self.pause[1]
        view = self.view
        pose = replace(view.pose, phase=view.pose.phase + 2 * np.pi * metres / _STEP)
        if still:
            pose = replace(pose, stride=0.05, swing=(0.04, 0.04))
        moved = replace(
            view,
            right=view.right + metres * float(np.sin(view.heading)),
            ahead=view.ahead + metres * float(np.cos(view.heading)),
            pose=pose,
        )
        return place(camera, person, moved)


def video_camera(recipe: VideoRecipe, number: int) -> Camera:
    """A camera in whose middle a person is a third of the frame's height."""
    camera = draw_camera(keyed(recipe.seed, CAMERA, number), Factors())
    middle = camera.near / 0.72
    half = 1.5 * 1.7 / middle
    return replace(camera, wide=half * recipe.width / recipe.height)


def draw_walks(recipe: VideoRecipe, number: int, camera: Camera, people: dict[int, Person],
               ) -> list[Walk]:  # fmt: skip
    """The walks through one camera's view, by their beginning."""
    walks = []
    for identity, person in people.items():
        for visit in range(recipe.visits):
            draw = keyed(recipe.seed, TRACK, identity, number, visit)
            walks.append(_walk(recipe, camera, identity, person, draw))
    return sorted(walks, key=lambda walk: (walk.begin, walk.identity))


def _walk(recipe: VideoRecipe, camera: Camera, identity: int, person: Person,
          draw: np.random.Generator) -> Walk:  # fmt: skip
    ahead = 0.5 * (camera.near + camera.far)
    for _ in range(20):
        tried = float(draw.uniform(camera.near, camera.far))
        if _inside(recipe, camera, tried):
            ahead = tried
            break
    # From one side to the other, somewhat towards the camera or away from it.
    side = float(draw.choice([-1.0, 1.0]))
    slant = float(draw.uniform(-0.35, 0.35))
    heading = -side * (np.pi / 2 + slant)
    speed = float(draw.uniform(0.9, 1.6))
    half = camera.wide * ahead + 0.4
    pause = float(draw.uniform(1, 5)) if draw.random() < 0.15 else 0.0
    walking = 2 * half / (speed * float(np.cos(slant)))
    stops = float(draw.uniform(0.2, 0.8)) * walking
    begin = float(draw.uniform(0, max(recipe.minutes * 60 - walking - pause, 1.0)))
    depth = ahead - half * float(np.cos(heading)) / max(abs(float(np.sin(heading))), 0.5)
    view = draw_view(person, heading, side * half, max(depth, 1.5), False, draw)
    return Walk(identity, begin, walking + pause, speed, (stops, pause), view)


def _inside(recipe: VideoRecipe, camera: Camera, ahead: float) -> bool:
    """Whether a person in the view's middle is seen from head to foot."""
    half = camera.wide * recipe.height / recipe.width
    rows = [camera.see(np.array([0.0, height, ahead])) for height in (0.0, 1.9)]
    return all(abs(y / z) < half for _, y, z in rows)
