import math

import numpy as np
import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file, save_file

import passerby
from passerby.experiment import train
from passerby.methods import METHODS
from passerby.methods.feature_mask import (
    METHOD,
    TAPS,
    FeatureMaskNetwork,
    MixingNetwork,
    Recipe,
    StageRecipe,
    bounded,
    descriptor,
    feature_mask,
    mask_size,
    transitional_mask,
)
from passerby.methods.trunks.resnet import ResNet
from passerby.training.freeze import frozen
from passerby.training.settings import Settings
from passerby.types import Batch, InputError, Picture

QUIET = Console(quiet=True)
TINY = {
    "height": 32,
    "width": 16,
    "resize": [36, 18],
    "batch": 8,
    "stages.0.epochs": 2,
    "stages.1.epochs": 2,
}
TRUNK = 25_557_032 - 2_049_000
"""Parameters of ResNet-50 without its 2048 x 1000 + 1000 classifier."""


def small(**changes):
    return Recipe(**{**vars(Recipe.small()), "height": 32, "width": 16, **changes})


def bounded_by_hand(value, limit, bound):
    return limit * math.tanh(value / limit) if bound == "tanh" else min(value, limit)


def masked_by_hand(g, weight, f, limit, bound="tanh"):
    """Equations 1 to 3, number by number; `weight` is W^T."""
    h, w = f.shape[2:]
    o = np.zeros_like(f)
    for b in range(len(g)):
        for k in range(h * w):
            m_prime = max(0.0, sum(weight[k, d] * g[b, d] for d in range(g.shape[1])))
            # The paper counts i, j from 1; its k starts at 0, or j would exceed w at k = h w.
            j = math.floor(k / h) + 1
            i = k - h * (j - 1) + 1
            for c in range(f.shape[1]):
                m = math.exp(bounded_by_hand(m_prime, limit, bound))
                o[b, c, i - 1, j - 1] = f[b, c, i - 1, j - 1] * m
    return o


def draw(seed=0):
    """g (2, 5), W^T (12, 5), f (2, 3, 4, 3) in float64; some m' are 0 and some above 2."""
    random = torch.Generator().manual_seed(seed)
    shapes = ((2, 5), (12, 5), (2, 3, 4, 3))
    return [torch.randn(s, generator=random, dtype=torch.float64) for s in shapes]


def masked(g, weight, f, limit=2.0, bound="tanh"):
    transitional = bounded(transitional_mask(g, weight), limit, bound)
    return f * feature_mask(transitional, *f.shape[2:])


@pytest.mark.parametrize("bound", ["tanh", "clamp"])
def test_equations_1_to_3_number_by_number(bound):
    g, weight, f = draw()
    m_prime = (g @ weight.T).numpy()
    assert (m_prime < 0).any()
    assert (m_prime > 2).any()
    by_hand = masked_by_hand(g.numpy(), weight.numpy(), f.numpy(), 2.0, bound)
    np.testing.assert_allclose(masked(g, weight, f, bound=bound).numpy(), by_hand, rtol=1e-12)
    network = MixingNetwork(5, (4, 3), 2.0, bound).double()
    network.transform.weight.data = weight
    np.testing.assert_allclose(network(f, network.mask(g)).detach(), by_hand, rtol=1e-12)


def test_their_gradients_by_finite_differences():
    values = [tensor.numpy() for tensor in draw()]
    towards = np.random.default_rng(3).normal(size=values[2].shape)
    tensors = [torch.tensor(value, requires_grad=True) for value in values]
    (masked(*tensors) * torch.tensor(towards)).sum().backward()
    for which, tensor in enumerate(tensors):
        for place in np.ndindex(tensor.shape):
            ends = []
            for step in (1e-6, -1e-6):
                moved = [value.copy() for value in values]
                moved[which][place] += step
                ends.append((masked_by_hand(*moved, 2.0) * towards).sum())
            slope = (ends[0] - ends[1]) / 2e-6
            assert tensor.grad[place].item() == pytest.approx(slope, rel=1e-6, abs=1e-7)


def test_the_mask_is_filled_column_by_column():
    m = feature_mask(torch.arange(6.0)[None] / 10, height=2, width=3)
    expected = torch.tensor([[0.0, 2.0, 4.0], [1.0, 3.0, 5.0]]) / 10
    torch.testing.assert_close(m[0, 0].log(), expected)


@pytest.mark.parametrize(
    ("bound", "gradient"),
    [
        ("clamp", [1.0, math.exp(4.9), 0, 0, 0, 0]),
        (
            "tanh",
            [
                1.0,
                *[math.exp(5 * math.tanh(x / 5)) / math.cosh(x / 5) ** 2 for x in (4.9, 5.1, 90)],
                0,
                0,
            ],
        ),
    ],
)
def test_the_exponent_cannot_overflow(bound, gradient):
    wild = torch.tensor([[0.0, 4.9, 5.1, 90.0, 1e4, 3e38]], requires_grad=True)
    m = feature_mask(bounded(wild, 5.0, bound), 2, 3)
    assert m.isfinite().all()
    assert m.max().item() == pytest.approx(math.exp(5))
    m.sum().backward()
    # Above the limit a cut-off value learns nothing any more; under tanh it can come back.
    torch.testing.assert_close(wild.grad, torch.tensor([gradient]), rtol=1e-5, atol=1e-9)
    assert (wild.grad[0, 2] > 0) == (bound == "tanh")


def test_controls_of_the_mask():
    """No mask: LAN sees the map as it is. Exchanged: the mask of the picture half a batch on."""
    image = torch.randn(6, 3, 32, 16)
    networks = {}
    for mask in ("own", "exchanged", "none"):
        torch.manual_seed(0)
        networks[mask] = METHOD.network(small(mask=mask)).eval()
    own, exchanged, none = (network.features(image) for network in networks.values())
    assert own.m.std(dim=0).max() > 0
    torch.testing.assert_close(exchanged.m, own.m[[3, 4, 5, 0, 1, 2]])
    torch.testing.assert_close(exchanged.o, own.f * own.m[[3, 4, 5, 0, 1, 2]])
    assert (none.m == 1).all()
    torch.testing.assert_close(none.o, none.f)
    assert "mixing.transform.weight" not in networks["none"].state_dict()
    with pytest.raises(InputError, match="has mask=none"):
        networks["none"].mask(image)
    with pytest.raises(InputError, match="mask_limit must be above 0"):
        METHOD.network(small(mask_limit=0.0))


def test_equation_6_number_by_number():
    random = np.random.default_rng(0)
    g, local = random.normal(size=(3, 4)), random.normal(size=(3, 6))
    found = descriptor(torch.tensor(g), torch.tensor(local), 0.3).numpy()
    for b in range(3):
        norm_g = math.sqrt(sum(value**2 for value in g[b]))
        norm_l = math.sqrt(sum(value**2 for value in local[b]))
        expected = [0.3 * value / norm_g for value in g[b]] + [0.7 * v / norm_l for v in local[b]]
        np.testing.assert_allclose(found[b], expected, rtol=1e-12)
    assert descriptor(torch.zeros(1, 4), torch.zeros(1, 6)).isfinite().all()


def test_equation_6_gradient_by_finite_differences():
    pair = [torch.randn(2, 3, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    assert torch.autograd.gradcheck(lambda g, local: descriptor(g, local, 0.3), pair)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_masks_in_float32(dtype):
    network = MixingNetwork(8, (4, 3), 5.0, "tanh")
    g, f = torch.randn(2, 8).to(dtype), torch.randn(2, 3, 4, 3).to(dtype)
    with torch.autocast("cpu", dtype=dtype):
        assert torch.nn.functional.linear(g, network.transform.weight).dtype == dtype
        m = network.mask(g)
        o = network(f, m)
    expected = masked(g.double(), network.transform.weight.double(), f.double(), 5.0)
    assert m.dtype == o.dtype == torch.float32
    torch.testing.assert_close(o.double(), expected, rtol=1e-6, atol=1e-6)
    o.sum().backward()
    assert network.transform.weight.grad.isfinite().all()


def test_the_whole_network_in_bfloat16():
    torch.manual_seed(0)
    network = METHOD.network(small()).eval()
    image = torch.randn(4, 3, 32, 16)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        features = network.features(image)
        embedding = network(image)
    assert features.g.dtype == features.f.dtype == torch.bfloat16
    assert features.m.dtype == features.o.dtype == embedding.dtype == torch.float32
    cosine = torch.nn.functional.cosine_similarity(embedding, network(image).detach())
    assert cosine.min() > 0.999


@pytest.mark.parametrize(
    ("tap", "map_shape", "before"),
    [
        # Before the tap: conv1 (3 x 64 x 49) and its BatchNorm, then layers 1, 2, 3.
        ("pool1", (64, 56, 56), 9408 + 128),
        ("res2", (256, 56, 56), 9408 + 128 + 215_808),
        ("res3", (512, 28, 28), 9408 + 128 + 215_808 + 1_219_584),
        ("res4", (1024, 14, 14), 9408 + 128 + 215_808 + 1_219_584 + 7_098_368),
    ],
)
def test_resnet50_at_the_papers_size(tap, map_shape, before):
    with torch.device("meta"):
        network = FeatureMaskNetwork(Recipe(weights="none", tap=tap))
        features = network.features(torch.empty(2, 3, 224, 224))
        embedding = network(torch.empty(2, 3, 224, 224))
    assert features.f.shape == features.o.shape == (2, *map_shape)
    assert features.m.shape == (2, 1, *map_shape[1:])
    assert features.g.shape == features.l.shape == (2, 2048)
    assert embedding.shape == (2, 4096)
    sizes = [sum(p.numel() for p in part.parameters()) for part in network.children()]
    assert sizes == [TRUNK, TRUNK - before, 2048 * map_shape[1] * map_shape[2]]


def test_a_last_layer_where_it_is_wanted():
    with torch.device("meta"):
        network = FeatureMaskNetwork(Recipe(weights="none", fc_width=2048))
        features = network.features(torch.empty(2, 3, 224, 224))
    assert features.g.shape == features.l.shape == (2, 2048)
    both = sum(p.numel() for part in (network.grn, network.lan) for p in part.parameters())
    assert both == 2 * TRUNK - 9408 - 128 + 2 * (2048 * 2048 + 2048)


@pytest.mark.parametrize("tap", TAPS)
@pytest.mark.parametrize("size", [(32, 16), (56, 56), (50, 30)])
def test_the_mask_fits_pictures_of_any_size(tap, size):
    network = FeatureMaskNetwork(small(height=size[0], width=size[1], tap=tap))
    image = torch.randn(2, 3, *size)
    features = network.features(image)
    assert features.m.shape[2:] == features.f.shape[2:] == mask_size(*size, tap)
    torch.testing.assert_close(features.o, features.f * features.m)
    taps = network.grn.trunk.taps(image)
    lan = network.lan.layers(features.f)
    assert lan.shape == taps.layer4.shape


def test_pictures_of_another_size_are_refused():
    with pytest.raises(InputError, match="8 x 4 and the map that it weights 16 x 8"):
        METHOD.network(small())(torch.randn(1, 3, 64, 32))


def test_alpha_is_a_share():
    with pytest.raises(InputError, match="alpha must be from 0 to 1; given 2"):
        FeatureMaskNetwork(small(alpha=2.0))


@pytest.mark.parametrize("tap", TAPS)
def test_both_networks_start_from_the_trunks_weights(tap, tmp_path):
    trunk = ResNet("thin18").state_dict()
    save_file(trunk, tmp_path / "trunk.safetensors")
    weights = str(tmp_path / "trunk.safetensors")
    network = FeatureMaskNetwork(small(tap=tap, weights=weights))
    whole = network.grn.trunk.state_dict()
    for name, value in whole.items():
        torch.testing.assert_close(value, trunk[name], rtol=0, atol=0)
    layers = network.lan.layers.state_dict()
    assert {name.split(".")[0] for name in layers} == {f"layer{n + 1}" for n in range(TAPS[tap], 4)}
    for name, value in layers.items():
        torch.testing.assert_close(value, trunk[name], rtol=0, atol=0)
        assert value.data_ptr() != whole[name].data_ptr()


@pytest.mark.parametrize("training", [True, False])
def test_the_three_embeddings(training):
    torch.manual_seed(0)
    network = METHOD.network(small()).train(training)
    image = torch.randn(3, 3, 32, 16)
    found = {}
    for feature in ("fmn", "grn", "lan"):
        network.feature = feature
        found[feature] = network(image)
    torch.testing.assert_close(found["fmn"], torch.cat([0.5 * found["grn"], 0.5 * found["lan"]], 1))
    g = network.features(image).g
    torch.testing.assert_close(found["grn"], g / g.norm(dim=1, keepdim=True))
    torch.testing.assert_close(network.mask(image), network.features(image).m)


def test_the_recipe_is_the_papers():
    recipe = Recipe.for_data("market1501")
    first, second = recipe.stages
    assert (first.learning_rate, first.milestones) == (0.1, (20,))
    assert (second.learning_rate, second.milestones) == (0.1, (35,))
    assert (recipe.momentum, recipe.alpha, recipe.tap, recipe.trunk) == (
        0.9,
        0.5,
        "pool1",
        "resnet50",
    )
    assert (recipe.height, recipe.width, recipe.resize) == (224, 224, (256, 256))


def parts(**changes):
    torch.manual_seed(0)
    recipe = small(**changes)
    network = METHOD.network(recipe).train()
    criterion = METHOD.criterion(recipe, network, 4).train()
    torch.nn.init.normal_(criterion.grn[1].weight, std=0.3)
    labels = torch.tensor([0, 1, 2, 3, 3, 2])
    nothing = torch.zeros(6, dtype=torch.int64)
    batch = Batch({"image": torch.randn(6, 3, 32, 16)}, labels, nothing, nothing)
    return network, criterion, METHOD.stages(recipe, network, criterion), batch


def test_the_papers_learning_rates():
    network, criterion, _, _ = parts()
    recipe = small(stages=Recipe().stages, backbone_rate=0.1)
    stages = METHOD.stages(recipe, network, criterion)
    for stage, at, backbone in zip(
        stages, (20, 35), (network.grn.trunk, network.lan.layers), strict=True
    ):
        (each,) = stage.turns[0].optimizers
        rest, slow, *mixing = each.optimizer.param_groups
        assert [group["lr"] for group in mixing] == ([] if at == 20 else [pytest.approx(0.01)])
        assert (rest["lr"], slow["lr"]) == (0.1, pytest.approx(0.01))
        assert {id(p) for p in slow["params"]} == {id(p) for p in backbone.parameters()}
        assert [each.schedule(epoch) for epoch in (0, at - 1, at, 59)] == [1, 1, 0.1, 0.1]
        assert each.optimizer.defaults["momentum"] == 0.9


def test_the_mixing_network_has_a_rate_of_its_own():
    for rate in (0.1, 0.5):
        network, _, stages, _ = parts(mask_rate=rate)
        groups = stages[1].turns[0].optimizers[0].optimizer.param_groups
        own = [g for g in groups if any(p is network.mixing.transform.weight for p in g["params"])]
        assert [len(group["params"]) for group in own] == [1]
        assert own[0]["lr"] == pytest.approx(rate * Recipe.small().stages[1].learning_rate)
    assert len(parts(mask="none")[2][1].turns[0].optimizers[0].optimizer.param_groups) == 2


def test_the_terms_against_the_formulas():
    network, criterion, stages, batch = parts(rank_weight=2.0)
    criterion.lan[0].p = 0.0
    turn = stages[1].turns[0]
    with frozen(turn.frozen):
        terms = turn(batch)
        features = network.features(**batch.inputs)
    rows = []
    for which, feature in (("grn", features.g), ("lan", features.l)):
        layer = getattr(criterion, which)[1]
        logits = (feature @ layer.weight.T + layer.bias).detach().double()
        shares = logits.exp() / logits.exp().sum(1, keepdim=True)
        rows.append([float(row[t]) for row, t in zip(shares, batch.labels, strict=True)])
    p_global, p_local = rows
    cross_entropy = -sum(math.log(p) for p in p_local) / 6
    rank = sum(max(0.0, a - b + 0.05) for a, b in zip(p_global, p_local, strict=True)) / 6
    terms = {name: term.detach() for name, term in terms.items()}
    assert float(terms["identity"]) == pytest.approx(cross_entropy, rel=1e-5)
    assert float(terms["rank"]) == pytest.approx(2 * rank, rel=1e-5)
    assert rank > 0


def test_each_stage_moves_its_part_alone():
    network, criterion, stages, batch = parts()
    learned = [
        [network.grn, criterion.grn],
        [network.mixing, network.lan, criterion.lan],
    ]
    for stage, modules in zip(stages, learned, strict=True):
        (turn,) = stage.turns
        wanted = {id(p) for module in modules for p in module.parameters()}
        for module in (network, criterion):
            module.zero_grad()
        with frozen(turn.frozen):
            sum(turn(batch).values()).backward()
        given = [p for module in (network, criterion) for p in module.parameters()]
        assert {id(p) for p in given if p.grad is not None and p.grad.any()} == wanted
        groups = [group for each in turn.optimizers for group in each.optimizer.param_groups]
        assert {id(p) for group in groups for p in group["params"]} == wanted


@pytest.fixture(scope="module")
def run(market, tmp_path_factory):
    """Both stages through the real loop."""
    out = tmp_path_factory.mktemp("fmn") / "run"
    split = passerby.load("market1501", market)
    settings = Settings(seed=1, accelerator="cpu")
    train(
        METHOD, split, out, preset="small", recipe=TINY, settings=settings, console=QUIET,
        evaluate=False,
    )  # fmt: skip
    return out


def test_nothing_of_grn_moves_in_stage_2(run):
    names = ("global.safetensors", "global.criterion.safetensors")
    first = {k: v for name in names for k, v in load_file(run / "stages" / name).items()}
    names = ("local.safetensors", "local.criterion.safetensors")
    last = {k: v for name in names for k, v in load_file(run / "stages" / name).items()}
    assert first.keys() == last.keys()
    for name, value in first.items():
        # Weights, running means and variances, and the count of batches.
        moved = not torch.equal(value, last[name])
        assert moved == (not name.startswith("grn.")), name
    assert first["grn.trunk.bn1.num_batches_tracked"] == 12
    assert first["lan.layers.layer1.0.bn1.num_batches_tracked"] == 0


def test_stage_1_moves_grn_alone(run):
    recipe = passerby.Embedder.load(run).recipe
    torch.manual_seed(1)
    start = METHOD.network(recipe).state_dict()
    first = load_file(run / "stages" / "global.safetensors")
    for name, value in start.items():
        assert torch.equal(value, first[name]) == (not name.startswith("grn.")), name


def test_one_run_gives_three_descriptors(run):
    pictures = list(np.random.default_rng(0).integers(0, 256, (5, 48, 24, 3), dtype=np.uint8))
    models = {
        feature: passerby.Embedder.load(run, changes={"feature": feature})
        for feature in ("fmn", "grn", "lan")
    }
    found = {feature: model.embed(pictures) for feature, model in models.items()}
    both = np.concatenate([0.5 * found["grn"], 0.5 * found["lan"]], axis=1)
    np.testing.assert_allclose(found["fmn"], both, rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(found["fmn"], passerby.Embedder.load(run).embed(pictures))
    assert len({model.fingerprint for model in models.values()}) == 3
    assert len({model.descriptor.feature for model in models.values()}) == 3
    tilted = passerby.Embedder.load(run, changes={"alpha": 0.2})
    assert tilted.fingerprint != models["fmn"].fingerprint
    np.testing.assert_allclose(
        tilted.embed(pictures)[:, :256], 0.2 * found["grn"], rtol=1e-5, atol=1e-7
    )


def test_changes_that_do_not_fit_the_weights(run):
    with pytest.raises(InputError, match="do not fit feature_mask with tap=res3"):
        passerby.Embedder.load(run, changes={"tap": "res3"})
    with pytest.raises(InputError, match="unknown setting 'colour'"):
        passerby.Embedder.load(run, changes={"colour": 1})
    with pytest.raises(InputError, match="one of fmn, grn, lan"):
        passerby.Embedder.load(run, changes={"feature": "both"})


def test_one_grn_for_four_taps(market, run, tmp_path):
    split = passerby.load("market1501", market)
    settings = Settings(seed=1, accelerator="cpu")
    whole = load_file(run / "model.safetensors")
    for tap in TAPS:
        out = tmp_path / tap
        train(
            METHOD, split, out, preset="small", recipe={**TINY, "tap": tap}, settings=settings,
            console=QUIET, evaluate=False, init_from=run,
        )  # fmt: skip
        found = load_file(out / "model.safetensors")
        for name, value in whole.items():
            # With the run's own tap the second stage is the run's own, bit for bit.
            if name.startswith("grn.") or tap == "pool1":
                assert torch.equal(found[name], value), name
        assert found["mixing.transform.weight"].shape[0] == math.prod(mask_size(32, 16, tap))
        assert "global" not in (out / "metrics.csv").read_text()


def test_inputs_take_any_picture():
    made = METHOD.inputs(Recipe()).make(Picture(np.zeros((31, 17, 3), np.uint8)))
    assert made["image"].shape == (224, 224, 3)


def test_it_is_listed():
    assert METHODS["feature_mask"] is METHOD
    assert isinstance(Recipe.small().stages[0], StageRecipe)


def test_figures_ask_the_classifiers_of_the_feature():
    torch.manual_seed(0)
    found = {}
    for feature in ("fmn", "grn", "lan"):
        recipe = small(feature=feature)
        torch.manual_seed(0)
        network = METHOD.network(recipe).eval()
        criterion = METHOD.criterion(recipe, network, 4).eval()
        torch.manual_seed(1)
        found[feature] = criterion.identity_logits(network.features(torch.randn(2, 3, 32, 16)))
    torch.testing.assert_close(found["fmn"], found["grn"] + found["lan"])
    assert not torch.allclose(found["grn"], found["lan"])
