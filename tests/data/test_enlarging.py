"""Compiled enlargement beside Pillow's own: the same bytes."""

import sys

import numpy as np
import pytest
from PIL import Image

from passerby.data import enlarging
from passerby.data.enlarging import Enlarging, enlarged
from passerby.data.transforms import resize
from passerby.types import Picture


@pytest.fixture(scope="module")
def loops():
    found = enlarging._checked_loops()
    assert found is not None
    return found


def pillow(image, height, width):
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((128, 64), (256, 128)), ((128, 48), (256, 128)), ((1, 1), (5, 7)), ((1, 64), (1, 65)),
        ((255, 127), (256, 128)), ((256, 128), (256, 128)), ((37, 91), (384, 192)),
        ((2, 3), (97, 3)),
    ],
)  # fmt: skip
def test_bytes_are_pillows(loops, before, after):
    random = np.random.default_rng(before)
    noise = random.integers(0, 256, (*before, 3), np.uint8)
    for image in (noise, 255 * (noise > 127).astype(np.uint8), np.full_like(noise, 255)):
        assert np.array_equal(enlarged(image, *after, loops), pillow(image, *after))


def test_every_size_up_to_another(loops):
    random = np.random.default_rng(0)
    for before in range(1, 60):
        image = random.integers(0, 256, (before, 61 - before, 3), np.uint8)
        assert np.array_equal(enlarged(image, 60, 67, loops), pillow(image, 60, 67))


def test_what_is_left_to_pillow(loops, monkeypatch):
    monkeypatch.setattr(enlarging, "LATER", 2)
    own = Enlarging()
    image = np.random.default_rng(1).integers(0, 256, (8, 4, 3), np.uint8)
    assert [own(image, 16, 8) is None for _ in range(4)] == [True, True, False, False]
    assert own(image, 7, 8) is None
    assert own(image, 16, 3) is None
    assert own(image[:, :, 0], 16, 8) is None
    assert own(image[:, ::-1], 16, 8) is None


def test_without_compiler_pillow_goes_on(monkeypatch):
    monkeypatch.setattr(enlarging, "LATER", 0)
    monkeypatch.setitem(sys.modules, "numba", None)
    own = Enlarging()
    assert own(np.zeros((8, 4, 3), np.uint8), 16, 8) is None
    assert not own.compile()


def test_loops_of_another_arithmetic_are_not_taken(monkeypatch):
    monkeypatch.setattr(enlarging, "_BITS", 8)
    assert enlarging._checked_loops() is None


def test_resize_takes_them(loops, monkeypatch):
    own = Enlarging()
    assert own.compile()
    monkeypatch.setattr("passerby.data.transforms.enlarge", own)
    image = np.random.default_rng(2).integers(0, 256, (128, 64, 3), np.uint8)
    assert np.array_equal(resize(Picture(image), 256, 128).image, pillow(image, 256, 128))
