import math

import numpy as np
import pytest
import torch

from passerby.losses.identity import label_smoothed_cross_entropy
from passerby.types import InputError


def naive(logits: np.ndarray, labels: list[int], epsilon: float) -> float:
    total = 0.0
    for row, label in zip(logits.tolist(), labels, strict=True):
        normaliser = sum(math.exp(value) for value in row)
        for c, value in enumerate(row):
            target = (1 - epsilon) * (c == label) + epsilon / len(row)
            total -= target * math.log(math.exp(value) / normaliser)
    return total / len(labels)


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.5])
def test_equals_the_formula(epsilon):
    logits = np.random.default_rng(0).normal(size=(6, 5))
    labels = [0, 4, 2, 2, 1, 3]
    loss = label_smoothed_cross_entropy(torch.tensor(logits), torch.tensor(labels), epsilon)
    assert loss.item() == pytest.approx(naive(logits, labels, epsilon), abs=1e-12)


def test_gradient_by_finite_differences():
    logits = np.random.default_rng(1).normal(size=(3, 4))
    labels = [3, 0, 0]
    x = torch.tensor(logits, requires_grad=True)
    label_smoothed_cross_entropy(x, torch.tensor(labels)).backward()
    for place in np.ndindex(logits.shape):
        step = np.zeros_like(logits)
        step[place] = 1e-6
        slope = (naive(logits + step, labels, 0.1) - naive(logits - step, labels, 0.1)) / 2e-6
        assert x.grad[place].item() == pytest.approx(slope, abs=1e-8)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype):
    logits = (torch.arange(12.0).reshape(3, 4) * 1000).to(dtype).requires_grad_()
    labels = torch.tensor([0, 1, 2])
    loss = label_smoothed_cross_entropy(logits, labels)
    expected = label_smoothed_cross_entropy(logits.detach().double(), labels)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    loss.backward()
    assert logits.grad.dtype == dtype
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize(
    ("logits", "labels", "epsilon"),
    [
        (torch.zeros(3), torch.zeros(3, dtype=torch.int64), 0.1),
        (torch.zeros(3, 4), torch.zeros(2, dtype=torch.int64), 0.1),
        (torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), 0.1),
        (torch.zeros(3, 4), torch.zeros(3, dtype=torch.int64), 1.0),
        (torch.zeros(3, 4), torch.zeros(3, dtype=torch.int64), 1.5),
        (torch.zeros(3, 4), torch.zeros(3, dtype=torch.int64), -0.1),
    ],
)
def test_bad_input(logits, labels, epsilon):
    with pytest.raises(InputError):
        label_smoothed_cross_entropy(logits, labels, epsilon)
