import numpy as np
import pytest
import torch

from passerby.losses.center import CenterLoss
from passerby.types import InputError


def naive(features: np.ndarray, centers: np.ndarray, labels: list[int]) -> float:
    total = 0.0
    for feature, label in zip(features, labels, strict=True):
        total += sum((f - c) ** 2 for f, c in zip(feature, centers[label], strict=True))
    return total / len(labels)


def example(dtype=torch.float64, weight=5e-4):
    loss = CenterLoss(4, 3, weight).to(dtype)
    random = np.random.default_rng(0)
    with torch.no_grad():
        loss.centers.copy_(torch.tensor(random.normal(size=(4, 3))))
    return loss, random.normal(size=(5, 3)), [0, 2, 2, 3, 2]


@pytest.mark.parametrize("weight", [5e-4, 1.0])
def test_equals_the_formula(weight):
    loss, features, labels = example(weight=weight)
    value = loss(torch.tensor(features), torch.tensor(labels))
    expected = weight * naive(features, loss.centers.detach().numpy(), labels)
    assert value.item() == pytest.approx(expected, rel=1e-12)


def test_weight_scales_the_features_gradient_but_not_the_centers():
    loss, features, labels = example()
    centers = loss.centers.detach().numpy().copy()
    x = torch.tensor(features, requires_grad=True)
    loss(x, torch.tensor(labels)).backward()
    to_features, to_centers = np.zeros_like(features), np.zeros_like(centers)
    for b, label in enumerate(labels):
        difference = features[b] - centers[label]
        to_features[b] += 5e-4 * 2 * difference / len(labels)
        to_centers[label] -= 2 * difference / len(labels)
    np.testing.assert_allclose(x.grad.numpy(), to_features, rtol=1e-12)
    np.testing.assert_allclose(loss.centers.grad.numpy(), to_centers, rtol=1e-12)
    assert (loss.centers.grad[1] == 0).all()


def test_the_sum_reaches_the_features_and_leaves_the_centers_steps():
    found = {}
    for reduction in ("mean", "sum"):
        loss = CenterLoss(4, 3, 0.5, reduction).double()
        mean, features, labels = example(weight=0.5)
        loss.load_state_dict(mean.state_dict())
        x = torch.tensor(features, requires_grad=True)
        value = loss(x, torch.tensor(labels))
        value.backward()
        found[reduction] = value.item(), x.grad.numpy(), loss.centers.grad.numpy()
    total = 0.5 * 5 * naive(features, loss.centers.detach().numpy(), labels)
    assert found["sum"][0] == pytest.approx(total, rel=1e-12)
    np.testing.assert_allclose(found["sum"][1], 5 * found["mean"][1], rtol=1e-12)
    np.testing.assert_allclose(found["sum"][2], found["mean"][2], rtol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype):
    loss, features, labels = example(torch.float32)
    x = (torch.tensor(features) * 300).to(dtype).requires_grad_()
    value = loss(x, torch.tensor(labels))
    expected = naive(x.detach().double().numpy(), loss.centers.detach().double().numpy(), labels)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(5e-4 * expected, rel=1e-4)
    value.backward()
    assert x.grad.dtype == dtype
    assert x.grad.isfinite().all()
    assert loss.centers.grad.dtype == torch.float32


def test_centers_are_saved_and_drawn_from_a_normal():
    torch.manual_seed(0)
    loss = CenterLoss(200, 50)
    assert list(loss.state_dict()) == ["centers"]
    assert loss.centers.mean().item() == pytest.approx(0, abs=0.05)
    assert loss.centers.std().item() == pytest.approx(1, abs=0.05)


def test_bad_shapes():
    loss = CenterLoss(4, 3)
    labels = torch.zeros(2, dtype=torch.int64)
    for features, given in [
        (torch.zeros(2, 5), labels),
        (torch.zeros(3, 3), labels),
        (torch.zeros(0, 3), labels[:0]),
    ]:
        with pytest.raises(InputError, match="center loss"):
            loss(features, given)
    for sizes in ((0, 3), (3, 0)):
        with pytest.raises(InputError, match="identities"):
            CenterLoss(*sizes)
