"""Version 2: a recipe's cameras, scenes and people, and the drawing of its entries."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from passerby.drawing.boxes import detected, spoiled
from passerby.drawing.camera import Camera, draw_camera
from passerby.drawing.layout import (
    CAMERA,
    CHANGE,
    LIGHT,
    OUTFIT,
    PERSON,
    PICTURE,
    SCENE,
    TRACK,
    Drawn,
    Entry,
)
from passerby.drawing.light import Moment, draw_moment, plain_moment
from passerby.drawing.people import Person, draw_person
from passerby.drawing.picture import Shot, draw_picture
from passerby.drawing.placing import Placed, View, draw_view, place
from passerby.drawing.recipe import DrawingRecipe
from passerby.drawing.scene import Scene, draw_scene
from passerby.drawing.variants import alike, changed, plainer
from passerby.randomness import keyed

_STRANGERS = 80000
"""Identities from here on only walk through other people's pictures."""
_ALIKE = 0.5
"""Share of people who wear what others of their place wear, too."""


@dataclass
class DrawnWorld:
    """Everything that the pictures of one recipe share; drawn when first needed."""

    recipe: DrawingRecipe
    cameras: dict[int, tuple[Camera, Scene]] = field(default_factory=dict)
    people: dict[int, Person] = field(default_factory=dict)

    def camera(self, number: int) -> tuple[Camera, Scene]:
        """A camera and what it sees."""
        if number not in self.cameras:
            seed, factors = self.recipe.seed, self.recipe.factors
            camera = draw_camera(keyed(seed, CAMERA, number), factors)
            scene = draw_scene(camera, keyed(seed, SCENE, number), factors.background)
            self.cameras[number] = camera, scene
        return self.cameras[number]

    def person(self, identity: int) -> Person:
        """Appearance of an identity."""
        if identity not in self.people:
            seed, factors = self.recipe.seed, self.recipe.factors
            draw = keyed(seed, PERSON, identity)
            person = draw_person(draw)
            if factors.alike and draw.random() < _ALIKE:
                place, of = self.recipe.place(identity), self.recipe.people_per_place
                outfit = int(draw.integers(max(1, of // 8)))
                person = alike(person, draw, keyed(seed, OUTFIT, place, outfit, int(person.woman)))
            self.people[identity] = plainer(person, factors)
        return self.people[identity]

    def seen(self, identity: int, camera: int) -> Person:
        """The identity as one camera sees it."""
        person = self.person(identity)
        if not self.recipe.factors.changes:
            return person
        return changed(person, keyed(self.recipe.seed, CHANGE, identity, camera))

    def moment(self, entry: Entry) -> Moment:
        """The light while a person passes a camera."""
        recipe = self.recipe
        if not recipe.factors.light:
            return plain_moment()
        camera = self.camera(entry.camera)[0]
        return draw_moment(keyed(recipe.seed, LIGHT, entry.identity, entry.camera), camera)

    def attributes(self, identity: int) -> dict[str, Any]:
        """What is known of a person as drawn."""
        person = self.person(identity)
        return {
            "build": person.build,
            "age": person.age,
            "skin_tone": person.tone,
            "woman": int(person.woman),
            "cycles": person.cycles,
            "height": round(person.shape.height, 2),
        }

    def draw(self, entry: Entry) -> Drawn:
        """Draws one picture; the same whatever was drawn before."""
        recipe = self.recipe
        camera, scene = self.camera(entry.camera)
        draw = keyed(recipe.seed, PICTURE, entry.identity, entry.camera, entry.number)
        track = keyed(recipe.seed, TRACK, entry.identity, entry.camera)
        moment = self.moment(entry)
        target = self._walk(entry, camera, track, draw)
        box = detected(target.box(), camera.boxes, entry.by_hand, draw)
        others = self._others(camera, target, draw) if recipe.factors.crowd else []
        shown: Placed | None = target
        if entry.person < 0:
            box, somebody = spoiled(box, draw)
            shown = target if somebody else None
        shot = Shot(camera, scene, moment, box, (recipe.height, recipe.width), recipe.factors)
        return draw_picture(shot, shown, others, draw)

    def _walk(self, entry: Entry, camera: Camera, track: np.random.Generator,
              draw: np.random.Generator) -> Placed:  # fmt: skip
        """Where the person is: pictures of one identity and camera lie on one way."""
        person = self.seen(entry.identity, entry.camera)
        heading = camera.path + np.pi * int(track.integers(2)) + float(track.normal(0, 0.6))
        if track.random() < 0.2:
            heading = float(track.uniform(-np.pi, np.pi))
        standing = bool(track.random() < 0.12)
        ahead = float(track.uniform(camera.near, camera.far))
        right = float(track.uniform(-1, 1)) * camera.wide * ahead * 0.8
        along = float(draw.normal(0, 0.3 if standing else 1.2))
        turn = float(draw.normal(0, 0.15)) + (2.0 * along if standing else 0.0)
        z = float(np.clip(ahead + along * np.cos(heading), 0.8 * camera.near, 1.2 * camera.far))
        x = right + along * np.sin(heading)
        view = draw_view(person, heading + turn, x, z, standing, draw)
        return place(camera, person, view)

    def _others(self, camera: Camera, target: Placed, draw: np.random.Generator) -> list[Placed]:
        """Companions, passers-by behind and in front, placed where the box will show them."""
        out = []
        at = target.view
        for _ in range(min(4, int(draw.poisson(camera.busy)))):
            kind = draw.random()
            aside = float(draw.choice([-1, 1]))
            if kind < 0.25:
                # A companion: the same way, shoulder to shoulder.
                dx, dz = aside * float(draw.uniform(0.4, 0.75)), float(draw.normal(0, 0.3))
                heading = at.heading + float(draw.normal(0, 0.15))
            elif kind < 0.85:
                dz = float(draw.uniform(0.6, 1.0 * camera.far))
                dx, heading = aside * float(draw.uniform(0.0, 0.9)), _anyway(at, draw)
            else:
                dx, dz = aside * float(draw.uniform(0.3, 0.65)), -float(draw.uniform(0.4, 1.5))
                heading = _anyway(at, draw)
            z = at.ahead + dz
            if z < 1.5:
                continue
            identity = _STRANGERS + int(draw.integers(2000))
            person = self.person(identity)
            view = draw_view(person, heading, at.right * z / at.ahead + dx, z, False, draw)
            out.append(place(camera, person, view))
        return out


def _anyway(view: View, draw: np.random.Generator) -> float:
    return view.heading + float(draw.choice([0.0, np.pi])) + float(draw.normal(0, 0.7))
