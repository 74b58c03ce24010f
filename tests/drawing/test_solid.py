"""Figures of version 2: what the rays meet, against points that lie in the cones."""

import numpy as np
import pytest

from passerby.drawing import Factors, solid
from passerby.drawing.camera import draw_camera
from passerby.drawing.people import draw_person
from passerby.drawing.placing import draw_view, joints_of, place
from passerby.randomness import keyed
from passerby.types import JOINT_NAMES

UP = np.array([0, 1, 0], np.float32)


def _placed(seed, heading, **factors):
    camera = draw_camera(keyed(seed, 1), Factors(**factors))
    person = draw_person(keyed(seed, 2))
    view = draw_view(person, heading, 0.3, 6.0, False, keyed(seed, 3))
    return place(camera, person, view)


def _rays(box, size):
    xs = box[0] + (np.arange(size[1]) + 0.5) * (box[2] - box[0]) / size[1]
    ys = box[1] + (np.arange(size[0]) + 0.5) * (box[3] - box[1]) / size[0]
    return xs.astype(np.float32), ys.astype(np.float32)


def _inside(cone, draw, count):
    """Points in one cone, by its definition: balls along the axis, flattened by its frame."""
    a, b, (ra, rb) = cone[0:3], cone[3:6], cone[6:8]
    ball = draw.normal(size=(count, 3))
    ball *= draw.random((count, 1)) ** (1 / 3) / np.linalg.norm(ball, axis=1, keepdims=True)
    s = draw.random((count, 1))
    if cone[solid.CUT]:
        axis = (b - a) / np.linalg.norm(b - a)
        ball -= np.outer(ball @ axis, axis) if not cone[solid.SCALED] else 0
    if cone[solid.SCALED]:
        frame = cone[17:26].reshape(3, 3)
        ball = (ball / cone[26:29]) @ frame
    points = a + s * (b - a) + (ra + s * (rb - ra)) * ball
    if cone[solid.CUT]:
        along = (points - a) @ (b - a) / ((b - a) @ (b - a))
        points = points[along < 0.97]
    return points


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_mask_holds_all_that_lies_in_the_cones_and_little_more(seed):
    target = _placed(seed, seed * 1.7)
    left, top, right, bottom = target.box()
    wide, tall = 0.15 * (right - left), 0.1 * (bottom - top)
    box = (left - wide, top - tall, right + wide, bottom + tall)
    size = (160, 100)
    mask = target.trace(*_rays(box, size), UP).where
    draw, hit = keyed(seed, 5), np.zeros(size, bool)
    for cone in target.cones.astype(np.float64):
        points = _inside(cone, draw, 20000) @ target.axes.T + target.origin
        x = (points[:, 0] / points[:, 2] - box[0]) / (box[2] - box[0]) * size[1]
        y = (points[:, 1] / points[:, 2] - box[1]) / (box[3] - box[1]) * size[0]
        fits = (x >= 0) & (x < size[1]) & (y >= 0) & (y < size[0])
        hit[y[fits].astype(int), x[fits].astype(int)] = True
    grown = np.zeros_like(mask)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            grown |= np.roll(mask, (dy, dx), (0, 1))
    assert (hit & ~grown).mean() < 0.002
    # Between cones of a group there is a little more: they flow into each other.
    assert (mask & hit).sum() / mask.sum() > 0.88


@pytest.mark.parametrize("seed", [1, 5])
def test_depth_lies_on_the_surface_and_normals_turn_to_the_camera(seed):
    target = _placed(seed, 2.0)
    xs, ys = _rays(target.box(), (120, 60))
    surface = target.trace(xs, ys, UP)
    rows, columns = np.nonzero(surface.where)
    t = surface.depth[rows, columns]
    points = np.stack([t * xs[columns], t * ys[rows], t], 1)
    body = (points - target.origin) @ target.axes
    cones = target.cones.astype(np.float64)
    for at, which in list(zip(body, surface.cone[rows, columns], strict=True))[::97]:
        cone = cones[which]
        if cone[solid.SCALED]:
            continue
        a, u = cone[0:3], cone[3:6] - cone[0:3]
        s = np.clip((at - a) @ u / (u @ u), 0, 1)
        gap = np.linalg.norm(at - a - s * u) - cone[6] - s * (cone[7] - cone[6])
        assert -0.01 < gap < 0.03
    seen = surface.normal[rows, columns] @ target.axes.T
    assert np.linalg.norm(seen, axis=1) == pytest.approx(1, abs=1e-3)
    towards = -(points / np.linalg.norm(points, axis=1, keepdims=True) * seen).sum(1)
    assert np.quantile(towards, 0.02) > -0.05


def test_box_just_holds_the_person():
    for seed in range(5):
        target = _placed(seed, seed * 1.3)
        left, top, right, bottom = target.box()
        w, h = right - left, bottom - top
        wide = (left - w, top - h, right + w, bottom + h)
        xs, ys = _rays(wide, (600, 400))
        extra = target.figure.person.umbrella is not None
        rows, columns = np.nonzero(target.trace(xs, ys, UP).where)
        step = (bottom - top) / 56
        if not extra:
            assert (xs[columns.min()], ys[rows.min()]) == pytest.approx((left, top), abs=1.5 * step)
            assert (xs[columns.max()], ys[rows.max()]) == pytest.approx(
                (right, bottom), abs=1.5 * step
            )


def test_front_back_and_sides_differ_in_the_joints_that_are_seen():
    named = {}
    for name, heading in (("back", 0.0), ("front", np.pi), ("left", -np.pi / 2)):
        target = _placed(3, heading, viewpoints=False)
        box = target.box()
        surface = target.trace(*_rays(box, (256, 128)), UP)
        covered = np.zeros((256, 128), bool)
        joints = joints_of(target, surface, covered, box, (256, 128))
        named[name] = dict(zip(JOINT_NAMES, joints, strict=True))
        hidden = joints_of(target, surface, ~covered, box, (256, 128))
        assert set(hidden[:, 2].tolist()) <= {0.0, np.float32(0.3)}
    assert named["front"]["nose"][2] == 1
    assert named["back"]["nose"][2] == pytest.approx(0.3)
    # Facing the camera, the person's left is on the picture's right; walking away, on its left.
    assert named["front"]["left_shoulder"][0] > named["front"]["right_shoulder"][0] + 10
    assert named["back"]["left_shoulder"][0] < named["back"]["right_shoulder"][0] - 10
    assert named["left"]["nose"][0] < named["left"]["neck"][0]


def test_light_is_kept_off_by_the_body_itself():
    """Lit from behind, a front that looks at the camera gets no sun; lit from the camera, most."""
    target = _placed(2, np.pi, viewpoints=False)
    xs, ys = _rays(target.box(), (120, 60))
    behind, before = (target.trace(xs, ys, np.array([0, 0, z], np.float32)) for z in (-1, 1))
    facing = before.normal[..., 2] > 0.5
    assert (before.lit[facing & before.where]).mean() > 0.6
    shaded = behind.where & (behind.normal[..., 2] < -0.2)
    assert shaded.mean() < 0.05
