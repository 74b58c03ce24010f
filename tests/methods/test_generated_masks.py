import copy
import json
import math

import numpy as np
import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file

import passerby
from passerby.cli.main import run as passerby_run
from passerby.data.samplers import IdentityBalanced
from passerby.experiment import train
from passerby.methods import METHODS
from passerby.methods.generated_masks import (
    METHOD,
    Criterion,
    FeatureExtractor,
    MaskGenerator,
    Recipe,
    hidden_pixels,
    hide,
)
from passerby.training.freeze import frozen
from passerby.training.settings import Settings
from passerby.types import Augmentation, Batch, InputError, InputSpec, Picture

QUIET = Console(quiet=True)
TINY = {
    "height": 32,
    "width": 16,
    "resize": [36, 18],
    "filters": [2, 3, 4],
    "identities": 3,
    "pictures": 2,
    "stages.0.epochs": 2,
    "stages.1.epochs": 1,
    "stages.2.epochs": 2,
}


def small(**changes):
    tiny = {"height": 32, "width": 16, "resize": (36, 18), "filters": (2, 3, 4)}
    return Recipe(**{**vars(Recipe.small()), **tiny, **changes})


def parts(labels=(0, 0, 1, 1, 2, 3), seed=0, **changes):
    """Network, criterion, stages and a batch; the fourth person has one picture."""
    torch.manual_seed(seed)
    recipe = small(**changes)
    network = METHOD.network(recipe).train()
    criterion = METHOD.criterion(recipe, network, 4).train()
    labels = torch.tensor(labels)
    nothing = torch.zeros(len(labels), dtype=torch.int64)
    image = torch.randn(len(labels), 3, recipe.height, recipe.width)
    batch = Batch({"image": image}, labels, nothing, nothing)
    return network, criterion, METHOD.stages(recipe, network, criterion), batch


# Hiding


def hidden_by_hand(mask, share):
    """Sorted by value, then by place; as many as it takes."""
    values = mask.flatten().tolist()
    order = sorted(range(len(values)), key=lambda place: (-values[place], place))
    chosen = set(order[: round(share * len(values))])
    return [place in chosen for place in range(len(values))]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("levels", [2, 5, 1000])
def test_exactly_the_greatest_are_hidden_ties_by_place(share, levels):
    random = torch.Generator().manual_seed(levels)
    masks = torch.randint(0, levels, (5, 1, 7, 9), generator=random) / levels
    masks[3] = 0.25
    found = hidden_pixels(masks, share)
    assert found.shape == masks.shape
    for mask, hidden in zip(masks, found, strict=True):
        assert hidden.flatten().tolist() == hidden_by_hand(mask, share)


def test_three_tenths_of_the_papers_picture_are_7526_pixels():
    masks = torch.rand(2, 1, 224, 112, generator=torch.Generator().manual_seed(0))
    for kind in (masks, masks.half(), masks.bfloat16(), torch.ones_like(masks)):
        assert hidden_pixels(kind).flatten(1).sum(1).tolist() == [7526, 7526]


def test_hidden_pixels_become_0_in_every_channel_and_take_no_gradient():
    random = torch.Generator().manual_seed(1)
    images = torch.randn(2, 3, 6, 4, generator=random).requires_grad_()
    masks = torch.rand(2, 1, 6, 4, generator=random).requires_grad_()
    found = hide(images, masks, 0.3)
    hidden = hidden_pixels(masks, 0.3).expand_as(images)
    assert (found[hidden] == 0).all()
    assert torch.equal(found[~hidden], images[~hidden])
    found.sum().backward()
    assert masks.grad is None
    assert torch.equal(images.grad, (~hidden).float())


def test_what_cannot_be_hidden():
    for masks, share in ((torch.ones(2, 3, 4, 4), 0.3), (torch.ones(1, 1, 4, 4), 1.5)):
        with pytest.raises(InputError, match=r"hiding needs masks \(B, 1, H, W\) and a share"):
            hidden_pixels(masks, share)


# Networks


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_u_net_has_the_papers_layers():
    with torch.device("meta"):
        generator = MaskGenerator()
        mask = generator(torch.empty(2, 3, 224, 112))
    assert mask.shape == (2, 1, 224, 112)
    convolutions = [m for m in generator.modules() if isinstance(m, torch.nn.Conv2d)]
    shapes = [(m.in_channels, m.out_channels) for m in convolutions if m.kernel_size == (3, 3)]
    assert sorted(shapes) == sorted(
        [(3, 32), (32, 32), (32, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256)]
        + [(256, 512), (512, 512), (512, 256), (256, 256), (256, 128), (128, 128)]
        + [(128, 64), (64, 64), (64, 32), (32, 32)]
    )
    rising = [m for m in generator.modules() if isinstance(m, torch.nn.ConvTranspose2d)]
    assert [(m.in_channels, m.out_channels, m.kernel_size, m.stride) for m in rising] == [
        (512, 256, (2, 2), (2, 2)),
        (256, 128, (2, 2), (2, 2)),
        (128, 64, (2, 2), (2, 2)),
        (64, 32, (2, 2), (2, 2)),
    ]
    by_hand = sum(9 * a * b + 2 * b for a, b in shapes)
    by_hand += sum(4 * a * b + b for a, b in ((512, 256), (256, 128), (128, 64), (64, 32)))
    assert parameters(generator) == by_hand + 32 + 1 == 7_763_041


def test_each_level_of_the_u_net_sees_its_skip():
    """Level by level: what rises from below beside the encoder's map of that level."""
    torch.manual_seed(0)
    generator = MaskGenerator((2, 3, 4)).double().eval()
    image = torch.randn(1, 3, 8, 8, dtype=torch.float64)
    found = generator(image)
    one = generator.encoder[0](image)
    two = generator.encoder[1](torch.nn.functional.max_pool2d(one, 2))
    low = generator.lowest(torch.nn.functional.max_pool2d(two, 2))
    two = generator.decoder[0](torch.cat([two, generator.up[0](low)], 1))
    one = generator.decoder[1](torch.cat([one, generator.up[1](two)], 1))
    torch.testing.assert_close(found, torch.sigmoid(generator.last(one)))
    assert 0 < found.min() < found.max() < 1


def test_the_extractor_at_the_papers_size():
    with torch.device("meta"):
        network = FeatureExtractor(Recipe(weights="none"))
        features = network.features(torch.empty(2, 3, 224, 112))
        taps = network.trunk.taps(torch.empty(2, 3, 224, 112))
    assert taps.layer4.shape == (2, 2048, 7, 4)
    assert features.pooled.shape == (2, 2048)
    assert features.f.shape == (2, 512)
    # ResNet-50 without its 1000 classes, the 1x1 convolution, BatchNorm.
    assert parameters(network) == 25_557_032 - 2_049_000 + 2048 * 512 + 2 * 512


@pytest.mark.parametrize("training", [True, False])
def test_the_head_by_hand(training):
    torch.manual_seed(0)
    network = METHOD.network(small(feature_width=7)).double().train(training)
    torch.nn.init.uniform_(network.head[1].weight)
    torch.nn.init.uniform_(network.head[1].bias)
    features = network.features(torch.randn(5, 3, 32, 16, dtype=torch.float64))
    y = features.pooled @ network.head[0].weight[:, :, 0, 0].T
    norm = network.head[1]
    mean, var = norm.running_mean, norm.running_var
    if training:
        mean, var = y.mean(0), y.var(0, unbiased=False)
    y = (y - mean) / torch.sqrt(var + norm.eps) * norm.weight + norm.bias
    torch.testing.assert_close(features.f, y.clamp(min=0))


# Losses, turn by turn


def triplet_by_hand(x, labels, margin):
    x, terms = x.detach().double().numpy(), []
    for a in range(len(x)):
        near = [math.dist(x[a], x[n]) for n in range(len(x)) if labels[n] != labels[a]]
        far = [math.dist(x[a], x[p]) for p in range(len(x)) if labels[p] == labels[a] and p != a]
        if near and far:
            terms.append(max(0.0, max(far) - min(near) + margin))
    return sum(terms) / len(terms) if terms else 0.0


@pytest.mark.parametrize("labels", [(0, 0, 1, 1, 2, 3), (0, 0, 0, 0), (0, 1, 2, 3)])
def test_equations_1_and_2(labels):
    network, criterion, stages, batch = parts(labels, margin=30.0, lambda_1=0.8)
    image = batch.inputs["image"]
    twin = copy.deepcopy(network)
    generator = copy.deepcopy(criterion.generator).eval()
    with torch.no_grad():
        mask = generator(image)
        hidden = image.clone()
        for picture, one in zip(hidden, mask, strict=True):
            places = torch.tensor(hidden_by_hand(one, 0.3)).view(32, 16)
            picture[:, places] = 0
        whole = triplet_by_hand(twin(image), labels, 30.0)
        masked = triplet_by_hand(twin(hidden), labels, 30.0)
    (first,), (extractor, _) = stages[0].turns, stages[2].turns
    with frozen(extractor.frozen):
        terms = extractor(batch)
    assert terms["triplet"].item() == pytest.approx(0.8 * whole, rel=1e-5)
    assert terms["triplet_hidden"].item() == pytest.approx(0.2 * masked, rel=1e-5)
    assert first(batch)["triplet"].item() == pytest.approx(whole, rel=1e-5)
    assert (whole > 0) == (masked > 0) == (len(set(labels)) in (2, 3, 4) and len(labels) > 4)
    sum(terms.values()).backward()


@pytest.mark.parametrize("which", [(1, 0), (2, 1)])
def test_equation_6(which):
    network, criterion, stages, batch = parts(lambda_2=0.7)
    image = batch.inputs["image"]
    with torch.no_grad():
        mask = copy.deepcopy(criterion.generator)(image)
        still = copy.deepcopy(network).eval()
        f, masked = still(image).double().numpy(), still(mask * image).double().numpy()
    m = mask.double().numpy()[:, 0]
    rises = sum(abs(m[b, i + 1, j] - m[b, i, j]) for b, i, j in np.ndindex(6, 31, 16))
    runs = sum(abs(m[b, i, j + 1] - m[b, i, j]) for b, i, j in np.ndindex(6, 32, 15))
    turn = stages[which[0]].turns[which[1]]
    with frozen(turn.frozen):
        terms = {name: term.item() for name, term in turn(batch).items()}
    assert terms == pytest.approx(
        {
            "identity": 0.7 * ((f - masked) ** 2).sum() / f.size,
            "sparsity": 0.3 * m.mean(),
            "contiguity": 0.3 * (rises + runs) / (6 * 32 * 16),
        },
        rel=1e-4,
    )
    assert terms["identity"] > 0


def test_the_masks_gradient_flows_through_the_frozen_extractor():
    """The mask's loss by finite differences of one weight of M, F in eval mode."""
    network, criterion, stages, batch = parts()
    network.double().eval()
    criterion.double()
    batch = Batch(
        {"image": batch.inputs["image"].double()}, batch.labels, batch.cameras, batch.indices
    )
    turn = stages[1].turns[0]
    weight = criterion.generator.last.weight
    with frozen(turn.frozen):
        sum(turn(batch).values()).backward()
        found = weight.grad.flatten()[0].item()
        ends = []
        for step in (1e-5, -1e-5):
            with torch.no_grad():
                weight.flatten()[0] += step
                ends.append(sum(turn(batch).values()).item())
                weight.flatten()[0] -= step
    assert found == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype):
    # At 32 x 16 layer4's map is one pixel, and torch's bfloat16 convolution on a CPU now and then
    # leaves weights that see only the border without a finite gradient.
    _, _, stages, batch = parts(lambda_1=0.5, lambda_2=0.5, height=64, width=32)
    for turn in (turn for stage in stages for turn in stage.turns):
        with frozen(turn.frozen):
            expected = {name: term.item() for name, term in turn(batch).items()}
            with torch.autocast("cpu", dtype=dtype):
                terms = turn(batch)
            sum(terms.values()).backward()
        assert {term.dtype for term in terms.values()} == {torch.float32}
        found = {name: term.item() for name, term in terms.items()}
        assert min(expected.values()) > 0
        # An untrained mask is nearly flat: rounding changes which pixels are hidden.
        assert math.isfinite(found.pop("triplet_hidden", 0.0))
        assert found == pytest.approx({name: expected[name] for name in found}, rel=0.1)
        learned = [
            p for o in turn.optimizers for g in o.optimizer.param_groups for p in g["params"]
        ]
        assert all(p.grad.isfinite().all() for p in learned)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_leaves_the_masks_pixels_apart(dtype):
    """Equal values are hidden row by row, whatever they show: there must be few."""
    torch.manual_seed(0)
    generator = MaskGenerator((4, 8)).eval()
    image = torch.randn(2, 3, 32, 16)
    with torch.no_grad(), torch.autocast("cpu", dtype=dtype):
        mask = generator(image)
    assert mask.dtype == torch.float32
    assert min(len(one.unique()) for one in mask) > 0.9 * 32 * 16


# Who learns, who stands still


def test_each_turn_moves_its_network_alone():
    network, criterion, stages, batch = parts(margin=30.0)
    turns = [turn for stage in stages for turn in stage.turns]
    assert [stage.name for stage in stages] == ["extractor", "generator", "joint"]
    assert [len(stage.turns) for stage in stages] == [1, 1, 2]
    for turn, learned in zip(
        turns, (network, criterion.generator, network, criterion.generator), strict=True
    ):
        wanted = {id(p) for p in learned.parameters()}
        network.zero_grad()
        criterion.zero_grad()
        with frozen(turn.frozen):
            sum(turn(batch).values()).backward()
        given = [*network.parameters(), *criterion.parameters()]
        assert {id(p) for p in given if p.grad is not None and p.grad.any()} == wanted
        groups = [group for each in turn.optimizers for group in each.optimizer.param_groups]
        assert {id(p) for group in groups for p in group["params"]} == wanted


def buffers(module):
    return {name: value.clone() for name, value in module.named_buffers()}


def same(one, other):
    return all(torch.equal(value, other[name]) for name, value in one.items())


def test_batchnorm_of_the_frozen_stays():
    network, criterion, stages, batch = parts()
    turns = [turn for stage in stages for turn in stage.turns]
    moving = (network, criterion.generator, network, criterion.generator)
    for turn, module in zip(turns, moving, strict=True):
        other = criterion.generator if module is network else network
        before, still = buffers(module), buffers(other)
        with frozen(turn.frozen):
            turn(batch)
        assert not same(before, buffers(module))
        assert same(still, buffers(other))


def test_hidden_pictures_leave_the_running_statistics_alone():
    _, _, stages, batch = parts()
    network, _, wished, _ = parts(hidden_statistics=True)
    alone, _, first, _ = parts()
    for turn in (stages[2].turns[0], wished[2].turns[0], first[0].turns[0]):
        with frozen(turn.frozen):
            turn(batch)
    by_default = buffers(stages[2].turns[0].network)
    # Only the whole pictures' pass counts, as in the first stage.
    assert same(by_default, buffers(alone))
    assert not same(by_default, buffers(network))
    assert by_default["trunk.bn1.num_batches_tracked"] == 1
    assert buffers(network)["trunk.bn1.num_batches_tracked"] == 2
    norms = [m for m in stages[2].turns[0].network.modules() if hasattr(m, "track_running_stats")]
    assert all(norm.track_running_stats and norm.training for norm in norms)


# The recipe and whole runs


def test_the_recipe_is_the_papers():
    recipe = Recipe.for_data("market1501")
    assert [stage.epochs for stage in recipe.stages] == [50, 25, 100]
    assert (recipe.height, recipe.width, recipe.resize, recipe.flip) == (224, 112, (234, 117), 0.5)
    assert (recipe.identities, recipe.pictures) == (20, 3)
    assert (recipe.lambda_1, recipe.lambda_2, recipe.hidden_share) == (0.90, 0.95, 0.3)
    network, criterion, stages, _ = parts(
        stages=recipe.stages, extractor_rate=2e-4, generator_rate=1e-3
    )
    rates = []
    for stage in stages:
        for turn in stage.turns:
            (each,) = turn.optimizers
            assert isinstance(each.optimizer, torch.optim.Adam)
            assert {each.schedule(epoch) for epoch in (0, 49, 99)} == {1}
            rates.append(each.optimizer.param_groups[0]["lr"])
            assert each.optimizer.defaults["betas"] == (0.9, 0.999)
            assert each.optimizer.defaults["weight_decay"] == 0
    assert rates == [2e-4, 1e-3, 2e-4, 1e-3]
    assert METHOD.descriptor(recipe).metric == "euclidean"
    plain = Recipe(trunk="thin18", weights="none")
    network = METHOD.network(plain)
    stages = METHOD.stages(plain, network, METHOD.criterion(plain, network, 4))
    assert [stage.epochs for stage in stages] == [50, 25, 100]
    for stage in stages:
        assert stage.sampler == IdentityBalanced(20, 3)
        assert stage.augmentation == Augmentation(
            resize=(234, 117), flip=0.5, crop=(224, 112), pad=0, erase=0
        )
    assert METHOD.inputs(plain).specs == {"image": InputSpec(224, 112)}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 18}, "3 levels needs height and width that are multiples of 4; given 32 x 18"),
        ({"filters": ()}, "filters must be numbers of at least 1"),
        ({"hidden_share": 1.2}, "hidden_share must be from 0 to 1; given 1.2"),
        ({"lambda_2": -1.0}, "lambda_2 must be from 0 to 1; given -1"),
    ],
)
def test_recipes_that_cannot_be(changes, message):
    with pytest.raises(InputError, match=message):
        METHOD.criterion(small(**changes), METHOD.network(small()), 4)


def fit(market, out, **given):
    settings = Settings(seed=1, accelerator="cpu")
    return train(
        METHOD, passerby.load("market1501", market), out, preset="small", recipe=TINY,
        settings=settings, console=QUIET, evaluate=False, **given,
    )  # fmt: skip


@pytest.fixture(scope="module")
def trained(market, tmp_path_factory):
    """All three stages through the real loop: the run, and the model as training left it."""
    out = tmp_path_factory.mktemp("gam") / "run"
    return out, fit(market, out)


@pytest.fixture(scope="module")
def run(trained):
    return trained[0]


def stage_of(run, name):
    files = (f"{name}.safetensors", f"{name}.criterion.safetensors")
    return tuple(load_file(run / "stages" / file) for file in files)


def test_each_stage_of_a_run_moves_its_part_alone(run):
    recipe = passerby.Embedder.load(run).recipe
    torch.manual_seed(1)
    network = METHOD.network(recipe)
    start = (network.state_dict(), METHOD.criterion(recipe, network, 6).state_dict())
    states = [start, *(stage_of(run, name) for name in ("extractor", "generator", "joint"))]
    for before, after, moves in zip(states, states[1:], [(1, 0), (0, 1), (1, 1)], strict=False):
        for old, new, move in zip(before, after, moves, strict=True):
            assert old.keys() == new.keys()
            for name, value in old.items():
                assert torch.equal(value, new[name]) != bool(move), name


def test_what_is_saved_for_search_is_the_extractor_alone_and_embeds_the_same(trained):
    run, model = trained
    saved = load_file(run / "model.safetensors")
    assert {name.split(".")[0] for name in saved} == {"trunk", "head"}
    pictures = list(np.random.default_rng(0).integers(0, 256, (5, 48, 24, 3), dtype=np.uint8))
    loaded = passerby.Embedder.load(run)
    found = loaded.embed(pictures)
    assert found.shape == (5, 512)
    # Another memory format of the weights moves the last digits.
    np.testing.assert_allclose(found, model.embed(pictures), atol=1e-5)
    make = METHOD.inputs(loaded.recipe).make
    made = np.stack([make(Picture(picture))["image"] for picture in pictures])
    x = (made / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    with torch.no_grad():
        f = model.network.eval()(torch.tensor(x).float().permute(0, 3, 1, 2))
    np.testing.assert_allclose(found, f, atol=1e-4)


def test_one_run_gives_both_rows(run, market):
    arguments = ["evaluate", str(run), "--root", str(market)]
    assert passerby_run(arguments) == 0
    assert passerby_run([*arguments, "--stage", "extractor"]) == 0
    whole = json.loads((run / "results.json").read_text())
    first = json.loads((run / "results-extractor.json").read_text())
    assert whole["model"] != first["model"]
    assert first["run"]["stage"] == "extractor"
    assert "stage" not in whole["run"]
    pictures = [np.full((32, 16, 3), 90, np.uint8), np.zeros((32, 16, 3), np.uint8)]
    model = passerby.Embedder.load(run, stage="extractor")
    loaded = model.network.state_dict()
    for name, value in stage_of(run, "extractor")[0].items():
        assert torch.equal(loaded[name], value)
    assert not np.array_equal(model.embed(pictures), passerby.Embedder.load(run).embed(pictures))
    joint = passerby.Embedder.load(run, stage="joint")
    assert joint.fingerprint == passerby.Embedder.load(run).fingerprint == whole["model"]
    with pytest.raises(InputError, match="the stages extractor, generator, joint; given 'first'"):
        passerby.Embedder.load(run, stage="first")


def test_a_run_resumed_in_the_joint_stage_ends_the_same(run, market, tmp_path, monkeypatch):
    from passerby.training import loop

    real, steps = loop.between_steps, []

    def stop_in_the_joint_stage(running, standing, turns):
        steps.append(standing.position)
        if standing.position.stage == 2 and standing.position.epoch == 1:
            loop.save(running, standing, turns)
            raise loop.Interrupted("here")
        real(running, standing, turns)

    monkeypatch.setattr(loop, "between_steps", stop_in_the_joint_stage)
    with pytest.raises(loop.Interrupted):
        fit(market, tmp_path / "run")
    monkeypatch.setattr(loop, "between_steps", real)
    assert steps[-1].step > 0
    fit(market, tmp_path / "run", resume=True)
    for found, whole in zip(
        stage_of(tmp_path / "run", "joint"), stage_of(run, "joint"), strict=True
    ):
        assert same(whole, found)


def test_the_third_stage_from_another_runs_second(run, market, tmp_path):
    fit(market, tmp_path / "run", init_from=run)
    for found, whole in zip(
        stage_of(tmp_path / "run", "joint"), stage_of(run, "joint"), strict=True
    ):
        assert same(whole, found)


def test_it_is_listed():
    assert METHODS["generated_masks"] is METHOD
    assert isinstance(METHOD.criterion(small(), METHOD.network(small()), 4), Criterion)
