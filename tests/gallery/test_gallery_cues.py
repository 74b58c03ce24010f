"""Galleries of models that look at masks: one source of them, the same everywhere."""

import json
import shutil

import numpy as np
import pytest
import torch

from passerby.cli import cues as cues_command
from passerby.cli.main import run
from passerby.cues.extraction import compute_masks
from passerby.cues.networks import ComputedCues
from passerby.cues.source import FileCues, find_named_cues
from passerby.data.market1501 import load_market1501
from passerby.embedding.embedder import Embedder
from passerby.gallery.gallery import Gallery
from passerby.gallery.pictures import add_samples
from passerby.gallery.settings import Space, space_of
from passerby.methods import find_method
from passerby.recipes import override
from passerby.types import InputError


@pytest.fixture(scope="module")
def model():
    """A network that pools under masks, not trained."""
    torch.manual_seed(0)
    method = find_method("mask_pooling")
    recipe = override(method.recipe.small(), {"height": 96, "width": 32, "part_width": 8})
    return Embedder(method, recipe, method.network(recipe))


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    model.save(folder)
    return str(folder)


class Bright:
    """Takes what is brighter than the mean for the person."""

    fingerprint = "bright:1"

    def masks(self, pictures):
        return [np.where(p.mean(2) > p.mean(), 255, 0).astype(np.uint8) for p in pictures]


def shown(capsys, arguments, code=0):
    assert run(arguments) == code
    told = capsys.readouterr()
    return told.out + told.err


def test_the_source_is_part_of_the_space(model):
    space = space_of(model)
    assert space.fingerprint == model.fingerprint_with("")
    other = space_of(model.with_cues(ComputedCues(Bright())))
    assert other.fingerprint == model.fingerprint_with("computed:bright:1") != space.fingerprint
    assert (other.model, other.cues) == (model.fingerprint, "computed:bright:1")
    assert space_of(Space("x", "cosine")) == Space("x", "cosine", "what it says", "of both")
    plain = find_method("bag_of_tricks")
    recipe = plain.recipe.small()
    alone = Embedder(plain, recipe, plain.network(recipe))
    assert space_of(alone.with_cues(ComputedCues(Bright()))).fingerprint == alone.fingerprint


def test_files_count_as_computed_by_what_wrote_them(market, tmp_path):
    root = tmp_path / "data"
    shutil.copytree(market, root, ignore=lambda *_: ["masks"])
    samples = load_market1501(root).query
    compute_masks(samples[:3], Bright(), root / "masks")
    named = find_named_cues(root, {"mask"})
    assert named.fingerprint == ComputedCues(Bright()).fingerprint
    compute_masks(samples, Bright(), root / "masks")
    assert find_named_cues(root, {"mask"}).fingerprint == named.fingerprint
    assert find_named_cues(root, {"joints"}).fingerprint == (
        FileCues(joints=root / "joints.json").fingerprint
    )
    both = find_named_cues(root, {"mask", "joints"})  # the joints do not say what made them
    assert both.fingerprint == FileCues(root / "masks", root / "joints.json").fingerprint
    named_by_hand = find_named_cues(root, {"joints"}, "camera team")
    (root / "joints.json").write_text("{}\n")
    assert find_named_cues(root, {"joints"}, "camera team").fingerprint == (
        FileCues(joints=root / "joints.json", made_by="camera team").fingerprint
    )
    assert named_by_hand.fingerprint.startswith("files:")
    assert find_named_cues(tmp_path, {"mask"}) is None


def test_a_gallery_takes_one_source(market, model, tmp_path):
    samples = load_market1501(market).gallery
    with_masks = model.with_cues(FileCues(market / "masks"))
    with Gallery.open(tmp_path / "g", with_masks) as gallery:
        add_samples(gallery, with_masks, samples)
        expected = model.embed_samples(samples, cues=FileCues(market / "masks"))
        keys = [sample.name for sample in samples]
        np.testing.assert_array_equal(gallery.embeddings(keys), expected)
        assert np.abs(expected - model.embed_samples(samples)).max() > 1e-3
    again = model.with_cues(FileCues(market / "masks"))
    with Gallery.open(tmp_path / "g", again) as gallery:
        found = gallery.search(again.embed_samples(samples[:1]), 1)[0].hits[0]
        assert (found.entry.key, found.distance) == (keys[0], pytest.approx(0, abs=1e-3))
        gallery.backup(tmp_path / "b")
    for other in (model, model.with_cues(ComputedCues(Bright()))):
        with pytest.raises(InputError, match=r"this model made with masks or joints by files:"):
            Gallery.open(tmp_path / "g", other)
        with pytest.raises(InputError, match="name the same source"):
            Gallery.open(tmp_path / "h", other).restore(tmp_path / "b")
    Gallery.open(tmp_path / "h", again).restore(tmp_path / "b")
    with pytest.raises(InputError, match="name the same source"):
        Gallery.open(tmp_path / "h", model)


def test_a_computing_model_computes_for_pictures_of_any_kind(market, model):
    bright = model.with_cues(ComputedCues(Bright()))
    samples = load_market1501(market).query[:2]
    found = bright.embed([sample.file for sample in samples])
    np.testing.assert_allclose(found, bright.embed_samples(samples), atol=1e-4)
    assert np.abs(found - model.embed([sample.file for sample in samples])).max() > 1e-3
    assert bright.embed_with_cues([samples[0].file]).counts == {"mask": {"computed": 1}}


def test_from_files_by_command_line(market, saved, tmp_path, capsys):
    place, query = str(tmp_path / "g"), str(sorted((market / "query").glob("*.jpg"))[0])
    data = ["--model", saved, "--root", str(market)]
    embedded = ["embed", saved, str(market), "--out", str(tmp_path / "e"), "--shard-size", "99"]
    shown(capsys, embedded)
    assert "added: 24 " in shown(capsys, ["gallery", "add", place, *data])
    assert "there already: 24" in shown(capsys, ["gallery", "import", place, str(tmp_path / "e")])
    search = ["gallery", "search", place, query, "--model", saved, "--k", "3", "--json"]
    assert "name the same source of masks" in shown(capsys, search, 2)
    assert len(json.loads(shown(capsys, [*search, "--cues", str(market)]))[0]["hits"]) == 3
    assert "masks or joints by" in shown(capsys, ["gallery", "statistics", place])
    outside = tmp_path / "who.jpg"
    shutil.copy(query, outside)
    search[3] = str(outside)
    assert "outside " in shown(capsys, [*search, "--cues", str(market)], 2)
    without = str(tmp_path / "without")
    assert "added: 24 " in shown(capsys, ["gallery", "add", without, *data, "--no-cues"])
    search[2] = without
    assert len(json.loads(shown(capsys, search))[0]["hits"]) == 3
    both = [*search, "--cues", str(market), "--no-cues"]
    assert "--no-cues cannot be combined" in shown(capsys, both, 2)
    no_masks = [*search, "--cues", str(tmp_path)]
    assert "contains no mask, which this model looks at" in shown(capsys, no_masks, 2)


def test_networks_on_the_command_line_are_those_that_wrote_the_files(
    market, saved, tmp_path, capsys, monkeypatch
):
    asked = []
    monkeypatch.setattr(
        cues_command, "mask_network", lambda options: asked.append(options) or Bright()
    )
    root = tmp_path / "data"
    shutil.copytree(market, root, ignore=lambda *_: ["masks"])
    compute_masks(load_market1501(root).gallery, Bright(), root / "masks")
    place, query = str(tmp_path / "g"), str(sorted((market / "query").glob("*.jpg"))[0])
    shown(capsys, ["gallery", "add", place, "--model", saved, "--root", str(root)])
    computing = ["--model", saved, "--masks-by", "mask-rcnn", "--joints-by", "unasked"]
    search = ["gallery", "search", place, query, "--k", "3", "--json", *computing]
    assert len(json.loads(shown(capsys, search))[0]["hits"]) == 3
    add = ["gallery", "add", place, "--root", str(root), *computing]
    assert "there already: 24" in shown(capsys, add)
    assert "not both" in shown(capsys, [*search, "--cues", str(root)], 2)
    search[search.index("mask-rcnn")] = "own.onnx"
    shown(capsys, search)
    assert [(each.source, each.model) for each in asked] == [
        ("mask-rcnn", None), ("mask-rcnn", None), ("mask-rcnn", None), ("onnx", "own.onnx"),
    ]  # fmt: skip
