"""Changes of the camera against loops over pixels, and what they must leave alone."""

import colorsys
import math
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from passerby.data import camera
from passerby.data.camera import UNSEEN_CAMERAS, change_camera
from passerby.data.loader import Loader, training_data
from passerby.method import Inputs
from passerby.randomness import keyed
from passerby.types import Augmentation, CameraChanges, InputSpec, Picture, Sample

OFF = CameraChanges()


def smooth(height=48, width=24, seed=0):
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(30, 226, (6, 4, 3), np.uint8))
    return np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))


def nobody(number):
    raise AssertionError("no other picture is asked for")


def test_defaults_change_nothing():
    picture = Picture(smooth())
    changed = change_camera(picture, OFF, keyed(0), nobody)
    assert np.array_equal(changed.image, picture.image)


def test_colours_pixel_by_pixel():
    image = smooth()
    changes = replace(UNSEEN_CAMERAS, hue=1.0, grey=0.0)
    tables, matrix = camera.colours(changes, keyed(4))
    rng = keyed(4)
    gains = [math.exp(0.18 * g) for g in rng.standard_normal(3)]
    gamma, contrast = math.exp(0.3 * rng.standard_normal()), math.exp(0.2 * rng.standard_normal())
    brightness = 0.1 * rng.standard_normal()
    assert rng.random() < 1
    angle = rng.uniform(-0.25, 0.25)
    saturation = math.exp(0.4 * rng.standard_normal())
    found = camera.recoloured(image, tables, matrix)
    for y, x in ((0, 0), (10, 3), (47, 23), (20, 11), (33, 7)):
        v = [
            ((float(b) / 255 * gain) ** gamma - 0.5) * contrast + 0.5 + brightness
            for b, gain in zip(image[y, x], gains, strict=True)
        ]
        # Rodrigues' formula for the rotation about (1, 1, 1) / sqrt(3).
        k, v = np.ones(3) / math.sqrt(3), np.array(v)
        turned = (
            v * math.cos(angle)
            + np.cross(k, v) * math.sin(angle)
            + k * (k @ v) * (1 - math.cos(angle))
        )
        grey = 0.299 * turned[0] + 0.587 * turned[1] + 0.114 * turned[2]
        wanted = np.clip(np.round(255 * (grey + saturation * (turned - grey))), 0, 255)
        assert np.abs(found[y, x] - wanted).max() <= 1


def test_a_turn_of_hue_turns_the_hue():
    red = np.array([0.6, 0.4, 0.4])
    for angle in (0.25, -0.25):
        hue = colorsys.rgb_to_hsv(*(camera.turn_of_hue(angle) @ red))[0]
        signed = (hue + 0.5) % 1 - 0.5
        assert 2 * math.pi * signed == pytest.approx(angle, abs=0.02)
    np.testing.assert_allclose(camera.turn_of_hue(0.2) @ np.ones(3), np.ones(3))


def test_grey_is_grey():
    changed = change_camera(Picture(smooth()), replace(OFF, grey=1.0), keyed(0), nobody).image
    assert (changed.max(axis=2) == changed.min(axis=2)).all()
    assert changed[5, 5, 0] == round(float(smooth()[5, 5] @ camera.LUMA))


def test_noise_has_its_strength():
    flat = np.full((64, 64, 3), 128, np.uint8)
    made = camera.noisy(flat, 0.03, keyed(1)).astype(float)
    assert made.std() == pytest.approx(0.03 * 255, rel=0.02)
    assert made.mean() == pytest.approx(128, abs=0.3)
    strengths = [
        change_camera(Picture(flat), replace(OFF, noise=0.03), keyed(s), nobody).image.std() / 255
        for s in range(60)
    ]
    assert 0.01 < np.mean(strengths) < 0.02
    assert max(strengths) < 0.032


def test_a_patch_is_a_box_of_the_other_picture():
    image, other = np.zeros((40, 20, 3), np.uint8), np.full((13, 7, 3), 200, np.uint8)
    changes = replace(OFF, patch=1.0, patch_area=(0.1, 0.3))
    shares, asked = [], []
    for seed in range(80):
        made = change_camera(
            Picture(image), changes, keyed(seed), lambda number: asked.append(number) or other
        ).image
        rows, columns = np.nonzero(made[:, :, 0])
        box = made[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        assert (box == 200).all()
        assert (made > 0).sum() == box.size
        shares.append(box.size / image.size)
    assert min(shares) > 0.07
    assert max(shares) < 0.33
    assert np.std(shares) > 0.03
    assert len(set(asked)) == 80
    assert not image.any()


def test_a_window_takes_mask_and_joints_along():
    image = np.zeros((80, 40, 3), np.uint8)
    image[30:50, 10:30] = 255
    joints = np.zeros((18, 3), np.float32)
    joints[0] = (19.5, 39.5, 1)
    picture = Picture(image, image[:, :, 0].copy(), joints)
    sizes = set()
    for seed in range(20):
        made = change_camera(picture, replace(OFF, scale=(0.85, 1.0)), keyed(seed), nobody)
        assert made.image.shape == (80, 40, 3)
        y, x = np.nonzero(made.mask)
        assert made.joints[0, :2] == pytest.approx([x.mean(), y.mean()], abs=0.8)
        assert np.abs((made.image[:, :, 0] > 127).astype(int) - (made.mask > 127)).mean() < 0.03
        sizes.add((np.ptp(y) + 1, np.ptp(x) + 1))
    assert min(sizes) >= (20, 20)
    assert max(size[0] for size in sizes) in (23, 24)


def test_coarse_blur_and_jpeg_lose_detail():
    rng = np.random.default_rng(0)
    fine = rng.integers(0, 256, (64, 32, 3), np.uint8)
    detail = np.abs(np.diff(fine.astype(float), axis=0)).mean()
    for changes in (
        replace(OFF, coarse=1.0), replace(OFF, blur=1.0), replace(OFF, jpeg=1.0, quality=(5, 20)),
    ):  # fmt: skip
        made = change_camera(Picture(fine), changes, keyed(0), nobody).image
        assert made.shape == fine.shape
        assert np.abs(np.diff(made.astype(float), axis=0)).mean() < 0.8 * detail
    # A quarter of each side: in blocks of four nearly nothing is left of noise.
    quarter = replace(OFF, coarse=1.0, coarse_scale=(0.25, 0.25))
    made = change_camera(Picture(fine), quarter, keyed(0), nobody).image
    wanted = Image.fromarray(fine).resize((8, 16), Image.Resampling.BILINEAR)
    wanted = wanted.resize((32, 64), Image.Resampling.BILINEAR)
    assert np.array_equal(made, np.asarray(wanted))


@pytest.mark.parametrize(
    ("field", "share"), [("patch", 0.4), ("grey", 0.05), ("coarse", 0.25), ("hue", 0.5)]
)
def test_probabilities(field, share):
    changes = replace(OFF, **{field: share})
    image, other = smooth(12, 6), smooth(12, 6, 1)
    changed = [
        not np.array_equal(
            change_camera(Picture(image), changes, keyed(s), lambda n: other).image, image
        )
        for s in range(600)
    ]
    assert np.mean(changed) == pytest.approx(share, abs=0.07)


def test_unseen_cameras_change_a_picture_but_leave_it_recognisable():
    image = smooth(128, 64)
    made = [
        change_camera(Picture(image), replace(UNSEEN_CAMERAS, patch=0), keyed(s), nobody).image
        for s in range(50)
    ]
    means = np.array([m.mean(axis=(0, 1)) for m in made])
    assert (means.std(axis=0) > 10).all()
    likeness = [np.corrcoef(m.ravel().astype(float), image.ravel())[0, 1] for m in made]
    assert np.median(likeness) > 0.5


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_depend_on_seed_epoch_and_sample_alone(tmp_path, workers):
    samples = []
    for i in range(12):
        Image.fromarray(smooth(20, 10, i)).save(tmp_path / f"{i}.png")
        samples.append(Sample(tmp_path / f"{i}.png", f"{i}.png", i // 2, i % 2))
    inputs = Inputs({"image": InputSpec(20, 10)}, lambda picture: {"image": picture.image})
    batches = [np.arange(6), np.arange(6, 12)]

    def epoch(number, seed=0, augmentation=None, **options):
        chosen = augmentation or Augmentation(resize=(20, 10), camera=UNSEEN_CAMERAS)
        loader = Loader(training_data(samples, inputs, seed=seed), chosen, **options)
        return [b.inputs["image"].numpy().copy() for b in loader.epoch(batches, number)]

    first = epoch(0)
    found = epoch(0, workers=workers, keep_bytes=10**6)
    assert all(np.array_equal(a, b) for a, b in zip(first, found, strict=True))
    assert not np.array_equal(first[0], epoch(1)[0])
    assert not np.array_equal(first[0], epoch(0, seed=1)[0])
    # Framing before it draws from numbers of its own: the colours stay those of this sample.
    flipped = epoch(0, augmentation=Augmentation(flip=0.0, camera=UNSEEN_CAMERAS))
    assert np.array_equal(first[0], flipped[0])
