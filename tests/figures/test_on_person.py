"""Masks beside true person masks: numbers counted by hand."""

from pathlib import Path

import numpy as np
import pytest

from passerby.figures.on_person import on_person
from passerby.types import InputError, Sample


class Cues:
    fingerprint = "by hand"

    def __init__(self, masks):
        self.masks = masks

    def mask(self, sample):
        return self.masks[sample.name]

    def joints(self, sample):
        return None


def samples(*names):
    return [Sample(Path(name), name, 1, 1) for name in names]


def test_means_inside_and_outside():
    left = np.zeros((2, 4), np.uint8)
    left[:, :1] = 255  # a quarter is person
    one = np.array([[0.8, 0.4, 0.2, 0.0], [0.6, 0.4, 0.2, 0.0]])
    two = np.array([[0.1, 0.5, 0.5, 0.5], [0.1, 0.5, 0.5, 0.5]])
    hidden = np.zeros((2, 2, 4), bool)
    hidden[0, 0, :2] = True
    hidden[1, :, 3] = True
    found = on_person(samples("a", "b"), np.stack([one, two]), Cues({"a": left, "b": left}), hidden)
    assert found.pictures == 2
    assert found.without == 0
    assert found.person == pytest.approx(0.25)
    assert found.inside == pytest.approx((0.7 + 0.1) / 2)
    assert found.outside == pytest.approx((0.2 + 0.5) / 2)
    assert found.higher == pytest.approx(0.5)
    assert found.hidden_on_person == pytest.approx((0.5 + 0.0) / 2)


def test_a_small_mask_is_grown_to_the_picture():
    true = np.zeros((8, 4), np.uint8)
    true[:4] = 255
    found = on_person(samples("a"), np.array([[[1.0], [0.0]]]), Cues({"a": true}))
    # Bilinear weights of the four upper rows, pixel centres at 1/16, 3/16, ...: 1, 1, 7/8, 5/8.
    assert found.inside == pytest.approx((1 + 1 + 0.875 + 0.625) / 4, abs=1e-6)
    assert found.hidden_on_person is None


def test_pictures_without_a_true_mask_are_counted():
    true = np.zeros((2, 2), np.uint8)
    true[0] = 255
    cues = Cues({"a": None, "b": true, "c": np.zeros((2, 2), np.uint8)})
    found = on_person(samples("a", "b", "c"), np.ones((3, 1, 1)), cues)
    assert (found.pictures, found.without) == (1, 2)
    with pytest.raises(InputError, match="none of 1 pictures"):
        on_person(samples("a"), np.ones((1, 1, 1)), cues)
    with pytest.raises(InputError, match="need masks"):
        on_person(samples("a"), np.ones((2, 1, 1)), cues)
