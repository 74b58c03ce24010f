import dataclasses
import math

import numpy as np
import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file
from torch.nn import functional

import passerby
from made_up import write_market
from passerby.data.unlabelled import unlabelled
from passerby.embedding.shipped import SHIPPED
from passerby.experiment import train
from passerby.method import EpochStart
from passerby.methods import weights
from passerby.methods.cluster_contrast import (
    METHOD,
    ClusterContrastTurn,
    Memories,
    Recipe,
    balanced_batches,
    check_collapse,
    means,
    numbered_tracks,
)
from passerby.methods.clusters import OUTLIER
from passerby.ranking.profiles import unit
from passerby.training import loop
from passerby.training.settings import Settings
from passerby.types import Batch, InputError, Sample

LABELS = np.array([0, 0, 1, 1, 2, 2, OUTLIER, 0])
CAMERAS = np.array([0, 1, 0, 1, 1, 1, 0, -1])
TINY = {
    "height": 32, "width": 16, "pad": 2, "epochs": 2, "steps": 3, "identities": 4, "pictures": 3,
    "k1": 6, "k2": 2, "limit": 0.6, "inter_from": 1, "mirror": False,
}  # fmt: skip


def small(**changes):
    return dataclasses.replace(Recipe.small(), weights="none", height=32, width=16, **changes)


def rows(seed, count=8, width=256):
    return unit(np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32))


def renewed(inter_weight=0.5):
    memories = Memories()
    memories.renew(rows(0), LABELS, CAMERAS, inter_weight)
    return memories


def starting(samples, cameras=None, epoch=0):
    count = len(samples)
    cameras = np.zeros(count, np.int64) if cameras is None else cameras
    nothing = np.zeros(count, np.int64)
    return EpochStart(samples, nothing, cameras, 0, epoch, epoch, lambda: None, lambda i: None)


def test_the_recipe_is_the_papers():
    recipe = Recipe.for_data("market1501")
    assert (recipe.height, recipe.width, recipe.epochs, recipe.milestones) == (
        256,
        128,
        50,
        (20, 40),
    )
    assert (recipe.identities, recipe.pictures, recipe.learning_rate) == (16, 16, 3.5e-4)
    assert (recipe.temperature, recipe.keep, recipe.least, recipe.k1) == (0.05, 0.1, 4, 30)
    assert (recipe.proxy_temperature, recipe.proxy_keep, recipe.hard) == (0.07, 0.2, 50)
    assert (recipe.inter_weight, recipe.inter_from) == (0.5, 5)
    assert (recipe.limit, Recipe.for_data("msmt17").limit) == (0.6, 0.7)


def test_a_proxy_for_each_cluster_and_camera():
    memories, x = renewed(), rows(0)
    pairs = zip(memories.cluster_of_proxy.tolist(), memories.camera_of_proxy.tolist(), strict=True)
    assert list(pairs) == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 1)]
    assert memories.proxy.tolist() == [0, 1, 2, 3, 4, 4, -1, -1]
    expected = [x[[0, 1, 7]].sum(0), x[[2, 3]].sum(0), x[[4, 5]].sum(0)]
    expected = [mean / math.sqrt((mean**2).sum()) for mean in expected]
    np.testing.assert_allclose(memories.cluster_means.numpy(), expected, atol=1e-6)
    np.testing.assert_allclose(memories.proxy_means[0].numpy(), x[0], atol=1e-6)
    # One camera alone is no camera to tell from others.
    memories.renew(rows(0), LABELS, np.where(CAMERAS == 0, 0, -1), 0.5)
    assert len(memories.proxy_means) == 0
    assert (memories.proxy == -1).all()
    assert means(rows(0), np.full(8, -1)).shape == (0, 256)


def test_a_turn_against_the_formulas():
    torch.manual_seed(0)
    recipe = small(camera_weight=2.0)
    network = METHOD.network(recipe).train()
    memories = renewed(0.25)
    turn = ClusterContrastTurn(recipe, network, memories)
    indices = torch.tensor([0, 2, 3, 5, 7])
    nothing = torch.zeros(5, dtype=torch.int64)
    # What the data say of persons and cameras is not looked at.
    batch = Batch({"image": torch.randn(5, 3, 32, 16)}, nothing - 7, nothing - 7, indices)
    before = {name: value.clone() for name, value in memories.named_buffers()}
    terms = turn(batch)
    q = functional.normalize(network.features(**batch.inputs).f_i, dim=1).detach().double()
    phi, k = before["cluster_means"].double(), before["proxy_means"].double()
    labels, proxies = [0, 1, 1, 2, 0], [0, 2, 3, 4, -1]
    s = (q @ phi.T / 0.05).exp()
    expected = -sum(math.log(s[i, y] / s[i].sum()) for i, y in enumerate(labels)) / 5
    assert float(terms["cluster"].detach()) == pytest.approx(expected, rel=1e-4)
    s, cameras = (q @ k.T / 0.07).exp(), [0, 1, 0, 1, 1]
    expected = 0.0
    for camera in (0, 1):
        mine = [i for i, j in enumerate(proxies) if j >= 0 and cameras[j] == camera]
        own = [j for j in range(5) if cameras[j] == camera]
        expected += sum(-math.log(s[i, proxies[i]] / s[i, own].sum()) for i in mine) / len(mine)
    assert float(terms["intra_camera"].detach()) == pytest.approx(2 * expected, rel=1e-4)
    # Pictures 0, 2 and 3 have a proxy of their cluster in the other camera, 5 and 7 have not.
    losses = []
    for i, positive, negative in ((0, 1, [2, 3, 4]), (1, 3, [0, 1, 4]), (2, 2, [0, 1, 4])):
        losses.append(-math.log(s[i, positive] / (s[i, positive] + s[i, negative].sum())))
    inter = 2 * 0.25 * sum(losses) / 3
    assert float(terms["inter_camera"].detach()) == pytest.approx(inter, rel=1e-4)
    for name, keep, where in (("cluster_means", 0.1, labels), ("proxy_means", 0.2, proxies)):
        moved = before[name].double()
        for feature, row in zip(q, where, strict=True):
            if row >= 0:
                mixed = keep * moved[row] + (1 - keep) * feature
                moved[row] = mixed / mixed.norm()
        torch.testing.assert_close(getattr(memories, name).double(), moved, atol=1e-4, rtol=0)


def test_one_step_lowers_the_loss():
    torch.manual_seed(1)
    recipe = small(learning_rate=1e-3)
    network = METHOD.network(recipe).train()
    memories = renewed()
    turn = ClusterContrastTurn(recipe, network, memories)
    nothing = torch.zeros(6, dtype=torch.int64)
    batch = Batch({"image": torch.randn(6, 3, 32, 16)}, nothing, nothing, torch.arange(6))
    still = {name: value.clone() for name, value in memories.named_buffers()}
    first = sum(turn(batch).values())
    first.backward()
    turn.optimizers[0].optimizer.step()
    for name, value in still.items():
        setattr(memories, name, value)
    assert float(sum(turn(batch).values()).detach()) < float(first.detach())


def test_without_two_cameras_there_is_the_clusters_loss_alone():
    recipe = small()
    network, memories = METHOD.network(recipe), Memories()
    memories.renew(rows(0), LABELS, np.zeros(8, np.int64), 0.5)
    nothing = torch.zeros(4, dtype=torch.int64)
    batch = Batch({"image": torch.randn(4, 3, 32, 16)}, nothing, nothing, torch.arange(4))
    assert set(ClusterContrastTurn(recipe, network, memories)(batch)) == {"cluster"}


def test_memories_of_any_number_of_clusters_are_saved_and_taken_up():
    saved = {name: value.clone() for name, value in renewed().state_dict().items()}
    other = Memories()
    other.renew(rows(1)[:4], LABELS[:4], CAMERAS[:4], 0.0)
    other.load_state_dict(saved)
    for name, value in other.named_buffers():
        torch.testing.assert_close(value, saved[name])
    assert {name for name, _ in other.named_buffers()} == set(saved)


def test_batches_are_of_clusters_and_without_outliers():
    recipe = small(identities=16, pictures=2, steps=7)
    found = balanced_batches(recipe, LABELS, starting([None] * 8))
    assert len(found) == 7
    for batch in found:
        assert sorted(LABELS[batch].tolist()) == [0, 0, 1, 1, 2, 2]
    other = balanced_batches(recipe, LABELS, starting([None] * 8, epoch=1))
    assert any((a != b).any() for a, b in zip(found, other, strict=True))


def test_tracks_are_of_one_camera():
    names = ["a", "a", None, "a", None, "b"]
    samples = [Sample(None, str(i), 0, 0, track_id=name) for i, name in enumerate(names)]
    found = numbered_tracks(starting(samples, np.array([0, 0, 0, 1, 1, 1])))
    assert found.tolist() == [0, 0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.zeros(50, np.int64), "epoch 3 puts 50 of 50 pictures into one cluster"),
        (np.array([0] * 46 + [1] * 4), "46 of 50 pictures into one cluster"),
        (np.full(50, OUTLIER), "0 of 50 pictures into clusters"),
        (np.array([0, 1] + [OUTLIER] * 48), "2 of 50 pictures into clusters"),
        (np.array([0] * 20 + [OUTLIER] * 30), "20 of 50 pictures into one cluster"),
    ],
)
def test_a_run_that_collapses_stops(labels, words):
    with pytest.raises(InputError, match=f"collapsed: .*{words}"):
        check_collapse(labels, 2)
    check_collapse(np.array([0] * 44 + [1] * 6), 2)


def test_the_start_is_the_whole_network():
    network = METHOD.network(Recipe.small())
    expected = passerby.Embedder.default().network.state_dict()
    assert weights.OWN.parent == SHIPPED
    for name, value in network.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            torch.testing.assert_close(value, expected[name])
    # A trunk alone leaves the rest as it was made.
    assert float(METHOD.network(dataclasses.replace(Recipe.small(), weights="none")).pool.p) == 3


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """8 people in two cameras, 5 pictures in each."""
    return write_market(tmp_path_factory.mktemp("adapt"), train=8, test=2, pictures=5)


def run(root, out, split=None, **options):
    split = split or passerby.load("market1501", root)
    options = {"settings": Settings(seed=1, accelerator="cpu"), "evaluate": False, **options}
    quiet = Console(quiet=True)
    return train(METHOD, split, out, preset="small", recipe=TINY, console=quiet, **options)


@pytest.fixture(scope="module")
def whole(people, tmp_path_factory):
    """An uninterrupted run."""
    out = tmp_path_factory.mktemp("whole") / "run"
    run(people, out)
    return load_file(out / "model.safetensors")


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def test_the_weights_moved(whole):
    start = load_file(SHIPPED / "model.safetensors")
    assert not torch.equal(whole["trunk.conv1.weight"], start["trunk.conv1.weight"].float())


@pytest.mark.parametrize("kind", ["shuffled", "none"])
def test_labels_are_not_looked_at(people, whole, tmp_path, kind):
    split = passerby.load("market1501", people)
    samples = unlabelled(split.train)
    if kind == "shuffled":
        given = np.random.default_rng(0).permutation([s.person_id for s in split.train]).tolist()
        samples = tuple(
            dataclasses.replace(s, person_id=p, person=str(p))
            for s, p in zip(split.train, given, strict=True)
        )
    run(people, tmp_path / "run", dataclasses.replace(split, train=samples))
    assert same(load_file(tmp_path / "run" / "model.safetensors"), whole)


class Stop(Exception):
    pass


# Two epochs of three steps: in the first and the second epoch, and between them.
@pytest.mark.parametrize("at", [2, 4, 5])
def test_an_interrupted_run_ends_with_the_same_bits(people, whole, tmp_path, monkeypatch, at):
    out, count, seed_step = tmp_path / "run", 0, loop.seed_step

    def counted(*arguments):
        nonlocal count
        count += 1
        if count == at:
            raise Stop
        seed_step(*arguments)

    monkeypatch.setattr(loop, "seed_step", counted)
    # A checkpoint after every step.
    settings = Settings(seed=1, accelerator="cpu", checkpoint_minutes=1e-9)
    with pytest.raises(Stop):
        run(people, out, settings=settings)
    monkeypatch.setattr(loop, "seed_step", seed_step)
    run(people, out, resume=True)
    assert same(load_file(out / "model.safetensors"), whole)
