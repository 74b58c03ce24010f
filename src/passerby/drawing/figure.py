"""A dressed person as cones, and what else than its cloth each shows."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from passerby.drawing import solid
from passerby.drawing.body import Point
from passerby.drawing.cloths import Cloth
from passerby.drawing.people import Person

PLAIN_ZONE, TRUNK, HEAD, LEG, FOOT, TAIL, ARM, HAIR, BAG = range(9)
"""What else than its cloth decides a cone's colours: openings and straps, the face, seams."""

(SHOES, LEGS, TROUSERS, SKIN, BELOW, ABOVE, ROUND, HAIRS, HAT, BAGS, EXTRA, VEHICLE) = range(12)
"""Groups, sorted: cones of one flow into each other."""

Matrix = NDArray[np.float64]
_BLEND = {
    SHOES: 0.02,
    LEGS: 0.03,
    TROUSERS: 0.05,
    SKIN: 0.02,
    BELOW: 0.06,
    ABOVE: 0.07,
    ROUND: 0.04,
    HAIRS: 0.04,
    HAT: 0.015,
    BAGS: 0.05,
    EXTRA: 0.005,
    VEHICLE: 0.004,
}
"""Metres over which the cones of a group flow into each other, on a person of average height."""


@dataclass
class Figure:
    """A dressed person in body coordinates (metres), as rows that grow cone by cone."""

    person: Person
    points: dict[str, Point]
    head: Matrix
    cloths: list[Cloth] = field(default_factory=list)
    rows: list[NDArray[np.float32]] = field(default_factory=list)

    def __post_init__(self) -> None:
        spine = self.points["neck"] - self.points["pelvis"]
        across = self.points["left_shoulder"] - self.points["right_shoulder"]
        self.up: Point = spine / np.linalg.norm(spine)
        self.left_chest: Point = across / np.linalg.norm(across)
        self.size = self.person.shape.height

    def cloth(self, cloth: Cloth) -> int:
        """Number of `cloth` among the figure's cloths."""
        for i, known in enumerate(self.cloths):
            if known is cloth:
                return i
        self.cloths.append(cloth)
        return len(self.cloths) - 1

    def cones(self) -> NDArray[np.float32]:
        """(N, CONE), sorted by group."""
        out = np.array(self.rows, np.float32)
        sorted_: NDArray[np.float32] = out[np.argsort(out[:, solid.GROUP], kind="stable")]
        return sorted_

    def add(self, group: int, a: Point, b: Point, ra: float, rb: float, cloth: Cloth, *,
            zone: int = PLAIN_ZONE, scale: tuple[float, float, float] = (1.0, 1.0, 1.0),
            frame: Matrix | None = None, cut: bool = False, second: Cloth | None = None,
            change: float = 2.0, origin: float = 0.0, blend: float = 1.0) -> None:  # fmt: skip
        """Adds a cone; radii are shares of the standing height, ends are points."""
        h, row = self.size, np.zeros(solid.CONE, np.float64)
        axes = np.eye(3) if frame is None else frame.T
        ra, rb = ra * h, rb * h
        row[0:3], row[3:6], row[6:9] = a, b, (ra, rb, group)
        row[9] = max(0.004, _BLEND[group] * blend * h / 1.7)
        first = self.cloth(cloth)
        row[10:16] = (
            first,
            first if second is None else self.cloth(second),
            change,
            zone,
            origin,
            cut,
        )
        scaled = scale != (1.0, 1.0, 1.0)
        row[16], row[17:26], row[26:29] = scaled, axes.ravel(), 1 / np.array(scale)
        row[29] = min(scale) if scaled else 1.0
        axis = b - a
        if scaled:
            axis = (axes @ axis) / np.array(scale)
        row[30:33], row[33] = axis, 1 / max(1e-8, float(axis @ axis))
        row[34] = max(ra, rb) * max(scale) * 1.02 + 0.01
        self.rows.append(row.astype(np.float32))

    def at(self, x: float, y: float, z: float) -> Point:
        """A point of the trunk, from shares of the height; y from the ground when standing."""
        # Between hips and shoulders the trunk turns gradually.
        turn = min(max((y - 0.53) / 0.25, 0.0), 1.0)
        left = np.array([1.0, 0.0, 0.0]) * (1 - turn) + turn * self.left_chest
        (lx, ly, lz), (ux, uy, uz) = left.tolist(), self.up.tolist()
        front = np.array([ly * uz - lz * uy, lz * ux - lx * uz, lx * uy - ly * ux])
        k = self.size * (y - 0.53)
        out: Point = self.points["pelvis"] + k * self.up + self.size * (x * left + z * front)
        return out
