"""What a person looks like: body, skin, hair, garments, shoes, bag; drawn once per identity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from passerby.drawing.body import Shape
from passerby.drawing.colours import Colour, linear

PLAIN, STRIPES, PINSTRIPES, CHECKS, PRINT, BLOCK, DOTS, BLOTCHES, BAND = range(9)
"""Patterns of a cloth."""

# sRGB bytes and how often a garment has them: few colours that many people share.
_CLOTHS: dict[str, tuple[tuple[int, int, int], float, float]] = {
    # name: colour, weight for tops, weight for bottoms
    "black": ((24, 24, 28), 0.17, 0.27),
    "charcoal": ((62, 62, 68), 0.10, 0.12),
    "grey": ((128, 128, 132), 0.10, 0.08),
    "white": ((228, 228, 226), 0.13, 0.04),
    "navy": ((30, 40, 78), 0.12, 0.13),
    "denim": ((66, 94, 140), 0.04, 0.16),
    "pale denim": ((132, 158, 192), 0.02, 0.06),
    "beige": ((196, 174, 136), 0.04, 0.06),
    "brown": ((98, 68, 46), 0.03, 0.03),
    "olive": ((88, 92, 58), 0.04, 0.03),
    "burgundy": ((110, 32, 48), 0.03, 0.01),
    "red": ((186, 40, 42), 0.05, 0.005),
    "green": ((44, 112, 70), 0.025, 0.0),
    "sky": ((118, 168, 212), 0.035, 0.0),
    "blue": ((38, 80, 172), 0.03, 0.005),
    "pink": ((220, 146, 166), 0.025, 0.0),
    "yellow": ((220, 186, 66), 0.015, 0.0),
}
_SKIN = (
    (240, 208, 184),
    (226, 186, 156),
    (206, 160, 126),
    (176, 128, 94),
    (128, 86, 60),
    (84, 56, 42),
)
_HAIR = ((22, 19, 18), (42, 30, 24), (74, 50, 34), (112, 80, 50), (176, 142, 92), (150, 148, 146),
         (120, 56, 32))  # fmt: skip


@dataclass(frozen=True)
class Cloth:
    """A surface: skin, hair, leather or cloth. Colours in linear light, 0-1."""

    colour: Colour
    """The ground colour."""
    second: Colour = (0.0, 0.0, 0.0)
    """The pattern's colour."""
    pattern: int = PLAIN
    """One of the patterns above."""
    period: float = 0.1
    """Of stripes and checks, metres."""
    folds: float = 0.0
    """Strength of the folds' shading."""


@dataclass(frozen=True)
class Hair:
    """Hair and what is worn on it."""

    style: str
    """`bald`, `short`, `full`, `afro`, `bob`, `long`, `ponytail`, `bun`."""
    cloth: Cloth
    """Its colour."""
    hat: str
    """`none`, `cap`, `beanie`, `hat`."""
    hat_cloth: Cloth
    """Colour of the hat."""
    beard: bool
    """Whether the chin has the hair's colour."""


@dataclass(frozen=True)
class Top:
    """What covers the trunk."""

    kind: str
    """`tshirt`, `sleeveless`, `shirt`, `hoodie`, `jacket`, `coat`, `dress`."""
    cloth: Cloth
    """Of the trunk."""
    sleeves: Cloth
    """Of the sleeves."""
    inner: Cloth
    """Seen where it is open in front."""
    sleeve: float
    """0 none, 1 to the elbow, 2 to the wrist."""
    opening: float
    """Half width of the opening in front, metres; 0 is closed."""
    hem: float
    """Height of the lower edge, share of the standing height."""
    loose: float
    """Distance from the body, share of the standing height."""


@dataclass(frozen=True)
class Bottom:
    """What covers the legs."""

    kind: str
    """`trousers`, `shorts`, `skirt`, or `none` under a dress."""
    cloth: Cloth
    """Its cloth."""
    legs: Cloth
    """Bare skin or tights below it."""
    hem: float
    """Height of a skirt's edge, share of the standing height; length of shorts, share of the
    thigh."""
    width: float
    """Half width of trouser legs at the ankle or of shorts, share of the standing height."""
    side_stripe: bool
    """Whether trousers have a stripe along the outer seam."""


@dataclass(frozen=True)
class Bag:
    """What is carried."""

    kind: str
    """`none`, `backpack`, `cross` (strap across the trunk), `shoulder`, `hand`."""
    side: float
    """1 left, -1 right."""
    cloth: Cloth
    """Its colour."""
    size: float
    """1 is average."""


@dataclass(frozen=True)
class Person:
    """Everything about an identity that cameras see."""

    shape: Shape
    skin: Cloth
    hair: Hair
    top: Top
    bottom: Bottom
    shoes: Cloth
    sole: Cloth
    boots: bool
    bag: Bag
    seed: int
    """For the folds of the garments."""
    stride: float
    """Amplitude of the walk, radians."""
    swing: float
    """Amplitude of the arms' swing, radians."""
    lean: float
    """Of the trunk, radians."""

    @property
    def tucked(self) -> bool:
        """Whether a skirt begins above the top's edge."""
        return self.bottom.kind == "skirt" and self.top.kind in ("tshirt", "sleeveless", "shirt")


def _cloth_colour(draw: np.random.Generator, column: int) -> Colour:
    weights = np.array([entry[column] for entry in _CLOTHS.values()])
    names = list(_CLOTHS)
    base = _CLOTHS[names[int(draw.choice(len(names), p=weights / weights.sum()))]][0]
    shade = 1 + 0.10 * draw.standard_normal()
    r, g, b = (v * max(0.7, shade) * (1 + 0.03 * draw.standard_normal()) for v in linear(base))
    return (min(r, 0.82), min(g, 0.82), min(b, 0.82))


def _contrast(draw: np.random.Generator, colour: Colour, column: int) -> Colour:
    """A second colour that is told from the first in grey as well."""
    grey = sum(colour) / 3
    for _ in range(12):
        second = _cloth_colour(draw, column)
        if abs(np.sqrt(sum(second) / 3) - np.sqrt(grey)) > 0.28:
            return second
    return (0.75, 0.75, 0.75) if grey < 0.25 else (0.015, 0.015, 0.02)


def _pick(draw: np.random.Generator, **weights: float) -> str:
    names = list(weights)
    p = np.array([weights[name] for name in names])
    return names[int(draw.choice(len(names), p=p / p.sum()))]


def _cloth(draw: np.random.Generator, column: int, patterns: dict[int, float],
           folds: float) -> Cloth:  # fmt: skip
    colour = _cloth_colour(draw, column)
    kinds = list(patterns)
    p = np.array(list(patterns.values()))
    return Cloth(
        colour,
        _contrast(draw, colour, 1),
        kinds[int(draw.choice(len(kinds), p=p / p.sum()))],
        float(draw.choice([0.08, 0.11, 0.16])),
        folds,
    )


_TOP_PATTERNS = {PLAIN: 0.36, STRIPES: 0.15, CHECKS: 0.10, PRINT: 0.17, BLOCK: 0.08,
                 PINSTRIPES: 0.04, BLOTCHES: 0.03, BAND: 0.07}  # fmt: skip
_OUTER_PATTERNS = {PLAIN: 0.66, CHECKS: 0.06, BLOCK: 0.12, BAND: 0.10, BLOTCHES: 0.03,
                   PRINT: 0.03}  # fmt: skip


def _draw_top(draw: np.random.Generator, woman: bool) -> Top:
    kind = _pick(draw, tshirt=0.34, sleeveless=0.09 if woman else 0.03, shirt=0.15, hoodie=0.12,
                 jacket=0.16, coat=0.07, dress=0.14 if woman else 0.0)  # fmt: skip
    outer = kind in ("jacket", "coat", "hoodie")
    cloth = _cloth(draw, 1, _OUTER_PATTERNS if outer else _TOP_PATTERNS, 0.10 if outer else 0.07)
    if kind == "dress":
        cloth = _cloth(draw, 1, {PLAIN: 0.4, DOTS: 0.25, STRIPES: 0.2, CHECKS: 0.15}, 0.08)
    other = Cloth(cloth.second, cloth.colour, PLAIN, cloth.period, cloth.folds)
    plain = Cloth(cloth.colour, cloth.second, cloth.pattern if cloth.pattern in
                  (STRIPES, CHECKS, DOTS, BLOTCHES, PINSTRIPES) else PLAIN,
                  cloth.period, cloth.folds)  # fmt: skip
    sleeve = {"tshirt": 1.0, "sleeveless": 0.0, "dress": float(draw.choice([0.0, 1.0, 2.0]))}
    openness = {"jacket": 0.65, "coat": 0.5, "hoodie": 0.3, "shirt": 0.12}.get(kind, 0.0)
    hems = {"tshirt": (0.475, 0.50), "sleeveless": (0.48, 0.51), "shirt": (0.465, 0.50),
            "hoodie": (0.46, 0.49), "jacket": (0.43, 0.49), "coat": (0.20, 0.36),
            "dress": (0.20, 0.36)}  # fmt: skip
    return Top(
        kind=kind,
        cloth=cloth,
        sleeves=other if draw.random() < 0.14 else plain,
        inner=_cloth(draw, 1, {PLAIN: 0.75, STRIPES: 0.25}, 0.05),
        sleeve=sleeve.get(kind, 2.0),
        opening=float(draw.uniform(0.025, 0.06)) if draw.random() < openness else 0.0,
        hem=float(draw.uniform(*hems[kind])),
        loose={"tshirt": 0.004, "hoodie": 0.012, "jacket": 0.012, "coat": 0.013}.get(kind, 0.003)
        + float(draw.uniform(0, 0.006)),
    )


def _draw_bottom(draw: np.random.Generator, woman: bool, top: Top, skin: Cloth) -> Bottom:
    kind = _pick(draw, trousers=0.66, shorts=0.2, skirt=0.2 if woman else 0.0)
    if top.kind == "dress":
        kind = "none"
    if top.kind == "coat" and kind == "shorts":
        kind = "trousers"
    patterns = {PLAIN: 0.5, DOTS: 0.15, CHECKS: 0.2, STRIPES: 0.15} if kind == "skirt" else {
        PLAIN: 0.9, CHECKS: 0.05, BLOTCHES: 0.05}  # fmt: skip
    tights = Cloth(linear((30, 28, 32)))
    hem = {"shorts": (0.55, 1.0), "skirt": (0.16, 0.40)}.get(kind, (0.0, 0.0))
    return Bottom(
        kind=kind,
        cloth=_cloth(draw, 2, patterns, 0.08),
        legs=tights if kind in ("skirt", "none") and draw.random() < 0.35 else skin,
        hem=float(draw.uniform(*hem)),
        width=float(draw.choice([0.030, 0.036, 0.046])) if kind == "trousers" else 0.0,
        side_stripe=kind == "trousers" and draw.random() < 0.10,
    )


def _draw_hair(draw: np.random.Generator, woman: bool) -> Hair:
    style = (
        _pick(draw, short=0.07, full=0.08, afro=0.05, bob=0.23, long=0.29, ponytail=0.18, bun=0.10)
        if woman
        else _pick(draw, bald=0.12, short=0.42, full=0.32, afro=0.07, bob=0.04, bun=0.03)
    )
    colours = linear(_HAIR[int(draw.choice(7, p=[0.30, 0.22, 0.15, 0.11, 0.11, 0.07, 0.04]))])
    return Hair(
        style=style,
        cloth=Cloth(colours, folds=0.10),
        hat=_pick(draw, none=0.84, cap=0.08, beanie=0.05, hat=0.03),
        hat_cloth=Cloth(_cloth_colour(draw, 1)),
        beard=not woman and draw.random() < 0.25,
    )


def _draw_bag(draw: np.random.Generator, woman: bool) -> Bag:
    kind = _pick(draw, none=0.38, backpack=0.26, cross=0.12, shoulder=0.16 if woman else 0.06,
                 hand=0.14)  # fmt: skip
    colour = _cloth_colour(draw, 1)
    cloth = Cloth(colour, _contrast(draw, colour, 1), BAND if draw.random() < 0.25 else PLAIN,
                  0.1, 0.03)  # fmt: skip
    return Bag(kind, float(draw.choice([-1, 1])), cloth, float(draw.uniform(0.8, 1.25)))


def draw_person(draw: np.random.Generator) -> Person:
    """Draws an identity."""
    woman = bool(draw.random() < 0.48)
    skin = Cloth(linear(_SKIN[int(draw.choice(6, p=[0.2, 0.27, 0.23, 0.13, 0.1, 0.07]))]))
    shape = Shape(
        height=float(np.clip(draw.normal(1.65 if woman else 1.77, 0.07), 1.45, 2.0)),
        girth=float(np.clip(draw.normal(1.0, 0.16), 0.78, 1.5)),
        shoulders=float(draw.normal(0.92 if woman else 1.06, 0.05)),
        hips=float(draw.normal(1.05 if woman else 0.96, 0.05)),
        legs=float(draw.normal(1.0, 0.025)),
        bust=float(draw.uniform(0.012, 0.03)) if woman else 0.0,
    )
    top = _draw_top(draw, woman)
    bottom = _draw_bottom(draw, woman, top, skin)
    shoe = _cloth_colour(draw, 2) if draw.random() < 0.6 else linear((222, 220, 216))
    return Person(
        shape=shape,
        skin=skin,
        hair=_draw_hair(draw, woman),
        top=top,
        bottom=bottom,
        shoes=Cloth(shoe),
        sole=Cloth(linear((225, 225, 222)) if draw.random() < 0.4 else linear((30, 28, 28))),
        boots=bool(draw.random() < (0.2 if bottom.kind in ("skirt", "none") else 0.06)),
        bag=_draw_bag(draw, woman),
        seed=int(draw.integers(1 << 31)),
        stride=float(draw.uniform(0.28, 0.42)),
        swing=float(draw.uniform(0.15, 0.55)),
        lean=float(draw.uniform(-0.02, 0.10)),
    )
