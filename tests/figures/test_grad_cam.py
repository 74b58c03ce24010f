import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

import passerby
from passerby.cli.main import run as passerby_run
from passerby.cues.source import find_cues
from passerby.embedding.embedder import Embedder
from passerby.figures.drawing_part import criterion_of
from passerby.figures.grad_cam import explain, grad_cam, pair_score, similarity
from passerby.figures.grad_cam_drawing import identity_strips, pair_strips
from passerby.methods import METHODS, find_method
from passerby.recipes import override
from passerby.types import InputError

SMALL = {
    "attention_driven": {"height": 96, "width": 48, "part_height": 24, "part_width": 48},
    "bag_of_tricks": {"height": 64, "width": 32},
    "cluster_contrast": {"height": 64, "width": 32},
    "feature_mask": {"height": 64, "width": 32},
    "generated_masks": {"height": 32, "width": 16, "filters": (2, 3, 4)},
    "mask_pooling": {"height": 96, "width": 32},
    "msreid": {"height": 64, "width": 32},
}


class Two(nn.Module):
    """Two convolutions and a product, so that the score is not linear in the map."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, 2, 1)
        self.second = nn.Conv2d(4, 5, 3, 1, 1)

    def after(self, maps):
        return (
            self.second(torch.tanh(maps)).amax(dim=(2, 3)) + maps.mean(dim=(2, 3)).sum(1)[:, None]
        )

    def forward(self, image):
        return self.after(self.first(image))


@pytest.fixture
def two():
    torch.manual_seed(3)
    return Two().double().eval(), torch.randn(4, 3, 12, 8, dtype=torch.float64)


def by_differences(network, score, maps, step=1e-5):
    """Grad-CAM by its formula, the gradients by central differences."""
    cams = []
    for row in range(len(maps)):
        gradient = torch.zeros_like(maps[row])
        for place in np.ndindex(*maps.shape[1:]):
            ends = []
            for sign in (1, -1):
                moved = maps.clone()
                moved[(row, *place)] += sign * step
                ends.append(score(network.after(moved)).sum())
            gradient[place] = (ends[0] - ends[1]) / (2 * step)
        cam = sum(gradient[c].mean() * maps[row, c] for c in range(maps.shape[1]))
        cams.append(cam.clamp(min=0))
    return torch.stack(cams)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_of_a_pair_against_finite_differences(two, metric):
    network, images = two
    cam, values, name = explain(
        network, pair_score(network, metric), {"image": images}, layer="first"
    )
    assert name == "first"
    with torch.no_grad():
        maps = network.first(images)
        e = network(images)

        def score(embeddings):
            return similarity(*embeddings.chunk(2), metric)

        expected = by_differences(network, score, maps)
        first, second = e[:2].numpy(), e[2:].numpy()
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    cosine = (first * second).sum(1) / lengths
    by_hand = cosine if metric == "cosine" else -((first - second) ** 2).sum(1) / 2
    np.testing.assert_allclose(values, by_hand, rtol=1e-9)
    np.testing.assert_allclose(cam, expected.float(), rtol=1e-4, atol=1e-6)
    assert (cam > 0).any()


def test_against_captum(two):
    attribution = pytest.importorskip("captum.attr", reason="captum is not installed")
    network, images = two
    labels = torch.tensor([0, 4, 2, 2])

    def score(inputs):
        return network(**inputs).gather(1, labels[:, None])[:, 0]

    cam, _, _ = explain(network, score, {"image": images}, layer="first")
    theirs = attribution.LayerGradCam(network, network.first).attribute(
        images, target=labels, relu_attributions=True
    )
    np.testing.assert_allclose(cam, theirs[:, 0].detach(), rtol=1e-5, atol=1e-7)


def test_the_formula():
    maps = torch.tensor([[[[1.0, -2.0]], [[3.0, 5.0]]]])
    gradients = torch.tensor([[[[2.0, 4.0]], [[-1.0, 0.0]]]])
    # Weights 3 and -0.5: 3 * 1 - 0.5 * 3, and 3 * -2 - 0.5 * 5, which is below 0.
    assert grad_cam(maps, gradients).tolist() == [[[1.5, 0.0]]]


def test_what_cannot_be_explained(two):
    network, images = two
    score = pair_score(network, "cosine")
    with pytest.raises(InputError, match="no module 'third'; its own are first, second"):
        explain(network, score, {"image": images}, layer="third")
    with pytest.raises(InputError, match=r"no module 'first.third'; those in first are "):
        explain(network, score, {"image": images}, layer="first.third")
    with pytest.raises(InputError, match="does not depend on a map of second"):
        explain(network, lambda i: network.first(**{"input": i["image"]}).mean((1, 2, 3)),
                {"image": images}, layer="second")  # fmt: skip
    with pytest.raises(InputError, match="cosine or euclidean: given 'dot'"):
        explain(network, pair_score(network, "dot"), {"image": images})


def run_of(name, folder, identities=6):
    """The files of a run with random weights."""
    method = find_method(name)
    recipe = override(method.recipe.small(), SMALL[name])
    torch.manual_seed(0)
    network = method.network(recipe)
    Embedder(method, recipe, network).save(folder)
    (folder / "stages").mkdir()
    criterion = method.criterion(recipe, network, identities)
    for parameter in criterion.parameters():
        nn.init.normal_(parameter, std=0.1)
    stage = method.stages(recipe, network, criterion)[-1]
    save_file(criterion.state_dict(), folder / "stages" / f"{stage.name}.criterion.safetensors")
    return criterion


@pytest.mark.parametrize("name", METHODS)
def test_every_method(name, market, tmp_path):
    split = passerby.load("market1501", market)
    run_of(name, tmp_path / "run")
    model = Embedder.load(tmp_path / "run")
    samples = [split.train[0], split.train[-1]]
    cues = find_cues(market)
    strips, what = identity_strips(model, tmp_path / "run", split, samples, cues=cues)
    assert len(strips) == 2
    assert ("mean embedding" in what) == (name in ("cluster_contrast", "generated_masks"))
    pairs = [(split.query[0], split.gallery[0]), (split.query[1], split.gallery[5])]
    strips, what = pair_strips(model, pairs, cues=cues)
    assert len(strips) == 2
    assert "similarity" in what
    assert len(set(np.asarray(strips[0][0]).reshape(-1))) > 20


def test_the_classifiers_are_the_runs(market, tmp_path):
    given = run_of("bag_of_tricks", tmp_path / "run", identities=6)
    model = Embedder.load(tmp_path / "run")
    found = criterion_of(model, tmp_path / "run")
    assert not found.training
    loaded = found.state_dict()
    for name, tensor in given.state_dict().items():
        assert torch.equal(loaded[name], tensor)
    split = passerby.load("market1501", market)
    with pytest.raises(InputError, match="not trained on person"):
        identity_strips(model, tmp_path / "run", split, split.query[:1])
    run_of("bag_of_tricks", tmp_path / "seven", identities=7)
    with pytest.raises(InputError, match="trained on 7 people, but the data have 6"):
        identity_strips(model, tmp_path / "seven", split, split.train[:1])
    with pytest.raises(InputError, match="lacks what only training needed"):
        identity_strips(model, tmp_path, split, split.train[:1])


@pytest.mark.parametrize("score", ["identity", "pair"])
def test_on_the_command_line(market, tmp_path, score):
    run_of("bag_of_tricks", tmp_path / "run")
    target = tmp_path / f"{score}.svg"
    command = ["figures", "grad-cam", str(tmp_path / "run"), "--root", str(market), "--count", "2"]
    assert passerby_run([*command, "--score", score, "--out", str(target)]) == 0
    assert "data:image/png;base64," in target.read_text()
    target = tmp_path / "a.png"
    layer = ["--layer", "trunk.layer2"]
    assert passerby_run([*command, *layer, "--score", score, "--out", str(target)]) == 0
    assert Image.open(target).height > 160
