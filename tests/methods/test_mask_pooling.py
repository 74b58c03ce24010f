import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file, save_file

import passerby
from passerby.data.loader import Loader, training_data
from passerby.data.transforms import normalise, resize
from passerby.experiment import train
from passerby.losses.local_triplet import (
    global_level_triplet_loss,
    identity_loss,
    local_level_triplet_loss,
    triplet_loss,
)
from passerby.method import EpochStart
from passerby.methods import METHODS
from passerby.methods.mask_pooling import (
    GRIDS,
    METHOD,
    Criterion,
    MaskedTrunk,
    MaskPoolingModel,
    Recipe,
    mask_pool,
)
from passerby.methods.mask_triplets import TripletSelection
from passerby.methods.trunks.resnet import ResNet
from passerby.ranking.triplets import mask_guided_triplets, packed_masks
from passerby.training.freeze import frozen
from passerby.training.settings import Settings
from passerby.types import Augmentation, Batch, InputError, Picture

QUIET = Console(quiet=True)
TINY = {
    "height": 32,
    "width": 16,
    "batch": 8,
    "triplets": 4,
    "anchors": 0.5,
    "stages.0.epochs": 1,
    "stages.1.epochs": 1,
    "stages.2.epochs": 2,
}
ROWS = {
    1: {"mask": "none", "triplet": "none", "parts": 1},
    2: {"mask": "channel", "triplet": "none", "parts": 1},
    3: {"mask": "resized", "triplet": "none", "parts": 1},
    4: {"triplet": "none", "parts": 1},
    5: {"triplet": "global", "selection": "random", "parts": 1},
    6: {"selection": "random"},
    7: {},
}
"""Table 1, as the recipe's switches."""


def small(**changes):
    return Recipe(**{**vars(Recipe.small()), "height": 32, "width": 16, **changes})


def pooled_by_hand(mask, kernel, stride, padding, threshold):
    """Window by window, in exact fractions; pixels outside the picture are not counted."""
    height, width = mask.shape
    rows = []
    for top in range(-padding, height + padding - kernel + 1, stride):
        row = []
        for left in range(-padding, width + padding - kernel + 1, stride):
            window = [
                int(mask[y, x])
                for y in range(top, top + kernel)
                for x in range(left, left + kernel)
                if 0 <= y < height and 0 <= x < width
            ]
            row.append(float(Fraction(sum(window), len(window)) > Fraction(threshold)))
        rows.append(row)
    return rows


@pytest.mark.parametrize("tenths", range(11))
@pytest.mark.parametrize(("kernel", "stride", "padding"), [(7, 2, 3), (3, 2, 1)])
@pytest.mark.parametrize("size", [(16, 8), (13, 11)])
def test_mask_pooling_window_by_window(tenths, kernel, stride, padding, size):
    random = np.random.default_rng(tenths)
    # Of all densities, so that many shares equal the threshold.
    masks = random.random((12, *size)) < np.linspace(0, 1, 12)[:, None, None]
    masks[5] = np.indices(size)[1] < 3  # a person at the left border
    found = mask_pool(torch.tensor(masks)[:, None], kernel, stride, padding, tenths / 10)
    expected = [pooled_by_hand(m, kernel, stride, padding, f"{tenths / 10}") for m in masks]
    assert found[:, 0].tolist() == expected
    assert found.shape[2:] == torch.nn.functional.conv2d(
        torch.zeros(1, 1, *size), torch.zeros(1, 1, kernel, kernel), stride=stride, padding=padding
    ).shape[2:]  # fmt: skip


def test_a_share_that_equals_the_threshold_does_not_exceed_it():
    for whole in range(1, 50):
        for part in range(whole + 1):
            mask = torch.zeros(1, 1, 1, whole)
            mask[..., :part] = 1
            for hundredths in range(0, 101, 5):
                found = mask_pool(mask, 49, 49, 24, hundredths / 100)
                # The window sees 25 pixels of a row of 49.
                seen = Fraction(min(part, 25), min(whole, 25))
                assert bool(found[0, 0, 0, 0]) == (seen > Fraction(hundredths, 100))


def test_all_person_stays_all_person_to_the_border():
    ones = torch.ones(1, 1, 384, 128)
    for threshold in (0.0, 0.5, 0.99):
        trunk = MaskedTrunk(small(threshold=threshold))
        pooled = trunk.mask(ones)
        assert pooled.shape == (1, 1, 96, 32)
        assert bool((pooled == 1).all())
        assert not bool(trunk.mask(ones * 0).any())
    assert not bool(MaskedTrunk(small(threshold=1.0)).mask(ones).any())


def test_a_resized_mask_is_the_mean_of_four_by_four():
    mask = (torch.rand(2, 1, 32, 16, generator=torch.Generator().manual_seed(0)) > 0.5).float()
    found = MaskedTrunk(small(mask="resized")).mask(mask)
    by_hand = mask.reshape(2, 1, 8, 4, 4, 4).mean(dim=(3, 5))
    torch.testing.assert_close(found, by_hand)


def test_the_mask_to_draw():
    for mask in ("resized", "pooled"):
        inputs = inputs_for(mask, 2)
        network = METHOD.network(small(mask=mask))
        torch.testing.assert_close(network.mask(**inputs), network.trunk.mask(inputs["mask"]))
    for mask in ("none", "channel"):
        with pytest.raises(InputError, match=f"mask={mask} has no mask"):
            METHOD.network(small(mask=mask, triplet="none")).mask(**inputs_for(mask, 2))


def distance(a, b):
    return math.sqrt(sum((x - y) ** 2 for x, y in zip(a, b, strict=True)))


def draw_triplets(seed=0, count=4, parts=3, width=5):
    random = torch.Generator().manual_seed(seed)
    shape = (3, count, parts, width)
    return torch.randn(shape, generator=random, dtype=torch.float64)


def test_equations_1_and_2_number_by_number():
    a, p, n = draw_triplets()
    ones, twos = [], []
    for t in range(4):
        flat = [x[t].flatten().tolist() for x in (a, p, n)]
        ones.append(max(0.0, distance(flat[0], flat[1]) - distance(flat[0], flat[2]) + 0.5))
        of_parts = [
            max(
                0.0,
                distance(a[t, i].tolist(), p[t, i].tolist())
                - distance(a[t, i].tolist(), n[t, i].tolist())
                + 0.5,
            )
            for i in range(3)
        ]
        assert 0.0 in of_parts or t > 0
        twos.append(sum(of_parts) / 3)
    assert float(global_level_triplet_loss(a, p, n, 0.5)) == pytest.approx(sum(ones) / 4)
    assert float(local_level_triplet_loss(a, p, n, 0.5)) == pytest.approx(sum(twos) / 4)
    assert sum(ones) / 4 != pytest.approx(sum(twos) / 4)


def test_equations_3_and_4_number_by_number():
    random = torch.Generator().manual_seed(1)
    logits = torch.randn(3, 6, 4, generator=random, dtype=torch.float64)  # k = 3, two triplets
    labels = torch.tensor([0, 0, 3, 2, 2, 1])
    of_each = {"a": 0.0, "p": 0.0, "n": 0.0}
    for which, offset in (("a", 0), ("p", 1), ("n", 2)):
        for i in range(3):
            for j in (offset, 3 + offset):
                whole = sum(math.exp(x) for x in logits[i, j].tolist())
                p = math.exp(float(logits[i, j, labels[j]])) / whole
                of_each[which] -= math.log(p) / 3 / 2  # a mean over the two, Eq. 3 has the sum
    found = identity_loss(list(logits), labels)
    assert float(found) == pytest.approx(sum(of_each.values()) / 3)


def test_gradients_by_finite_differences():
    values = [x.clone().requires_grad_() for x in draw_triplets(3)]
    for loss in (global_level_triplet_loss, local_level_triplet_loss):
        assert torch.autograd.gradcheck(lambda *x, loss=loss: loss(*x, 0.5), values)
    logits = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([0, 3, 1])
    assert torch.autograd.gradcheck(lambda x: identity_loss(list(x), labels), logits)


def test_pictures_that_are_the_same_have_a_gradient_too():
    h = torch.randn(2, 3, 4, requires_grad=True)
    loss = triplet_loss(h, h.detach().clone(), h.detach().clone() + 0.1, 0.5)
    loss.backward()
    assert h.grad.isfinite().all()
    assert h.grad.any()


def test_a_batch_without_triplets_costs_nothing():
    h = torch.randn(3, 2, 4, requires_grad=True)
    none = torch.empty(0, dtype=torch.int64)
    loss = local_level_triplet_loss(h[none], h[none], h[none], 0.5)
    loss.backward()
    assert loss.item() == 0
    assert not h.grad.any()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_losses(dtype):
    a, p, n = (x.to(dtype) for x in draw_triplets(5))
    found = local_level_triplet_loss(a, p, n, 0.5)
    expected = local_level_triplet_loss(a.double(), p.double(), n.double(), 0.5)
    assert found.dtype == torch.float32
    assert float(found) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("mask", ["none", "channel", "resized", "pooled"])
def test_the_whole_network_in_bfloat16(mask):
    torch.manual_seed(0)
    network = METHOD.network(small(mask=mask, triplet="none")).eval()
    inputs = inputs_for(mask, 4)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        features = network.features(**inputs)
    assert features.h.dtype == torch.bfloat16
    expected = network(**inputs).detach()
    cosine = torch.nn.functional.cosine_similarity(features.h.flatten(1).float(), expected)
    assert cosine.min() > 0.999


def inputs_for(mask, count, height=32, width=16):
    random = torch.Generator().manual_seed(9)
    inputs = {"image": torch.randn(count, 3, height, width, generator=random)}
    if mask != "none":
        drawn = torch.rand(count, 1, height // 4, width // 4, generator=random) > 0.4
        inputs["mask"] = drawn.float().repeat_interleave(4, 2).repeat_interleave(4, 3)
    return inputs


TRUNK = 25_557_032 - 2_049_000
"""Parameters of ResNet-50 without its 2048 x 1000 + 1000 classifier."""


@pytest.mark.parametrize(
    ("mask", "more"),
    [("none", 0), ("channel", 64 * 49), ("resized", -147 - 2), ("pooled", -147 - 2)],
)
def test_resnet50_at_the_papers_size(mask, more):
    with torch.device("meta"):
        network = MaskPoolingModel(Recipe(weights="none", mask="none", triplet="none"))
    assert sum(p.numel() for p in network.parameters()) == TRUNK + 6 * (2048 * 256 + 2 * 256)
    network = MaskPoolingModel(Recipe(weights="none", mask=mask, triplet="none"))
    assert sum(p.numel() for p in network.trunk.parameters()) == TRUNK + more
    if mask != "pooled":
        return
    shapes = {}
    network.trunk.layer1.register_forward_pre_hook(
        lambda _, inputs: shapes.update(layer1=inputs[0].shape)
    )
    network.eval()
    with torch.no_grad():
        features = network.features(torch.zeros(1, 3, 384, 128), torch.ones(1, 1, 384, 128))
    assert shapes["layer1"] == (1, 64, 96, 32)
    assert features.t.shape == (1, 2048, 24, 8)
    assert features.g.shape == (1, 6, 2048)
    assert features.h.shape == (1, 6, 256)
    criterion = METHOD.criterion(Recipe(), network, 751)
    assert sum(p.numel() for p in criterion.parameters()) == 6 * (256 * 751 + 751)


@pytest.mark.parametrize("parts", GRIDS)
def test_parts_are_means_over_rectangles(parts):
    network = MaskPoolingModel(small(parts=parts, part_width=16)).eval()
    inputs = inputs_for("pooled", 2, 192, 64)
    with torch.no_grad():
        features = network.features(**inputs)
        embedding = network(**inputs)
    rows, columns = GRIDS[parts]
    tall, wide = features.t.shape[2:]
    assert (tall, wide) == (12, 4)
    for i in range(parts):
        y, x = divmod(i, columns)
        # Adaptive bins: floor of the start, ceiling of the end.
        top, bottom = y * tall // rows, -(-(y + 1) * tall // rows)
        left, right = x * wide // columns, -(-(x + 1) * wide // columns)
        by_hand = features.t[:, :, top:bottom, left:right].mean(dim=(2, 3))
        torch.testing.assert_close(features.g[:, i], by_hand)
    assert embedding.shape == (2, parts * 16)
    torch.testing.assert_close(embedding[:, -16:], features.h[:, -1])


@pytest.mark.parametrize("trunk", ["resnet18", "resnet50"])
@pytest.mark.parametrize("mask", ["resized", "pooled"])
def test_a_dropped_kernel_that_was_dead_is_not_missed(trunk, mask, tmp_path):
    """With an empty mask the changed trunk is the plain one, all its channels moved alike."""
    torch.manual_seed(0)
    plain = ResNet(trunk, last_stride=1)
    for module in plain.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.5, 0.5)
            torch.nn.init.uniform_(module.running_mean, -0.2, 0.2)
    plain.bn1.weight.data[17] = 0.0
    plain.bn1.bias.data[17] = 0.0
    save_file(plain.state_dict(), tmp_path / "plain.safetensors")
    changed = MaskedTrunk(
        small(trunk=trunk, mask=mask, weights=str(tmp_path / "plain.safetensors"))
    ).eval()
    assert changed.conv1.weight.shape == (63, 3, 7, 7)
    image = torch.randn(2, 3, 48, 24)
    with torch.no_grad():
        expected = plain.eval()(image)
        found = changed(image, torch.zeros(2, 1, 48, 24))
        seen = changed(image, torch.ones(2, 1, 48, 24))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))
    assert not torch.allclose(seen, expected, rtol=1e-2)


def test_a_convolved_mask_starts_as_a_mean_colour(tmp_path):
    plain = ResNet("thin18", last_stride=1).eval()
    save_file(plain.state_dict(), tmp_path / "plain.safetensors")
    changed = MaskedTrunk(small(mask="channel", weights=str(tmp_path / "plain.safetensors"))).eval()
    image, mask = torch.randn(1, 3, 32, 16), torch.rand(1, 1, 32, 16)
    with torch.no_grad():
        found = changed.conv1(torch.cat([image, mask], 1))
        expected = plain.conv1(image) + plain.conv1(mask.expand(1, 3, 32, 16)) / 3
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("mask", ["none", "channel", "resized", "pooled"])
def test_weights_of_an_earlier_run_with_the_same_stem(mask, tmp_path):
    def network(mask, weights="none"):
        return METHOD.network(small(mask=mask, triplet="none", weights=str(weights)))

    earlier, file = network(mask), tmp_path / "model.safetensors"
    save_file(earlier.state_dict(), file)
    later = network(mask, file)
    loaded = later.trunk.state_dict()
    for name, value in earlier.trunk.state_dict().items():
        torch.testing.assert_close(loaded[name], value, rtol=0, atol=0)
    if mask == "none":
        network("pooled", file)  # the trunk of a run without masks is a plain one
    else:
        with pytest.raises(InputError, match="conv1.weight must be"):
            network("none", file)


def test_the_recipe_is_the_papers():
    recipe = Recipe.for_data("market1501")
    assert (recipe.threshold, recipe.parts, recipe.part_width) == (0.4, 6, 256)
    assert (recipe.height, recipe.width, recipe.margin, recipe.batch) == (384, 128, 0.5, 64)
    assert Recipe.for_data("dukemtmc").threshold == Recipe.for_data("cuhk03").threshold == 0.5
    assert [stage.epochs for stage in recipe.stages] == [60, 20, 20]
    assert (recipe.candidates, recipe.kept, recipe.anchors) == (10, 5, 1.0)
    assert (recipe.metric, recipe.trunk, recipe.weights) == ("euclidean", "resnet50", "imagenet")
    assert (recipe.mask, recipe.triplet, recipe.selection) == ("pooled", "local", "mask_guided")


def test_learning_rates_and_what_each_stage_leaves_alone():
    network = METHOD.network(Recipe(trunk="thin18", weights="none"))
    criterion = METHOD.criterion(Recipe(), network, 5)
    stages = METHOD.stages(Recipe(), network, criterion)
    parts = (network.trunk, network.reduce, criterion)
    expected = [(0.01, 0.1, 0.1), (0, 0, 0.001), (0.001, 0.01, 0.001)]
    assert [stage.name for stage in stages] == ["identity", "classifiers", "triplet"]
    for stage, wanted in zip(stages, expected, strict=True):
        (each,) = stage.turns[0].optimizers
        rates = {id(p): g["lr"] for g in each.optimizer.param_groups for p in g["params"]}
        for part, rate in zip(parts, wanted, strict=True):
            assert {rates.get(id(p), 0) for p in part.parameters()} == {rate}
            assert (part in stage.turns[0].frozen) == (rate == 0)
        assert each.optimizer.defaults["momentum"] == 0.9
    schedule = stages[0].turns[0].optimizers[0].schedule
    assert [schedule(epoch) for epoch in (0, 39, 40, 59)] == [1, 1, 0.1, 0.1]
    assert [stage.group for stage in stages] == [1, 1, 3]


def batch_for(recipe, count=12):
    labels = torch.arange(count) // 3 % 4
    nothing = torch.zeros(count, dtype=torch.int64)
    return Batch(inputs_for(recipe.mask, count), labels, nothing, nothing)


@pytest.mark.parametrize("row", ROWS)
def test_every_row_of_table_1_takes_its_steps(row):
    torch.manual_seed(0)
    recipe = small(**ROWS[row])
    network = METHOD.network(recipe).train()
    criterion = METHOD.criterion(recipe, network, 4).train()
    stages = METHOD.stages(recipe, network, criterion)
    batch = batch_for(recipe)
    for stage in stages:
        (turn,) = stage.turns
        for module in (network, criterion):
            module.zero_grad()
        with frozen(turn.frozen):
            terms = turn(batch)
            sum(terms.values()).backward()
        assert set(terms) == {"identity"} | ({"triplet"} if stage.name == "triplet" else set())
        (each,) = turn.optimizers
        wanted = {id(p) for g in each.optimizer.param_groups for p in g["params"]}
        given = [p for module in (network, criterion) for p in module.parameters()]
        assert {id(p) for p in given if p.grad is not None and p.grad.any()} == wanted
        each.optimizer.step()
    assert stages[2].name == ("triplet" if row > 4 else "fine")
    assert network(**batch.inputs).shape == (12, 256 * recipe.parts)


@pytest.mark.parametrize("level", ["global", "local"])
def test_the_triplet_turn_against_the_formula(level):
    torch.manual_seed(0)
    recipe = small(triplet=level, selection="random", margin=2.0)
    network, batch = METHOD.network(recipe), batch_for(recipe)
    criterion = METHOD.criterion(recipe, network, 4)
    turn = METHOD.stages(recipe, network, criterion)[2].turns[0]
    with torch.no_grad():
        found = turn(batch)["triplet"]
        h = network.features(**batch.inputs).h.tolist()
    total = 0.0
    for first in (0, 3, 6, 9):
        parts = list(zip(*h[first : first + 3], strict=True))
        if level == "global":
            parts = [[sum(x, []) for x in h[first : first + 3]]]
        for a, p, n in parts:
            total += max(0.0, distance(a, p) - distance(a, n) + 2.0) / len(parts) / 4
    assert float(found) == pytest.approx(total, rel=1e-5)


def test_batch_hard_takes_the_hardest_of_the_whole_descriptors():
    torch.manual_seed(0)
    recipe = small(selection="batch_hard", margin=2.0)
    network, batch = METHOD.network(recipe), batch_for(recipe)
    criterion = METHOD.criterion(recipe, network, 4)
    stage = METHOD.stages(recipe, network, criterion)[2]
    with torch.no_grad():
        found = stage.turns[0](batch)["triplet"]
        h = network.features(**batch.inputs).h.tolist()
    labels, total = batch.labels.tolist(), 0.0
    for a in range(12):
        far = [distance(sum(h[a], []), sum(h[i], [])) for i in range(12)]
        p = max((i for i in range(12) if labels[i] == labels[a] and i != a), key=lambda i: far[i])
        n = min((i for i in range(12) if labels[i] != labels[a]), key=lambda i: far[i])
        for x, y, z in zip(h[a], h[p], h[n], strict=True):
            total += max(0.0, distance(x, y) - distance(x, z) + 2.0) / 6 / 12
    assert float(found) == pytest.approx(total, rel=1e-5)
    assert (stage.group, stage.at_epoch_start) == (recipe.pictures, None)


def epoch_start(market, embed, notes, without=(), key=5):
    split = passerby.load("market1501", market)
    people = sorted({sample.person_id for sample in split.train})
    labels = np.array([people.index(sample.person_id) for sample in split.train])
    cameras = np.array([sample.camera_id for sample in split.train])
    random = np.random.default_rng(0)
    masks = random.random((len(labels), 48, 24)) < random.random((len(labels), 1, 1))

    def picture(index):
        mask = None if index in without else (masks[index] * 255).astype(np.uint8)
        return Picture(np.zeros((48, 24, 3), np.uint8), mask)

    return EpochStart(
        split.train, labels, cameras, 3, 0, key, embed, picture,
        lambda name, value: notes.update({name: value}),
    )  # fmt: skip


@pytest.mark.parametrize("selection", ["random", "mask_guided"])
def test_batches_of_an_epoch(market, selection):
    notes = {}
    features = np.random.default_rng(1).random((48, 8), np.float32)
    start = epoch_start(market, lambda: features, notes)
    select = TripletSelection(small(selection=selection, triplets=7, anchors=0.5))
    batches = select(start)
    triplets = np.concatenate(batches).reshape(-1, 3)
    assert [len(batch) for batch in batches] == [21, 21, 21, 9]
    assert len(set(triplets[:, 0])) == 24
    assert notes == {"anchors": 24, "anchors_left_out": 0}
    ids, cameras = start.labels, start.cameras
    for a, p, n in triplets:
        assert ids[a] == ids[p]
        assert ids[a] != ids[n]
        if selection == "mask_guided":
            assert (cameras[p] != cameras[a], cameras[n] == cameras[a]) == (True, True)
    again = TripletSelection(select.recipe)(start)
    np.testing.assert_array_equal(np.concatenate(batches), np.concatenate(again))
    other = select(epoch_start(market, lambda: features, notes, key=6))
    assert not np.array_equal(np.concatenate(batches), np.concatenate(other))


def test_the_recipes_numbers_reach_algorithm_1(market):
    """One candidate of each: the farthest positive and the nearest negative, whatever the masks."""
    features = np.random.default_rng(1).random((48, 8))
    start = epoch_start(market, lambda: features, {})
    batches = TripletSelection(small(anchors=1.0, candidates=1, kept=1))(start)
    ids, cameras = start.labels, start.cameras
    for a, p, n in np.concatenate(batches).reshape(-1, 3):
        d = np.linalg.norm(features - features[a], axis=1)
        assert d[p] == d[(ids == ids[a]) & (cameras != cameras[a])].max()
        assert d[n] == d[(ids != ids[a]) & (cameras == cameras[a])].min()
    more = np.concatenate(TripletSelection(small(anchors=1.0))(start))
    assert not np.array_equal(more, np.concatenate(batches))


def test_the_masks_of_the_pictures_reach_algorithm_1(market):
    """`kept` counts too."""
    features = np.random.default_rng(1).random((48, 8))
    start = epoch_start(market, lambda: features, {})
    recipe = small(anchors=1.0, candidates=6, kept=1)
    found = np.concatenate(TripletSelection(recipe)(start)).reshape(-1, 3)
    masks = np.stack([resize(start.pictures(index), 32, 16).mask for index in range(48)])

    def expected(masks, kept):
        by_anchor = mask_guided_triplets(
            features, start.labels, start.cameras, packed_masks(masks), found[:, 0],
            candidates=6, kept=kept,
        )  # fmt: skip
        return by_anchor.tolist()

    assert found.tolist() == expected(masks, 1)
    assert found.tolist() != expected(np.ones_like(masks), 1)
    assert found.tolist() != expected(masks, 5)


def test_pictures_without_a_mask_take_no_part_in_algorithm_1(market):
    """As all person they would share most pixels with everybody, and be preferred."""
    notes = {}
    features = np.random.default_rng(1).random((48, 8))
    start = epoch_start(market, lambda: features, notes, without=(4, 9))
    found = np.concatenate(TripletSelection(small(anchors=1.0))(start))
    assert not set(found.tolist()) & {4, 9}
    assert notes == {"anchors": 46, "anchors_left_out": 2}


def test_the_metric_reaches_mining_and_loss(market):
    features = np.random.default_rng(1).random((48, 8)) * np.arange(1, 49)[:, None]
    start = epoch_start(market, lambda: features, {})
    by_angle = TripletSelection(small(anchors=1.0, candidates=1, kept=1, metric="cosine"))(start)
    ids, cameras = start.labels, start.cameras
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    for a, p, n in np.concatenate(by_angle).reshape(-1, 3):
        d = 1 - unit @ unit[a]
        assert d[p] == pytest.approx(d[(ids == ids[a]) & (cameras != cameras[a])].max(), abs=1e-6)
        assert d[n] == pytest.approx(d[(ids != ids[a]) & (cameras == cameras[a])].min(), abs=1e-6)
    x, y, z = torch.randn(3, 5, 4, dtype=torch.float64)
    cosine = torch.nn.functional.cosine_similarity
    expected = torch.relu(1 - cosine(x, y) - (1 - cosine(x, z)) + 0.5).mean()
    torch.testing.assert_close(triplet_loss(x, y, z, 0.5, "cosine"), expected)
    losses = []
    for metric in ("euclidean", "cosine"):
        torch.manual_seed(0)
        recipe = small(selection="random", margin=2.0, metric=metric)
        network, batch = METHOD.network(recipe), batch_for(recipe)
        criterion = METHOD.criterion(recipe, network, 4)
        losses.append(METHOD.stages(recipe, network, criterion)[2].turns[0](batch)["triplet"])
    assert losses[0] > losses[1] > 0


def test_descriptors_of_unit_length():
    """Where pictures are compared: in the embedding and in the triplet loss, not in classifiers."""
    found = {}
    for unit in (False, True):
        torch.manual_seed(0)
        recipe = small(selection="random", margin=2.0, unit_length=unit)
        network, batch = METHOD.network(recipe).eval(), batch_for(recipe)
        criterion = METHOD.criterion(recipe, network, 4)
        terms = METHOD.stages(recipe, network, criterion)[2].turns[0].eval()(batch)
        found[unit] = (network(**batch.inputs).unflatten(1, (6, 256)), terms)
    plain, unit = found[False], found[True]
    torch.testing.assert_close(unit[0], plain[0] / plain[0].norm(dim=2, keepdim=True))
    torch.testing.assert_close(unit[1]["identity"], plain[1]["identity"])
    a, p, n = (unit[0][i::3] for i in range(3))
    expected = torch.relu((a - p).norm(dim=2) - (a - n).norm(dim=2) + 2.0).mean()
    torch.testing.assert_close(unit[1]["triplet"], expected)


def test_stage_3_sees_as_many_pictures_with_triplets_and_without():
    labels = np.repeat(np.arange(16), 8)
    for anchors in (1.0, 1 / 3):
        for changes in ({"triplet": "none"}, {"selection": "batch_hard"}):
            recipe = small(anchors=anchors, **changes)
            network = METHOD.network(recipe)
            stage = METHOD.stages(recipe, network, METHOD.criterion(recipe, network, 16))[2]
            seen = sum(map(len, stage.sampler.batches(labels, seed=0, epoch=1)))
            assert seen == round(3 * anchors * len(labels)), changes


def test_anchors_without_candidates_are_left_out_and_counted(market):
    notes = {}
    start = epoch_start(market, lambda: np.random.default_rng(1).random((48, 8)), notes)
    start.labels[0] = 99
    select = TripletSelection(small(anchors=1.0))
    assert 0 not in np.concatenate(select(start))[0::3]
    assert notes == {"anchors": 47, "anchors_left_out": 1}
    start.labels[:] = np.arange(48)
    for selection in ("mask_guided", "random"):
        with pytest.raises(InputError, match=f"{selection} selection found no triplet among 48"):
            TripletSelection(small(selection=selection))(start)


def test_inputs_with_and_without_a_mask():
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (64, 32, 3), np.uint8)
    mask = (random.random((64, 32)) < 0.5).astype(np.uint8) * 255
    inputs = METHOD.inputs(small())
    made = inputs.make(Picture(image, mask))
    assert made["mask"].shape == (32, 16)
    assert set(np.unique(made["mask"])) == {0, 255}
    assert (inputs.make(Picture(image))["mask"] == 255).all()
    assert inputs.cues == {"mask"}
    numbers = normalise(
        Batch(
            {
                n: torch.tensor(v).reshape(1, 32, 16, -1).permute(0, 3, 1, 2)
                for n, v in made.items()
            },
            *[torch.zeros(1)] * 3,
        ),
        inputs.specs,
    ).inputs["mask"]
    assert set(numbers.unique().tolist()) == {0.0, 1.0}
    plain = METHOD.inputs(small(mask="none", triplet="none"))
    assert (list(plain.specs), plain.cues) == (["image"], frozenset())


class HalfTheMasks:
    """A cue source that knows every other picture."""

    fingerprint = "half"

    def mask(self, sample):
        known = int(sample.name[-8]) % 2
        return np.full((48, 24), 255, np.uint8) if known else None

    def joints(self, sample):
        return None


def test_masks_follow_their_pictures(market):
    """A picture whose bright pixels are its mask stays so through flips."""

    class Bright:
        fingerprint = "bright"

        def mask(self, sample):
            from passerby.data.images import read_image

            return np.where(read_image(sample.file)[:, :, 0] > 128, 255, 0).astype(np.uint8)

        def joints(self, sample):
            return None

    split = passerby.load("market1501", market)
    inputs = METHOD.inputs(small(height=48, width=24))
    data = training_data(split.train, inputs, Bright())
    flipped = Loader(data, Augmentation(resize=(48, 24), flip=0.5))
    plain = Loader(data, None)
    batches = [np.arange(16)]
    (one,), (two,) = list(flipped.epoch(batches, 3)), list(plain.epoch(batches, 3))
    assert not torch.equal(one.inputs["image"], two.inputs["image"])
    for batch in (one, two):
        expected = (batch.inputs["image"][:, 0] > 128).to(torch.uint8) * 255
        assert torch.equal(batch.inputs["mask"][:, 0], expected)


def run_of(market, out, recipe, **more):
    split = passerby.load("market1501", market)
    settings = Settings(seed=1, accelerator="cpu")
    return train(
        METHOD, split, out, preset="small", recipe={**TINY, **recipe}, settings=settings,
        console=QUIET, evaluate=False, **more,
    )  # fmt: skip


def metrics(run):
    rows = [line.split(",") for line in (run / "metrics.csv").read_text().splitlines()[1:]]
    return {(row[0], int(row[1]), row[3]): float(row[4]) for row in rows}


def test_a_run_whole(market, tmp_path):
    model = run_of(market, tmp_path / "run", {}, cues=HalfTheMasks())
    found = metrics(tmp_path / "run")
    assert found["identity", 0, "without_mask"] == 0.5
    assert found["triplet", 1, "anchors"] + found["triplet", 1, "anchors_left_out"] == 24
    assert found["triplet", 0, "triplet"] > 0
    weights = load_file(tmp_path / "run" / "model.safetensors")
    assert not [name for name in weights if "classifier" in name]
    assert {name.partition(".")[0] for name in weights} == {"trunk", "reduce"}
    pictures = list(np.random.default_rng(0).integers(0, 256, (5, 48, 24, 3), np.uint8))
    loaded = passerby.Embedder.load(tmp_path / "run")
    embeddings = loaded.embed(pictures)
    assert embeddings.shape == (5, 6 * 256)
    np.testing.assert_array_equal(model.embed(pictures), embeddings)
    assert loaded.descriptor.feature == "H: 6 x 256, mask pooled over 0.5"
    first = load_file(tmp_path / "run" / "stages" / "identity.safetensors")
    second = load_file(tmp_path / "run" / "stages" / "classifiers.safetensors")
    assert all(torch.equal(value, second[name]) for name, value in first.items())


@pytest.mark.parametrize("selection", ["mask_guided", "random", "batch_hard"])
def test_resumed_bit_for_bit(market, tmp_path, selection):
    """Stopped in the middle of the first epoch with triplets."""
    recipe = {"selection": selection, "stages.0.epochs": 0, "identities": 2}
    run_of(market, tmp_path / "whole", recipe)
    out = tmp_path / "run"
    stopped = METHODS["mask_pooling"].stages

    class Stop(Exception):
        pass

    def breaking(recipe, network, criterion):
        stages = stopped(recipe, network, criterion)
        turn = stages[2].turns[0]
        forward, steps = turn.forward, iter(range(100))

        def until(batch):
            if next(steps) == 3:
                raise Stop
            return forward(batch)

        turn.forward = until
        return stages

    split = passerby.load("market1501", market)
    often = Settings(seed=1, accelerator="cpu", checkpoint_minutes=1e-9)
    options = {"preset": "small", "recipe": {**TINY, **recipe}, "settings": often}
    with pytest.raises(Stop):
        train(
            replace(METHOD, stages=breaking), split, out, console=QUIET, evaluate=False, **options
        )
    checkpoint = max((out / "checkpoints").glob("*.safetensors")).name
    assert checkpoint.startswith("stage02-epoch0000-step000003")
    train(METHOD, split, out, console=QUIET, evaluate=False, resume=True, **options)
    one, two = (load_file(x / "model.safetensors") for x in (tmp_path / "whole", out))
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)
    mine, theirs = metrics(tmp_path / "whole"), metrics(out)
    assert {k: v for k, v in mine.items() if k[2] != "images_per_second"} == {
        k: v for k, v in theirs.items() if k[2] != "images_per_second"
    }


def test_switches_that_contradict_each_other():
    with pytest.raises(InputError, match="selection mask_guided needs masks"):
        Recipe(mask="none")
    with pytest.raises(InputError, match="anchors must be a share above 0"):
        Recipe(anchors=0.0)
    with pytest.raises(InputError, match="threshold must be from 0 to 1; given 1.5"):
        small(threshold=1.5)
    with pytest.raises(InputError, match="threshold must be from 0 to 1; given -1"):
        small(threshold=-1)
    for changes in ({"candidates": 0}, {"kept": 0}, {"margin": -0.1}, {"margin": math.nan}):
        with pytest.raises(InputError, match="candidates and kept must be at least 1, the margin"):
            small(**changes)
    with pytest.raises(
        InputError, match="height, width and part_width must be at least 1; given 32"
    ):
        small(part_width=0)
    assert isinstance(METHOD.criterion(small(), METHOD.network(small()), 3), Criterion)
    assert METHODS["mask_pooling"] is METHOD


def test_ibn_b_is_refused_and_ibn_a_taken():
    with pytest.raises(InputError, match="thin18_ibn_b normalises otherwise"):
        MaskedTrunk(small(trunk="thin18_ibn_b"))
    trunk = MaskedTrunk(small(trunk="thin18_ibn_a")).eval()
    assert trunk(torch.randn(1, 3, 64, 32), torch.ones(1, 1, 64, 32)).shape == (1, 256, 4, 2)
