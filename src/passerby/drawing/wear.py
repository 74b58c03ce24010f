"""From a person and a pose to cones, each with the cloths that it shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from passerby.drawing import solid
from passerby.drawing.body import Point, Pose, rotation_x, skeleton
from passerby.drawing.people import Cloth, Person
from passerby.drawing.riding import bicycle, seated

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


def _trunk(f: Figure) -> None:
    p = f.person
    top = p.outfit.outer or p.outfit.inner
    g, hips, wide, loose = p.shape.girth, p.shape.hips, p.shape.shoulders, top.loose
    inner = p.outfit.inner
    belly = 0.066 * (0.55 + 0.45 * g) * (0.5 + 0.5 * hips)
    flat = (1.0, 1.0, 0.68 + 0.10 * (g - 1))
    chest = 0.081 * (0.5 + 0.5 * wide) * (0.8 + 0.2 * g)
    big = max(0.0, g - 1) * 0.045
    middle = belly * g**0.5 + loose

    def part(y0: float, z0: float, y1: float, z1: float, r0: float, r1: float) -> None:
        f.add(ABOVE, f.at(0, y0, z0), f.at(0, y1, z1), r0, r1, top.cloth, scale=flat, zone=TRUNK)

    part(0.665, 0.004, 0.735, 0.0, chest * 0.98 + loose, chest + loose)
    part(0.585, 0.004 + big, 0.665, 0.004 + big * 0.5, middle, chest * 0.95 + loose)
    part(0.548, -0.006 + 0.3 * big, 0.59, 0.4 * big, 0.078 * hips * g**0.4 + 0.7 * loose, middle)
    half = 0.068 * wide
    f.add(ABOVE, f.at(half, 0.772, -0.002), f.at(-half, 0.772, -0.002), 0.040 + 0.7 * loose,
          0.040 + 0.7 * loose, top.cloth, zone=TRUNK)  # fmt: skip
    for side in (1.0, -1.0):
        f.add(ABOVE, f.at(0.012 * side, 0.812, -0.006), f.at(0.078 * side, 0.788, -0.004), 0.030,
              0.029 + 0.5 * loose, top.cloth, zone=TRUNK)  # fmt: skip
    if p.shape.bust:
        front = 0.022 + p.shape.bust
        f.add(ABOVE, f.at(0.034, 0.718, front), f.at(-0.034, 0.718, front), 0.038, 0.038, top.cloth,
              zone=TRUNK)  # fmt: skip
    f.add(SKIN, f.at(0, 0.80, 0.002), f.at(0, 0.868, 0.008), 0.036, 0.032, p.skin)
    if inner.neck in ("collar", "high") or top.neck in ("collar", "high"):
        collar = inner.cloth if inner.neck in ("collar", "high") else top.cloth
        f.add(ROUND, f.at(0, 0.812, -0.004), f.at(0, 0.838, 0.002), 0.044, 0.040, collar, cut=True)
    if "hood" in (top.neck, inner.neck) and p.hat != "hood":
        hood = top.cloth if top.neck == "hood" else inner.cloth
        f.add(ROUND, f.at(0.035, 0.822, -0.042), f.at(-0.035, 0.822, -0.042), 0.034, 0.034, hood,
              scale=(1.0, 1.0, 0.8))  # fmt: skip
    if p.neck_scarf:
        f.add(ROUND, f.at(0, 0.815, 0.004), f.at(0, 0.832, 0.006), 0.056, 0.050, p.neck_scarf)
        f.add(ROUND, f.at(0.02, 0.80, 0.055), f.at(0.03, 0.64, 0.075), 0.022, 0.026, p.neck_scarf,
              scale=(1.0, 1.0, 0.5))  # fmt: skip


def _tail(f: Figure, group: int, cloth: Cloth, start: float, hem: float, flare: float,
          loose: float) -> None:  # fmt: skip
    """What hangs from the waist to the height `hem`, around the thighs as they swing."""
    shape, points, h = f.person.shape, f.points, f.size
    reach = [0.055 * shape.girth**0.5 + loose]
    for side in ("left", "right"):
        hip, knee, ankle = (points[f"{side}_{joint}"] for joint in ("hip", "knee", "ankle"))
        for s in (0.3, 0.6, 0.9, 1.0):
            at = hip + (knee - hip) * s
            if at[1] > hem * h:
                reach.append(abs(float(at[2])) / h + 0.042 * shape.girth**0.5)
        if ankle[1] + 0.1 < hem * h < knee[1]:
            at = ankle + (knee - ankle) * 0.6
            reach.append(abs(float(at[2])) / h + 0.03)
    hips = 0.086 * shape.hips * shape.girth**0.4 + loose
    wide = hips + flare
    ratio = max(max(reach) + loose, wide * 0.72) / wide
    waist, hip = f.at(0, start, 0), f.at(0, max(hem + 0.02, 0.47), -0.004)
    f.add(group, waist, hip, 0.066 * shape.girth**0.5 + loose, hips + 0.25 * flare, cloth,
          scale=(1.0, 1.0, 0.80), cut=True, zone=TAIL)  # fmt: skip
    end = np.array([0.0, points["pelvis"][1] + (hem - 0.53) * h, 0.0])
    f.add(group, waist * 0.3 + hip * 0.7, end, min(hips, 0.072 / ratio + loose), wide, cloth,
          scale=(1.0, 1.0, ratio), cut=True, zone=TAIL)  # fmt: skip


def _legs(f: Figure) -> None:
    p, bottom, h = f.person, f.person.outfit.bottom, f.size
    g = p.shape.girth**0.5
    long = bottom.kind in ("trousers", "jeans", "slim")
    loose = max(0.0, bottom.width - 0.026) * 0.5 if long else 0.0
    cover, group = (bottom.cloth, TROUSERS) if long else (bottom.legs or p.skin, LEGS)
    if bottom.kind in ("trousers", "jeans", "slim", "shorts"):
        f.add(
            TROUSERS,
            f.at(0, 0.60, 0.0),
            f.at(0, 0.53, -0.006),
            0.062 * g,
            0.076 * p.shape.hips * g,
            bottom.cloth,
            scale=(1.0, 1.0, 0.74),
            zone=LEG,
        )
    for side in ("left", "right"):
        hip, knee, ankle, heel, toe = (f.points[f"{side}_{joint}"] for joint in
                                       ("hip", "knee", "ankle", "heel", "toe"))  # fmt: skip
        thigh = 0.049 * g + 0.4 * loose
        # Under a skirt the thigh's upper part would only show where the cloth is too narrow.
        start = hip if bottom.kind not in ("skirt", "none") else hip + (knee - hip) * 0.45
        f.add(group, start, knee, thigh if start is hip else 0.040 * g, 0.033 * g + loose, cover,
              zone=LEG)  # fmt: skip
        boots = p.shoe == "boot" and (not long or bottom.kind == "slim")
        calf = knee + (ankle - knee) * 0.30
        f.add(group, knee, calf, 0.033 * g + loose, 0.032 * g + loose, cover, zone=LEG,
              origin=0.245 * h)  # fmt: skip
        wide = bottom.width if long else 0.019 * g
        if boots:
            f.add(SHOES, ankle, ankle + (knee - ankle) * 0.72, 0.024, 0.035 * g, p.shoes, cut=True)
        end = ankle + (ankle - knee) * (0.06 if long and not boots else 0.0)
        f.add(group, calf, end, 0.032 * g + loose, wide, cover, cut=long, zone=LEG,
              origin=0.32 * h)  # fmt: skip
        if bottom.kind == "shorts":
            f.add(TROUSERS, hip, hip + (knee - hip) * bottom.hem, thigh + 0.006, thigh + 0.009,
                  bottom.cloth, cut=True, zone=LEG)  # fmt: skip
        _foot(f, heel, toe, ankle)


def _foot(f: Figure, heel: Point, toe: Point, ankle: Point) -> None:
    p, h = f.person, f.size
    forward = (toe - heel) / np.linalg.norm(toe - heel)
    left = np.array([forward[2], 0.0, -forward[0]]) / float(np.hypot(forward[0], forward[2]))
    frame = np.stack([left, np.cross(forward, left), forward], axis=1)
    up = frame[:, 1]
    shoe = p.skin if p.shoe == "sandal" else p.shoes
    tall = 0.9 if p.shoe == "sneaker" else 0.75
    f.add(SHOES, heel + 0.010 * h * up, toe + 0.004 * h * up, 0.025, 0.020, shoe,
          scale=(1.0, tall, 1.0), frame=frame, zone=FOOT)  # fmt: skip
    f.add(SHOES, ankle, ankle + 0.5 * (toe - ankle) + 0.004 * h * up, 0.022, 0.019, shoe, zone=FOOT)
    f.add(SHOES, heel - 0.010 * h * up, toe - 0.010 * h * up, 0.026, 0.023, p.sole,
          scale=(1.0, 0.30, 1.0), frame=frame, blend=0.2)  # fmt: skip


def _arms(f: Figure) -> None:
    p, outfit = f.person, f.person.outfit
    inner, outer = outfit.inner, outfit.outer
    top = outer if outer and outer.sleeve >= inner.sleeve else inner
    g, loose, reach = 0.6 + 0.4 * p.shape.girth, top.loose, top.sleeve
    for side in ("left", "right"):
        shoulder, elbow, wrist, hand = (f.points[f"{side}_{joint}"] for joint in
                                        ("shoulder", "elbow", "wrist", "hand"))  # fmt: skip
        f.add(SKIN, shoulder, elbow, 0.027 * g, 0.023 * g, p.skin, zone=ARM)
        f.add(SKIN, elbow, wrist, 0.023 * g, 0.0165 * g, p.skin, zone=ARM)
        fingers = hand + 0.35 * (hand - wrist)
        f.add(SKIN, wrist, 0.5 * (wrist + hand), 0.015, 0.018, p.skin)
        f.add(SKIN, 0.5 * (wrist + hand), fingers, 0.018, 0.010, p.skin)
        if reach > 0:
            share = min(1.0, reach)
            end = shoulder + (elbow - shoulder) * share
            f.add(ABOVE, shoulder, end, 0.031 * g + 0.6 * loose, (0.028 + 0.004 * (reach < 1.5)) * g
                  + loose, top.sleeves, cut=reach <= 1, zone=ARM, blend=0.6)  # fmt: skip
        if reach > 1:
            end = elbow + (wrist - elbow) * (reach - 1) * 0.98
            f.add(ABOVE, elbow, end, 0.027 * g + loose, 0.020 * g + 0.8 * loose, top.sleeves,
                  cut=True, zone=ARM, origin=0.17 * f.size, blend=0.6)  # fmt: skip


def _head(f: Figure) -> None:
    p, h, turn = f.person, f.size * f.person.head, f.head
    lift = 0.055 * f.size * (p.head - 1)
    centre = f.points["head"] + np.array([0.0, lift, 0.0])

    def at(x: float, y: float, z: float) -> Point:
        out: Point = centre + h * (turn @ np.array([x, y, z]))
        return out

    def add(
        group: int,
        a: Point,
        b: Point,
        ra: float,
        rb: float,
        cloth: Cloth,
        zone: int = PLAIN_ZONE,
        scale: tuple[float, float, float] = (1.0, 1.0, 1.0),
        blend: float = 1.0,
    ) -> None:
        f.add(
            group,
            a,
            b,
            ra * p.head,
            rb * p.head,
            cloth,
            scale=scale,
            frame=turn,
            zone=zone,
            blend=blend,
        )

    add(SKIN, at(0, 0.004, 0), at(0, 0.004, 0.001), 0.060, 0.060, p.skin, HEAD, (0.80, 1.06, 0.98))
    add(
        SKIN,
        at(0, -0.018, 0.014),
        at(0, -0.050, 0.030),
        0.042,
        0.022,
        p.skin,
        HEAD,
        (0.95, 1.0, 1.0),
    )
    add(SKIN, at(0, 0.004, 0.058), at(0, -0.014, 0.066), 0.005, 0.010, p.skin, HEAD, blend=0.4)
    for side in (1.0, -1.0):
        add(SKIN, at(0.049 * side, 0.008, -0.004), at(0.049 * side, -0.014, -0.002), 0.012, 0.008,
            p.skin, scale=(0.5, 1.0, 0.8), blend=0.2)  # fmt: skip
    style = p.hair_style
    if style != "bald":
        size = {"short": 0.0625, "full": 0.068, "afro": 0.090}.get(style, 0.066)
        y, z = (0.024, -0.020) if style == "afro" else (0.015, -0.011)
        add(HAIRS, at(0, y, z), at(0, y, z + 0.001), size, size, p.hair, HAIR, (0.86, 1.0, 1.0))
        nape = 0.050 if style == "short" else 0.054
        add(
            HAIRS,
            at(0, 0.0, -0.018),
            at(0, -0.034, -0.024),
            nape,
            0.036,
            p.hair,
            HAIR,
            (0.9, 1.0, 1.0),
        )
    if style in ("full", "bob", "long", "ponytail", "bun"):
        # The fringe, off the middle.
        add(HAIRS, at(0.02, 0.045, 0.030), at(-0.03, 0.040, 0.034), 0.026, 0.022, p.hair, HAIR)
    if style == "bob":
        for side in (1.0, -1.0):
            add(HAIRS, at(0.036 * side, 0.0, -0.006), at(0.044 * side, -0.07, 0.002), 0.030, 0.022,
                p.hair, HAIR)  # fmt: skip
        add(
            HAIRS,
            at(0, 0.0, -0.026),
            at(0, -0.07, -0.026),
            0.058,
            0.046,
            p.hair,
            HAIR,
            (1.0, 1.0, 0.75),
        )
    if style == "long":
        end = at(0, -0.17, -0.05)
        end[2] = min(end[2], f.points["neck"][2] - 0.045 * f.size)
        add(HAIRS, at(0, -0.01, -0.028), end, 0.056, 0.040, p.hair, HAIR, (1.05, 1.0, 0.6))
        for side in (1.0, -1.0):
            add(HAIRS, at(0.040 * side, 0.0, -0.010), at(0.050 * side, -0.11, 0.004), 0.026, 0.018,
                p.hair, HAIR)  # fmt: skip
    if style == "ponytail":
        add(HAIRS, at(0, 0.020, -0.072), at(0, -0.12, -0.095), 0.024, 0.013, p.hair, HAIR)
    if style == "bun":
        add(HAIRS, at(0, 0.045, -0.058), at(0, 0.045, -0.060), 0.029, 0.029, p.hair, HAIR)
    _hat(f, at, turn)


def _hat(f: Figure, at: Callable[[float, float, float], Point], turn: Matrix) -> None:
    p = f.person
    cloth, k = p.hat_cloth, p.head
    if p.hat in ("cap", "beanie", "hat"):
        tall = 0.95 if p.hat == "beanie" else 0.80
        f.add(HAT, at(0, 0.022, -0.008), at(0, 0.022, -0.007), 0.072 * k, 0.072 * k, cloth,
              scale=(0.88, tall, 1.0), frame=turn)  # fmt: skip
    if p.hat == "cap":
        f.add(HAT, at(0, 0.030, 0.045), at(0, 0.018, 0.098), 0.042 * k, 0.036 * k, cloth,
              scale=(1.0, 0.16, 1.0), frame=turn @ rotation_x(0.15))  # fmt: skip
    if p.hat == "hat":
        f.add(HAT, at(0, 0.026, -0.004), at(0, 0.026, -0.003), 0.112 * k, 0.112 * k, cloth,
              scale=(0.95, 0.10, 1.0), frame=turn)  # fmt: skip
    if p.hat in ("scarf", "hood"):
        top = f.person.outfit.outer or f.person.outfit.inner
        cloth = cloth if p.hat == "scarf" else top.cloth
        f.add(
            HAT, at(0, 0.012, -0.016), at(0, -0.04, -0.020), 0.071 * k, 0.060 * k, cloth, frame=turn
        )
        f.add(HAT, at(0, -0.04, -0.020), f.at(0, 0.80, -0.01), 0.058 * k, 0.062, cloth)


def _carried(f: Figure) -> None:
    p, bag, h = f.person, f.person.bag, f.size
    size, side = bag.size, bag.side
    loose = (p.outfit.outer or p.outfit.inner).loose
    back = 0.056 + loose + 0.02 * (p.shape.girth - 1)
    name = "left" if side > 0 else "right"
    if bag.kind == "backpack":
        f.add(BAGS, f.at(0, 0.64 - 0.02 * size, -back - 0.034), f.at(0, 0.735, -back - 0.022),
              0.078 * size, 0.064 * size, bag.cloth, scale=(1.0, 0.9, 0.72), zone=BAG)  # fmt: skip
        f.add(BAGS, f.at(0, 0.635, -back - 0.075), f.at(0, 0.675, -back - 0.072), 0.045 * size,
              0.040 * size, bag.cloth, scale=(1.1, 0.8, 0.5), zone=BAG, blend=0.3)  # fmt: skip
    elif bag.kind in ("cross", "shoulder"):
        out = (0.115 + loose) * (0.6 + 0.4 * p.shape.hips * p.shape.girth**0.4)
        high = 0.50 if bag.kind == "cross" else 0.54
        below = f.at(out * side, high - 0.045 * size, -0.005)
        f.add(
            BAGS,
            f.at(out * side, high + 0.035 * size, -0.005),
            below,
            0.062 * size,
            0.066 * size,
            bag.cloth,
            scale=(0.42, 1.0, 1.0),
            cut=True,
            zone=BAG,
        )
    elif bag.kind in ("hand", "plastic"):
        hand = f.points[f"{name}_hand"]
        tall = 0.07 if bag.kind == "hand" else 0.10
        top, low = (hand - np.array([0.0, k * h, 0.0]) for k in (0.06, 0.06 + tall * size))
        f.add(
            BAGS,
            top,
            low,
            0.055 * size,
            0.066 * size,
            bag.cloth,
            scale=(0.36, 1.0, 1.0),
            cut=True,
            zone=BAG,
        )
        f.add(BAGS, hand - np.array([0.0, 0.06 * h, 0.0]), hand, 0.022, 0.005, bag.cloth,
              scale=(0.3, 1.0, 1.0), blend=0.3)  # fmt: skip
    if p.umbrella:
        hand = f.points[f"{'right' if side > 0 else 'left'}_hand"]
        top = hand + np.array([-0.05 * side * h, 0.42 * h, 0.02 * h])
        f.add(EXTRA, hand, top, 0.005, 0.005, p.sole)
        f.add(
            EXTRA,
            top - np.array([0, 0.03 * h, 0]),
            top - np.array([0, 0.031 * h, 0]),
            0.30,
            0.30,
            p.umbrella,
            scale=(1.0, 0.26, 1.0),
        )


def _bicycle(f: Figure) -> None:
    """Under who rides it, beside who pushes it; bags are on the back or in the basket."""
    p, bag = f.person, f.person.bag
    beside = np.zeros(3)
    if p.cycles == "pushes":
        beside = np.array([bag.side * 0.48, 0.0, 0.15])
    for a, b, r, cloth in bicycle(p.bicycle, bag.kind != "backpack", 0.1 * bag.side):
        f.add(VEHICLE, a + beside, b + beside, r / f.size, r / f.size, cloth)
    if bag.kind == "backpack":
        _carried(f)


def dress(person: Person, pose: Pose) -> Figure:
    """Builds the figure: trunk, head, limbs, garments, what is carried."""
    body = seated if person.cycles == "rides" else skeleton
    points, head = body(person.shape, pose)
    f = Figure(person, points, head)
    outfit = person.outfit
    _trunk(f)
    _head(f)
    _legs(f)
    _arms(f)
    inner, outer, bottom = outfit.inner, outfit.outer, outfit.bottom
    if bottom.kind == "skirt":
        _tail(f, BELOW, bottom.cloth, 0.60, bottom.hem, 0.02, 0.004)
    if not outfit.tucked:
        flare = 0.03 if inner.kind == "dress" else 0.003
        _tail(f, BELOW if outer else ABOVE, inner.cloth, 0.62, inner.hem, flare,
              inner.loose + 0.006 * (bottom.kind == "skirt"))  # fmt: skip
    if outer:
        _tail(f, ABOVE, outer.cloth, 0.62, outer.hem, 0.014 if outer.kind == "coat" else 0.004,
              outer.loose + 0.004)  # fmt: skip
    if person.cycles == "no":
        _carried(f)
    else:
        _bicycle(f)
    return f
