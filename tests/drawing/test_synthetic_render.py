import numpy as np
import pytest

from passerby.drawing.v1.appearance import draw_person
from passerby.drawing.v1.camera import draw_camera
from passerby.drawing.v1.dress import dress, placed
from passerby.drawing.v1.picture import Flaws, draw_picture, rays
from passerby.drawing.v1.placing import draw_view, place
from passerby.drawing.v1.render import Cones, cast, extents, normals
from passerby.drawing.v1.scene import draw_scene
from passerby.randomness import keyed
from passerby.types import JOINT_NAMES


def _random_cones(draw, count, squashed):
    a = draw.uniform([-0.6, -0.9, 5.0], [0.6, 0.9, 6.0], (count, 3))
    b = a + draw.normal(0, 0.3, (count, 3))
    ra, rb = draw.uniform(0.05, 0.25, (2, count))
    frames = np.linalg.qr(draw.normal(size=(count, 3, 3)))[0]
    scale = draw.uniform(0.5, 1.3, (count, 3)) if squashed else np.ones((count, 3))
    metric = np.einsum("pij,pj,pkj->pik", frames, 1 / scale**2, frames)
    reach = np.sqrt(np.einsum("pij,pj->pi", frames**2, scale**2))
    return Cones(a, b, ra, rb, metric, reach, np.zeros(count, bool))


def _spheres_hit(cones, d, steps=4001):
    """First z at which the ray d meets one of many spheres strung along each cone."""
    first = np.inf
    for a, b, ra, rb, g in zip(cones.a, cones.b, cones.ra, cones.rb, cones.metric, strict=True):
        s = np.linspace(0, 1, steps)[:, None]
        centre, radius = a + s * (b - a), (ra + s[:, 0] * (rb - ra))
        dgd, dgc = d @ g @ d, centre @ g @ d
        under = dgc**2 - dgd * (np.einsum("ni,ij,nj->n", centre, g, centre) - radius**2)
        t = (dgc[under > 0] - np.sqrt(under[under > 0])) / dgd
        first = min(first, t.min(initial=np.inf))
    return first


@pytest.mark.parametrize("squashed", [False, True])
def test_cast_finds_what_dense_spheres_find(squashed):
    cones = _random_cones(keyed(3, int(squashed)), 6, squashed)
    xs = np.linspace(-0.25, 0.25, 23).astype(np.float32)
    ys = np.linspace(-0.3, 0.3, 29).astype(np.float32)
    found = cast(cones, xs, ys)
    assert 0.05 < np.isfinite(found.depth).mean() < 0.9
    for row, y in enumerate(ys):
        for column, x in enumerate(xs):
            wanted = _spheres_hit(cones, np.array([x, y, 1.0], np.float64))
            got = found.depth[row, column]
            if np.isfinite(wanted) and np.isfinite(got):
                assert got == pytest.approx(wanted, abs=2e-3)
            else:
                # Only rays that graze may differ.
                assert np.isfinite(wanted) == np.isfinite(got) or _grazes(cones, x, y)


def _grazes(cones, x, y, off=2e-4):
    near = [np.isfinite(_spheres_hit(cones, np.array([x + dx, y + dy, 1.0])))
            for dx in (-off, off) for dy in (-off, off)]  # fmt: skip
    return any(near) and not all(near)


def test_normals_are_those_of_the_depth():
    cones = _random_cones(keyed(5), 1, True)
    box = extents(cones)[0]
    xs, ys = rays(tuple(box), (120, 120))
    found = cast(cones, xs, ys)
    rows, columns = np.nonzero(found.cone >= 0)
    t = found.depth[rows, columns]
    points = np.stack([t * xs[columns], t * ys[rows], t])
    n = normals(cones, found, rows, columns, points)
    full = np.full((3, *found.depth.shape), np.nan)
    place_of = np.full((3, *found.depth.shape), np.nan)
    full[:, rows, columns], place_of[:, rows, columns] = n, points
    right, down = np.gradient(place_of, axis=2), np.gradient(place_of, axis=1)
    wanted = np.cross(down, right, axis=0)
    wanted /= np.linalg.norm(wanted, axis=0)
    facing = -full[2] > 0.4
    agree = (wanted * full).sum(axis=0)[facing]
    assert np.nanpercentile(agree, 5) > 0.99


def _figure(seed, heading):
    camera = draw_camera(keyed(seed, 1), 0)
    person = draw_person(keyed(seed, 2))
    view = draw_view(camera, person, heading, 0.3, 6.0, False, keyed(seed, 3))
    return camera, place(camera, person, view)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_mask_is_the_silhouette_of_points_inside_the_cones(seed):
    camera, target = _figure(seed, seed * 1.7)
    left, top, right, bottom = target.box
    box = (left - 0.02, top - 0.02, right + 0.02, bottom + 0.02)
    scene = draw_scene(camera, 0, keyed(seed, 4))
    drawn = draw_picture(camera, scene, target, [], box, (128, 64), Flaws(0, 0, 0, 0, 0), keyed(9))
    cones = target.cones
    draw = keyed(seed, 5)
    hit = np.zeros((128, 64), bool)
    for a, b, ra, rb, g, is_open in zip(cones.a, cones.b, cones.ra, cones.rb, cones.metric,
                                        cones.open_end, strict=True):  # fmt: skip
        s = draw.random((20000, 1)) * (0.97 if is_open else 1.0)
        ball = draw.normal(size=(20000, 3))
        ball /= np.linalg.norm(ball, axis=1, keepdims=True)
        inside = ball @ np.linalg.inv(np.linalg.cholesky(g))
        # Open cones end with their side, not with a ball.
        if is_open:
            inside -= np.outer(inside @ (b - a), b - a) / ((b - a) @ (b - a))
            s = np.clip(s, 0.05, 0.97)
        points = a + s * (b - a) + (ra + s * (rb - ra)) * inside * draw.random((20000, 1)) ** 0.2
        x = (points[:, 0] / points[:, 2] - box[0]) / (box[2] - box[0]) * 64
        y = (points[:, 1] / points[:, 2] - box[1]) / (box[3] - box[1]) * 128
        hit[y.astype(int), x.astype(int)] = True
    mask = drawn.mask == 255
    assert set(np.unique(drawn.mask)) == {0, 255}
    both = (mask & hit).sum() / (mask | hit).sum()
    assert both > 0.90
    # What differs lies on the outline.
    grown = mask.copy()
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            grown |= np.roll(mask, (dy, dx), (0, 1))
    assert (hit & ~grown).mean() < 0.002


@pytest.mark.parametrize("seed", range(6))
def test_joints_that_are_seen_lie_in_the_mask(seed):
    camera, target = _figure(seed, seed * 1.1)
    left, top, right, bottom = target.box
    scene = draw_scene(camera, 0, keyed(seed, 4))
    drawn = draw_picture(camera, scene, target, [], (left, top, right, bottom), (256, 128),
                         Flaws(0, 0, 0, 0, 0), keyed(9))  # fmt: skip
    assert (drawn.joints[:, 2] > 0).all()
    mask = np.pad(drawn.mask, 2)
    for x, y, confidence in drawn.joints:
        if confidence == 1:
            row, column = round(float(y)) + 2, round(float(x)) + 2
            assert mask[row - 2 : row + 3, column - 2 : column + 3].any()


def test_front_back_and_sides_differ_in_the_joints_that_are_seen():
    named = {}
    for name, heading in (("back", 0.0), ("front", np.pi), ("left", -np.pi / 2)):
        camera, target = _figure(2, heading)
        scene = draw_scene(camera, 0, keyed(2, 4))
        drawn = draw_picture(camera, scene, target, [], target.box, (256, 128),
                             Flaws(0, 0, 0, 0, 0), keyed(9))  # fmt: skip
        named[name] = dict(zip(JOINT_NAMES, drawn.joints, strict=True))
    assert named["front"]["nose"][2] == 1
    assert named["back"]["nose"][2] == pytest.approx(0.3)
    # Facing the camera, the person's left is on the picture's right; walking away, on its left.
    assert named["front"]["left_shoulder"][0] > named["front"]["right_shoulder"][0] + 10
    assert named["back"]["left_shoulder"][0] < named["back"]["right_shoulder"][0] - 10
    assert named["left"]["nose"][0] < named["left"]["neck"][0]


def test_knees_bend_backwards_and_arms_swing_against_the_legs():
    person = draw_person(keyed(1, 2))
    camera = draw_camera(keyed(1, 1), 0)
    for k in range(40):
        view = draw_view(camera, person, 0.0, 0.0, 6.0, False, keyed(2, k))
        points = dress(person, view.pose).points
        for side in ("left", "right"):
            hip, knee, ankle = (points[f"{side}_{j}"] for j in ("hip", "knee", "ankle"))
            share = (hip[1] - knee[1]) / (hip[1] - ankle[1])
            assert knee[2] > hip[2] + share * (ankle[2] - hip[2]) - 1e-9
            assert points[f"{side}_toe"][2] > points[f"{side}_heel"][2]
        legs = points["left_knee"][2] - points["right_knee"][2]
        arms = points["left_elbow"][2] - points["right_elbow"][2]
        if abs(legs) > 0.1 and person.bag.kind != "hand":
            assert legs * arms < 0.05
        soles = [
            points[f"{side}_{end}"][1] for side in ("left", "right") for end in ("heel", "toe")
        ]
        assert 0 < min(soles) < 0.05


def test_placed_moves_the_figure_rigidly():
    person = draw_person(keyed(1, 2))
    camera, target = _figure(1, 0.4)
    figure = dress(person, target.view.pose)
    still = placed(figure, np.eye(3), np.zeros(3))
    moved = placed(figure, target.axes, target.origin)
    between = np.linalg.norm(still.a[:, None] - still.b[None], axis=2)
    np.testing.assert_allclose(
        np.linalg.norm(moved.a[:, None] - moved.b[None], axis=2), between, atol=1e-12
    )
    assert camera.see(np.array([0.3, 0.0, 6.0])) == pytest.approx(target.origin)
