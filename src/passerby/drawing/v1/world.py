"""A recipe's cameras, scenes and people, and the drawing of its entries."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from passerby.drawing.layout import CAMERA, PERSON, PICTURE, SCENE, TRACK, Drawn, Entry
from passerby.drawing.v1.appearance import Person, draw_person
from passerby.drawing.v1.camera import Camera, draw_camera
from passerby.drawing.v1.picture import Flaws, draw_picture, stored_box
from passerby.drawing.v1.placing import Box, Placed, View, draw_view, inside, place
from passerby.drawing.v1.plan import SyntheticRecipe
from passerby.drawing.v1.scene import Scene, draw_scene
from passerby.randomness import keyed

_STRANGERS = 30000
"""Identities from here on only walk through other people's pictures."""


@dataclass
class World:
    """Everything that the pictures of one recipe share; people are drawn when first needed."""

    recipe: SyntheticRecipe
    cameras: list[Camera]
    scenes: list[Scene]
    people: dict[int, Person] = field(default_factory=dict)

    @classmethod
    def of(cls, recipe: SyntheticRecipe) -> World:
        """Draws the cameras and their scenes."""
        seed, numbers = recipe.seed, range(recipe.cameras)
        cameras = [draw_camera(keyed(seed, CAMERA, c), c) for c in numbers]
        scenes = [draw_scene(cameras[c], c, keyed(seed, SCENE, c)) for c in numbers]
        return cls(recipe, cameras, scenes)

    def person(self, identity: int) -> Person:
        """Appearance of an identity."""
        if identity not in self.people:
            self.people[identity] = draw_person(keyed(self.recipe.seed, PERSON, identity))
        return self.people[identity]

    def attributes(self, identity: int) -> dict[str, Any]:
        """Version 1 keeps nothing."""
        return {}

    def draw(self, entry: Entry) -> Drawn:
        """Draws one picture; the same whatever was drawn before."""
        recipe, camera = self.recipe, self.cameras[entry.camera]
        key = (recipe.seed, PICTURE, entry.identity, entry.camera, entry.number)
        draw = keyed(*key)
        view = self._walk(entry, draw)
        target = place(camera, self.person(entry.identity), view)
        flaws = recipe.flaws.clean() if entry.by_hand else recipe.flaws
        others = self._others(camera, target, flaws, draw)
        box = stored_box(target.box, flaws, draw)
        shown: Placed | None = target
        if entry.person < 0:
            shown, box = _spoil(target, box, draw)
        scene = self.scenes[entry.camera]
        size = (recipe.height, recipe.width)
        return draw_picture(camera, scene, shown, others, box, size, flaws, draw)

    def _walk(self, entry: Entry, draw: np.random.Generator) -> View:
        """Where the person is: pictures of one identity and camera lie on one way."""
        camera, person = self.cameras[entry.camera], self.person(entry.identity)
        track = keyed(self.recipe.seed, TRACK, entry.identity, entry.camera)
        heading = camera.path + np.pi * int(track.integers(2)) + float(track.normal(0, 0.45))
        warm, bright = track.normal(0, [0.06, 0.14])
        gain = np.exp(bright + np.array([warm, 0.0, -warm]))
        standing = bool(track.random() < 0.12)
        right, ahead = (
            float(track.uniform(-2.5, 2.5)),
            float(track.uniform(camera.near, camera.far)),
        )
        for _ in range(20):
            along = float(draw.normal(0, 0.2 if standing else 1.6))
            turn = float(draw.normal(0, 0.12)) + (1.2 * along / 1.6 if standing else 0.0)
            x = right + along * np.sin(heading) + float(draw.normal(0, 0.15))
            z = ahead + along * np.cos(heading) + float(draw.normal(0, 0.15))
            if camera.near <= z <= camera.far and inside(camera, x, z):
                break
        else:
            x, z, turn = 0.0, 0.5 * (camera.near + camera.far), 0.0
        return draw_view(camera, person, heading + turn, x, z, standing, draw, gain)

    def _others(self, camera: Camera, target: Placed, flaws: Flaws,
                draw: np.random.Generator) -> list[Placed]:  # fmt: skip
        """Passers-by behind and in front; their places are chosen to fall into the box."""
        out = []
        for chance, gap, off in ((flaws.behind, (0.7, 5.0), (0.1, 0.75)),
                                 (flaws.in_front, (-1.3, -0.5), (0.34, 0.62))):  # fmt: skip
            if draw.random() >= chance:
                continue
            identity = _STRANGERS + int(draw.integers(400))
            z = target.view.ahead + float(draw.uniform(*gap))
            if z < 2.5:
                continue
            off_centre = float(draw.uniform(*off)) * float(draw.choice([-1, 1]))
            x = target.view.right * z / target.view.ahead + off_centre
            heading = target.view.heading + float(draw.choice([0.0, np.pi])) + float(
                draw.normal(0, 0.5))  # fmt: skip
            person = self.person(identity)
            view = draw_view(camera, person, heading, x, z, False, draw)
            out.append(place(camera, person, view))
        return out


def _spoil(target: Placed, box: Box, draw: np.random.Generator) -> tuple[Placed | None, Box]:
    """A bad detection: nobody, half a person, or a box of the wrong size."""
    left, top, right, bottom = box
    wide, tall = right - left, bottom - top
    kind = draw.random()
    if kind < 0.4:
        return None, box
    if kind < 0.75:
        dx, dy = (float(draw.choice([-1, 1])) * float(draw.uniform(0.35, 0.6)) for _ in range(2))
        if draw.random() < 0.5:
            dx *= 0.3
        else:
            dy *= 0.3
        return target, (left + dx * wide, top + dy * tall, right + dx * wide, bottom + dy * tall)
    grow = float(draw.choice([0.3, -0.28])) * float(draw.uniform(0.8, 1.3))
    return target, (
        left - grow * wide,
        top - grow * tall,
        right + grow * wide,
        bottom + grow * tall,
    )
