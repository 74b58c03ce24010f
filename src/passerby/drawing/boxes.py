"""The box that a detector cuts around a person."""

from __future__ import annotations

import numpy as np

from passerby.drawing.camera import Boxes

Box = tuple[float, float, float, float]
"""Left, top, right, bottom on the plane z = 1."""


def detected(person: Box, boxes: Boxes, by_hand: bool, draw: np.random.Generator) -> Box:
    """Cuts out a person.

    Args:
        person: the box that just holds the person.
        boxes: the camera's detector.
        by_hand: without shift and cuts, as a hand draws it.
        draw: random numbers of this picture.
    """
    left, top, right, bottom = person
    tall = (bottom - top) * boxes.loose
    own = (right - left) * boxes.loose
    wide = boxes.aspect * tall if boxes.aspect else float(np.clip(own, 0.26 * tall, 0.7 * tall))
    x, y = (left + right) / 2, (top + bottom) / 2
    if not by_hand and boxes.jitter:
        # Most boxes fit, a few are well off.
        dx, dy, size, aspect = boxes.jitter * np.clip(draw.standard_t(4, 4), -4, 4)
        tall, wide = tall * np.exp(size), wide * np.exp(size + aspect)
        x, y = x + dx * wide, y + 0.6 * dy * tall
    box = [x - wide / 2, y - tall / 2, x + wide / 2, y + tall / 2]
    if not by_hand and draw.random() < boxes.cut:
        side = int(draw.choice([0, 1, 2, 3, 3, 3]))
        most = (0.3, 0.12, 0.3, 0.45)[side]
        share = float(draw.uniform(0.04, most)) * (wide if side % 2 == 0 else tall)
        box[side] += share if side < 2 else -share
    return float(box[0]), float(box[1]), float(box[2]), float(box[3])


def spoiled(box: Box, draw: np.random.Generator) -> tuple[Box, bool]:
    """A bad detection: the box, and whether anybody is in it at all."""
    left, top, right, bottom = box
    wide, tall = right - left, bottom - top
    kind = draw.random()
    if kind < 0.4:
        return box, False
    if kind < 0.75:
        dx, dy = (float(draw.choice([-1, 1])) * float(draw.uniform(0.35, 0.6)) for _ in range(2))
        dx, dy = (0.3 * dx, dy) if draw.random() < 0.5 else (dx, 0.3 * dy)
        return (left + dx * wide, top + dy * tall, right + dx * wide, bottom + dy * tall), True
    grow = float(draw.choice([0.3, -0.28])) * float(draw.uniform(0.8, 1.3))
    x, y = grow * wide, grow * tall
    return (left - x, top - y, right + x, bottom + y), True
