"""One person, otherwise: in others' clothes, without a factor, at another camera."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from passerby.drawing.body import Shape
from passerby.drawing.cloths import PLAIN, Cloth
from passerby.drawing.colours import Colour
from passerby.drawing.factors import Factors
from passerby.drawing.outfits import Top, draw_outfit
from passerby.drawing.people import Person


def alike(person: Person, draw: np.random.Generator, share: np.random.Generator) -> Person:
    """The person in clothes like those of others, told apart by shades and details.

    Args:
        person: keeps body, face, hair, shoes and bag.
        draw: the person's own random numbers.
        share: those that the others draw their clothes from, too.
    """
    outfit = draw_outfit(share, person.woman, bool(share.random() < 0.45))

    def shaded(cloth: Cloth) -> Cloth:
        k = float(np.exp(draw.normal(0, 0.10)))
        r, g, b = (min(0.8, v * k) for v in cloth.colour)
        return replace(cloth, colour=(r, g, b))

    def worn(top: Top) -> Top:
        one = top.sleeves == top.cloth
        cloth = shaded(top.cloth)
        sleeves = cloth if one else top.sleeves
        return replace(
            top, cloth=cloth, sleeves=sleeves, hem=top.hem + float(draw.normal(0, 0.006))
        )

    outer = None if outfit.outer is None else worn(outfit.outer)
    bottom = replace(outfit.bottom, cloth=shaded(outfit.bottom.cloth))
    return replace(
        person, outfit=replace(outfit, inner=worn(outfit.inner), outer=outer, bottom=bottom)
    )


def plainer(person: Person, factors: Factors) -> Person:
    """The person without the factors that are left out."""
    shape, outfit = person.shape, person.outfit
    if not factors.bodies:
        shape = Shape(1.7, 1.0, 1.0, 1.0, 1.0, 0.0)
        person = replace(
            person, shape=shape, head=1.0, age="adult", stride=0.34, swing=0.3, lean=0.03
        )
    if not factors.carried:
        person = replace(person, bag=replace(person.bag, kind="none"), umbrella=None, hat="none",
                         neck_scarf=None, glasses=False, mask=False)  # fmt: skip
    if not factors.cycles or person.age == "child":
        person = replace(person, cycles="no")
    if not factors.layers:
        person = replace(
            person,
            outfit=replace(
                outfit,
                outer=None,
                tucked=False,
                belt=None,
                inner=replace(outfit.inner, opening=0.0),
            ),
        )

    def cloth(c: Cloth) -> Cloth:
        if not factors.prints:
            c = replace(c, pattern=PLAIN)
        if not factors.folds:
            c = replace(c, folds=0.0, worn=0.0, shine=0.0)
        if not factors.muted:
            c = replace(c, colour=_gaudy(c.colour))
        return c

    def top(t: Top) -> Top:
        return replace(t, cloth=cloth(t.cloth), sleeves=cloth(t.sleeves))

    o = person.outfit
    dressed = replace(o, inner=top(o.inner), outer=None if o.outer is None else top(o.outer),
                      bottom=replace(o.bottom, cloth=cloth(o.bottom.cloth)))  # fmt: skip
    return replace(person, outfit=dressed)


def _gaudy(colour: Colour) -> Colour:
    """Any colour of the wheel, from a muted one's digits: the same for the same cloth."""
    turn = sum(colour) * 997.0 % 1.0
    r, g, b = (0.04 + 0.6 * max(0.0, np.cos(2 * np.pi * (turn + k / 3))) for k in range(3))
    return (float(r), float(g), float(b))


def changed(person: Person, draw: np.random.Generator) -> Person:
    """The person at another camera: a jacket opened or closed, a bag put down, a hat taken off."""
    outfit, bag, chance = person.outfit, person.bag, draw.random(6)
    outer = outfit.outer
    if outer and outer.kind not in ("vest",) and chance[0] < 0.35:
        opened = 0.0 if outer.opening else float(draw.uniform(0.025, 0.08))
        outfit = replace(outfit, outer=replace(outer, opening=opened))
    if outer and chance[1] < 0.06:
        outfit = replace(outfit, outer=None)
    if chance[2] < 0.12:
        bag = replace(bag, kind="none")
    elif chance[3] < 0.15:
        bag = replace(bag, side=-bag.side)
    umbrella = person.umbrella if chance[4] < 0.6 else None
    hat = "none" if chance[5] < 0.15 and person.hat != "scarf" else person.hat
    return replace(person, outfit=outfit, bag=bag, umbrella=umbrella, hat=hat)
