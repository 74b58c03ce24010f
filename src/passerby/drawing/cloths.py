"""Cloths: colours that a street wears, patterns, folds and shine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from passerby.drawing.colours import Colour, linear

(PLAIN, STRIPES, PINSTRIPES, CHECKS, DOTS, BLOTCHES, PICTURE, LETTERS, BLOCK, BAND, FLOWERS, KNIT,
 LOGO, QUILT, SIDES) = range(15)  # fmt: skip
"""Patterns of a cloth."""

# sRGB bytes, and how often garments above and below the waist have them: what a street wears.
CLOTHS: dict[str, tuple[tuple[int, int, int], float, float]] = {
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


def pick(draw: np.random.Generator, **weights: float) -> str:
    """One of the names, as often as its weight says."""
    names = list(weights)
    p = np.array([weights[name] for name in names])
    return names[int(draw.choice(len(names), p=p / p.sum()))]


def cloth_colour(draw: np.random.Generator, column: int) -> Colour:
    """A colour of garments above (1) or below (2) the waist, a little off its name."""
    weights = np.array([entry[column] for entry in CLOTHS.values()])
    names = list(CLOTHS)
    base = CLOTHS[names[int(draw.choice(len(names), p=weights / weights.sum()))]][0]
    shade = float(np.exp(draw.normal(0, 0.16)))
    r, g, b = (v * shade * (1 + 0.05 * draw.standard_normal()) for v in linear(base))
    return (min(r, 0.8), min(g, 0.8), min(b, 0.8))


def _contrast(draw: np.random.Generator, colour: Colour) -> Colour:
    """A second colour that is told from the first in grey as well."""
    grey = sum(colour) / 3
    for _ in range(12):
        second = cloth_colour(draw, 1)
        if abs(np.sqrt(sum(second) / 3) - np.sqrt(grey)) > 0.25:
            return second
    return (0.7, 0.7, 0.7) if grey < 0.25 else (0.01, 0.01, 0.012)


def draw_cloth(draw: np.random.Generator, column: int, patterns: dict[int, float], folds: float,
           shine: float = 0.0) -> Cloth:  # fmt: skip
    """A cloth for above (1) or below (2) the waist, by the weights of its patterns."""
    colour = cloth_colour(draw, column)
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
