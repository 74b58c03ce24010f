import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from passerby.cues.parts import (
    PART_JOINTS,
    REGION_NAMES,
    canonical_poses,
    cut_regions,
    fill_in,
    find_regions,
    regions_by_formula,
    strips,
)
from passerby.data.transforms import flip
from passerby.types import JOINT_NAMES, InputError, Picture

POSES = Path(__file__).parents[2] / "../shared/data/pku_reid/poses.json"


def standing():
    """A person in a picture of 120 x 60 (height x width), joint by joint."""
    at = {
        "nose": (30, 16), "neck": (30, 26), "right_shoulder": (22, 28), "right_elbow": (18, 42),
        "right_wrist": (17, 56), "left_shoulder": (38, 28), "left_elbow": (42, 42),
        "left_wrist": (43, 58), "right_hip": (25, 60), "right_knee": (24, 82),
        "right_ankle": (23, 100), "left_hip": (35, 61), "left_knee": (36, 84),
        "left_ankle": (38, 103), "right_eye": (28, 14), "left_eye": (32, 14),
        "right_ear": (26, 15), "left_ear": (34, 15),
    }  # fmt: skip
    return np.array([(*at[name], 0.9) for name in JOINT_NAMES], np.float32)


def by_hand(joints, beta):
    """Equations 1 and 2, name by name."""
    at = {name: joints[k] for k, name in enumerate(JOINT_NAMES)}
    pairs = {
        end: [at[f"{side}_{end}"] for side in ("left", "right")]
        for end in ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    }
    p1 = [at["nose"], at["neck"], *pairs["eye"], *pairs["ear"]]
    p2 = [at["neck"], *(p for e in ("shoulder", "elbow", "wrist", "hip") for p in pairs[e])]
    p3 = [*pairs["hip"], *pairs["knee"]]
    p4 = [*pairs["knee"], *pairs["ankle"]]
    y = [[float(p[1]) for p in part] for part in (p1, p2, p3, p4)]
    top = 2 * min(y[0]) - max(y[0])
    bottom = 4 / 3 * max(y[3]) - 1 / 3 * min(y[3])
    h = bottom - top
    xs = [float(p[0]) for p in joints]
    x_c = sum(xs) / 18
    x_l, x_r = min(x_c - h / 4, min(xs)), max(x_c + h / 4, max(xs))
    return [
        [x_l, top, x_r, bottom],
        [x_l, top, x_r, max(y[0]) + beta * h],
        [x_l, min(y[1]) - beta * h, x_r, max(y[1]) + beta * h],
        [x_l, min(y[2]) - beta * h, x_r, max(y[2]) + beta * h],
        [x_l, min(y[3]) - beta * h, x_r, bottom],
    ]


def test_the_joints_of_each_part():
    named = {part: {JOINT_NAMES[k] for k in indices} for part, indices in PART_JOINTS.items()}
    assert named["head"] == {"nose", "neck", "right_eye", "left_eye", "right_ear", "left_ear"}
    assert named["upper_leg"] == {"right_hip", "left_hip", "right_knee", "left_knee"}
    assert named["lower_leg"] == {"right_knee", "left_knee", "right_ankle", "left_ankle"}
    assert len(named["upper_body"]) == 9


def test_the_regions_of_one_person_in_numbers():
    # top 2*14 - 26 = 2; bottom 4/3*103 - 82/3 = 110; H = 108, so H/4 = 27 and H/12 = 9.
    found = regions_by_formula(standing(), beta=1 / 12)
    x_c = standing()[:, 0].mean()
    assert found[0].tolist() == pytest.approx([x_c - 27, 2, x_c + 27, 110])
    assert found[1, 1:].tolist() == pytest.approx([2, x_c + 27, 35])
    assert found[2, [1, 3]].tolist() == pytest.approx([17, 70])
    assert found[3, [1, 3]].tolist() == pytest.approx([51, 93])
    assert found[4, [1, 3]].tolist() == pytest.approx([73, 110])


@pytest.mark.parametrize("beta", [0, 1 / 16, 5 / 48])
def test_the_regions_of_random_joints(beta):
    rng = np.random.default_rng(0)
    for _ in range(20):
        joints = standing() + rng.normal(0, 4, (18, 3))
        joints[:, 0] += 30 * rng.random()
        np.testing.assert_allclose(regions_by_formula(joints, beta), by_hand(joints, beta))


def test_wide_arms_widen_the_regions():
    joints = standing()
    joints[JOINT_NAMES.index("right_wrist"), 0] = -40
    found = regions_by_formula(joints, 0.1)
    assert (found[:, 0] == -40).all()


def test_regions_count_in_pixel_edges():
    found = find_regions(120, 60, standing(), beta=1 / 12)
    assert found.source == "joints"
    np.testing.assert_allclose(found.boxes, regions_by_formula(standing(), 1 / 12) + 0.5)


def test_regions_may_leave_the_picture_or_are_clipped():
    joints = standing()
    joints[:, 1] -= 10
    padded = find_regions(95, 60, joints)
    clipped = find_regions(95, 60, joints, outside="clip")
    assert padded.boxes[0, 1] < 0
    assert padded.boxes[0, 3] > 95
    expected = padded.boxes.clip(0, [60, 95, 60, 95])
    np.testing.assert_allclose(clipped.boxes, expected)


def test_no_joint_no_pose():
    nothing = np.zeros((18, 3), np.float32)
    faint = standing() * [1, 1, 0.05]
    outside = standing() + np.float32([500, 0, 0])
    # A body upside down has no height by Equation 1.
    tumbled = standing()
    tumbled[:, 1] = 119 - tumbled[:, 1]
    for joints in (None, nothing, faint, outside, tumbled):
        found = find_regions(120, 60, joints)
        assert found.source == "strips"
        assert found.boxes.tolist() == [
            [0, 0, 60, 120], [0, 0, 60, 30], [0, 30, 60, 60], [0, 60, 60, 90], [0, 90, 60, 120],
        ]  # fmt: skip
    kept = find_regions(120, 60, faint, confidence=0.04)
    assert kept.source == "joints"


def test_missing_joints_are_estimated():
    joints = standing()
    joints[[3, 10, 15]] = 0
    found = find_regions(120, 60, joints)
    assert found.source == "filled"
    filled = fill_in(joints[:, :2], joints[:, 2] > 0, 120, 60)
    np.testing.assert_array_equal(np.delete(filled, [3, 10, 15], 0), standing()[:, :2][
        [k for k in range(18) if k not in (3, 10, 15)]
    ])  # fmt: skip
    assert np.abs(filled - standing()[:, :2]).max() < 10
    np.testing.assert_allclose(found.boxes, regions_by_formula(filled, 5 / 48) + 0.5)


def test_the_fit_is_the_best_similarity():
    """Against a search over (a, b) by least squares in real numbers, pose by pose."""
    known = np.ones(18, bool)
    known[[0, 4, 9]] = False
    target = standing()[:, :2].astype(float)
    best = (np.inf, None)
    for pose in canonical_poses():
        # Unknowns: Re a, Im a, Re b, Im b; the last two rows hold a close to 1.
        rows, values = [], []
        for k in np.flatnonzero(known):
            s, t = pose[k], target[k]
            rows += [[s.real, -s.imag, 1, 0], [s.imag, s.real, 0, 1]]
            values += [(t[0] - 29.5) / 120, t[1] / 120]
        rows += [[0.1, 0, 0, 0], [0, 0.1, 0, 0]]
        values += [0.1, 0]
        solution, *_ = np.linalg.lstsq(np.array(rows), np.array(values), rcond=None)
        cost = ((np.array(rows) @ solution - values) ** 2).sum()
        if cost < best[0]:
            a, b = complex(*solution[:2]), complex(*solution[2:])
            best = (cost, (a * pose + b) * 120)
    filled = fill_in(target, known, 120, 60)
    wanted = best[1][~known]
    np.testing.assert_allclose(filled[~known, 0], wanted.real + 29.5, rtol=1e-9)
    np.testing.assert_allclose(filled[~known, 1], wanted.imag, rtol=1e-9)


def test_a_moved_pose_is_found_again():
    pose = canonical_poses()[5]
    turned = 150 * (0.9 + 0.05j) * pose
    points = np.stack([turned.real + 40, turned.imag - 3], 1)
    known = np.ones(18, bool)
    known[[1, 7, 13]] = False
    filled = fill_in(points, known, 150, 70)
    np.testing.assert_allclose(filled, points, atol=2)


def test_one_joint_places_an_upright_body():
    known = np.zeros(18, bool)
    known[JOINT_NAMES.index("neck")] = True
    points = np.zeros((18, 2))
    points[known] = 20, 30
    filled = fill_in(points, known, 120, 60)
    pose = 120 * canonical_poses()[0]
    moved = pose - pose[1] + 20 + 30j
    np.testing.assert_allclose(filled, np.stack([moved.real, moved.imag], 1))


def test_canonical_poses_stand():
    poses = canonical_poses()
    assert poses.shape == (16, 18)
    at = {name: poses[:, k].imag for k, name in enumerate(JOINT_NAMES)}
    assert (at["nose"] < at["neck"]).all()
    assert (at["neck"] < at["left_hip"]).all()
    assert (at["right_hip"] < at["right_knee"]).all()
    assert (at["right_knee"] < at["right_ankle"]).all()
    assert (poses.imag > 0).all()
    assert (poses.imag < 1).all()


def test_flipped_pictures_have_flipped_regions():
    joints = standing()
    joints[[4, 17], 2] = 0
    joints[:, 0] += 4
    picture = Picture(np.zeros((120, 60, 3), np.uint8), None, joints)
    one = find_regions(120, 60, joints, confidence=0.5).boxes
    other = find_regions(120, 60, flip(picture).joints, confidence=0.5).boxes
    np.testing.assert_allclose(other[:, [0, 2]], 60 - one[:, [2, 0]], atol=0.02)
    np.testing.assert_allclose(other[:, [1, 3]], one[:, [1, 3]], atol=0.02)
    exact = find_regions(120, 60, standing()).boxes
    mirrored = flip(Picture(picture.image, None, standing())).joints
    found = find_regions(120, 60, mirrored).boxes
    np.testing.assert_allclose(found[:, [0, 2]], 60 - exact[:, [2, 0]], rtol=1e-6)


def test_cut_regions_are_the_pictures_pixels():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (40, 20, 3), dtype=np.uint8)
    boxes = np.array([[0, 0, 20, 40], [2, 5, 12, 15], [-3, -2, 7, 8], [15, 30, 25, 50]], float)
    sizes = [(40, 20), (10, 10), (10, 10), (20, 10)]
    whole, inside, above, below = cut_regions(image, boxes, sizes, (9, 8, 7))
    np.testing.assert_array_equal(whole, image)
    np.testing.assert_array_equal(inside, image[5:15, 2:12])
    np.testing.assert_array_equal(above[2:, 3:], image[:8, :7])
    assert (above[:2] == (9, 8, 7)).all()
    assert (above[:, :3] == (9, 8, 7)).all()
    np.testing.assert_array_equal(below[:10, :5], image[30:, 15:])
    assert (below[10:] == (9, 8, 7)).all()
    assert (below[:, 5:] == (9, 8, 7)).all()


def test_cut_regions_are_resized():
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (40, 20, 3), dtype=np.uint8)
    (found,) = cut_regions(image, np.array([[4, 8, 12, 24]], float), [(48, 24)])
    part = Image.fromarray(image[8:24, 4:12])
    expected = part.resize((24, 48), Image.Resampling.BILINEAR)
    # Pillow looks at the pixels beside a box too.
    inner = np.asarray(expected)[2:-2, 2:-2].astype(int)
    np.testing.assert_allclose(found[2:-2, 2:-2].astype(int), inner, atol=1)


def test_regions_are_never_empty_and_never_huge():
    rng = np.random.default_rng(2)
    for outside in ("pad", "clip"):
        for _ in range(200):
            height, width = rng.integers(2, 200, 2)
            joints = rng.random((18, 3)) * [width - 1, height - 1, 1]
            joints[:, 1].sort()
            boxes = find_regions(height, width, joints, beta=0, outside=outside).boxes
            assert (boxes[:, 2:] - boxes[:, :2] >= 1 - 1e-9).all()
            margin = height if outside == "pad" else 0
            assert boxes.min() >= -margin
            assert (boxes[:, 2] <= width + margin).all()
            assert (boxes[:, 3] <= height + margin).all()


def test_bad_joints_are_one_clear_line():
    wrong = standing()
    wrong[3, 1] = np.nan
    with pytest.raises(InputError, match="finite: given .18, 3. with NaN"):
        find_regions(120, 60, wrong)
    with pytest.raises(InputError, match=r"18 x \(x, y, confidence\), finite: given \(17, 3\)"):
        find_regions(120, 60, standing()[:17])


def test_where_regions_came_from():
    joints = standing()
    gap = joints.copy()
    gap[0] = 0
    found = [find_regions(120, 60, j) for j in (joints, joints, gap, None)]
    assert [each.source for each in found] == ["joints", "joints", "filled", "strips"]


def test_strips():
    assert len(strips(8, 4)) == len(REGION_NAMES)
    assert strips(6, 4)[:, [1, 3]].tolist() == [[0, 6], [0, 1.5], [1.5, 3], [3, 4.5], [4.5, 6]]


@pytest.mark.skipif(not POSES.is_file(), reason="the real pictures of ../shared/data are not here")
def test_joints_of_real_pictures():
    """Estimated joints lie nearer to those that the network found than the mean pose does."""
    found = [np.array(j) for j in json.loads(POSES.read_text()).values()]
    whole = [j for j in found if (j[:, 2] > 0).all()][::8]
    rng = np.random.default_rng(0)
    filled_errors, mean_errors = [], []
    mean = 128 * canonical_poses().mean(0)
    for joints in whole:
        hidden = rng.choice(18, 5, replace=False)
        known = np.ones(18, bool)
        known[hidden] = False
        filled = fill_in(joints[:, :2], known, 128, 48)
        filled_errors.append(np.linalg.norm(filled - joints[:, :2], axis=1)[hidden])
        placed = np.stack([mean.real + 23.5, mean.imag], 1)
        mean_errors.append(np.linalg.norm(placed - joints[:, :2], axis=1)[hidden])
    assert len(whole) > 20
    assert np.median(filled_errors) < 0.7 * np.median(mean_errors)
