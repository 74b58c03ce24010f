import copy
import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

import passerby
from passerby.cues.parts import REGION_NAMES, regions_by_formula
from passerby.data.loader import Loader, training_data
from passerby.data.transforms import flip
from passerby.experiment import train
from passerby.methods import METHODS
from passerby.methods.attention_branches import (
    Branch,
    IntraAttention,
    attention,
    quick_attention,
    side_by_side,
)
from passerby.methods.attention_driven import (
    METHOD,
    PARTS,
    AttentionDrivenNetwork,
    Recipe,
    inter_attention,
)
from passerby.methods.regions import regions_of
from passerby.training.settings import Settings
from passerby.types import Augmentation, Batch, InputError, Picture

QUIET = Console(quiet=True)
TINY = {
    "height": 64, "width": 32, "part_height": 16, "part_width": 32, "channels": 4,
    "attention_middle": (16, 16, 16), "global_features": 12, "part_features": 6, "batch": 8,
    "epochs": 1,
}  # fmt: skip
SIZES = {"whole": (64, 32), **dict.fromkeys(PARTS, (16, 32))}
ABLATIONS = {
    "baseline": {"regions": "strips", "attention": "none", "fusion": "concatenation"},
    "aligned": {"attention": "none", "fusion": "concatenation"},
    "intra": {"fusion": "concatenation"},
    "inter": {"attention": "none"},
    "intra and inter": {},
    "fc fusion": {"attention": "none", "fusion": "fc"},
    "plain attention": {"attention": "plain"},
    "bilinear": {"upsampling": "bilinear"},
    "weight of E_g": {"weigh_global": True},
    "each picture's mean": {"centre": "picture"},
}


def tiny(**changes):
    return Recipe(**{**vars(Recipe.small()), **TINY, **changes})


def pictures(count=2, seed=0):
    random = torch.Generator().manual_seed(seed)
    return {n: 50 * torch.randn(count, 3, *size, generator=random) for n, size in SIZES.items()}


def build(**changes):
    torch.manual_seed(0)
    recipe = tiny(**changes)
    network = METHOD.network(recipe)
    settle(network)
    return recipe, network


def settle(network):
    """Running statistics as after training on such pictures."""
    norms = [m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    for module in norms:
        module.momentum = 1.0
    with torch.no_grad():
        network.train().features(**pictures(8))
    for module in norms:
        module.momentum = 0.1


def spread(network):
    """BatchNorm as after training: statistics and weights that differ from 0 and 1."""
    random = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for tensor in (module.weight.data, module.running_var):
                tensor.copy_(0.5 + torch.rand(tensor.shape, generator=random))
            module.bias.data.copy_(torch.randn(module.bias.shape, generator=random) / 4)
            module.running_mean.copy_(torch.randn(module.bias.shape, generator=random) / 4)


# Attention, number by number


def attention_by_hand(s, c, weight, bias):
    """conv1x1(S * C), the product made whole, then the convolution, then the sigmoid."""
    batch, channels = len(s), len(weight)
    m = np.zeros((batch, channels, *s.shape[2:]))
    for b, out, y, x in np.ndindex(m.shape):
        total = bias[out]
        for k in range(channels):
            total += weight[out, k] * (s[b, 0, y, x] * c[b, k])
        m[b, out, y, x] = 1 / (1 + math.exp(-total))
    return m


def attention_arrays():
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape) for shape in ((2, 1, 3, 2), (2, 4), (4, 4), (4,))]


def attention_tensors(arrays, dtype=torch.float64):
    s, c, weight, bias = (torch.tensor(array, dtype=dtype) for array in arrays)
    return s, c[:, :, None, None], weight[:, :, None, None], bias


@pytest.mark.parametrize("form", [attention, quick_attention])
def test_the_attention_map_number_by_number(form):
    arrays = attention_arrays()
    found = form(*attention_tensors(arrays))
    np.testing.assert_allclose(found.numpy(), attention_by_hand(*arrays), rtol=1e-12)


def test_the_attention_maps_gradient():
    inputs = [t.requires_grad_() for t in attention_tensors(attention_arrays())]
    assert torch.autograd.gradcheck(quick_attention, inputs)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_attention_in_half_precision(dtype):
    arrays = attention_arrays()
    found = quick_attention(*attention_tensors(arrays, dtype))
    assert found.dtype == dtype
    np.testing.assert_allclose(found.float().numpy(), attention_by_hand(*arrays), atol=0.05)


@pytest.mark.parametrize("groups", [1, 4])
def test_the_quick_form_is_the_definition_view_by_view(groups):
    torch.manual_seed(0)
    s, c = torch.randn(2, groups, 5, 3), torch.randn(2, 6 * groups, 1, 1)
    weight, bias = torch.randn(6 * groups, 6, 1, 1), torch.randn(6 * groups)
    parts = []
    for g in range(groups):
        own = slice(6 * g, 6 * g + 6)
        parts.append(attention(s[:, g : g + 1], c[:, own], weight[own], bias[own]))
    torch.testing.assert_close(quick_attention(s, c, weight, bias), torch.cat(parts, 1))


def test_equations_8_and_9_number_by_number():
    _, network = build()
    f = network.eval().features(**pictures())
    for b in range(2):
        expected = []
        for i, name in enumerate(PARTS):
            layer, e = network.weights[name], f.e[i][b].tolist()
            score = layer.bias.item() + sum(
                w * v for w, v in zip(layer.weight[0].tolist(), e, strict=True)
            )
            mu = 1 / (1 + math.exp(-score))
            assert f.mu[b, i].item() == pytest.approx(mu, rel=1e-5)
            expected += [(mu + 1) * value for value in e]
        assert f.e_l[b].tolist() == pytest.approx(expected, rel=1e-4, abs=1e-6)
    torch.testing.assert_close(f.fused, torch.cat([f.e_g, f.e_l], 1))


def test_equation_9_gradient():
    e = [torch.randn(2, 3, dtype=torch.float64, requires_grad=True) for _ in range(4)]
    mu = torch.rand(2, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda mu, *e: inter_attention(e, mu), (mu, *e))


@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize("kind", ["decomposed", "plain", "none"])
def test_equations_3_to_7(kind, norm):
    """A block's output from its own pieces, one after the other."""
    _, network = build(attention=kind, attention_norm=norm)
    spread(network)
    network.eval()
    block = network.whole.blocks[1]
    v = torch.randn(2, 8, 16, 8)
    out, m = block(v)
    a = v
    for unit in block.units:
        a = unit(a)
    if kind == "none":
        assert m is None
        torch.testing.assert_close(out, a)
        return
    # 3.3: "residual unit and max pooling", twice in B2; then up, plus the map of equal size.
    e0 = block.attention.before_pooling[0](block.attention.entry(v))
    e1 = block.attention.before_pooling[1](functional.max_pool2d(e0, 2))
    d1 = functional.max_pool2d(e1, 2).repeat_interleave(2, 2).repeat_interleave(2, 3) + e1
    scores = d1.repeat_interleave(2, 2).repeat_interleave(2, 3) + e0
    torch.testing.assert_close(block.attention.scores(v), scores)
    if kind == "plain":
        expected = torch.sigmoid(block.attention.join(scores))
    else:
        s = block.attention.spatial[0](scores)
        c = block.attention.channel[0](scores.mean((2, 3), keepdim=True))
        if norm:
            s, c = block.attention.spatial[1](s), block.attention.channel[1](c)
        assert len(block.attention.spatial) == len(block.attention.channel) == 1 + norm
        expected = torch.sigmoid(block.attention.join(s * c))
        assert s.shape[1] == 1
    torch.testing.assert_close(m, expected)
    assert m.shape == a.shape
    torch.testing.assert_close(out, (1 + expected) * a)


def test_the_lowest_resolution_is_the_same_in_every_block():
    lowest = []
    network = AttentionDrivenNetwork(Recipe(channels=4)).eval()
    for branch in (network.whole, network.parts):
        for block in list(branch.blocks)[1:]:
            block.attention.before_pooling[-1].register_forward_hook(
                lambda module, given, out: lowest.append(tuple(side // 2 for side in out.shape[2:]))
            )
    inputs = [torch.zeros(1, 3, 384, 192), *[torch.zeros(1, 3, 96, 192)] * 4]
    with torch.no_grad():
        network(*inputs)
    assert lowest == [(12, 6)] * 3 + [(6, 6)] * 3


@pytest.mark.parametrize("training", [True, False])
def test_four_branches_side_by_side_are_four_branches(training):
    """The parts are computed in groups: the same numbers and gradients as one by one."""
    torch.manual_seed(0)
    recipe = Recipe(channels=4, attention_middle=(48, 48, 48))
    alone = [Branch(recipe, 2, 1, 5) for _ in range(4)]
    for branch in alone:
        spread(branch)
        branch.double().train(training)
    together = side_by_side([copy.deepcopy(branch) for branch in alone])
    views = [torch.randn(3, 4, 16, 32).double().requires_grad_() for _ in range(4)]
    side, maps = together(torch.cat(views, 1))
    for g, branch in enumerate(alone):
        e = side.chunk(4, 1)[g]
        expected, own_maps = branch(views[g])
        torch.testing.assert_close(e, expected)
        for m, own_m in zip(maps, own_maps, strict=True):
            torch.testing.assert_close(m.chunk(4, 1)[g], own_m)
        gradients = torch.autograd.grad(e.sum(), views, retain_graph=True, allow_unused=True)
        touched = [x is not None and bool(x.abs().sum() > 1e-3) for x in gradients]
        assert touched == [k == g for k in range(4)]
    states = [branch.state_dict() for branch in alone]
    for name, value in together.state_dict().items():
        own = [state[name] for state in states]
        torch.testing.assert_close(value, own[0] if value.ndim == 0 else torch.cat(own))


# Sizes


def cost(**changes):
    """Parameters and multiply-adds in millions and thousand millions."""
    # Made before it goes there: without numbers, random weights take longer than with them.
    network = AttentionDrivenNetwork(Recipe(**changes)).eval().to("meta")
    with torch.device("meta"):
        inputs = [torch.empty(1, 3, 384, 192), *[torch.empty(1, 3, 96, 192)] * 4]
        with FlopCounterMode(display=False) as counter:
            network(*inputs)
    parameters = sum(p.numel() for p in network.parameters())
    return np.array([parameters / 1e6, counter.get_total_flops() / 2e9])


def test_table_12():
    """10.4 M parameters and 0.43 G multiply-adds for the attention come out with nothing fitted.

    As Table 1 prints the parts' stride, and with a quarter of a block's channels inside its units.
    """
    base = cost(attention="none", fusion="concatenation")
    full = cost()
    np.testing.assert_allclose(base, [7.27, 2.01], rtol=0.005)  # the paper: 6.8 M, 2.26 G
    assert full[0] == pytest.approx(10.43, abs=0.005)
    assert full[1] - base[1] == pytest.approx(0.436, abs=0.0005)
    assert AttentionDrivenNetwork(Recipe()).parts.pool.stride == (1, 2)
    units = [
        block.attention.before_pooling[0]
        for block in list(AttentionDrivenNetwork(Recipe()).whole.blocks)[1:]
    ]
    assert [unit.conv2.in_channels for unit in units] == [128 // 4, 256 // 4, 512 // 4]
    assert cost(attention="plain")[1] > full[1]


def test_table_12_with_a_stride_of_1():
    base = cost(attention="none", fusion="concatenation", part_pool_stride=(1, 1))
    full = cost(part_pool_stride=(1, 1))
    np.testing.assert_allclose(base, [7.27, 2.67], rtol=0.005)
    assert full[1] - base[1] == pytest.approx(0.582, abs=0.001)
    with pytest.raises(InputError, match="part_pool_stride"):
        AttentionDrivenNetwork(Recipe(part_pool_stride=(1, 3)))


def test_table_1():
    with torch.device("meta"):
        network = AttentionDrivenNetwork(Recipe(attention="none", fusion="concatenation"))
        shapes = {}
        for name in ("whole", "parts"):
            branch = getattr(network, name)
            for i, block in enumerate(branch.blocks):
                block.register_forward_hook(
                    lambda module, given, out, key=(name, i): shapes.update(
                        {key: tuple(out[0].shape[1:])}
                    )
                )
        network(torch.empty(2, 3, 384, 192), *[torch.empty(2, 3, 96, 192)] * 4)
    assert [shapes["whole", i] for i in range(4)] == [
        (64, 96, 48), (128, 48, 24), (256, 24, 12), (512, 24, 12),
    ]  # fmt: skip
    assert [shapes["parts", i] for i in range(4)] == [
        (4 * 32, 48, 48), (4 * 64, 24, 24), (4 * 128, 12, 12), (4 * 256, 12, 12),
    ]  # fmt: skip


# Embeddings and switches


@pytest.mark.parametrize("name", ABLATIONS)
def test_every_switch_trains_what_it_should(name):
    recipe, network = build(**ABLATIONS[name], dropout=0.0)
    criterion = METHOD.criterion(recipe, network, 5)
    turn = METHOD.stages(recipe, network, criterion)[0].turns[0]
    labels = torch.tensor([0, 1, 2, 3, 4, 4])
    nothing = torch.zeros(6, dtype=torch.int64)
    turn.train()
    terms = turn(Batch(pictures(6), labels, nothing, nothing))
    fused = recipe.fusion != "concatenation"
    assert list(terms) == [*REGION_NAMES, *(["fused"] if fused else [])]
    sum(terms.values()).backward()
    parameters = {**dict(network.named_parameters()), **dict(criterion.named_parameters())}
    idle = [n for n, p in parameters.items() if p.grad is None or not p.grad.any()]
    assert idle == []
    (each,) = turn.optimizers
    stepped = {id(p) for group in each.optimizer.param_groups for p in group["params"]}
    assert stepped == {id(p) for p in parameters.values()}
    names = " ".join(parameters)
    assert ("attention" in names) == (recipe.attention != "none")
    assert ("spatial" in names) == (recipe.attention == "decomposed")
    assert ("weights." in names) == (recipe.fusion == "inter")
    assert ("global_weight" in names) == recipe.weigh_global
    embedding = network.eval()(**pictures(6))
    assert embedding.shape == (6, 12 + 4 * 6)
    assert METHOD.descriptor(recipe).feature


def test_the_losses_against_the_formulas():
    """Equations 10 and 11."""
    recipe, network = build(dropout=0.0, intra_weight=0.3)
    criterion = METHOD.criterion(recipe, network, 4)
    turn = METHOD.stages(recipe, network, criterion)[0].turns[0].eval()
    labels = torch.tensor([0, 3, 1])
    nothing = torch.zeros(3, dtype=torch.int64)
    terms = turn(Batch(pictures(3), labels, nothing, nothing))
    f = network.features(**pictures(3))
    for name, x in zip((*REGION_NAMES, "fused"), (f.e_g, *f.e, f.fused), strict=True):
        layer = criterion.classifiers[name][1]
        total = 0.0
        for row, label in zip(x, labels, strict=True):
            logits = [layer.bias[k].item() + (layer.weight[k] * row).sum().item() for k in range(4)]
            total -= math.log(math.exp(logits[label]) / sum(map(math.exp, logits)))
        weight = 1 if name == "fused" else 0.3
        assert terms[name].item() == pytest.approx(weight * total / 3, rel=1e-4)


def test_concatenation_alone_counts_the_branches_fully():
    losses = []
    for weight in (0.1, 0.9):
        recipe, network = build(fusion="concatenation", intra_weight=weight, dropout=0.0)
        criterion = METHOD.criterion(recipe, network, 4)
        turn = METHOD.stages(recipe, network, criterion)[0].turns[0].eval()
        labels = torch.tensor([0, 3])
        terms = turn(Batch(pictures(), labels, labels, labels))
        losses.append([float(t.detach()) for t in terms.values()])
    assert losses[0] == losses[1]
    assert len(losses[0]) == 5


def test_the_embedding_is_unit_vectors_side_by_side():
    _, network = build()
    for mode in (True, False):
        network.train(mode)
        embedding = network(**pictures(3))
        assert embedding[:, :12].norm(dim=1).tolist() == pytest.approx([1] * 3)
        assert embedding[:, 12:].norm(dim=1).tolist() == pytest.approx([1] * 3)
        f = network.features(**pictures(3))
        torch.testing.assert_close(embedding[:, 12:], functional.normalize(f.e_l))
    widths = {"whole": 12, "parts": 24, **dict.fromkeys(PARTS, 6)}
    whole = network(**pictures())
    f = network.features(**pictures())
    for name, width in widths.items():
        network.feature = name
        found = network(**pictures())
        assert found.shape == (2, width)
        if name == "whole":
            torch.testing.assert_close(found, whole[:, :12])
        elif name == "parts":
            torch.testing.assert_close(found, whole[:, 12:])
        else:
            torch.testing.assert_close(found, functional.normalize(f.e[PARTS.index(name)]))


def test_a_learned_weight_of_the_whole_body():
    _, network = build(weigh_global=True)
    network.eval()
    f = network.features(**pictures())
    torch.testing.assert_close(f.fused[:, :12], (1 + f.mu_g) * f.e_g)
    lengths = network(**pictures())[:, :12].norm(dim=1)
    torch.testing.assert_close(lengths, 1 + f.mu_g[:, 0])
    with pytest.raises(InputError, match="weigh_global needs fusion inter; given fc"):
        build(weigh_global=True, fusion="fc")


def test_fc_fusion():
    _, network = build(fusion="fc")
    network.eval()
    f = network.features(**pictures())
    raw = torch.cat([f.e_g, *f.e], 1)
    torch.testing.assert_close(f.fused, raw @ network.fc.weight.T + network.fc.bias)
    torch.testing.assert_close(network(**pictures()), functional.normalize(f.fused))


def test_each_pictures_own_mean():
    _, network = build(centre="picture")
    network.eval()
    shifted = {n: x + torch.tensor([30.0, -9, 4])[:, None, None] for n, x in pictures().items()}
    torch.testing.assert_close(network(**shifted), network(**pictures()), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_whole_network_in_half_precision(dtype):
    _, network = build()
    network.train()
    with torch.autocast("cpu", dtype=dtype):
        f = network.features(**pictures(4))
        embedding = network(**pictures(4))
    assert f.e_g.dtype == dtype
    assert embedding.dtype == torch.float32
    cosine = functional.cosine_similarity(embedding, network(**pictures(4)))
    assert cosine.min() > 0.97
    f.fused.float().sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())


def test_attention_maps():
    _, network = build()
    network.eval()
    maps = network.attention_maps(**pictures())
    f = network.features(**pictures())
    assert maps.shape == (2, 2, 3, 16, 4)
    assert [len(group) for group in f.maps] == [3, 3]
    # The parts' m_2, 4 x 4 each, stand one below the other as they are.
    m = f.maps[1][0]
    channels = m.shape[1] // 4
    for g in range(4):
        expected = m[:, g * channels : (g + 1) * channels].mean(1)
        torch.testing.assert_close(maps[:, 1, 0, 4 * g : 4 * g + 4], expected)
    grown = functional.interpolate(f.maps[0][1].mean(1, keepdim=True), (16, 4), mode="bilinear")
    torch.testing.assert_close(maps[:, 0, 1], grown[:, 0])
    with pytest.raises(InputError, match="no intra-attention"):
        build(attention="none")[1].attention_maps(**pictures())


# Inputs and recipe


def standing():
    """18 joints of a person in 96 x 48."""
    x = [24, 24, 18, 15, 14, 30, 33, 34, 20, 20, 19, 28, 28, 30, 23, 25, 21, 27]
    y = [14, 22, 24, 34, 44, 24, 34, 45, 48, 64, 80, 48, 66, 82, 12, 12, 13, 13]
    return np.stack([x, y, np.full(18, 0.8)], 1).astype(np.float32)


def test_inputs_are_the_regions():
    recipe = tiny(beta=0.1)
    inputs = METHOD.inputs(recipe)
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (96, 48, 3), dtype=np.uint8)
    made = inputs.make(Picture(image, None, standing()))
    assert list(made) == list(REGION_NAMES)
    assert {n: made[n].shape[:2] for n in made} == SIZES
    boxes = regions_of(Picture(image, None, standing()), recipe).boxes
    np.testing.assert_allclose(boxes, regions_by_formula(standing(), 0.1) + 0.5)
    assert inputs.cues == {"joints"}
    assert {spec.std for spec in inputs.specs.values()} == {(1 / 255,) * 3}


def test_a_flipped_picture_gives_flipped_inputs():
    image = np.random.default_rng(0).integers(0, 256, (96, 48, 3), dtype=np.uint8)
    picture = Picture(image, None, standing())
    make = METHOD.inputs(tiny()).make
    one, other = make(picture), make(flip(picture))
    for name in REGION_NAMES:
        difference = np.abs(one[name].astype(int) - other[name][:, ::-1])
        assert difference.max() <= 2, name


def test_strips_look_at_no_joints():
    image = np.random.default_rng(0).integers(0, 256, (64, 32, 3), dtype=np.uint8)
    for changes in ({"regions": "strips"}, {"pretrain": True}):
        inputs = METHOD.inputs(tiny(**changes))
        assert inputs.cues == frozenset()
        made = inputs.make(Picture(image, None, standing()))
        np.testing.assert_array_equal(made["whole"], image)
        for i, name in enumerate(PARTS):
            np.testing.assert_array_equal(made[name], image[16 * i : 16 * i + 16])
    without = METHOD.inputs(tiny()).make(Picture(image))
    np.testing.assert_array_equal(without["upper_leg"], image[32:48])


def test_outside_is_the_mean_colour():
    joints = standing()
    joints[:, 1] -= 11
    image = np.full((96, 48, 3), 250, np.uint8)
    made = METHOD.inputs(tiny(mean=(0.2, 0.4, 0.6))).make(Picture(image, None, joints))
    assert made["head"][0, 16].tolist() == [51, 102, 153]
    clipped = METHOD.inputs(tiny(outside="clip")).make(Picture(image, None, joints))
    assert (clipped["head"] == 250).all()


def test_the_recipe_is_the_papers():
    recipe = Recipe()
    assert (recipe.height, recipe.width, recipe.part_height, recipe.part_width) == (
        384,
        192,
        96,
        192,
    )
    assert (recipe.epochs, recipe.learning_rate, recipe.batch, recipe.dropout) == (
        100,
        0.01,
        32,
        0.5,
    )
    assert (recipe.intra_weight, recipe.global_features, recipe.part_features) == (0.5, 256, 128)
    assert (recipe.channels, recipe.beta, recipe.flip) == (32, 5 / 48, 0.0)
    assert (recipe.regions, recipe.attention, recipe.fusion) == ("joints", "decomposed", "inter")
    assert [Recipe.for_data(n).intra_weight for n in ("market1501", "dukemtmc", "cuhk03")] == [
        0.1, 0.1, 0.2,
    ]  # fmt: skip
    assert Recipe.for_data("market1501").beta == 3 / 48
    assert Recipe.for_data("synthetic") == recipe


@pytest.mark.parametrize(
    ("changes", "epochs", "at"),
    [({}, 100, (40, 80)), ({"pretrain": True}, 9, (3, 6))],
)
def test_the_papers_learning_rates(changes, epochs, at):
    recipe = replace(Recipe(), channels=2, **changes)
    network = METHOD.network(recipe)
    (stage,) = METHOD.stages(recipe, network, METHOD.criterion(recipe, network, 2))
    (each,) = stage.turns[0].optimizers
    assert stage.epochs == epochs
    assert each.optimizer.defaults["lr"] == 0.01
    found = [each.schedule(epoch) for epoch in (0, at[0] - 1, at[0], at[1] - 1, at[1])]
    assert found == pytest.approx([1, 1, 0.1, 0.1, 0.01])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"beta": -0.1}, "beta and intra_weight must be at least 0; given -0.1"),
        ({"intra_weight": math.nan}, "beta and intra_weight must be at least 0; .* nan"),
        ({"confidence": 5.0}, "confidence and mean must be from 0 to 1, .* given 5.0"),
        ({"mean": (124.0, 116.0, 104.0)}, "confidence and mean must be from 0 to 1"),
        ({"dropout": 1.0}, "dropout at least 0 and below 1; .* 1.0"),
        ({"part_height": 0}, "at least 1; given .64, 32, 0, 32."),
        ({"attention_middle": (4, 0, 4)}, "at least 1; given .*4, 0, 4"),
    ],
)
def test_numbers_that_cannot_be_are_one_line(changes, words):
    with pytest.raises(InputError, match=words):
        tiny(**changes)


def test_odd_channels_are_refused():
    with pytest.raises(InputError, match="channels must be even and at least 2; given 5"):
        AttentionDrivenNetwork(Recipe(channels=5))


# Runs


def trained(market, out, **changes):
    split = passerby.load("market1501", market)
    settings = Settings(seed=1, accelerator="cpu")
    return train(
        METHOD, split, out, preset="small", recipe={**TINY, **changes}, settings=settings,
        console=QUIET, evaluate=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def run(market, tmp_path_factory):
    out = tmp_path_factory.mktemp("adn") / "run"
    trained(market, out)
    return out


def test_the_model_embeds_as_it_did_and_holds_no_classifiers(market, run):
    split = passerby.load("market1501", market)
    names = load_file(run / "model.safetensors").keys()
    assert not any("classifier" in name for name in names)
    model = passerby.Embedder.load(run)
    assert set(names) == set(model.network.state_dict())
    once = model.embed_samples(split.query)
    again = passerby.Embedder.load(run).embed_samples(split.query)
    np.testing.assert_array_equal(once, again)
    head = passerby.Embedder.load(run, changes={"feature": "head"})
    assert head.embed_samples(split.query).shape == (len(split.query), 6)
    assert head.fingerprint != model.fingerprint


def test_pictures_with_and_without_joints(run):
    image = np.random.default_rng(0).integers(0, 256, (96, 48, 3), dtype=np.uint8)
    model = passerby.Embedder.load(run)
    with_joints = model.embed([image], joints=[standing()])
    without = model.embed([image])
    assert np.abs(with_joints - without).max() > 1e-3
    wrong = standing()
    wrong[0, 0] = np.inf
    with pytest.raises(InputError, match="joints must be finite"):
        model.embed([image], joints=[wrong])


class Poses:
    """Joints by picture name; the others are not known."""

    fingerprint = "poses"

    def __init__(self, joints):
        self.known = joints

    def mask(self, sample):
        return None

    def joints(self, sample):
        return self.known.get(sample.name)


def test_joints_that_give_no_body_count_as_a_fallback(market, run):
    """They are cut into strips, as pictures without joints are: each place that counts says so."""
    tumbled, faint, gap = standing(), standing(), standing()
    tumbled[:, 1] = 95 - tumbled[:, 1]
    faint[:, 2] = 0.05
    gap[:5] = 0
    image = np.random.default_rng(0).integers(0, 256, (96, 48, 3), dtype=np.uint8)
    model = passerby.Embedder.load(run)
    given = [standing(), gap, tumbled, faint, None]
    found = model.embed_with_cues([image] * 5, joints=given)
    assert found.cues == {"joints": ("given", "given", "fallback", "fallback", "fallback")}
    strips = model.embed([image])[0]
    np.testing.assert_allclose(found.embeddings[2:], [strips] * 3, atol=1e-5)
    assert np.abs(found.embeddings[:2] - strips).max(axis=1).min() > 1e-3

    def seen(joints):
        return np.float32(joints) * [0.5, 0.5, 1]  # the data set's pictures are half as large

    split = passerby.load("market1501", market)
    names = [sample.name for sample in split.train]
    poses = Poses({names[0]: seen(standing()), names[1]: seen(tumbled), names[2]: seen(faint)})
    missing = Counter()
    model.embed_samples(split.train, cues=poses, missing=missing)
    assert missing == {"joints": len(names) - 1}
    loader = Loader(training_data(split.train, model.inputs, poses), Augmentation(flip=0.5))
    list(loader.epoch([np.arange(3)], 0))
    assert loader.missing == {"joints": 2}
    assert METHOD.inputs(tiny(confidence=0.01)).without(Picture(image, None, faint)) == []


def test_pretraining_gives_starting_weights(market, tmp_path):
    pre = trained(market, tmp_path / "pre", pretrain=True, pretrain_epochs=1)
    weights = str(tmp_path / "pre" / "model.safetensors")
    network = METHOD.network(tiny(weights=weights))
    weights_given = network.state_dict()
    for name, value in pre.network.state_dict().items():
        assert torch.equal(value, weights_given[name]), name
    # Another fusion starts at random, the rest does not.
    other = METHOD.network(tiny(weights=weights, fusion="fc"))
    assert torch.equal(other.conv1.weight, network.conv1.weight)
    with pytest.raises(InputError, match="of its .* tensors are missing and .* too many"):
        METHOD.network(tiny(weights=weights, attention="none"))
    with pytest.raises(InputError, match="conv1.weight must be .8, 3, 3, 3."):
        METHOD.network(tiny(weights=weights, channels=8))
    assert "strips" in pre.descriptor.feature


def test_it_is_listed():
    assert METHODS["attention_driven"] is METHOD


def test_entry_alone_takes_the_blocks_stride():
    torch.manual_seed(0)
    module = IntraAttention(Recipe(), 3, 4, 8).eval()
    assert module(torch.randn(1, 4, 9, 6)).shape == (1, 8, 5, 3)


@pytest.mark.parametrize("attention", ["decomposed", "plain"])
def test_attention_starts_near_one_half(attention):
    torch.manual_seed(0)
    network = AttentionDrivenNetwork(Recipe(attention=attention))
    pictures = [torch.randn(2, 3, 96, 48), *[torch.randn(2, 3, 24, 48) for _ in range(4)]]
    with torch.no_grad():
        whole, parts = network.features(*pictures).maps
    for m in (*whole, *parts):
        assert (m - 0.5).abs().mean() < 0.1
        assert m.std() > 0


def test_weights_of_units_behind_their_poolings_are_refused():
    # Plain attention's tensors had the same shapes then, and computed something else.
    network = AttentionDrivenNetwork(Recipe(attention="plain"))
    then = {k.replace("before_pooling", "encoder"): v for k, v in network.state_dict().items()}
    with pytest.raises(RuntimeError, match="before_pooling"):
        AttentionDrivenNetwork(Recipe(attention="plain")).load_state_dict(then)
