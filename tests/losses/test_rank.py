import math

import numpy as np
import pytest
import torch

from passerby.losses.rank import rank_loss, true_probability
from passerby.types import InputError


def probability(row, label):
    return math.exp(row[label]) / sum(math.exp(value) for value in row)


def naive(reference, logits, labels, margin):
    total = 0.0
    for before, now, label in zip(reference.tolist(), logits.tolist(), labels, strict=True):
        total += max(0.0, probability(before, label) - probability(now, label) + margin)
    return total / len(labels)


def draw(seed, shape=(8, 5)):
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape), rng.normal(size=shape), rng.integers(0, shape[1], shape[0])


@pytest.mark.parametrize("margin", [0.0, 0.05, 0.4])
def test_equals_the_formula(margin):
    reference, logits, labels = draw(0)
    loss = rank_loss(*map(torch.tensor, (reference, logits, labels)), margin)
    assert loss.item() == pytest.approx(naive(reference, logits, labels, margin), abs=1e-12)
    p = true_probability(torch.tensor(logits), torch.tensor(labels))
    expected = [probability(row, label) for row, label in zip(logits, labels, strict=True)]
    np.testing.assert_allclose(p.numpy(), expected, rtol=1e-12)


def test_gradient_by_finite_differences_and_none_for_the_reference():
    reference, logits, labels = draw(1)
    x = torch.tensor(logits, requires_grad=True)
    r = torch.tensor(reference, requires_grad=True)
    rank_loss(r, x, torch.tensor(labels), 0.05).backward()
    assert r.grad is None
    slopes = np.zeros_like(logits)
    for place in np.ndindex(logits.shape):
        step = np.zeros_like(logits)
        step[place] = 1e-6
        above = naive(reference, logits + step, labels, 0.05)
        slopes[place] = (above - naive(reference, logits - step, labels, 0.05)) / 2e-6
    np.testing.assert_allclose(x.grad.numpy(), slopes, atol=1e-8)
    # Pictures on both sides of the hinge, or the test would not see it.
    held = np.abs(slopes).max(1) > 0
    assert held.any()
    assert not held.all()


def test_a_certain_reference_cannot_be_exceeded():
    certain = torch.tensor([[100.0, 0.0, 0.0]])
    label = torch.tensor([0])
    assert rank_loss(certain, certain, label, 0.05).item() == pytest.approx(0.05)
    assert rank_loss(certain, torch.zeros(1, 3), label, 0.05).item() == pytest.approx(1.05 - 1 / 3)
    assert rank_loss(torch.zeros(1, 3), certain, label, 0.05).item() == 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype):
    logits = (torch.arange(12.0).reshape(3, 4) * 5000).to(dtype).requires_grad_()
    reference, labels = torch.ones(3, 4, dtype=dtype), torch.tensor([0, 1, 2])
    loss = rank_loss(reference, logits, labels)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(0.3)
    loss.backward()
    assert logits.grad.dtype == dtype
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize(
    ("reference", "logits", "labels"),
    [((3, 4), (3, 5), 3), ((3, 4), (2, 4), 2), ((3, 4), (3, 4), 2), ((0, 4), (0, 4), 0), (3, 3, 3)],
)
def test_bad_input(reference, logits, labels):
    with pytest.raises(InputError):
        rank_loss(
            torch.zeros(reference), torch.zeros(logits), torch.zeros(labels, dtype=torch.int64)
        )
