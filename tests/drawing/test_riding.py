"""Bicycles of version 2 and who rides them."""

import dataclasses

import numpy as np
import pytest

from passerby.drawing import Factors, solid
from passerby.drawing.camera import draw_camera
from passerby.drawing.figure import VEHICLE
from passerby.drawing.people import draw_person
from passerby.drawing.placing import draw_view, place
from passerby.drawing.riding import WHEEL, bicycle, seated
from passerby.randomness import keyed


def _rider(seed, cycles="rides"):
    person = dataclasses.replace(draw_person(keyed(seed, 2)), cycles=cycles, umbrella=None)
    view = draw_view(person, 1.2, 0.0, 6.0, False, keyed(seed, 3))
    return place(draw_camera(keyed(seed, 1), Factors(viewpoints=False)), person, view)


@pytest.mark.parametrize("seed", range(6))
def test_limbs_keep_their_length_and_knees_bend_to_the_front(seed):
    person = _rider(seed).figure.person
    for k in range(8):
        pose = draw_view(person, 0.0, 0.0, 6.0, False, keyed(seed, 9, k)).pose
        points, _ = seated(person.shape, pose)
        h = person.shape.height
        for side in ("left", "right"):
            hip, knee, ankle = (points[f"{side}_{j}"] for j in ("hip", "knee", "ankle"))
            assert np.linalg.norm(knee - hip) == pytest.approx(
                0.245 * h * person.shape.legs, rel=0.01
            )
            assert np.linalg.norm(ankle - knee) == pytest.approx(
                0.242 * h * person.shape.legs, rel=0.01
            )
            share = (hip[1] - knee[1]) / (hip[1] - ankle[1])
            assert knee[2] > hip[2] + share * (ankle[2] - hip[2]) - 1e-6
            assert points[f"{side}_toe"][1] > 0
            shoulder, wrist = points[f"{side}_shoulder"], points[f"{side}_wrist"]
            assert wrist[2] > shoulder[2]


def test_wheels_stand_on_the_ground():
    parts = bicycle((0.2, 0.2, 0.2), True, 0.1)
    lowest = min(min(a[1], b[1]) - r for a, b, r, _ in parts)
    assert lowest == pytest.approx(0, abs=0.03)
    assert max(max(a[1], b[1]) for a, b, _, _ in parts) < 1.2
    assert max(a[2] for a, *_ in parts) - min(a[2] for a, *_ in parts) > 1.5 * 2 * WHEEL


@pytest.mark.parametrize("cycles", ["rides", "pushes"])
def test_mask_is_the_person_without_the_bicycle(cycles):
    target = _rider(4, cycles)
    left, top, right, bottom = target.box()
    xs = np.linspace(left - 0.1, right + 0.1, 80, dtype=np.float32)
    ys = np.linspace(top, bottom + 0.1, 120, dtype=np.float32)
    sun = np.array([0, 1, 0], np.float32)
    surface = target.trace(xs, ys, sun)
    bare = target.cones[target.cones[:, solid.GROUP] != VEHICLE]
    alone = dataclasses.replace(target, cones=bare).trace(xs, ys, sun)
    mask = target.person(surface)
    assert (surface.where & ~mask).any()
    # The bicycle hides some of the person, and adds nothing to the mask.
    assert (mask & ~alone.where).mean() < 0.002
    assert mask.sum() > 0.6 * alone.where.sum()
