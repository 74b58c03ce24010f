"""Every network against its paper, written out once; every term of every turn by itself."""

import networks_by_hand as by_hand
import pytest
import torch

from passerby.methods import METHODS
from passerby.recipes import override
from passerby.training.freeze import frozen
from passerby.types import Batch

UNITS = (2, 2, 2, 1)
"""Of `thin16`."""
SMALL = {
    "bag_of_tricks": {"height": 64, "width": 32},
    "msreid": {"height": 64, "width": 32},
    "attention_driven": {
        "height": 64, "width": 32, "part_height": 32, "part_width": 64, "channels": 4,
        "attention_middle": [8, 12, 16], "global_features": 12, "part_features": 6,
    },
    "generated_masks": {"height": 64, "width": 32, "resize": [68, 36], "filters": [3, 4, 5, 6]},
    "mask_pooling": {"height": 96, "width": 32, "part_width": 16, "margin": 5.0},
    "feature_mask": {"height": 64, "width": 32, "resize": [68, 36]},
}  # fmt: skip


def made(name, **changes):
    """A small network in float64 and eval mode, its BatchNorm as after training."""
    method = METHODS[name]
    recipe = override(method.recipe.small(), {**SMALL[name], **changes})
    if hasattr(recipe, "trunk"):
        recipe = override(recipe, {"trunk": "thin16"})
    torch.manual_seed(0)
    network = method.network(recipe)
    criterion = method.criterion(recipe, network, 4)
    for module in (network, criterion):
        spread(module)
    return recipe, network.double().eval(), criterion.double().eval()


def spread(module):
    for layer in module.modules():
        if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm):
            for value in (layer.weight.data, layer.running_var):
                value.uniform_(0.5, 1.5)
            for value in (layer.bias.data, layer.running_mean):
                value.normal_(0, 0.3)


def inputs(name, recipe, count=2):
    random = torch.Generator().manual_seed(1)
    found = {}
    for key, spec in METHODS[name].inputs(recipe).specs.items():
        shape = (count, 1 if key == "mask" else 3, spec.height, spec.width)
        x = torch.randn(shape, generator=random, dtype=torch.float64)
        found[key] = (x > -0.4).double() if key == "mask" else x
    return found


def same(found, wanted):
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-9)


def test_bag_of_tricks():
    recipe, network, _ = made("bag_of_tricks")
    given = inputs("bag_of_tricks", recipe)
    f_t, f_i = by_hand.bag_of_tricks(network.state_dict(), given["image"], UNITS)
    found = network.features(**given)
    same(found.f_t, f_t)
    same(found.f_i, f_i)
    same(network(**given), f_i)


def test_msreid():
    recipe, network, _ = made("msreid")
    given = inputs("msreid", recipe)
    mask, wanted = by_hand.msreid(network.state_dict(), given["image"], UNITS)
    found = network.features(**given)
    same(found.mask, mask)
    for branch, (before, after) in wanted.items():
        same(found.f[branch], before)
        same(found.after_neck[branch], after)
    same(network(**given), torch.cat([wanted["global"][0], wanted["local"][0]], 1))


def test_generated_masks():
    recipe, network, criterion = made("generated_masks")
    given = inputs("generated_masks", recipe)
    same(network(**given), by_hand.extractor(network.state_dict(), given["image"], UNITS))
    tensors = by_hand.part_of(criterion.state_dict(), "generator")
    same(criterion.mask(given["image"]), by_hand.generator(tensors, given["image"], 4))


@pytest.mark.parametrize("threshold", [0.0, 0.5, 0.8])
def test_mask_pooling(threshold):
    recipe, network, _ = made("mask_pooling", threshold=threshold)
    given = inputs("mask_pooling", recipe)
    mask = given["mask"]
    mask[:, :, :40, :20] = 0  # a background, with some pixels of a person
    mask[:, :, 7, 9] = 1
    h = by_hand.mask_pooling(network.state_dict(), *given.values(), UNITS, 6, threshold)
    same(network.features(**given).h, h)
    same(network(**given), h.flatten(1))
    first = by_hand.pooled_mask(mask, 7, 2, 3, threshold)
    same(network.first_mask(**given), first.float())
    same(network.mask(**given), by_hand.pooled_mask(first, 3, 2, 1, threshold).float())


def test_feature_mask():
    recipe, network, _ = made("feature_mask")
    network.mixing.transform.weight.data.mul_(20)  # some of m' beyond the limit
    given = inputs("feature_mask", recipe)
    g, m, local = by_hand.feature_mask(network.state_dict(), given["image"], UNITS, 5.0)
    found = network.features(**given)
    for value, wanted in ((found.g, g), (found.m, m), (found.l, local)):
        same(value, wanted)
    assert m.max() > torch.e**4
    halves = [0.5 * by_hand.unit(feature) for feature in (g, local)]
    same(network(**given), torch.cat(halves, 1))


def test_attention_driven():
    recipe, network, _ = made("attention_driven")
    for layer in network.modules():  # else every map is 1/2
        if hasattr(layer, "join"):
            torch.nn.init.normal_(layer.join.weight, std=0.5)
    given = inputs("attention_driven", recipe)
    e_g, e, mu, e_l = by_hand.attention_driven(network.state_dict(), given)
    found = network.features(**given)
    same(found.e_g, e_g)
    for value, wanted in zip(found.e, e, strict=True):
        same(value, wanted)
    same(found.mu, mu)
    same(found.e_l, e_l)
    same(network(**given), torch.cat([by_hand.unit(e_g), by_hand.unit(e_l)], 1))


# Terms of the turns.


def turns(name, **changes):
    recipe, network, criterion = made(name, **changes)
    for layer in criterion.modules():
        if isinstance(layer, torch.nn.Linear):
            torch.nn.init.normal_(layer.weight, std=0.3)
        if isinstance(layer, torch.nn.Dropout):
            layer.p = 0.0
    labels = torch.tensor([0, 0, 1, 1, 1, 2])
    batch = Batch(inputs(name, recipe, 6), labels, labels, labels)
    for stage in METHODS[name].stages(recipe, network, criterion):
        for turn in stage.turns:
            yield stage.name, turn.eval(), batch, network, criterion


@pytest.mark.parametrize("name", SMALL)
def test_each_term_alone_has_a_gradient(name):
    """And it reaches whatever the turn's optimizers step, but for what other terms alone teach."""
    for stage, turn, batch, _, _ in turns(name):
        stepped = [
            p for o in turn.optimizers for g in o.optimizer.param_groups for p in g["params"]
        ]
        with frozen(turn.frozen):
            terms = list(turn(batch))
        for term in terms:
            for p in turn.parameters():
                p.grad = None
            with frozen(turn.frozen):
                turn(batch)[term].backward()
            learned = sum(p.grad is not None and bool(p.grad.any()) for p in stepped)
            assert learned > 0, (stage, term)
            if term.endswith("center"):
                continue
            trunks = [n for n, p in turn.named_parameters() if p.grad is not None and p.grad.any()]
            if stage != "classifiers":
                assert any("conv" in n or "encoder" in n for n in trunks), (stage, term)


def cross_entropy(logits, labels):
    rows = torch.log_softmax(logits, 1)
    return -torch.stack([row[label] for row, label in zip(rows, labels, strict=True)]).mean()


def test_fmn_stage_1_is_the_cross_entropy_of_grn():
    stage, turn, batch, network, criterion = next(turns("feature_mask"))
    assert stage == "global"
    logits = by_hand.linear(network.features(**batch.inputs).g, criterion.state_dict(), "grn.1")
    terms = turn(batch)
    assert list(terms) == ["identity"]
    same(terms["identity"], cross_entropy(logits, batch.labels))


@pytest.mark.parametrize("changes", [{}, {"selection": "batch_hard"}, {"triplet": "none"}])
def test_mpm_identity_loss_is_that_of_anchors_positives_and_negatives(changes):
    for _, turn, batch, network, criterion in turns("mask_pooling", **changes):
        h = network.features(**batch.inputs).h
        each = [
            cross_entropy(by_hand.linear(h[:, i], criterion.state_dict(), f"classifiers.{i}"),
                          batch.labels)
            for i in range(6)
        ]  # fmt: skip
        same(turn(batch)["identity"], sum(each) / 6)
