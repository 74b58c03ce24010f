import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file

import passerby
from passerby.data.samplers import IdentityBalanced
from passerby.experiment import train
from passerby.methods import METHODS
from passerby.methods.msreid import (
    METHOD,
    BottleneckBlock,
    MSReID,
    Recipe,
    SoftAttention,
    descriptor,
    joined,
    pooled,
    quickly_joined,
)
from passerby.training.settings import Settings
from passerby.types import Augmentation, Batch, InputError, InputSpec, Picture

QUIET = Console(quiet=True)
TINY = {"height": 32, "width": 16, "pad": 2, "identities": 4, "pictures": 3, "epochs": 2}
TRUNK = 25_557_032 - 2_049_000
"""Parameters of ResNet-50 without its 2048 x 1000 + 1000 classifier."""
SWITCHES = [
    dict(zip(("attention", "local", "mask"), on, strict=True))
    for on in itertools.product((True, False), repeat=3)
]
ONE_EACH, ALONE = [0, 0, 0, 1, 1, 1, 2, 2, 2], [3, 1, 1, 1, 2, 2, 2, 0, 0]


def small(**changes):
    return dataclasses.replace(Recipe.small(), **{"height": 32, "width": 16, **changes})


def made(**changes):
    return MSReID(Recipe(**{"trunk": "thin18", "weights": "none", **changes}))


def parts(labels=ONE_EACH, **changes):
    torch.manual_seed(0)
    recipe = small(**changes)
    network = METHOD.network(recipe).train()
    criterion = METHOD.criterion(recipe, network, 4).train()
    (stage,) = METHOD.stages(recipe, network, criterion)
    nothing = torch.zeros(len(labels), dtype=torch.int64)
    image = torch.randn(len(labels), 3, recipe.height, recipe.width)
    return (
        network,
        criterion,
        stage.turns[0],
        Batch({"image": image}, torch.tensor(labels), nothing, nothing),
    )


# Equations 1 to 4, number by number, on plain lists.


def equation_1(f, labels, margin):
    total, anchors = 0.0, 0
    for a in range(len(f)):
        far = [math.dist(f[a], f[p]) for p in range(len(f)) if p != a and labels[p] == labels[a]]
        near = [math.dist(f[a], f[n]) for n in range(len(f)) if labels[n] != labels[a]]
        if far and near:
            anchors += 1
            total += max(0.0, margin + max(far) - min(near))
    return total, anchors


def equation_2(f, centers, labels):
    return sum(math.dist(row, centers[y]) ** 2 for row, y in zip(f, labels, strict=True))


def equation_3(logits, labels, epsilon):
    total = 0.0
    for row, y in zip(logits, labels, strict=True):
        normaliser = math.log(sum(math.exp(value) for value in row))
        for c, value in enumerate(row):
            target = (1 - epsilon) * (c == y) + epsilon / len(row)
            total -= target * (value - normaliser)
    return total / len(logits)


def equation_4(f, after, labels, criterion, recipe):
    """The three terms of each feature, from its values on both sides of the neck."""
    terms = {}
    for branch in f:
        table = "shared" if recipe.shared_centers else branch
        centers = criterion.centers[table].centers.tolist()
        weight = criterion.classifiers[branch].weight.double()
        logits = (after[branch].double() @ weight.T).tolist()
        rows = f[branch].tolist()
        triplet, anchors = equation_1(rows, labels, recipe.margin)
        center = equation_2(rows, centers, labels)
        mean = recipe.reduction == "mean"
        terms[f"{branch}_identity"] = equation_3(logits, labels, 0.1)
        terms[f"{branch}_triplet"] = triplet / max(anchors, 1) if mean else triplet
        terms[f"{branch}_center"] = 5e-4 * (center / len(rows) if mean else center)
    return terms


@pytest.mark.parametrize("labels", [ONE_EACH, ALONE], ids=["P x K", "a person with one picture"])
@pytest.mark.parametrize(
    "changes",
    [{}, {"margin": 1.2, "reduction": "sum"}, {"shared_centers": True}, {"local": False}],
    ids=str,
)
def test_equations_1_to_4_number_by_number(labels, changes):
    network, criterion, turn, batch = parts(labels, **changes)
    for classifier in criterion.classifiers.values():
        torch.nn.init.normal_(classifier.weight, std=0.1)
    terms = {name: float(term.detach()) for name, term in turn(batch).items()}
    found = network.features(**batch.inputs)
    expected = equation_4(found.f, found.after_neck, labels, criterion, turn.recipe)
    assert terms == pytest.approx(expected, rel=1e-4)
    assert min(expected.values()) > 0
    assert len(terms) == (3 if "local" in changes else 6)


def test_their_gradients_by_finite_differences():
    """Of Eq. 4 for one feature: all three losses on the same f, the neck left out."""
    _, criterion, turn, _ = parts(local=False)
    recipe = turn.recipe
    criterion = criterion.double()
    random = np.random.default_rng(0)
    torch.nn.init.normal_(criterion.classifiers["global"].weight, std=0.3)
    f = random.normal(size=(9, 192))

    class Fixed(torch.nn.Module):
        def features(self, image):
            from passerby.methods.msreid import Features

            return Features(None, {"global": image}, {"global": image})

    turn.network, turn.criterion = Fixed(), criterion
    nothing = torch.zeros(9, dtype=torch.int64)
    x = torch.tensor(f, requires_grad=True)
    sum(turn(Batch({"image": x}, torch.tensor(ALONE), nothing, nothing)).values()).backward()
    for place in [(0, 0), (1, 5), (4, 100), (7, 3), (8, 191)]:
        ends = []
        for step in (1e-5, -1e-5):
            moved = torch.tensor(f)
            moved[place] += step
            both = {"global": moved}
            ends.append(sum(equation_4(both, both, ALONE, criterion, recipe).values()))
        slope = (ends[0] - ends[1]) / 2e-5
        assert x.grad[place].item() == pytest.approx(slope, rel=1e-5, abs=1e-9)


def test_a_batch_of_one_person():
    _, _, turn, batch = parts([2] * 6)
    terms = turn(batch)
    assert terms["global_triplet"].item() == terms["local_triplet"].item() == 0
    sum(terms.values()).backward()
    assert all(p.grad.isfinite().all() for p in turn.parameters() if p.grad is not None)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_centers_steps_do_not_depend_on_their_losss_weight(reduction):
    steps = []
    for weight in (5e-4, 0.5):
        network, criterion, turn, batch = parts(center_weight=weight, reduction=reduction)
        sum(turn(batch).values()).backward()
        f = network.features(**batch.inputs).f["local"]
        centers = criterion.centers["local"].centers
        steps.append(centers.grad.clone())
        expected = torch.zeros_like(centers)
        for row, y in zip(f, batch.labels, strict=True):
            expected[y] += 2 * (centers[y] - row).detach() / 9
        torch.testing.assert_close(steps[-1], expected, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(*steps)


# The network.


def unfolded(attention, x):
    """Figure 3 as it is drawn: W on the whole product."""
    y = attention.bn(joined(attention.spatial(x), attention.channel(x), attention.join.weight))
    return x * torch.sigmoid(torch.relu(y) if attention.relu else y)


def test_w_works_on_the_product():
    torch.manual_seed(0)
    s, c, w = torch.rand(2, 1, 3, 2), torch.rand(2, 4), torch.randn(5, 4)
    expected = torch.einsum("dk,byx,bk->bdyx", w, s[:, 0], c)
    torch.testing.assert_close(joined(s, c, w), expected)
    torch.testing.assert_close(quickly_joined(s, c @ w.T), expected)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("pooling", ["learned", "mean"])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_folded_product_gives_the_unfolded_numbers(training, relu, pooling, layout):
    torch.manual_seed(1)
    attention = SoftAttention(32, Recipe(spatial_pooling=pooling, attention_relu=relu)).double()
    with torch.no_grad():
        for name, parameter in attention.named_parameters():
            if "bn" in name:
                parameter.uniform_(0.5, 1.5)
    attention.train()(torch.randn(4, 32, 6, 4, dtype=torch.float64))
    attention.train(training)
    x = torch.randn(4, 32, 6, 4, dtype=torch.float64).to(memory_format=layout)
    towards = torch.randn_like(x)
    results, statistics = [], []
    state = {name: value.clone() for name, value in attention.state_dict().items()}
    for way in (attention, lambda x: unfolded(attention, x)):
        attention.load_state_dict(state)
        attention.zero_grad()
        given = x.clone().requires_grad_()
        out = way(given)
        (out * towards).sum().backward()
        statistics.append({n: b.clone() for n, b in attention.named_buffers()})
        results.append([out, given.grad, *(p.grad for p in attention.parameters())])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(*statistics, rtol=1e-9, atol=1e-12)
    if training:
        assert statistics[0]["bn.num_batches_tracked"] == 2


def test_spatial_attention_by_hand():
    """Each layer as a loop over pixels, BatchNorm as it stands in eval mode."""
    torch.manual_seed(3)
    spatial = SoftAttention(5, Recipe()).spatial.double().eval()
    with torch.no_grad():
        for norm in (spatial.bn1, spatial.bn2):
            for value in (norm.running_mean, norm.bias):
                value.uniform_(-0.3, 0.3)
            for value in (norm.running_var, norm.weight):
                value.uniform_(0.5, 2.0)
        spatial.average.weight.uniform_(0, 1)
        spatial.conv2.weight.fill_(0.7)
    x = torch.randn(2, 5, 8, 4, dtype=torch.float64)
    found = spatial(x)
    assert found.shape == (2, 1, 8, 4)

    def norm(layer, value):
        scaled = (value - float(layer.running_mean)) / math.sqrt(float(layer.running_var) + 1e-5)
        return max(0.0, scaled * float(layer.weight) + float(layer.bias))

    weights, kernel = spatial.average.weight.flatten().tolist(), spatial.conv1.weight[0, 0]
    for b in range(2):
        mean = np.zeros((10, 6))  # a border of zeros
        for i, j in np.ndindex(8, 4):
            mean[i + 1, j + 1] = sum(w * float(x[b, c, i, j]) for c, w in enumerate(weights))
        small_map = np.zeros((4, 2))
        for i, j in np.ndindex(4, 2):
            window = mean[2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
            small_map[i, j] = norm(spatial.bn1, float((window * kernel.detach().numpy()).sum()))
        for i, j in np.ndindex(8, 4):
            y, z = i * 3 / 7, j * 1 / 3  # corners on corners
            top, left = min(int(y), 2), min(int(z), 0)
            value = sum(
                small_map[top + di, left + dj]
                * abs(1 - di - (y - top)) * abs(1 - dj - (z - left))
                for di in (0, 1) for dj in (0, 1)
            )  # fmt: skip
            assert float(found[b, 0, i, j]) == pytest.approx(
                norm(spatial.bn2, 0.7 * value), abs=1e-9
            )


def test_the_learned_average_starts_at_the_mean():
    torch.manual_seed(0)
    learned = SoftAttention(8, Recipe()).eval()
    plain = SoftAttention(8, Recipe(spatial_pooling="mean")).eval()
    plain.load_state_dict(learned.state_dict(), strict=False)
    x = torch.randn(2, 8, 6, 4)
    torch.testing.assert_close(learned(x), plain(x))
    assert sum(p.numel() for p in learned.parameters()) == 8 + sum(
        p.numel() for p in plain.parameters()
    )


def test_the_relu_keeps_the_map_above_a_half():
    torch.manual_seed(0)
    x = torch.randn(4, 16, 6, 4)
    bound, free = (
        SoftAttention(16, Recipe(attention_relu=relu, attention_start="random"))
        for relu in (True, False)
    )
    assert bound.map(x).min() >= 0.5
    assert 0 < free.map(x).min() < 0.5
    assert free.map(x).max() < 1


@pytest.mark.parametrize(("relu", "level"), [(False, 0.5), (True, 1 / (1 + math.exp(-1)))])
def test_attention_starts_flat_and_learns(relu, level):
    torch.manual_seed(0)
    network = made(attention_relu=relu)
    image = torch.randn(4, 3, 64, 32)
    maps = network.attention_maps(image)
    torch.testing.assert_close(maps, torch.full_like(maps, level))
    network.features(image).f["global"].square().sum().backward()
    for attention in network.attention:
        assert attention.bn.weight.grad.abs().min() > 0


def test_pooling_and_descriptor_number_by_number():
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 2))
    expected = [[sum(p.flat) / 8 + max(p.flat) for p in row] for row in x]
    np.testing.assert_allclose(pooled(torch.tensor(x)), expected, rtol=1e-12)
    f, g = torch.tensor([[3.0, 4.0]]), torch.tensor([[0.0, 2.0]])
    assert descriptor([f, g], unit=False).tolist() == [[3, 4, 0, 2]]
    torch.testing.assert_close(descriptor([f, g], unit=True), torch.tensor([[0.6, 0.8, 0, 1]]))


def attention_size(c):
    """W; squeeze and excitation with two BatchNorms; the last BatchNorm; the spatial path."""
    channel = 2 * c * (c // 16) + 2 * (c // 16) + 2 * c
    return c * c + channel + 2 * c + (c + 9 + 2 + 1 + 2)


def block_size(c, width, d):
    return c * width + 9 * width * width + width * d + c * d + 2 * (2 * width + 2 * d)


SIZES = {
    "trunk": TRUNK,
    "attention": sum(attention_size(c) for c in (256, 512, 1024, 2048)),
    "global": block_size(2048, 512, 1536),
    "local": block_size(1024, 256, 1536),
    "masking": block_size(2048, 512, 1),
}


def test_the_sizes_written_down():
    assert SIZES == {
        "trunk": 23_508_032,
        "attention": 6_286_616,
        "global": 7_348_224,
        "local": 2_825_216,
        "masking": 3_412_484,
    }


@pytest.mark.parametrize("switches", SWITCHES, ids=str)
def test_resnet50_at_the_papers_size(switches):
    with torch.device("meta"):
        network = made(trunk="resnet50", **switches)
        found = network.features(torch.empty(2, 3, 256, 128))
        embedding = network(torch.empty(2, 3, 256, 128))
        layer3, layer4 = network.maps(torch.empty(2, 3, 256, 128))
    branches = ["global", "local"] if switches["local"] else ["global"]
    assert (layer3.shape, layer4.shape) == ((2, 1024, 16, 8), (2, 2048, 16, 8))
    assert list(found.f) == list(found.after_neck) == branches
    for feature in (*found.f.values(), *found.after_neck.values()):
        assert feature.shape == (2, 1536)
    assert embedding.shape == (2, 1536 * len(branches))
    assert (None if found.mask is None else found.mask.shape) == (
        (2, 1, 16, 8) if switches["mask"] else None
    )
    expected = SIZES["trunk"] + SIZES["global"] + len(branches) * 2 * 1536
    expected += SIZES["attention"] * switches["attention"] + SIZES["masking"] * switches["mask"]
    expected += SIZES["local"] * switches["local"]
    assert sum(p.numel() for p in network.parameters()) == expected
    if all(switches.values()):
        assert expected == 43_386_716


def test_thinner_trunks_have_thinner_branches():
    network = made()
    assert network.width == 192
    assert network.reduce["global"].conv2.weight.shape == (64, 64, 3, 3)
    assert network.reduce["local"].conv2.weight.shape == (32, 32, 3, 3)
    assert network.masking.conv2.weight.shape == (64, 64, 3, 3)
    assert made(feature_width=40)(torch.randn(2, 3, 32, 16)).shape == (2, 80)


@pytest.mark.parametrize("switches", SWITCHES, ids=str)
@pytest.mark.parametrize("early", [False, True], ids=["reduced maps", "trunk's maps"])
def test_where_the_masks_lie(switches, early):
    torch.manual_seed(0)
    network = made(mask_before_reduction=early, **switches).eval()
    image = torch.randn(3, 3, 64, 32)
    found = network.features(image)
    assert bool(network.attention) == switches["attention"]
    for branch, x in zip(("local", "global"), network.maps(image), strict=True):
        if branch == "local" and not switches["local"]:
            assert branch not in found.f
            continue
        mask = torch.ones(3, 1, 4, 2)
        if switches["mask"]:
            mask = found.mask if branch == "global" else 1 - found.mask
            torch.testing.assert_close(network.mask(image), found.mask)
            assert 0 < found.mask.min() < found.mask.max() < 1
        reduce = network.reduce[branch]
        masked = reduce(x * mask) if early else reduce(x) * mask
        expected = masked.mean((2, 3)) + masked.flatten(2).max(2).values
        torch.testing.assert_close(found.f[branch], expected)
        torch.testing.assert_close(found.after_neck[branch], network.necks[branch](expected))


def test_the_attention_stands_after_each_layer_and_not_after_the_stem():
    torch.manual_seed(0)
    network = made().eval()
    image = torch.randn(2, 3, 64, 32)
    trunk, x = network.trunk, network.trunk.taps(image).pool1
    for index in range(4):
        x = network.attention[index](getattr(trunk, f"layer{index + 1}")(x))
        if index >= 2:
            torch.testing.assert_close(network.maps(image)[index - 2], x)
    assert len(network.attention) == 4


def test_no_mask_and_masks_of_two_sizes():
    with pytest.raises(InputError, match="has mask=False"):
        made(mask=False).mask(torch.randn(1, 3, 32, 16))
    with pytest.raises(InputError, match="last_stride 1; given 2"):
        made(last_stride=2)
    assert made(last_stride=2, mask=False)(torch.randn(2, 3, 64, 32)).shape == (2, 384)


def test_the_blocks_last_activation():
    torch.manual_seed(0)
    x = torch.randn(4, 8, 5, 3)
    block = BottleneckBlock(8, 2, 6)
    assert block(x).shape == (4, 6, 5, 3)
    assert block(x).min() == 0
    mask = BottleneckBlock(8, 2, 1, sigmoid=True)(x)
    assert 0 < mask.min() < 0.5 < mask.max() < 1


@pytest.mark.parametrize("training", [True, False])
def test_the_embedding_on_both_sides_of_the_neck(training):
    torch.manual_seed(0)
    network = made().train(training)
    image = torch.randn(3, 3, 32, 16)
    found = network.features(image)
    before = torch.cat([found.f["global"], found.f["local"]], 1)
    torch.testing.assert_close(network(image), before)
    network.feature = "after"
    halves = [x / x.norm(dim=1, keepdim=True) for x in found.after_neck.values()]
    torch.testing.assert_close(network(image), torch.cat(halves, 1))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_finite_and_close(dtype):
    network, _, turn, batch = parts(height=128, width=64)
    plain = {name: float(term.detach()) for name, term in turn(batch).items()}
    with torch.autocast("cpu", dtype=dtype):
        terms = turn(batch)
    assert all(term.dtype == torch.float32 for term in terms.values())
    for name, term in terms.items():
        assert float(term) == pytest.approx(plain[name], rel=0.1), name
    sum(terms.values()).backward()
    assert all(p.grad.isfinite().all() for p in turn.parameters() if p.grad is not None)
    network.eval()
    with torch.no_grad():
        exact = network(batch.inputs["image"])
        with torch.autocast("cpu", dtype=dtype):
            near = network(batch.inputs["image"])
    assert torch.nn.functional.cosine_similarity(exact, near.float()).min() > 0.999


# Training.


@pytest.mark.parametrize("switches", SWITCHES, ids=str)
def test_gradients_reach_what_trains_and_nothing_else(switches):
    # At the flat start the attention's last BatchNorm alone learns.
    network, criterion, turn, batch = parts(attention_start="random", **switches)
    sum(turn(batch).values()).backward()
    given = {name for name, p in turn.named_parameters() if p.grad is not None}
    assert {name for name, _ in turn.named_parameters()} - given == {
        f"network.necks.{branch}.bias" for branch in network.necks
    }
    still = {n for n, p in turn.named_parameters() if n in given and not p.grad.any()}
    # A factor of one channel before BatchNorm: its gradient is 0 but for BatchNorm's epsilon.
    assert all(name.endswith("spatial.conv2.weight") for name in still), still
    adam, sgd = (
        [p for g in o.optimizer.param_groups for p in g["params"]] for o in turn.optimizers
    )
    assert {id(p) for p in sgd} == {id(p) for p in criterion.centers.parameters()}
    assert {id(p) for p in [*adam, *sgd]} == {id(p) for p in turn.parameters()}
    assert len(adam) + len(sgd) == len(list(turn.parameters()))


def test_the_recipe_is_the_papers():
    recipe = Recipe.for_data("market1501")
    assert (recipe.height, recipe.width, recipe.trunk, recipe.last_stride) == (
        256, 128, "resnet50", 1,
    )  # fmt: skip
    assert (recipe.identities, recipe.pictures, recipe.epochs) == (32, 3, 180)
    assert (recipe.smoothing, recipe.margin, recipe.center_weight) == (0.1, 0.3, 5e-4)
    assert (recipe.attention, recipe.local, recipe.mask) == (True, True, True)
    assert (recipe.erase, recipe.erase_area, recipe.erase_ratio) == (0.5, (0.02, 0.4), (0.3, 3.3))
    assert Recipe.for_data("dukemtmc") == recipe
    assert Recipe.for_data("cuhk03") == Recipe(margin=1.2)


def test_the_papers_learning_rates():
    # Section 4.2: 1.5e-4 rises linearly to 1.5e-3 in the first 10 epochs; a tenth every 60.
    recipe = Recipe(**{**vars(small()), "epochs": 180, "warm_up": 10, "milestones": (60, 120)})
    network = METHOD.network(recipe)
    (stage,) = METHOD.stages(recipe, network, METHOD.criterion(recipe, network, 4))
    adam, sgd = stage.turns[0].optimizers
    assert adam.optimizer.param_groups[0]["lr"] == 1.5e-3
    for epoch, rate in {
        1: 1.5e-4, 2: 3e-4, 5: 7.5e-4, 10: 1.5e-3, 60: 1.5e-3, 61: 1.5e-4, 120: 1.5e-4, 121: 1.5e-5,
    }.items():  # fmt: skip
        assert 1.5e-3 * adam.schedule(epoch - 1) == pytest.approx(rate)
    assert {sgd.schedule(epoch) for epoch in range(180)} == {1}
    assert sgd.optimizer.param_groups[0]["lr"] == 0.5
    assert sgd.optimizer.defaults["weight_decay"] == 0
    assert stage.group == 3
    assert stage.augmentation.erase_fill == 0


def test_batches_and_augmentation_are_the_papers():
    recipe = Recipe(trunk="thin18", weights="none")
    network = METHOD.network(recipe)
    (stage,) = METHOD.stages(recipe, network, METHOD.criterion(recipe, network, 4))
    assert stage.epochs == 180
    assert stage.sampler == IdentityBalanced(32, 3)
    assert stage.augmentation == Augmentation(
        resize=(256, 128), flip=0.5, pad=10, crop=(256, 128), erase=0.5,
        erase_area=(0.02, 0.4), erase_ratio=(0.3, 3.3), erase_fill=0,
    )  # fmt: skip
    assert METHOD.inputs(recipe).specs == {"image": InputSpec(256, 128, erase=True)}


def test_one_shared_table_of_centers():
    _, criterion, _, _ = parts(shared_centers=True)
    assert criterion.center("global") is criterion.center("local")
    _, criterion, _, _ = parts()
    assert criterion.center("global") is not criterion.center("local")


@pytest.fixture(scope="module")
def trained(market, tmp_path_factory):
    """A training through the real loop: the run, and the model as training left it."""
    out = tmp_path_factory.mktemp("msreid") / "run"
    settings = Settings(seed=1, accelerator="cpu")
    model = train(
        METHOD, passerby.load("market1501", market), out, preset="small", recipe=TINY,
        settings=settings, console=QUIET, evaluate=False,
    )  # fmt: skip
    return out, model


@pytest.fixture(scope="module")
def run(trained):
    return trained[0]


def test_what_is_saved_embeds_the_same_without_classifiers_and_centers(trained, tmp_path):
    run, left = trained
    model = passerby.Embedder.load(run)
    expected = set(METHOD.network(model.recipe).state_dict())
    assert set(load_file(run / "model.safetensors")) == expected
    assert not [name for name in expected if "classifier" in name or "center" in name]
    pictures = list(np.random.default_rng(0).integers(0, 256, (5, 48, 24, 3), dtype=np.uint8))
    model.save(tmp_path / "copy")
    again = passerby.Embedder.load(tmp_path / "copy")
    assert again.fingerprint == model.fingerprint
    found = model.embed(pictures)
    assert found.shape == (5, 384)
    np.testing.assert_array_equal(again.embed(pictures), found)
    # Another memory format of the weights moves the last digits.
    np.testing.assert_allclose(left.embed(pictures), found, rtol=1e-4, atol=1e-4)


def test_the_other_side_of_the_neck_from_the_same_run(run):
    pictures = list(np.random.default_rng(0).integers(0, 256, (5, 48, 24, 3), dtype=np.uint8))
    model = passerby.Embedder.load(run, changes={"feature": "after"})
    found = model.embed(pictures)
    np.testing.assert_allclose(np.linalg.norm(found[:, :192], axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found[:, 192:], axis=1), 1, rtol=1e-5)
    plain = passerby.Embedder.load(run)
    assert model.fingerprint != plain.fingerprint
    assert plain.descriptor.feature == "[f_global, f_local] before the BNNeck"
    assert model.descriptor.feature.endswith("after the BNNeck, each L2-normalised")


def test_everything_moved_but_the_necks_biases(run):
    recipe = passerby.Embedder.load(run).recipe
    torch.manual_seed(1)
    start, end = METHOD.network(recipe).state_dict(), load_file(run / "model.safetensors")
    still = {name for name, value in start.items() if torch.equal(value, end[name])}
    assert still == {"necks.global.bias", "necks.local.bias"}


def test_inputs_take_any_picture():
    made = METHOD.inputs(Recipe()).make(Picture(np.zeros((31, 17, 3), np.uint8)))
    assert made["image"].shape == (256, 128, 3)


def test_it_is_listed():
    assert METHODS["msreid"] is METHOD
