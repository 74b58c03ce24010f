"""Colours of the drawing: sRGB bytes and linear light."""

from __future__ import annotations

Colour = tuple[float, float, float]


def linear(colour: tuple[int, int, int]) -> Colour:
    """SRGB bytes to linear light (gamma 2, which all of the drawing uses)."""
    r, g, b = ((v / 255) ** 2 for v in colour)
    return (r, g, b)
