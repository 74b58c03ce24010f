"""From a person and a pose to cones, each with the cloths that it shows."""

from __future__ import annotations

import numpy as np

from passerby.drawing.body import Point, Pose, skeleton
from passerby.drawing.carried import put_bags, put_bicycle
from passerby.drawing.cloths import Cloth
from passerby.drawing.figure import (
    ABOVE,
    ARM,
    BELOW,
    FOOT,
    LEG,
    LEGS,
    ROUND,
    SHOES,
    SKIN,
    TAIL,
    TROUSERS,
    TRUNK,
    Figure,
)
from passerby.drawing.heads import put_head
from passerby.drawing.people import Person
from passerby.drawing.riding import seated


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


def dress(person: Person, pose: Pose) -> Figure:
    """Builds the figure: trunk, head, limbs, garments, what is carried."""
    body = seated if person.cycles == "rides" else skeleton
    points, head = body(person.shape, pose)
    f = Figure(person, points, head)
    outfit = person.outfit
    _trunk(f)
    put_head(f)
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
        put_bags(f)
    else:
        put_bicycle(f)
    return f
