"""From a person and a pose to round cones, each with the cloths that it shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from passerby.drawing.body import Point, Pose, rotation_x, skeleton
from passerby.drawing.v1.appearance import Cloth, Person
from passerby.drawing.v1.render import Cones

PLAIN_ZONE, TRUNK, HEAD, LEG, FOOT, TAIL = range(6)
"""What else than its cloth decides a cone's colours: openings and straps, the face, seams."""

Matrix = NDArray[np.float64]


@dataclass
class Figure:
    """A dressed person in body coordinates (metres), as lists that grow cone by cone."""

    person: Person
    points: dict[str, Point]
    head: Matrix
    cloths: list[Cloth] = field(default_factory=list)
    ends: list[tuple[Point, Point, float, float]] = field(default_factory=list)
    frames: list[Matrix] = field(default_factory=list)
    scales: list[tuple[float, float, float]] = field(default_factory=list)
    open_end: list[bool] = field(default_factory=list)
    look: list[tuple[int, int, float, int, float]] = field(default_factory=list)
    """First cloth, second cloth, where along it changes, zone, pattern's origin along."""

    def __post_init__(self) -> None:
        spine = self.points["neck"] - self.points["pelvis"]
        across = self.points["left_shoulder"] - self.points["right_shoulder"]
        self.up: Point = spine / np.linalg.norm(spine)
        self.left_hip: Point = np.array([1.0, 0.0, 0.0])
        self.left_chest: Point = across / np.linalg.norm(across)

    def cloth(self, cloth: Cloth) -> int:
        """Number of `cloth` among the figure's cloths."""
        for i, known in enumerate(self.cloths):
            if known is cloth:
                return i
        self.cloths.append(cloth)
        return len(self.cloths) - 1

    def add(self, a: Point, b: Point, ra: float, rb: float, cloth: Cloth, *,
            scale: tuple[float, float, float] = (1.0, 1.0, 1.0), frame: Matrix | None = None,
            open_end: bool = False, second: Cloth | None = None, change: float = 2.0,
            zone: int = PLAIN_ZONE, origin: float = 0.0) -> None:  # fmt: skip
        """Adds a cone; radii are shares of the standing height."""
        h = self.person.shape.height
        self.ends.append((a, b, ra * h, rb * h))
        self.frames.append(np.eye(3) if frame is None else frame)
        self.scales.append(scale)
        self.open_end.append(open_end)
        first = self.cloth(cloth)
        other = first if second is None else self.cloth(second)
        self.look.append((first, other, change, zone, origin))


def _at(figure: Figure, x: float, y: float, z: float) -> Point:
    """A point of the trunk, from shares of the height, y from the ground when standing."""
    h = figure.person.shape.height
    # Between hips and shoulders the trunk turns gradually.
    turn = min(max((y - 0.53) / 0.25, 0.0), 1.0)
    left = figure.left_hip + turn * (figure.left_chest - figure.left_hip)
    ux, uy, uz = figure.up
    lx, ly, lz = left
    front = np.array([ly * uz - lz * uy, lz * ux - lx * uz, lx * uy - ly * ux])
    k = h * (y - 0.53)
    out: Point = figure.points["pelvis"] + k * figure.up + h * x * left + h * z * front
    return out


def _trunk(f: Figure) -> None:
    p, top = f.person, f.person.top
    g, hips, wide = p.shape.girth, p.shape.hips, p.shape.shoulders
    loose = top.loose
    belly = 0.066 * (0.55 + 0.45 * g) * (0.5 + 0.5 * hips)
    depth = 0.68 + 0.10 * (g - 1)
    flat = (1.0, 1.0, depth)
    chest = 0.080 * (0.5 + 0.5 * wide) * (0.8 + 0.2 * g)
    big = max(0.0, g - 1) * 0.03
    f.add(_at(f, 0, 0.665, 0.004), _at(f, 0, 0.735, 0), chest * 0.98 + loose, chest + loose,
          top.cloth, scale=flat, zone=TRUNK)  # fmt: skip
    middle = belly * g**0.5 + loose
    f.add(_at(f, 0, 0.585, 0.004 + big), _at(f, 0, 0.665, 0.004 + big * 0.5), middle,
          chest * 0.95 + loose, top.cloth, scale=flat, zone=TRUNK)  # fmt: skip
    f.add(_at(f, 0, 0.548, -0.006), _at(f, 0, 0.59, 0.0), 0.080 * hips * g**0.4 + 0.6 * loose,
          middle, top.cloth, scale=(1.0, 0.85, depth + 0.06), zone=TRUNK)  # fmt: skip
    half = 0.068 * wide
    f.add(_at(f, half, 0.772, -0.002), _at(f, -half, 0.772, -0.002), 0.041 + 0.7 * loose,
          0.041 + 0.7 * loose, top.cloth, zone=TRUNK)  # fmt: skip
    neckline = p.skin if top.kind in ("tshirt", "sleeveless", "dress") else top.cloth
    for side in (1.0, -1.0):
        f.add(_at(f, 0.012 * side, 0.815, -0.006), _at(f, 0.075 * side, 0.79, -0.004), 0.030,
              0.028 + 0.5 * loose, top.cloth, zone=TRUNK)  # fmt: skip
    if p.shape.bust:
        front = 0.022 + p.shape.bust
        f.add(_at(f, 0.034, 0.718, front), _at(f, -0.034, 0.718, front), 0.040, 0.040,
              top.cloth, scale=(1.0, 1.0, 0.9), zone=TRUNK)  # fmt: skip
    f.add(_at(f, 0, 0.80, 0.002), _at(f, 0, 0.865, 0.008), 0.036, 0.032, neckline, second=p.skin,
          change=0.35)  # fmt: skip


def _tail(f: Figure, cloth: Cloth, start: float, hem: float, flare: float, loose: float) -> None:
    """What hangs from the waist to the height `hem`, around the thighs as they swing."""
    shape, points = f.person.shape, f.points
    reach = [0.055 * shape.girth**0.5 + loose]
    for side in ("left", "right"):
        hip, knee, ankle = (points[f"{side}_{joint}"] for joint in ("hip", "knee", "ankle"))
        for s in (0.3, 0.6, 0.9, 1.0):
            at = hip + (knee - hip) * s
            if at[1] > hem * shape.height:
                reach.append(abs(float(at[2])) / shape.height + 0.042 * shape.girth**0.5)
        if ankle[1] + 0.1 < hem * shape.height < knee[1]:
            at = ankle + (knee - ankle) * 0.6
            reach.append(abs(float(at[2])) / shape.height + 0.03)
    hips = 0.088 * shape.hips * shape.girth**0.4 + loose
    wide = hips + flare
    deep = max(max(reach) + loose, wide * 0.72)
    ratio = deep / wide
    waist = _at(f, 0, start, 0)
    # A yoke round the hips, then the part that follows the legs.
    hip = _at(f, 0, max(hem + 0.02, 0.47), -0.004)
    f.add(waist, hip, 0.068 * shape.girth**0.5 + loose, hips + 0.25 * flare, cloth,
          scale=(1.0, 1.0, 0.80), open_end=True, zone=TAIL)  # fmt: skip
    upper = min(hips, 0.072 / ratio + loose)
    end = np.array([0.0, points["pelvis"][1] + (hem - 0.53) * shape.height, 0.0])
    f.add(waist * 0.3 + hip * 0.7, end, upper, wide, cloth, scale=(1.0, 1.0, ratio),
          open_end=True, zone=TAIL)  # fmt: skip


def _legs(f: Figure) -> None:
    p, bottom = f.person, f.person.bottom
    g = p.shape.girth**0.5
    trousers = bottom.kind == "trousers"
    loose = max(0.0, bottom.width - 0.026) * 0.5 if trousers else 0.0
    cover = bottom.cloth if trousers else bottom.legs
    h = p.shape.height
    for side in ("left", "right"):
        hip, knee, ankle, heel, toe = (f.points[f"{side}_{joint}"] for joint in
                                       ("hip", "knee", "ankle", "heel", "toe"))  # fmt: skip
        thigh = 0.050 * g + 0.4 * loose
        # Under a skirt the thigh's upper part would only show where the cloth is too narrow.
        start = hip if bottom.kind in ("trousers", "shorts") else hip + (knee - hip) * 0.45
        f.add(start, knee, thigh if start is hip else 0.040 * g, 0.033 * g + loose, cover,
              zone=LEG)  # fmt: skip
        shoe = p.shoes if p.boots and not trousers else cover
        calf = knee + (ankle - knee) * 0.30
        f.add(knee, calf, 0.033 * g + loose, 0.032 * g + loose, cover, zone=LEG,
              origin=0.245 * h)  # fmt: skip
        lower = bottom.width if trousers else 0.020 * g
        end = ankle + (ankle - knee) * (0.05 if trousers else 0.0)
        f.add(calf, end, 0.032 * g + loose, lower, cover, open_end=trousers, zone=LEG,
              second=shoe, change=0.25, origin=0.32 * h)  # fmt: skip
        if trousers:
            f.add(calf, ankle, 0.026, 0.018, p.shoes)
        if bottom.kind == "shorts":
            f.add(hip, hip + (knee - hip) * bottom.hem, thigh + 0.006, thigh + 0.008, bottom.cloth,
                  open_end=True, zone=LEG)  # fmt: skip
        forward = (toe - heel) / np.linalg.norm(toe - heel)
        flat = float(np.hypot(forward[0], forward[2]))
        left = np.array([forward[2] / flat, 0.0, -forward[0] / flat])
        up = np.array([forward[1] * left[2], forward[2] * left[0] - forward[0] * left[2],
                       -forward[1] * left[0]])  # fmt: skip
        frame = np.stack([left, up, forward], axis=1)
        f.add(heel + 0.012 * h * frame[:, 1], toe, 0.026, 0.021, p.shoes, scale=(1.0, 0.8, 1.0),
              frame=frame, zone=FOOT)  # fmt: skip


def _arms(f: Figure) -> None:
    p, top = f.person, f.person.top
    g = 0.6 + 0.4 * p.shape.girth
    loose = top.loose
    for side in ("left", "right"):
        shoulder, elbow, wrist, hand = (f.points[f"{side}_{joint}"] for joint in
                                        ("shoulder", "elbow", "wrist", "hand"))  # fmt: skip
        upper = top.sleeves if top.sleeve == 2 else p.skin
        wear = loose if top.sleeve == 2 else 0.0
        cap = top.sleeves if top.sleeve else p.skin
        f.add(shoulder, elbow, 0.031 * g + 0.5 * wear, 0.024 * g + wear, cap, second=upper,
              change=0.02)  # fmt: skip
        if top.sleeve == 1:
            f.add(shoulder, shoulder + (elbow - shoulder) * 0.78, 0.032 * g + 0.6 * loose,
                  0.033 * g + loose, top.sleeves, open_end=True)  # fmt: skip
        f.add(elbow, wrist, 0.024 * g + wear, 0.017 * g + wear, upper, second=p.skin,
              change=0.97, origin=0.17 * p.shape.height)  # fmt: skip
        f.add(wrist, hand, 0.016, 0.019, p.skin, scale=(0.7, 1.0, 1.0))


def _head(f: Figure) -> None:
    p, hair = f.person, f.person.hair
    h, centre, turn = p.shape.height, f.points["head"], f.head

    def at(x: float, y: float, z: float) -> Point:
        out: Point = centre + h * (turn @ np.array([x, y, z]))
        return out

    f.add(at(0, 0.002, 0), at(0, 0.002, 0), 0.061, 0.061, p.skin, scale=(0.82, 1.06, 0.98),
          frame=turn, zone=HEAD)  # fmt: skip
    f.add(at(0, -0.014, 0.010), at(0, -0.046, 0.026), 0.045, 0.027, p.skin, scale=(0.95, 1.0, 1.0),
          frame=turn, zone=HEAD, second=hair.cloth if hair.beard else None, change=0.5)  # fmt: skip
    f.add(at(0, 0.004, 0.056), at(0, -0.012, 0.062), 0.006, 0.011, p.skin)
    for side in (1.0, -1.0):
        f.add(at(0.049 * side, 0.008, -0.004), at(0.049 * side, -0.014, -0.002), 0.013, 0.009,
              p.skin, scale=(0.5, 1.0, 0.8), frame=turn)  # fmt: skip
    _hair(f, at)
    if hair.hat != "none":
        big = 0.07 if hair.style in ("bald", "short") else 0.073
        f.add(at(0, 0.022, -0.008), at(0, 0.022, -0.008), big, big, hair.hat_cloth,
              scale=(0.88, 0.78 if hair.hat != "beanie" else 0.9, 1.0), frame=turn)  # fmt: skip
    if hair.hat == "cap":
        f.add(at(0, 0.030, 0.045), at(0, 0.018, 0.100), 0.042, 0.036, hair.hat_cloth,
              scale=(1.0, 0.16, 1.0), frame=turn @ rotation_x(0.15))  # fmt: skip
    if hair.hat == "hat":
        f.add(at(0, 0.026, -0.004), at(0, 0.026, -0.004), 0.112, 0.112, hair.hat_cloth,
              scale=(0.95, 0.09, 1.0), frame=turn)  # fmt: skip


def _hair(f: Figure, point: Callable[[float, float, float], Point]) -> None:
    hair = f.person.hair
    style, cloth, turn = hair.style, hair.cloth, f.head
    if style == "bald":
        return
    size = {"short": 0.0635, "full": 0.070, "afro": 0.094}.get(style, 0.0675)
    middle = point(0, 0.022 if style == "afro" else 0.013, -0.022 if style == "afro" else -0.012)
    f.add(middle, middle, size, size, cloth, scale=(0.86, 1.0, 1.0), frame=turn)
    if style == "bob":
        f.add(point(0, 0.0, -0.022), point(0, -0.068, -0.022), 0.064, 0.056, cloth,
              scale=(1.0, 1.0, 0.8), frame=turn)  # fmt: skip
    if style == "long":
        end = point(0, -0.16, -0.055)
        end[2] = min(end[2], f.points["neck"][2] - 0.05 * f.person.shape.height)
        f.add(point(0, -0.01, -0.026), end, 0.058, 0.046, cloth, scale=(1.05, 1.0, 0.62),
              frame=turn)  # fmt: skip
    if style == "ponytail":
        f.add(point(0, 0.012, -0.075), point(0, -0.11, -0.098), 0.022, 0.014, cloth)
    if style == "bun":
        f.add(point(0, 0.045, -0.060), point(0, 0.045, -0.060), 0.031, 0.031, cloth)


def _bag(f: Figure) -> None:
    p, bag = f.person, f.person.bag
    size, side = bag.size, bag.side
    back = 0.060 + p.top.loose + 0.02 * (p.shape.girth - 1)
    if bag.kind == "backpack":
        f.add(_at(f, 0, 0.635, -back - 0.035), _at(f, 0, 0.735, -back - 0.025), 0.078 * size,
              0.066 * size, bag.cloth, scale=(1.0, 0.9, 0.72))  # fmt: skip
    elif bag.kind in ("cross", "shoulder"):
        out = (0.115 + p.top.loose) * (0.6 + 0.4 * p.shape.hips * p.shape.girth**0.4)
        high = 0.50 if bag.kind == "cross" else 0.535
        f.add(_at(f, out * side, high, 0.02), _at(f, out * side, high, -0.035), 0.056 * size,
              0.056 * size, bag.cloth, scale=(0.42, 1.0, 1.0))  # fmt: skip
    elif bag.kind == "hand":
        name = "left" if side > 0 else "right"
        below = f.points[f"{name}_hand"] - np.array([0.0, 0.085 * p.shape.height * size, 0.0])
        along = np.array([0.0, 0.0, 0.03 * p.shape.height])
        f.add(below - along, below + along, 0.060 * size, 0.060 * size, bag.cloth,
              scale=(0.42, 1.0, 0.9))  # fmt: skip


def dress(person: Person, pose: Pose) -> Figure:
    """Builds the figure: trunk, head, limbs, garments, bag."""
    points, head = skeleton(person.shape, pose)
    f = Figure(person, points, head)
    _trunk(f)
    _head(f)
    _legs(f)
    _arms(f)
    top, bottom = person.top, person.bottom
    flare = {"coat": 0.012, "dress": 0.03}.get(top.kind, 0.004)
    if bottom.kind == "skirt":
        _tail(f, bottom.cloth, 0.60, bottom.hem, 0.02, 0.004)
    if not person.tucked:
        _tail(f, top.cloth, 0.62, top.hem, flare, top.loose + 0.006 * (bottom.kind == "skirt"))
    if top.kind == "hoodie":
        f.add(_at(f, 0.03, 0.825, -0.045), _at(f, -0.03, 0.825, -0.045), 0.038, 0.038, top.cloth,
              scale=(1.0, 1.0, 0.8))  # fmt: skip
    _bag(f)
    return f


def placed(figure: Figure, rotation: Matrix, origin: NDArray[np.float64]) -> Cones:
    """The figure's cones in camera coordinates: p = rotation @ body + origin."""
    a = np.array([end[0] for end in figure.ends]) @ rotation.T + origin
    b = np.array([end[1] for end in figure.ends]) @ rotation.T + origin
    frames = rotation @ np.array(figure.frames)
    scales = np.array(figure.scales)
    transposed = frames.transpose(0, 2, 1)
    metric = (frames / scales[:, None, :] ** 2) @ transposed
    reach = np.sqrt(np.einsum("pij,pj->pi", frames**2, scales**2))
    return Cones(
        a,
        b,
        np.array([end[2] for end in figure.ends]),
        np.array([end[3] for end in figure.ends]),
        metric,
        reach,
        np.array(figure.open_end),
    )
