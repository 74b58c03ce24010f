"""Garments and what goes together."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from passerby.drawing.cloths import (
    BAND,
    BLOCK,
    BLOTCHES,
    CHECKS,
    CLOTHS,
    DOTS,
    FLOWERS,
    KNIT,
    LETTERS,
    LOGO,
    PICTURE,
    PINSTRIPES,
    PLAIN,
    QUILT,
    SIDES,
    STRIPES,
    Cloth,
    draw_cloth,
    pick,
)
from passerby.drawing.colours import linear


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
    cloth = draw_cloth(draw, 1, patterns, folds, shine)
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
    kind = pick(
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
    cloth = draw_cloth(draw, 2, patterns, folds)
    if kind == "jeans":
        blue = CLOTHS[
            pick(draw, **{"dark denim": 0.4, "denim": 0.35, "pale denim": 0.12, "black": 0.13})
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
        pick(
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
        else pick(
            draw, tshirt=0.3, shirt=0.25, sweater=0.25, hoodie=0.12, dress=0.06 if woman else 0.0
        )
    )
    inner = _top(draw, inner_kind)
    outer = None
    if draw.random() < (0.8 if warm else 0.13):
        outer = _top(
            draw,
            pick(
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
