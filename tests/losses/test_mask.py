"""Equations 3 to 5 of Generated Attention Masks against loops over every number."""

import numpy as np
import pytest
import torch

from passerby.losses.mask import mask_contiguity, mask_identity, mask_sparsity
from passerby.types import InputError


def identity_by_hand(features, masked):
    means = []
    for b in range(len(features)):
        squares = [(float(a) - float(m)) ** 2 for a, m in zip(features[b], masked[b], strict=True)]
        means.append(sum(squares) / len(squares))
    return sum(means) / len(means)


def sparsity_by_hand(masks):
    means = [sum(float(value) for value in mask.flat) / mask.size for mask in masks]
    return sum(means) / len(means)


def contiguity_by_hand(masks):
    totals = []
    for (mask,) in masks:
        h, w = mask.shape
        total = 0.0
        for i in range(h):
            for j in range(w):
                total += abs(mask[i + 1, j] - mask[i, j]) if i + 1 < h else 0.0
                total += abs(mask[i, j + 1] - mask[i, j]) if j + 1 < w else 0.0
        totals.append(total / (h * w))
    return sum(totals) / len(totals)


SHAPES = [(3, 1, 4, 5), (1, 1, 2, 3), (2, 1, 1, 6), (2, 1, 6, 1), (1, 1, 1, 1)]
PAIRS = [(mask_sparsity, sparsity_by_hand), (mask_contiguity, contiguity_by_hand)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("ours", "by_hand"), PAIRS)
def test_of_masks_equals_the_formula(ours, by_hand, shape):
    masks = np.random.default_rng(1).random(shape)
    assert ours(torch.tensor(masks)).item() == pytest.approx(by_hand(masks), abs=1e-12)


def test_identity_equals_the_formula():
    features, masked = np.random.default_rng(2).normal(size=(2, 4, 6))
    found = mask_identity(torch.tensor(features), torch.tensor(masked)).item()
    assert found == pytest.approx(identity_by_hand(features, masked), abs=1e-12)


def slopes(function, values):
    """Central differences, one number at a time."""
    found = np.zeros_like(values)
    for place in np.ndindex(values.shape):
        step = np.zeros_like(values)
        step[place] = 1e-6
        found[place] = (function(values + step) - function(values - step)) / 2e-6
    return found


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("ours", "by_hand"), PAIRS)
def test_gradients_of_masks(ours, by_hand, shape):
    masks = np.random.default_rng(3).random(shape)
    tensor = torch.tensor(masks, requires_grad=True)
    ours(tensor).backward()
    np.testing.assert_allclose(tensor.grad, slopes(by_hand, masks), atol=1e-8)


def test_gradient_of_identity():
    features, masked = np.random.default_rng(4).normal(size=(2, 3, 5))
    tensor = torch.tensor(masked, requires_grad=True)
    mask_identity(torch.tensor(features), tensor).backward()
    expected = slopes(lambda values: identity_by_hand(features, values), masked)
    np.testing.assert_allclose(tensor.grad, expected, atol=1e-8)


def test_by_hand():
    stripes = torch.tensor([0.0, 1.0, 0.0, 1.0]).expand(1, 1, 3, 4)
    assert mask_contiguity(stripes).item() == pytest.approx(9 / 12)
    assert mask_sparsity(stripes).item() == 0.5
    halves = torch.tensor([0.0, 0.0, 1.0, 1.0]).expand(1, 1, 3, 4)
    assert mask_contiguity(halves).item() == pytest.approx(3 / 12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype):
    random = torch.Generator().manual_seed(5)
    # The sum of so many values, and squares of this size, overflow float16.
    masks = torch.rand(4, 1, 224, 112, generator=random).to(dtype).requires_grad_()
    features, masked = (
        (500 * torch.rand(2, 8, generator=random)).to(dtype).requires_grad_() for _ in range(2)
    )
    with torch.autocast("cpu", dtype=torch.bfloat16):
        terms = [mask_sparsity(masks), mask_contiguity(masks), mask_identity(features, masked)]
    plain = masks.detach().double().numpy()
    differences = np.abs(np.diff(plain, axis=2)).sum() + np.abs(np.diff(plain, axis=3)).sum()
    expected = [
        plain.mean(),
        differences / plain.size,
        identity_by_hand(features.detach(), masked.detach()),
    ]
    assert all(term.dtype == torch.float32 for term in terms)
    assert [term.item() for term in terms] == pytest.approx(expected, rel=1e-5)
    sum(terms).backward()
    for leaf in (masks, features, masked):
        assert leaf.grad.dtype == dtype
        assert leaf.grad.isfinite().all()
    assert masked.grad.abs().sum() > 0


@pytest.mark.parametrize("shape", [(2, 3, 4, 4), (4, 4), (0, 1, 4, 4), (2, 1, 0, 4)])
@pytest.mark.parametrize("function", [mask_sparsity, mask_contiguity])
def test_what_is_no_mask(function, shape):
    with pytest.raises(InputError, match=r"masks must be \(B, 1, h, w\)"):
        function(torch.zeros(shape))


@pytest.mark.parametrize("shapes", [((2, 3), (3, 3)), ((2, 3, 1), (2, 3, 1)), ((0, 3), (0, 3))])
def test_what_are_no_features(shapes):
    with pytest.raises(InputError, match="features of pictures and of masked pictures"):
        mask_identity(*(torch.zeros(shape) for shape in shapes))
