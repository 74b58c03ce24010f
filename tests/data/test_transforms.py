import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from passerby.data.transforms import (
    augment,
    crop,
    erase_box,
    flip,
    normalise,
    resize,
    to_device,
)
from passerby.randomness import keyed
from passerby.types import JOINT_NAMES, Augmentation, Batch, InputError, InputSpec, Picture


def random_picture(height=7, width=5, seed=0):
    rng = np.random.default_rng(seed)
    joints = np.stack(
        [
            rng.uniform(-0.5, width - 0.5, 18),
            rng.uniform(-0.5, height - 0.5, 18),
            rng.uniform(0.1, 1, 18),
        ],
        axis=1,
    ).astype(np.float32)
    image = rng.integers(0, 256, (height, width, 3), np.uint8)
    return Picture(image, (rng.random((height, width)) < 0.5) * np.uint8(255), joints)


def marked(height, width, y, x, side=1):
    """Black with a white square at (y, x), the same in the mask, a joint in its middle."""
    image = np.zeros((height, width, 3), np.uint8)
    image[y : y + side, x : x + side] = 255
    joints = np.zeros((18, 3), np.float32)
    joints[JOINT_NAMES.index("left_knee")] = (x + (side - 1) / 2, y + (side - 1) / 2, 0.5)
    return Picture(image, image[:, :, 0].copy(), joints)


def centre(pixels):
    """x, y of the centre of mass, in pixel centres."""
    y, x = np.mgrid[: pixels.shape[0], : pixels.shape[1]]
    weight = pixels.astype(float)
    return np.array([(x * weight).sum(), (y * weight).sum()]) / weight.sum()


def test_flip_pixel_by_pixel():
    picture = random_picture()
    flipped = flip(picture)
    for y in range(7):
        for x in range(5):
            assert (flipped.image[y, x] == picture.image[y, 4 - x]).all()
            assert flipped.mask[y, x] == picture.mask[y, 4 - x]
    for i, name in enumerate(JOINT_NAMES):
        if name.startswith("left"):
            other = name.replace("left", "right")
        elif name.startswith("right"):
            other = name.replace("right", "left")
        else:
            other = name
        x, y, confidence = picture.joints[JOINT_NAMES.index(other)]
        assert flipped.joints[i] == pytest.approx([4 - x, y, confidence])


def test_flip_twice_is_nothing():
    picture = random_picture()
    twice = flip(flip(picture))
    assert np.array_equal(twice.image, picture.image)
    assert np.array_equal(twice.mask, picture.mask)
    assert np.allclose(twice.joints, picture.joints, atol=1e-6)


@settings(deadline=None, max_examples=60)
@given(
    top=st.integers(-9, 9),
    left=st.integers(-9, 9),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
)
def test_crop_pixel_by_pixel(top, left, height, width):
    picture = random_picture()
    cropped = crop(picture, top, left, height, width)
    assert cropped.image.shape == (height, width, 3)
    for y in range(height):
        for x in range(width):
            inside = 0 <= y + top < 7 and 0 <= x + left < 5
            assert (
                cropped.image[y, x] == (picture.image[y + top, x + left] if inside else 0)
            ).all()
            assert cropped.mask[y, x] == (picture.mask[y + top, x + left] if inside else 0)
    for (x, y, confidence), new in zip(picture.joints, cropped.joints, strict=True):
        x, y = x - left, y - top
        inside = -0.5 <= x < width - 0.5 and -0.5 <= y < height - 0.5
        assert new == pytest.approx([x, y, confidence] if inside else [0, 0, 0], abs=1e-5)


def test_missing_joints_stay_missing():
    picture = random_picture()
    picture.joints[3] = 0
    for moved in (flip(picture), crop(picture, -3, -2, 12, 9), resize(picture, 14, 10)):
        missing = [i for i in range(18) if not moved.joints[i].any()]
        assert missing in ([3], [JOINT_NAMES.index("left_elbow")])


def test_resize_scales_pixel_centres():
    picture = random_picture(4, 6)
    picture.joints[0] = (-0.5, -0.5, 1)
    picture.joints[1] = (2.5, 1.5, 1)  # the middle
    picture.joints[2] = (5, 3, 1)  # the last pixel's centre
    joints = resize(picture, 8, 12).joints
    assert joints[0] == pytest.approx([-0.5, -0.5, 1])
    assert joints[1] == pytest.approx([5.5, 3.5, 1])
    assert joints[2] == pytest.approx([10.5, 6.5, 1])


def test_resize_to_half_averages_and_picks():
    picture = random_picture(8, 6)
    small = resize(picture, 4, 3)
    # Bilinear with antialias at 1/2: weights 1/8, 3/8, 3/8, 1/8 along each side.
    weights = np.array([1, 3, 3, 1]) / 8
    for y in (1, 2):
        window = picture.image[2 * y - 1 : 2 * y + 3, 1:5].astype(float)
        expected = np.einsum("a,b,abc->c", weights, weights, window)
        assert np.abs(small.image[y, 1] - expected).max() <= 1
    assert set(np.unique(small.mask)) <= {0, 255}
    assert small.mask.shape == (4, 3)


def test_resize_by_two_enlarges_the_mask_exactly():
    picture = random_picture(4, 3)
    assert np.array_equal(
        resize(picture, 8, 6).mask, np.kron(picture.mask, np.ones((2, 2), np.uint8))
    )


def test_resize_to_the_same_size_is_the_same():
    picture = random_picture()
    assert resize(picture, 7, 5) is picture


def test_pictures_without_cues():
    image = random_picture().image
    for moved in (
        flip(Picture(image)),
        crop(Picture(image), 1, 1, 3, 3),
        resize(Picture(image), 9, 9),
    ):
        assert moved.mask is None
        assert moved.joints is None


@pytest.mark.parametrize("seed", range(40))
def test_mask_and_joints_follow_a_marker_through_the_augmentation(seed):
    rng = np.random.default_rng(seed)
    picture = marked(40, 20, int(rng.integers(4, 32)), int(rng.integers(4, 12)), side=4)
    augmentation = Augmentation(resize=(80, 60), flip=0.5, pad=6, crop=(72, 52))
    moved = augment(picture, augmentation, keyed(seed))
    assert moved.image.shape == (72, 52, 3)
    seen = np.flatnonzero(moved.joints[:, 2])
    names = {JOINT_NAMES[i] for i in seen}
    # 4 x 4 pixels, twice as high, three times as wide; bilinear blur reaches 2 pixels further.
    inner = moved.mask[2:-2, 3:-3]
    if inner.sum() == 255 * 8 * 12:
        assert names in ({"left_knee"}, {"right_knee"})
        joint = moved.joints[seen[0], :2]
        assert np.abs(centre(moved.mask) - joint).max() < 1e-3
        assert np.abs(centre(moved.image[:, :, 1]) - joint).max() < 0.05
        assert moved.joints[seen[0], 2] == 0.5


def test_augmentation_reaches_both_sides_and_every_offset():
    picture = marked(10, 8, 4, 3)
    augmentation = Augmentation(flip=0.5, pad=2, crop=(10, 8))
    seen = set()
    for i in range(600):
        moved = augment(picture, augmentation, keyed(0, i))
        seen.add(tuple(np.argwhere(moved.mask)[0]))
    # Rows 4 - offset for offsets -2 ... 2; columns 3 - offset, and 4 - offset when flipped.
    assert seen == {(y, x) for y in range(2, 7) for x in range(1, 7)}


@pytest.mark.parametrize(("probability", "share"), [(0.0, 0), (1.0, 1), (0.3, 0.3)])
def test_probability_of_the_flip(probability, share):
    picture = marked(3, 4, 1, 0)
    flips = [
        augment(picture, Augmentation(flip=probability), keyed(1, i)).image[1, 3, 0] == 255
        for i in range(1000)
    ]
    assert np.mean(flips) == pytest.approx(share, abs=0.06 if 0 < share < 1 else 0)


def test_no_augmentation_leaves_the_picture_alone():
    picture = random_picture()
    same = augment(picture, Augmentation(), keyed(0))
    assert np.array_equal(same.image, picture.image)
    padded = augment(picture, Augmentation(pad=1), keyed(0))
    assert np.array_equal(padded.image, np.pad(picture.image, ((1, 1), (1, 1), (0, 0))))


def test_crop_larger_than_the_picture():
    with pytest.raises(InputError, match=r"crop of 10 x 5 .* 9 x 7 \(after padding by 1\)"):
        augment(random_picture(), Augmentation(pad=1, crop=(10, 5)), keyed(0))


def test_the_same_generator_gives_the_same_picture():
    augmentation = Augmentation(flip=0.5, pad=3, crop=(7, 5))
    first, second = (augment(random_picture(), augmentation, keyed(4, 5)) for _ in range(2))
    assert np.array_equal(first.image, second.image)


def test_erase_boxes_keep_area_and_ratio():
    augmentation = Augmentation(erase=1.0)
    height, width = 256, 128
    boxes = [erase_box(height, width, augmentation, keyed(0, i)) for i in range(2000)]
    for top, left, tall, wide in boxes:
        assert tall > 0
        assert 0 <= top <= height - tall
        assert 0 <= left <= width - wide
        # Rounding moves each side by at most half a pixel.
        assert (tall - 0.5) * (wide - 0.5) <= 0.4 * height * width
        assert (tall + 0.5) * (wide + 0.5) >= 0.02 * height * width
        assert (tall - 0.5) / (wide + 0.5) <= 3.3
        assert (tall + 0.5) / (wide - 0.5) >= 0.3
    ratios = [tall / wide for _, _, tall, wide in boxes]
    # Even in the ratio (Zhong et al.), not in its logarithm: most boxes are taller than wide.
    assert np.mean(np.array(ratios) > 1) > 0.6


@pytest.mark.parametrize("probability", [0.0, 0.5])
def test_probability_of_erasing(probability):
    boxes = [erase_box(64, 32, Augmentation(erase=probability), keyed(0, i)) for i in range(1000)]
    erased = [box[2] > 0 for box in boxes]
    assert np.mean(erased) == pytest.approx(probability, abs=0.06 if probability else 0)
    assert all(box == (0, 0, 0, 0) for box, yes in zip(boxes, erased, strict=True) if not yes)


def test_a_box_that_never_fits_erases_nothing():
    augmentation = Augmentation(erase=1.0, erase_area=(0.9, 1.0), erase_ratio=(3.0, 3.3))
    assert erase_box(8, 8, augmentation, keyed(0)) == (0, 0, 0, 0)


def batch_of(inputs, boxes=None):
    count = len(next(iter(inputs.values())))
    zeros = torch.zeros(count, dtype=torch.int64)
    return Batch(inputs, zeros, zeros, zeros, boxes or {})


def test_normalise_and_erase_pixel_by_pixel():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (3, 6, 5, 3), np.uint8)
    masks = rng.integers(0, 256, (3, 6, 5, 1), np.uint8)
    boxes = torch.tensor([[1, 2, 3, 2], [0, 0, 0, 0], [0, 0, 6, 5]])
    specs = {"image": InputSpec(6, 5, erase=True), "mask": InputSpec(6, 5, (0.0,), (1.0,))}
    tensors = {
        "image": torch.from_numpy(pixels).permute(0, 3, 1, 2),
        "mask": torch.from_numpy(masks).permute(0, 3, 1, 2),
    }
    batch = normalise(batch_of(tensors, {"image": boxes}), specs, fill=0.25)
    assert batch.boxes == {}
    for b in range(3):
        top, left, tall, wide = boxes[b].tolist()
        for y in range(6):
            for x in range(5):
                assert batch.inputs["mask"][b, 0, y, x] == pytest.approx(masks[b, y, x, 0] / 255)
                for c in range(3):
                    number = float(batch.inputs["image"][b, c, y, x])
                    if top <= y < top + tall and left <= x < left + wide:
                        assert number == 0.25
                    else:
                        mean, std = specs["image"].mean[c], specs["image"].std[c]
                        expected = (pixels[b, y, x, c] / 255 - mean) / std
                        assert number == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
def test_normalise_keeps_the_memory_format_and_its_input(memory_format):
    pixels = torch.randint(0, 256, (2, 3, 8, 6), dtype=torch.uint8)
    pixels = pixels.contiguous(memory_format=memory_format)
    before = pixels.clone()
    boxes = torch.tensor([[0, 0, 4, 4], [0, 0, 0, 0]])
    batch = normalise(batch_of({"image": pixels}, {"image": boxes}), {"image": InputSpec(8, 6)})
    assert batch.inputs["image"].is_contiguous(memory_format=memory_format)
    assert torch.equal(pixels, before)


def test_normalising_twice_is_an_error():
    specs = {"image": InputSpec(2, 2)}
    once = normalise(batch_of({"image": torch.zeros(1, 3, 2, 2, dtype=torch.uint8)}), specs)
    with pytest.raises(InputError, match="'image' .* uint8; given torch.float32"):
        normalise(once, specs)


def test_normalise_follows_inference_mode_and_back():
    specs = {"image": InputSpec(2, 2, std=(0.5, 0.5, 0.5))}
    pixels = torch.full((1, 3, 2, 2), 255, dtype=torch.uint8)
    with torch.inference_mode():
        normalise(batch_of({"image": pixels}), specs)
    numbers = normalise(batch_of({"image": pixels}), specs).inputs["image"]
    weight = torch.ones(1, requires_grad=True)
    (numbers * weight).sum().backward()
    assert weight.grad.item() == pytest.approx(float(numbers.sum()))


def test_to_device_moves_every_tensor():
    batch = batch_of({"image": torch.zeros(2, 3, 2, 2)}, {"image": torch.zeros(2, 4)})
    moved = to_device(batch, "meta")
    for tensor in (
        *moved.inputs.values(),
        *moved.boxes.values(),
        moved.labels,
        moved.cameras,
        moved.indices,
    ):
        assert tensor.device.type == "meta"
