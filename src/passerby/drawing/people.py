"""What a person of version 2 looks like: body, face, hair, garments, what they carry."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from passerby.drawing.body import Shape
from passerby.drawing.cloths import BAND, CHECKS, PLAIN, Cloth, cloth_colour, draw_cloth, pick
from passerby.drawing.colours import Colour, linear
from passerby.drawing.outfits import Outfit, draw_outfit

SKINS = ((240, 208, 184), (226, 186, 156), (206, 160, 126), (176, 128, 94), (128, 86, 60),
         (84, 56, 42))  # fmt: skip
"""Skin tones from 1 (lightest) to 6."""
_HAIRS = ((30, 27, 26), (44, 34, 29), (66, 45, 31), (104, 76, 48), (166, 134, 88), (150, 148, 146),
          (110, 54, 32))  # fmt: skip


@dataclass(frozen=True)
class Bag:
    """What is carried."""

    kind: str
    """`none`, `backpack`, `cross` (strap across the trunk), `shoulder`, `hand`, `plastic`."""
    side: float
    """1 left, -1 right."""
    cloth: Cloth
    """Its cloth."""
    size: float
    """1 is average."""


@dataclass(frozen=True)
class Person:
    """Everything about an identity that cameras see."""

    shape: Shape
    woman: bool
    age: str
    """`child`, `adult`, `old`."""
    tone: int
    """Skin tone, 1 to 6."""
    head: float
    """Size of the head; 1 is an adult's."""
    hair_style: str
    """`bald`, `short`, `full`, `afro`, `bob`, `long`, `ponytail`, `bun`."""
    hair: Cloth
    beard: bool
    glasses: bool
    mask: bool
    """Over mouth and nose."""
    hat: str
    """`none`, `cap`, `beanie`, `hat`, `scarf`, `hood`."""
    hat_cloth: Cloth
    neck_scarf: Cloth | None
    outfit: Outfit
    shoe: str
    """`sneaker`, `leather`, `boot`, `sandal`."""
    shoes: Cloth
    sole: Cloth
    bag: Bag
    umbrella: Cloth | None
    cycles: str
    """`no`, `rides`, `pushes` a bicycle."""
    bicycle: Colour
    """Of its frame."""
    seed: int
    """For the folds of the garments."""
    stride: float
    """Amplitude of the walk, radians."""
    swing: float
    """Amplitude of the arms' swing, radians."""
    lean: float
    """Of the trunk, radians."""

    @property
    def skin(self) -> Cloth:
        """The skin's colour."""
        return Cloth(linear(SKINS[self.tone - 1]), shine=0.06)

    @property
    def build(self) -> str:
        """`slim`, `average` or `heavy`."""
        girth = self.shape.girth
        return "slim" if girth < 0.9 else "heavy" if girth > 1.12 else "average"


def _shape(draw: np.random.Generator, woman: bool, age: str) -> tuple[Shape, float]:
    height = float(np.clip(draw.normal(1.62 if woman else 1.74, 0.07), 1.42, 2.0))
    girth = float(np.clip(np.exp(draw.normal(0.02, 0.17)), 0.76, 1.55))
    legs, head, shoulders = float(draw.normal(1.0, 0.03)), 1.0, 0.92 if woman else 1.06
    if age == "child":
        height = float(draw.uniform(1.0, 1.45))
        head, legs, shoulders = 1 + (1.6 - height) * 0.42, 0.96, 0.9
    elif age == "old":
        height, girth = height * 0.97, girth * 1.06
    shape = Shape(
        height=height,
        girth=girth,
        shoulders=float(draw.normal(shoulders, 0.05)),
        hips=float(draw.normal(1.06 if woman else 0.96, 0.05)),
        legs=legs,
        bust=float(draw.uniform(0.010, 0.03)) if woman and age != "child" else 0.0,
    )
    return shape, head


def draw_person(draw: np.random.Generator) -> Person:
    """Draws an identity."""
    woman = bool(draw.random() < 0.48)
    age = pick(draw, child=0.05, adult=0.83, old=0.12)
    tone = int(draw.choice(6, p=[0.2, 0.27, 0.23, 0.13, 0.1, 0.07])) + 1
    shape, head = _shape(draw, woman, age)
    warm = bool(draw.random() < 0.45)
    outfit = draw_outfit(draw, woman, warm)
    style = (
        pick(draw, short=0.10, full=0.07, afro=0.03, bob=0.22, long=0.32, ponytail=0.17, bun=0.09)
        if woman
        else pick(draw, bald=0.10, short=0.50, full=0.32, afro=0.04, bob=0.02, bun=0.02)
    )
    grey = age == "old" and draw.random() < 0.8
    hair = 5 if grey else int(draw.choice(7, p=[0.40, 0.24, 0.14, 0.09, 0.06, 0.04, 0.03]))
    light = draw.random() < 0.45
    shoe = pick(draw, sneaker=0.5, leather=0.26, boot=0.12, sandal=0.12 if not warm else 0.0)
    bag = pick(draw, none=0.42, backpack=0.22, cross=0.10, shoulder=0.16 if woman else 0.05,
                hand=0.08, plastic=0.06)  # fmt: skip
    bag_cloth = draw_cloth(draw, 1, {PLAIN: 0.8, BAND: 0.2}, 0.5, 0.05)
    if bag == "plastic":
        bag_cloth = replace(bag_cloth, colour=linear((214, 212, 208)), shine=0.2)
    return Person(
        shape=shape,
        woman=woman,
        age=age,
        tone=tone,
        head=head * float(draw.normal(1, 0.03)),
        hair_style=style,
        hair=Cloth(linear(_HAIRS[hair]), folds=1.0, shine=float(draw.uniform(0.0, 0.05))),
        beard=not woman and age != "child" and draw.random() < 0.2,
        glasses=bool(draw.random() < 0.25),
        mask=bool(draw.random() < 0.04),
        hat=pick(
            draw,
            none=0.87,
            cap=0.06,
            beanie=0.04 if warm else 0.0,
            hat=0.02,
            scarf=0.015 if woman else 0.0,
            hood=0.01,
        ),
        hat_cloth=Cloth(cloth_colour(draw, 1), folds=0.4),
        neck_scarf=draw_cloth(draw, 1, {PLAIN: 0.7, CHECKS: 0.3}, 1.0)
        if warm and draw.random() < 0.15
        else None,
        outfit=outfit,
        shoe=shoe,
        shoes=Cloth(
            linear((214, 213, 210)) if light and shoe == "sneaker" else cloth_colour(draw, 2),
            shine=0.05,
        ),
        sole=Cloth(linear((215, 215, 212)) if draw.random() < 0.45 else linear((26, 25, 25))),
        bag=Bag(bag, float(draw.choice([-1, 1])), bag_cloth, float(draw.uniform(0.75, 1.3))),
        umbrella=draw_cloth(draw, 1, {PLAIN: 1.0}, 0.2) if draw.random() < 0.015 else None,
        cycles=pick(draw, no=0.92, rides=0.06, pushes=0.02),
        bicycle=cloth_colour(draw, 1),
        seed=int(draw.integers(1 << 31)),
        stride=float(draw.uniform(0.26, 0.42)),
        swing=float(draw.uniform(0.12, 0.5)),
        lean=float(draw.uniform(-0.02, 0.10)) + (0.12 if age == "old" else 0.0),
    )
