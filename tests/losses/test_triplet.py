import math

import numpy as np
import pytest
import torch

from passerby.losses.triplet import batch_hard_triplet, hardest_pairs
from passerby.types import InputError


def naive(x: np.ndarray, labels: list[int], margin: float | None) -> float:
    terms = []
    for a in range(len(x)):
        positives = [
            math.dist(x[a], x[p]) for p in range(len(x)) if p != a and labels[p] == labels[a]
        ]
        negatives = [math.dist(x[a], x[n]) for n in range(len(x)) if labels[n] != labels[a]]
        if positives and negatives:
            gap = max(positives) - min(negatives)
            terms.append(math.log1p(math.exp(gap)) if margin is None else max(0.0, margin + gap))
    return sum(terms) / len(terms)


CASES = {
    "P x K": [0, 0, 0, 1, 1, 1, 2, 2, 2],
    "an identity with one picture": [4, 4, 7, 2, 2, 2],
    "unordered": [1, 0, 2, 1, 0, 2, 1, 1],
}


@pytest.mark.parametrize("margin", [0.0, 0.3, 5.0, None])
@pytest.mark.parametrize("labels", CASES.values(), ids=CASES.keys())
def test_equals_the_formula(labels, margin):
    x = np.random.default_rng(len(labels)).normal(size=(len(labels), 5))
    loss = batch_hard_triplet(torch.tensor(x), torch.tensor(labels), margin)
    assert loss.item() == pytest.approx(naive(x, labels, margin), abs=1e-12)


@pytest.mark.parametrize("labels", CASES.values(), ids=CASES.keys())
def test_the_sum_over_the_anchors(labels):
    x = np.random.default_rng(len(labels)).normal(size=(len(labels), 5))
    loss = batch_hard_triplet(torch.tensor(x), torch.tensor(labels), 0.3, "sum")
    anchors = sum(labels.count(label) > 1 for label in labels)
    assert loss.item() == pytest.approx(anchors * naive(x, labels, 0.3), abs=1e-12)


@pytest.mark.parametrize("margin", [0.3, None])
@pytest.mark.parametrize("labels", CASES.values(), ids=CASES.keys())
def test_gradient_by_finite_differences(labels, margin):
    x = np.random.default_rng(7).normal(size=(len(labels), 3))
    tensor = torch.tensor(x, requires_grad=True)
    batch_hard_triplet(tensor, torch.tensor(labels), margin).backward()
    for place in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[place] = 1e-6
        slope = (naive(x + step, labels, margin) - naive(x - step, labels, margin)) / 2e-6
        assert tensor.grad[place].item() == pytest.approx(slope, abs=1e-7)


def test_hardest_pairs_by_hand():
    x = torch.tensor([[0.0], [1.0], [5.0], [4.0], [9.0], [20.0]])
    labels = torch.tensor([0, 0, 0, 1, 1, 2])
    anchors, positives, negatives = hardest_pairs(x, labels)
    assert anchors.tolist() == [0, 1, 2, 3, 4]
    assert positives.tolist() == [2, 2, 0, 4, 3]
    assert negatives.tolist() == [3, 3, 3, 2, 2]


@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 1, 2], [5]])
def test_no_valid_anchor_is_zero_and_keeps_the_graph(labels):
    x = torch.randn(len(labels), 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = batch_hard_triplet(x, torch.tensor(labels))
    loss.backward()
    assert loss.item() == 0
    assert (x.grad == 0).all()


@pytest.mark.parametrize("margin", [0.3, None])
def test_equal_embeddings_give_finite_gradients(margin):
    x = torch.ones(6, 4, requires_grad=True)
    loss = batch_hard_triplet(x, torch.tensor([0, 0, 1, 1, 2, 2]), margin)
    loss.backward()
    assert loss.item() == pytest.approx(0.3 if margin else math.log(2))
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype):
    generator = torch.Generator().manual_seed(3)
    # Squared distances of this size overflow float16.
    x = (torch.randn(8, 64, generator=generator) * 100).to(dtype).requires_grad_()
    labels = [0, 0, 1, 1, 2, 2, 3, 3]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = batch_hard_triplet(x, torch.tensor(labels))
    assert loss.dtype == torch.float32
    expected = naive(x.detach().double().numpy(), labels, 0.3)
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    loss.backward()
    assert x.grad.dtype == dtype
    assert x.grad.isfinite().all()
    assert x.grad.abs().sum() > 0


def test_bad_shapes():
    with pytest.raises(InputError, match=r"\(3, 2\) and \(2,\)"):
        batch_hard_triplet(torch.zeros(3, 2), torch.zeros(2, dtype=torch.int64))
