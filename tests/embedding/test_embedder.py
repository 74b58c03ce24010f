import json

import numpy as np
import pytest
import torch
from PIL import Image

import passerby
from passerby.embedding.embedder import Embedder
from passerby.methods.bag_of_tricks import METHOD, Recipe
from passerby.types import InputError


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    recipe = Recipe.small()
    return Embedder(METHOD, recipe, METHOD.network(recipe))


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    model.save(folder)
    return folder


def test_all_kinds_of_pictures_give_the_same_embedding(model, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (50, 30, 3), dtype=np.uint8)
    file = tmp_path / "a.png"
    Image.fromarray(pixels).save(file)
    found = model.embed([file, str(file), Image.open(file), pixels])
    assert found.shape == (4, 256)
    assert found.dtype == np.float32
    for row in found[1:]:
        np.testing.assert_array_equal(row, found[0])


def test_it_equals_the_formula_by_hand(model):
    """Resize, (x / 255 - mean) / std, the network in eval mode."""
    pixels = np.random.default_rng(1).integers(0, 256, (128, 64, 3), dtype=np.uint8)
    x = torch.from_numpy(pixels).double() / 255
    x = (x - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225])
    with torch.no_grad():
        expected = model.network(x.permute(2, 0, 1)[None].float())
    np.testing.assert_allclose(model.embed([pixels]), expected.numpy(), rtol=1e-4, atol=1e-5)


def test_the_batch_size_does_not_matter(model):
    pictures = list(np.random.default_rng(2).integers(0, 256, (5, 128, 64, 3), dtype=np.uint8))
    whole = model.embed(pictures)
    np.testing.assert_allclose(model.embed(pictures, batch_size=2), whole, rtol=1e-4, atol=1e-5)


def test_a_saved_model_embeds_the_same_and_holds_no_classifier(model, saved):
    again = passerby.Embedder.load(saved)
    pixels = np.full((20, 10, 3), 77, np.uint8)
    np.testing.assert_array_equal(again.embed([pixels]), model.embed([pixels]))
    assert again.fingerprint == model.fingerprint
    config = json.loads((saved / "config.json").read_text())
    assert config["fingerprint"] == model.fingerprint
    assert (config["method"], config["metric"]) == ("bag_of_tricks", "cosine")
    assert not any("classifier" in name or "center" in name for name in again.network.state_dict())


def test_the_fingerprint_follows_weights_and_feature_but_not_training(model):
    def fingerprint(**changes):
        recipe = Recipe(**{**vars(Recipe.small()), **changes})
        torch.manual_seed(0)
        return Embedder(METHOD, recipe, METHOD.network(recipe)).fingerprint

    assert fingerprint() == model.fingerprint
    assert fingerprint(epochs=3) == model.fingerprint
    assert fingerprint(feature="before") != model.fingerprint
    assert fingerprint(height=64) != model.fingerprint
    other = Embedder(METHOD, Recipe.small(), METHOD.network(Recipe.small()))
    assert other.fingerprint != model.fingerprint


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        ([], "at least one"),
        ("a.jpg", "a list of at least one picture"),
        (["absent.jpg"], "absent.jpg"),
        ([np.zeros((4, 4), np.uint8)], r"uint8 \(H, W, 3\); given uint8 \(4, 4\)"),
        ([np.zeros((4, 4, 3))], r"uint8 \(H, W, 3\); given float64"),
    ],
)
def test_what_is_no_list_of_pictures(model, pictures, message):
    with pytest.raises(InputError, match=message):
        model.embed(pictures)


def test_masks_must_be_as_many_as_the_pictures(model):
    with pytest.raises(InputError, match="1 pictures, 2 entries"):
        model.embed([np.zeros((4, 4, 3), np.uint8)], masks=[None, None])


def spoil(saved, tmp_path, change):
    for file in saved.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    change(config, tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config))
    return tmp_path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c, d: c.update(method="no_such"), "none of passerby's own"),
        (lambda c, d: c.update(method="evil.py:METHOD"), "none of passerby's own"),
        (lambda c, d: c.update(format=99), "format 99"),
        (lambda c, d: c.pop("recipe"), "not a model of passerby"),
        (lambda c, d: c["recipe"].update(colour=3), "no setting 'colour'"),
        (lambda c, d: c["recipe"].update(trunk="resnet18"), "do not fit"),
        (lambda c, d: (d / "model.safetensors").write_bytes(b"x"), "not a model of passerby"),
        (lambda c, d: (d / "model.safetensors").unlink(), "model.safetensors is missing"),
    ],
)
def test_a_spoilt_model_is_one_clear_line(saved, tmp_path, change, message):
    with pytest.raises(InputError, match=message) as caught:
        Embedder.load(spoil(saved, tmp_path, change))
    assert "\n" not in str(caught.value)


def test_a_folder_without_a_model(tmp_path):
    with pytest.raises(InputError, match="config.json is missing"):
        Embedder.load(tmp_path)
