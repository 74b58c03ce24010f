import numpy as np
import pytest
import torch
from torch.nn import functional

from passerby.data.camera import UNSEEN_CAMERAS
from passerby.embedding.embedder import Embedder
from passerby.methods import METHODS
from passerby.methods.bag_of_tricks import METHOD, BagOfTricks, Criterion, Recipe
from passerby.methods.layers import GeneralisedMean
from passerby.recipes import override
from passerby.types import Batch, InputError, Picture


def small(**changes):
    return Recipe(**{**vars(Recipe.small()), **changes})


def batch(recipe, labels):
    image = torch.randn(len(labels), 3, recipe.height, recipe.width)
    nothing = torch.zeros(len(labels), dtype=torch.int64)
    return Batch({"image": image}, torch.tensor(labels), nothing, nothing)


def test_the_recipe_is_the_papers():
    recipe = Recipe.for_data("market1501")
    assert (recipe.height, recipe.width, recipe.last_stride) == (256, 128, 1)
    assert (recipe.identities, recipe.pictures, recipe.epochs) == (16, 4, 120)
    assert (recipe.learning_rate, recipe.warm_up, recipe.milestones) == (3.5e-4, 10, (40, 70))
    assert (recipe.smoothing, recipe.margin, recipe.center_weight) == (0.1, 0.3, 5e-4)
    assert (recipe.pad, recipe.flip, recipe.erase) == (10, 0.5, 0.5)
    assert (recipe.feature, recipe.metric) == ("after", "cosine")


def test_the_papers_learning_rates():
    # Luo et al. 2019, section 3.1: 3.5e-4 t / 10 up to epoch 10, then 3.5e-4, 3.5e-5, 3.5e-6.
    recipe = small(warm_up=10, milestones=(40, 70), epochs=120, learning_rate=3.5e-4)
    network = METHOD.network(recipe)
    (stage,) = METHOD.stages(recipe, network, METHOD.criterion(recipe, network, 4))
    adam, sgd = stage.turns[0].optimizers
    for t, rate in {1: 3.5e-5, 5: 1.75e-4, 10: 3.5e-4, 40: 3.5e-4, 41: 3.5e-5, 71: 3.5e-6}.items():
        assert 3.5e-4 * adam.schedule(t - 1) == pytest.approx(rate)
    assert sgd.schedule(100) == 1


def test_resnet50_at_the_papers_size():
    with torch.device("meta"):
        network = BagOfTricks(Recipe(weights="none"))
        features = network.features(torch.empty(2, 3, 256, 128))
    assert features.f_t.shape == features.f_i.shape == (2, 2048)
    # ResNet-50 without its 2048 x 1000 + 1000 classifier, and the neck's scale and bias.
    assert sum(p.numel() for p in network.parameters()) == 25_557_032 - 2_049_000 + 4096


@pytest.mark.parametrize(("feature", "field"), [("after", "f_i"), ("before", "f_t")])
@pytest.mark.parametrize("training", [True, False])
def test_the_embedding_is_the_chosen_side_of_the_neck(feature, field, training):
    network = BagOfTricks(small(feature=feature)).train(training)
    image = torch.randn(3, 3, 64, 32)
    expected = getattr(network.features(image), field)
    torch.testing.assert_close(network(image), expected)


def test_the_terms_against_the_formulas():
    torch.manual_seed(0)
    recipe = small()
    labels = [0, 0, 1, 1, 2, 2]
    network = METHOD.network(recipe).train()
    criterion = METHOD.criterion(recipe, network, 3)
    assert isinstance(criterion, Criterion)
    (stage,) = METHOD.stages(recipe, network, criterion)
    given = batch(recipe, labels)
    terms = stage.turns[0](given)
    f = network.features(**given.inputs)
    logits = (f.f_i @ criterion.classifier.weight.T).double()
    log_p = logits - logits.exp().sum(1, keepdim=True).log()
    smooth = torch.full((6, 3), 0.1 / 3).double()
    smooth[torch.arange(6), labels] += 0.9
    torch.testing.assert_close(terms["identity"].double(), -(smooth * log_p).sum(1).mean())
    triplet = 0.0
    for a in range(6):
        d = [float(torch.dist(f.f_t[a], f.f_t[b])) for b in range(6)]
        far = max(d[b] for b in range(6) if b != a and labels[b] == labels[a])
        near = min(d[b] for b in range(6) if labels[b] != labels[a])
        triplet += max(0.0, 0.3 + far - near) / 6
    assert float(terms["triplet"]) == pytest.approx(triplet, rel=1e-4)
    apart = functional.mse_loss(f.f_t, criterion.center.centers[labels], reduction="none")
    assert float(terms["center"]) == pytest.approx(5e-4 * float(apart.sum(1).mean()), rel=1e-4)


def test_a_triplet_term_after_the_neck_sees_directions_alone():
    torch.manual_seed(0)
    recipe = small(triplet_side="after")
    labels = [0, 0, 1, 1, 2, 2]
    network = METHOD.network(recipe).train()
    (stage,) = METHOD.stages(recipe, network, METHOD.criterion(recipe, network, 3))
    given = batch(recipe, labels)
    f = network.features(**given.inputs).f_i.detach().double()
    cosines = (f @ f.T) / f.norm(dim=1) / f.norm(dim=1)[:, None]
    expected = 0.0
    for a in range(6):
        d = [float((2 - 2 * cosines[a, b]).clamp(min=0).sqrt()) for b in range(6)]
        far = max(d[b] for b in range(6) if b != a and labels[b] == labels[a])
        near = min(d[b] for b in range(6) if labels[b] != labels[a])
        expected += max(0.0, 0.3 + far - near) / 6
    assert float(stage.turns[0](given)["triplet"]) == pytest.approx(expected, rel=1e-4)


def test_gradients_reach_what_trains_and_nothing_else():
    recipe = small()
    network = METHOD.network(recipe).train()
    criterion = METHOD.criterion(recipe, network, 3)
    (stage,) = METHOD.stages(recipe, network, criterion)
    turn = stage.turns[0]
    sum(turn(batch(recipe, [0, 0, 1, 1, 2, 2])).values()).backward()
    still = [n for n, p in turn.named_parameters() if p.grad is None or not p.grad.any()]
    assert still == ["network.neck.bias"]
    assert not network.neck.bias.any()
    groups = [group for each in turn.optimizers for group in each.optimizer.param_groups]
    stepped = {id(p) for group in groups for p in group["params"]}
    assert stepped == {id(p) for p in turn.parameters()}


def test_generalised_mean_against_the_formula():
    # Radenovic et al. 2019, Eq. 3; p = 1 is the average.
    maps = torch.rand(2, 3, 4, 5) - 0.2
    pool = GeneralisedMean()
    assert float(pool.p) == 3
    for p in (1.0, 3.0, 6.5):
        with torch.no_grad():
            pool.p.fill_(p)
        for b, c in ((0, 0), (1, 2)):
            values = [max(float(v), 1e-6) ** p for v in maps[b, c].flatten()]
            wanted = (sum(values) / 20) ** (1 / p)
            assert float(pool(maps)[b, c]) == pytest.approx(wanted, rel=1e-4)
    assert pool(maps.bfloat16()).dtype == torch.float32


@pytest.mark.parametrize("trunk", ["thin18_ibn_a", "osnet_x0_25", "osnet_ain_x0_25"])
def test_any_trunk_learns_with_what_later_baselines_use(trunk):
    torch.manual_seed(0)
    recipe = small(
        trunk=trunk, pooling="gem", margin=None, center_weight=0.0, optimizer="adamw",
        schedule="cosine", warm_up=0, height=64, width=32, epochs=4,
    )  # fmt: skip
    network = METHOD.network(recipe).train()
    criterion = METHOD.criterion(recipe, network, 3)
    (stage,) = METHOD.stages(recipe, network, criterion)
    turn = stage.turns[0]
    (only,) = turn.optimizers
    assert type(only.optimizer) is torch.optim.AdamW
    assert [only.schedule(epoch) for epoch in (0, 2)] == pytest.approx([1, 0.5])
    given = batch(recipe, [0, 0, 1, 1, 2, 2])
    before = turn(given)
    assert set(before) == {"identity", "triplet"}
    f = network.features(**given.inputs).f_t
    soft = 0.0
    for a in range(6):
        d = [float(torch.dist(f[a], f[b])) for b in range(6)]
        gap = d[a ^ 1] - min(d[b] for b in range(6) if b // 2 != a // 2)
        soft += np.log1p(np.exp(gap)) / 6
    assert float(before["triplet"]) == pytest.approx(soft, rel=1e-4)
    for _ in range(8):
        only.optimizer.zero_grad()
        sum(turn(given).values()).backward()
        only.optimizer.step()
    assert float(sum(turn(given).values())) < float(sum(before.values()))
    assert float(network.pool.p.detach()) != 3


@pytest.mark.parametrize("feature", ["after", "before"])
def test_the_mirror_image_counts_as_much(feature):
    recipe = small(mirror=True, feature=feature, height=64, width=32)
    network = METHOD.network(recipe).eval()
    image = torch.randn(2, 3, 64, 32)
    mirrored = torch.stack([image[..., 31 - x] for x in range(32)], dim=-1)
    name = "f_i" if feature == "after" else "f_t"
    sides = [getattr(network.features(each), name) for each in (image, mirrored)]
    found = network(image)
    torch.testing.assert_close(found, (sides[0] + sides[1]) / 2)
    torch.testing.assert_close(network(mirrored), found)
    assert not torch.allclose(found, sides[0], rtol=1e-3)


def test_a_mirror_makes_another_model():
    one, two = (
        Embedder(METHOD, recipe, METHOD.network(small()).eval())
        for recipe in (small(), small(mirror=True))
    )
    two.network.load_state_dict(one.network.state_dict())
    assert one.fingerprint != two.fingerprint


def test_the_transfer_preset_is_the_recipe_that_was_measured():
    recipe = Recipe.transfer()
    assert (recipe.trunk, recipe.height, recipe.width) == ("thin16_ibn_a", 128, 64)
    assert (recipe.optimizer, recipe.learning_rate, recipe.schedule) == ("adamw", 1.5e-3, "cosine")
    assert (recipe.identities, recipe.pictures, recipe.smoothing) == (16, 4, 0.1)
    assert (recipe.pooling, recipe.triplet_side, recipe.erase) == ("gem", "after", 0)
    network = METHOD.network(recipe)
    (stage,) = METHOD.stages(recipe, network, METHOD.criterion(recipe, network, 4))
    assert stage.augmentation.camera == UNSEEN_CAMERAS
    assert stage.average == recipe.average > 0.99


@pytest.mark.parametrize("name", ["feature_mask", "generated_masks", "mask_pooling", "msreid"])
def test_methods_that_look_into_layers_refuse_other_trunks(name):
    method = METHODS[name]
    with pytest.raises(InputError, match=r"must be one of .*thin18_ibn_b; given 'osnet_x0_25'"):
        method.network(override(method.recipe.small(), {"trunk": "osnet_x0_25"}))


def test_inputs_take_any_picture():
    recipe = Recipe.small()
    made = METHOD.inputs(recipe).make(Picture(np.zeros((31, 17, 3), np.uint8)))
    assert made["image"].shape == (128, 64, 3)


def test_it_is_listed():
    assert METHODS["bag_of_tricks"] is METHOD
