"""Optimised networks against the networks that they were made of."""

import copy

import pytest
import torch
from torch import nn

from made_networks import made_of, spread
from passerby.embedding import optimised
from passerby.embedding.embedder import Embedder
from passerby.embedding.optimised import Optimised, chosen_precision, has_bfloat16
from passerby.methods import METHODS
from passerby.methods.trunks.resnet import ResNet
from passerby.types import InputError


@pytest.mark.parametrize("name", METHODS)
def test_float32_is_the_same_network(name):
    network, inputs = made_of(name)
    with torch.inference_mode():
        wanted, found = network(**inputs), Optimised(network)(**inputs)
    assert (found - wanted).abs().max() < 1e-5 * wanted.abs().max()


@pytest.mark.parametrize("name", METHODS)
def test_bfloat16_is_nearly_the_same(name):
    network, inputs = made_of(name)
    with torch.inference_mode():
        wanted, found = network(**inputs), Optimised(network, torch.bfloat16)(**inputs)
    assert found.dtype == torch.float32
    cosine = torch.cosine_similarity(wanted, found)
    assert cosine.min() > 0.999
    assert cosine.max() < 1 - 1e-9


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_no_batch_norm_is_left_in_a_trunk(name):
    made = Optimised(spread(ResNet(name)))
    assert not [m for m in made.modules() if isinstance(m, nn.BatchNorm2d)]


@pytest.mark.parametrize("fused", [True, False])
def test_with_and_without_onednn(fused, monkeypatch):
    """A stem without ReLU stays without; strides, shortcuts, dilations and groups are kept."""
    real = optimised.FoldedConvolution
    monkeypatch.setattr(
        optimised, "FoldedConvolution", lambda c, r, f, d: real(c, r, f and fused, d)
    )
    is_product = optimised._is_product
    monkeypatch.setattr(optimised, "_is_product", lambda *given: fused and is_product(*given))
    trunk = spread(ResNet("thin18", last_stride=1))
    trunk.relu = nn.Identity()
    convolutions = nn.Sequential(
        nn.Conv2d(256, 32, 3, padding=2, dilation=2, groups=4), nn.BatchNorm2d(32), nn.ReLU(),
        nn.Conv2d(32, 8, 1), nn.BatchNorm2d(8),
    )  # fmt: skip
    network = nn.Sequential(trunk, spread(convolutions)).eval()
    x = torch.randn(2, 3, 64, 32)
    with torch.inference_mode():
        wanted = network(x)
        made = Optimised(network)
        torch.testing.assert_close(made.network(x), wanted, rtol=1e-4, atol=1e-4)
    convs = [m for m in made.modules() if isinstance(m, real)]
    assert {m.fused for m in convs} == {fused}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("count", [1, 2, 7])
def test_products_of_bottlenecks_whatever_the_batch(count, dtype):
    """ResNet-50 has every kind: 1x1 with and without addition, with and without a stride."""
    if dtype == torch.bfloat16 and not has_bfloat16("cpu"):
        pytest.skip("no bfloat16 on this processor")
    torch.manual_seed(3)
    trunk = spread(ResNet("resnet50", last_stride=1))
    made = Optimised(trunk, dtype)
    kinds = {type(m) for m in made.modules()}
    assert {optimised.FoldedProduct, optimised.FoldedConvolution} <= kinds
    x = torch.randn(count, 3, 64, 32)
    with torch.inference_mode():
        wanted, found = (
            trunk(x).flatten(1),
            made.network(x.to(memory_format=torch.channels_last)).flatten(1),
        )
    found = found.float()
    assert torch.cosine_similarity(wanted, found).min() > 0.999
    if dtype == torch.float32:
        assert (found - wanted).abs().max() < 1e-5 * wanted.abs().max()


def test_a_batch_is_computed_in_parts(monkeypatch):
    network, inputs = made_of("attention_driven", count=5)
    with torch.inference_mode():
        wanted = network(**inputs)
        made = Optimised(network)
        seen = []
        made.network.register_forward_pre_hook(
            lambda module, given, named: seen.append(len(next(iter(named.values())))),
            with_kwargs=True,
        )
        pixels = sum(tensor.shape[2] * tensor.shape[3] for tensor in inputs.values())
        monkeypatch.setattr(optimised, "PIXELS", 2 * pixels)
        found = made(**inputs)
    assert seen == [2, 2, 1]
    assert (found - wanted).abs().max() < 1e-5 * wanted.abs().max()


def test_the_network_itself_is_left_as_it_was():
    network, inputs = made_of("bag_of_tricks")
    before = copy.deepcopy(network.state_dict())
    Optimised(network)
    after = network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_an_optimised_embedder_is_the_same_model():
    method = METHODS["bag_of_tricks"]
    recipe = method.recipe.small()
    model = Embedder(method, recipe, method.network(recipe))
    fast = model.optimised()
    assert fast.fingerprint == model.fingerprint
    assert (fast.precision, model.precision) == ("float32", "float32")
    assert isinstance(fast._computes, Optimised)
    assert model._computes is model.network


def test_bfloat16_only_where_there_is_any(monkeypatch):
    monkeypatch.setattr(optimised, "has_bfloat16", lambda device: False)
    assert chosen_precision("auto", "cpu") == torch.float32
    with pytest.raises(InputError, match="this cpu does not compute in bfloat16"):
        chosen_precision("bfloat16", "cpu")
    monkeypatch.setattr(optimised, "has_bfloat16", lambda device: True)
    assert chosen_precision("auto", "cpu") == torch.bfloat16
    assert chosen_precision("float32", "cpu") == torch.float32


def test_it_asks_the_processor():
    with open("/proc/cpuinfo") as file:
        assert has_bfloat16("cpu") == ("avx512_bf16" in file.read())
