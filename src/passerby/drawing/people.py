"""What a person of version 2 looks like: body, face, hair, garments, what they carry."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from passerby.drawing.body import Shape
from passerby.drawing.colours import Colour, linear
from passerby.drawing.factors import Factors

(PLAIN, STRIPES, PINSTRIPES, CHECKS, DOTS, BLOTCHES, PICTURE, LETTERS, BLOCK, BAND, FLOWERS, KNIT,
 LOGO, QUILT, SIDES) = range(15)  # fmt: skip
"""Patterns of a cloth."""

SKINS = ((240, 208, 184), (226, 186, 156), (206, 160, 126), (176, 128, 94), (128, 86, 60),
         (84, 56, 42))  # fmt: skip
"""Skin tones from 1 (lightest) to 6."""
_HAIRS = ((30, 27, 26), (44, 34, 29), (66, 45, 31), (104, 76, 48), (166, 134, 88), (150, 148, 146),
          (110, 54, 32))  # fmt: skip

# sRGB bytes, and how often garments above and below the waist have them: what a street wears.
_CLOTHS: dict[str, tuple[tuple[int, int, int], float, float]] = {
    "black": ((30, 30, 33), 0.25, 0.36),
    "charcoal": ((58, 59, 63), 0.09, 0.09),
    "grey": ((118, 118, 121), 0.09, 0.06),
    "pale grey": ((176, 177, 178), 0.05, 0.02),
    "white": ((226, 226, 224), 0.13, 0.03),
    "navy": ((33, 39, 64), 0.10, 0.09),
    "dark denim": ((46, 53, 72), 0.03, 0.13),
    "denim": ((72, 85, 112), 0.03, 0.10),
    "pale denim": ((136, 149, 168), 0.02, 0.04),
    "beige": ((186, 166, 134), 0.04, 0.04),
    "brown": ((78, 56, 42), 0.03, 0.02),
    "olive": ((72, 76, 52), 0.03, 0.02),
    "burgundy": ((92, 28, 42), 0.025, 0.005),
    "red": ((172, 36, 40), 0.035, 0.004),
    "green": ((48, 88, 64), 0.02, 0.0),
    "sky": ((122, 164, 204), 0.03, 0.004),
    "blue": ((44, 70, 130), 0.03, 0.004),
    "pink": ((214, 152, 168), 0.025, 0.004),
    "purple": ((92, 60, 104), 0.02, 0.002),
    "orange": ((206, 98, 40), 0.01, 0.0),
    "yellow": ((212, 178, 70), 0.012, 0.002),
}


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
    """Depth of the folds; 1 is a loose shirt."""
    shine: float = 0.0
    """Strength of the highlight."""
    worn: float = 0.0
    """Fading and mottling, as denim has it."""


@dataclass(frozen=True)
class Top:
    """What covers the trunk, or one layer of it."""

    kind: str
    """`tshirt`, `sleeveless`, `shirt`, `polo`, `sweater`, `hoodie`, `jacket`, `suit`, `puffer`,
    `coat`, `vest`, `dress`."""
    cloth: Cloth
    """Of the trunk."""
    sleeves: Cloth
    """Of the sleeves."""
    sleeve: float
    """0 none, up to 1 to the elbow, 2 to the wrist."""
    opening: float
    """Half width of the opening in front, metres; 0 is closed."""
    hem: float
    """Height of the lower edge, share of the standing height."""
    loose: float
    """Distance from the body, share of the standing height."""
    neck: str
    """`round`, `deep`, `collar`, `high`, `hood`."""


@dataclass(frozen=True)
class Bottom:
    """What covers the legs."""

    kind: str
    """`trousers`, `jeans`, `slim`, `shorts`, `skirt`, or `none` under a dress."""
    cloth: Cloth
    """Its cloth."""
    legs: Cloth | None
    """Tights below it; None is bare skin."""
    hem: float
    """Lower edge of a skirt, share of the standing height; of shorts, share of the thigh."""
    width: float
    """Half width of trouser legs at the ankle, share of the standing height."""


@dataclass(frozen=True)
class Outfit:
    """The garments that a person puts on."""

    inner: Top
    """Next to the body."""
    outer: Top | None
    """Over it."""
    bottom: Bottom
    tucked: bool
    """Whether the inner top is tucked in."""
    belt: Cloth | None
    """Seen where the top is tucked in."""


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


def _pick(draw: np.random.Generator, **weights: float) -> str:
    names = list(weights)
    p = np.array([weights[name] for name in names])
    return names[int(draw.choice(len(names), p=p / p.sum()))]


def _colour(draw: np.random.Generator, column: int) -> Colour:
    weights = np.array([entry[column] for entry in _CLOTHS.values()])
    names = list(_CLOTHS)
    base = _CLOTHS[names[int(draw.choice(len(names), p=weights / weights.sum()))]][0]
    shade = float(np.exp(draw.normal(0, 0.16)))
    r, g, b = (v * shade * (1 + 0.05 * draw.standard_normal()) for v in linear(base))
    return (min(r, 0.8), min(g, 0.8), min(b, 0.8))


def _contrast(draw: np.random.Generator, colour: Colour) -> Colour:
    """A second colour that is told from the first in grey as well."""
    grey = sum(colour) / 3
    for _ in range(12):
        second = _colour(draw, 1)
        if abs(np.sqrt(sum(second) / 3) - np.sqrt(grey)) > 0.25:
            return second
    return (0.7, 0.7, 0.7) if grey < 0.25 else (0.01, 0.01, 0.012)


def _cloth(draw: np.random.Generator, column: int, patterns: dict[int, float], folds: float,
           shine: float = 0.0) -> Cloth:  # fmt: skip
    colour = _colour(draw, column)
    kinds = list(patterns)
    p = np.array(list(patterns.values()))
    pattern = kinds[int(draw.choice(len(kinds), p=p / p.sum()))]
    second = _contrast(draw, colour)
    if pattern in (CHECKS, KNIT, QUILT, BLOTCHES) and draw.random() < 0.5:
        # Of one family: the same colour, lighter or darker.
        k = float(np.exp(draw.choice([-1, 1]) * draw.uniform(0.5, 1.0)))
        r, g, b = (min(0.8, c * k + 0.01) for c in colour)
        second = (r, g, b)
    period = float(np.exp(draw.uniform(np.log(0.02), np.log(0.14))))
    return Cloth(colour, second, pattern, period, folds * float(draw.uniform(0.7, 1.4)), shine)


_SHIRTS = {PLAIN: 0.48, STRIPES: 0.10, CHECKS: 0.07, PICTURE: 0.12, LETTERS: 0.06, BLOCK: 0.03,
           PINSTRIPES: 0.03, FLOWERS: 0.03, BAND: 0.03, LOGO: 0.05}  # fmt: skip
_OUTERS = {PLAIN: 0.72, BLOCK: 0.06, BAND: 0.03, LOGO: 0.06, CHECKS: 0.03, SIDES: 0.05,
           BLOTCHES: 0.02, LETTERS: 0.03}  # fmt: skip
_TOPS: dict[str, tuple[dict[int, float], float, float, float, float, str]] = {
    # kind: patterns, folds, shine, sleeve, loose, neck
    "tshirt": (_SHIRTS, 0.8, 0.0, 0.85, 0.006, "round"),
    "sleeveless": ({PLAIN: 0.6, STRIPES: 0.2, FLOWERS: 0.2}, 0.6, 0.0, 0.0, 0.003, "deep"),
    "shirt": ({PLAIN: 0.62, CHECKS: 0.22, PINSTRIPES: 0.16}, 1.0, 0.0, 2.0, 0.006, "collar"),
    "polo": ({PLAIN: 0.6, STRIPES: 0.3, BLOCK: 0.1}, 0.8, 0.0, 0.9, 0.006, "collar"),
    "sweater": ({PLAIN: 0.6, KNIT: 0.2, STRIPES: 0.1, BAND: 0.1}, 0.7, 0.0, 2.0, 0.008, "round"),
    "hoodie": ({PLAIN: 0.6, LETTERS: 0.2, LOGO: 0.15, BLOCK: 0.05}, 1.0, 0.0, 2.0, 0.013, "hood"),
    "jacket": (_OUTERS, 1.1, 0.05, 2.0, 0.012, "collar"),
    "suit": ({PLAIN: 0.85, PINSTRIPES: 0.15}, 0.5, 0.0, 2.0, 0.008, "collar"),
    "puffer": ({QUILT: 1.0}, 0.4, 0.10, 2.0, 0.022, "high"),
    "coat": ({PLAIN: 0.85, CHECKS: 0.15}, 0.7, 0.0, 2.0, 0.013, "collar"),
    "vest": ({PLAIN: 0.5, QUILT: 0.5}, 0.5, 0.05, 0.0, 0.014, "high"),
    "dress": ({PLAIN: 0.45, FLOWERS: 0.25, DOTS: 0.12, STRIPES: 0.10, CHECKS: 0.08}, 0.8, 0.0, 0.6,
              0.005, "deep"),
}  # fmt: skip


def _top(draw: np.random.Generator, kind: str) -> Top:
    patterns, folds, shine, sleeve, loose, neck = _TOPS[kind]
    cloth = _cloth(draw, 1, patterns, folds, shine)
    sleeves = replace(
        cloth,
        pattern=cloth.pattern
        if cloth.pattern in (STRIPES, CHECKS, DOTS, BLOTCHES, PINSTRIPES, KNIT, QUILT, FLOWERS)
        else PLAIN,
    )
    if kind in ("tshirt", "hoodie", "jacket", "sweater") and draw.random() < 0.1:
        sleeves = replace(sleeves, colour=cloth.second, pattern=PLAIN)
    openness = {"jacket": 0.5, "coat": 0.45, "hoodie": 0.25, "shirt": 0.1, "suit": 0.6, "vest": 0.6,
                "puffer": 0.3}.get(kind, 0.0)  # fmt: skip
    hem = {
        "coat": (0.22, 0.40),
        "dress": (0.16, 0.36),
        "jacket": (0.44, 0.50),
        "suit": (0.43, 0.47),
        "puffer": (0.42, 0.50),
        "sweater": (0.45, 0.49),
    }.get(kind, (0.455, 0.505))
    if kind in ("shirt", "sweater") and draw.random() < 0.15:
        sleeve = float(draw.uniform(1.1, 1.6))
    if kind == "dress":
        sleeve = float(draw.choice([0.0, 0.6, 2.0]))
    return Top(kind, cloth, sleeves, sleeve,
               float(draw.uniform(0.02, 0.07)) if draw.random() < openness else 0.0,
               float(draw.uniform(*hem)), loose + float(draw.uniform(0, 0.007)), neck)  # fmt: skip


def _bottom(draw: np.random.Generator, woman: bool, warm: bool) -> Bottom:
    kind = _pick(
        draw,
        trousers=0.34,
        jeans=0.34,
        slim=0.2 if woman else 0.08,
        shorts=0.0 if warm else 0.2,
        skirt=(0.1 if warm else 0.2) if woman else 0.0,
    )
    folds = {"jeans": 0.5, "slim": 0.25, "trousers": 0.8, "shorts": 0.7, "skirt": 0.9}[kind]
    patterns = {PLAIN: 0.6, CHECKS: 0.15, FLOWERS: 0.15, STRIPES: 0.1} if kind == "skirt" else {
        PLAIN: 0.92, SIDES: 0.04, CHECKS: 0.02, BLOTCHES: 0.02}  # fmt: skip
    cloth = _cloth(draw, 2, patterns, folds)
    if kind == "jeans":
        blue = _CLOTHS[
            _pick(draw, **{"dark denim": 0.4, "denim": 0.35, "pale denim": 0.12, "black": 0.13})
        ][0]
        cloth = replace(cloth, colour=linear(blue), pattern=PLAIN, worn=float(draw.uniform(0.2, 1)))
    tights = Cloth(linear((30, 28, 32)))
    hem = {"shorts": (0.55, 1.0), "skirt": (0.12, 0.42)}.get(kind, (0.0, 0.0))
    width = {"slim": 0.024, "jeans": float(draw.choice([0.028, 0.033, 0.038])),
             "trousers": float(draw.choice([0.030, 0.037, 0.046]))}.get(kind, 0.0)  # fmt: skip
    legs = tights if kind == "skirt" and draw.random() < (0.7 if warm else 0.25) else None
    return Bottom(kind, cloth, legs, float(draw.uniform(*hem)), width)


def draw_outfit(draw: np.random.Generator, woman: bool, warm: bool) -> Outfit:
    """Draws what a person wears; `warm` clothes for cold days."""
    inner_kind = (
        _pick(
            draw,
            tshirt=0.42,
            sleeveless=0.10 if woman else 0.02,
            shirt=0.18,
            polo=0.10,
            sweater=0.10,
            hoodie=0.06,
            dress=0.16 if woman else 0.0,
        )
        if not warm
        else _pick(
            draw, tshirt=0.3, shirt=0.25, sweater=0.25, hoodie=0.12, dress=0.06 if woman else 0.0
        )
    )
    inner = _top(draw, inner_kind)
    outer = None
    if draw.random() < (0.8 if warm else 0.13):
        outer = _top(
            draw,
            _pick(
                draw,
                jacket=0.44,
                hoodie=0.1,
                suit=0.10,
                puffer=0.16 if warm else 0.0,
                coat=0.16 if warm else 0.02,
                vest=0.05,
            ),
        )
    bottom = _bottom(draw, woman, warm)
    if inner.kind == "dress":
        tights = Cloth(linear((30, 28, 32)))
        bottom = Bottom("none", inner.cloth, tights if draw.random() < 0.4 else None, 0.0, 0.0)
    tucked = inner.kind in ("shirt", "polo", "tshirt", "sleeveless") and draw.random() < (
        0.8 if bottom.kind == "skirt" else 0.2
    )
    belt = Cloth(linear((30, 24, 22))) if tucked and draw.random() < 0.5 else None
    return Outfit(inner, outer, bottom, tucked, belt)


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
    age = _pick(draw, child=0.05, adult=0.83, old=0.12)
    tone = int(draw.choice(6, p=[0.2, 0.27, 0.23, 0.13, 0.1, 0.07])) + 1
    shape, head = _shape(draw, woman, age)
    warm = bool(draw.random() < 0.45)
    outfit = draw_outfit(draw, woman, warm)
    style = (
        _pick(draw, short=0.10, full=0.07, afro=0.03, bob=0.22, long=0.32, ponytail=0.17, bun=0.09)
        if woman
        else _pick(draw, bald=0.10, short=0.50, full=0.32, afro=0.04, bob=0.02, bun=0.02)
    )
    grey = age == "old" and draw.random() < 0.8
    hair = 5 if grey else int(draw.choice(7, p=[0.40, 0.24, 0.14, 0.09, 0.06, 0.04, 0.03]))
    light = draw.random() < 0.45
    shoe = _pick(draw, sneaker=0.5, leather=0.26, boot=0.12, sandal=0.12 if not warm else 0.0)
    bag = _pick(draw, none=0.42, backpack=0.22, cross=0.10, shoulder=0.16 if woman else 0.05,
                hand=0.08, plastic=0.06)  # fmt: skip
    bag_cloth = _cloth(draw, 1, {PLAIN: 0.8, BAND: 0.2}, 0.5, 0.05)
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
        hat=_pick(
            draw,
            none=0.87,
            cap=0.06,
            beanie=0.04 if warm else 0.0,
            hat=0.02,
            scarf=0.015 if woman else 0.0,
            hood=0.01,
        ),
        hat_cloth=Cloth(_colour(draw, 1), folds=0.4),
        neck_scarf=_cloth(draw, 1, {PLAIN: 0.7, CHECKS: 0.3}, 1.0)
        if warm and draw.random() < 0.15
        else None,
        outfit=outfit,
        shoe=shoe,
        shoes=Cloth(
            linear((214, 213, 210)) if light and shoe == "sneaker" else _colour(draw, 2), shine=0.05
        ),
        sole=Cloth(linear((215, 215, 212)) if draw.random() < 0.45 else linear((26, 25, 25))),
        bag=Bag(bag, float(draw.choice([-1, 1])), bag_cloth, float(draw.uniform(0.75, 1.3))),
        umbrella=_cloth(draw, 1, {PLAIN: 1.0}, 0.2) if draw.random() < 0.015 else None,
        cycles=_pick(draw, no=0.92, rides=0.06, pushes=0.02),
        bicycle=_colour(draw, 1),
        seed=int(draw.integers(1 << 31)),
        stride=float(draw.uniform(0.26, 0.42)),
        swing=float(draw.uniform(0.12, 0.5)),
        lean=float(draw.uniform(-0.02, 0.10)) + (0.12 if age == "old" else 0.0),
    )


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
