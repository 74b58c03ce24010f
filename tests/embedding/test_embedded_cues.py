"""Where the cues of an embedding came from, and what counts as none."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from passerby.cues.networks import ComputedCues
from passerby.cues.source import FileCues
from passerby.data.market1501 import load_market1501
from passerby.data.training_data import with_cues
from passerby.embedding.embedder import Embedder
from passerby.evaluation.results import results, results_table
from passerby.experiment import evaluate_model
from passerby.method import Inputs
from passerby.methods.bag_of_tricks import METHOD, Recipe
from passerby.types import InputError, InputSpec

SPECS = {"cues": InputSpec(height=2, width=2, mean=(0.0,), std=(1.0,))}


def seen(picture):
    """4 bytes: sum of the mask's pixels, x of the first joint, 1 for each cue that is missing."""
    mask, joints = picture.mask, picture.joints
    return {
        "cues": np.array(
            [
                [0 if mask is None else (mask > 0).sum(), 0 if joints is None else joints[0, 0]],
                [mask is None, joints is None],
            ]
        ).astype(np.uint8)
    }


class Flat(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.full((1,), 255.0))

    def forward(self, cues):
        return cues.flatten(1) * self.scale


@pytest.fixture
def model():
    inputs = Inputs(SPECS, seen, frozenset({"mask", "joints"}))
    method = dataclasses.replace(METHOD, inputs=lambda recipe: inputs)
    return Embedder(method, Recipe.small(), Flat())


class Network:
    fingerprint = "net:1"

    def masks(self, pictures):
        return [np.full(p.shape[:2], 255, np.uint8) if p.any() else None for p in pictures]

    def joints(self, pictures):
        return [np.tile(np.float32([2, 1, p.any()]), (18, 1)) for p in pictures]


def blank(value=9):
    return np.full((4, 6, 3), value, np.uint8)


def joints(x=3.0):
    return np.tile(np.float32([x, 1, 1]), (18, 1))


def one_pixel():
    mask = np.zeros((4, 6), np.uint8)
    mask[1, 2] = 255
    return mask


def test_given_then_computed_then_fallback(model):
    found = model.embed_with_cues(
        [blank(), blank(), blank(0)],
        masks=[one_pixel(), None, None],
        joints=[None, joints(), None],
        cues=ComputedCues(Network(), Network()),
        batch_size=2,
    )
    assert found.cues == {
        "joints": ("computed", "given", "fallback"),
        "mask": ("given", "computed", "fallback"),
    }
    assert found.counts["mask"] == {"given": 1, "computed": 1, "fallback": 1}
    np.testing.assert_allclose(
        found.embeddings, [[1, 2, 0, 0], [24, 3, 0, 0], [0, 0, 1, 1]], atol=1e-4
    )


def test_a_cue_that_the_method_cannot_use_is_a_fallback():
    """Here a method that has no use for masks of one pixel."""

    def unusable(picture):
        return ["mask"] if picture.mask is not None and (picture.mask > 0).sum() == 1 else []

    inputs = Inputs(SPECS, seen, frozenset({"mask", "joints"}), unusable)
    method = dataclasses.replace(METHOD, inputs=lambda recipe: inputs)
    model = Embedder(method, Recipe.small(), Flat())
    full = np.full((4, 6), 255, np.uint8)
    found = model.embed_with_cues([blank()] * 3, masks=[one_pixel(), full, None])
    assert found.cues == {
        "mask": ("fallback", "given", "fallback"),
        "joints": ("fallback", "fallback", "fallback"),
    }


def test_embed_gives_the_same_array(model):
    given = {"masks": [one_pixel()], "joints": [joints()]}
    found = model.embed([blank()], **given)
    assert isinstance(found, np.ndarray)
    np.testing.assert_array_equal(found, model.embed_with_cues([blank()], **given).embeddings)


def test_without_anything_every_cue_is_a_counted_fallback(model):
    found = model.embed_with_cues([blank()] * 3)
    assert found.counts == {"joints": {"fallback": 3}, "mask": {"fallback": 3}}


def test_masks_may_be_one_array(model):
    found = model.embed_with_cues([blank()] * 2, masks=np.stack([one_pixel()] * 2))
    assert found.cues["mask"] == ("given", "given")


def test_the_fingerprint_holds_the_source(model):
    nothing = model.embed_with_cues([blank()]).fingerprint
    given = model.embed_with_cues([blank()], masks=[one_pixel()]).fingerprint
    computed = model.embed_with_cues([blank()], cues=ComputedCues(Network())).fingerprint
    assert len({nothing, given, computed, model.fingerprint}) == 4
    assert computed == model.fingerprint_with("computed:net:1")
    plain = Embedder(METHOD, Recipe.small(), METHOD.network(Recipe.small()))
    assert plain.embed_with_cues([blank()]).cues == {}
    assert plain.fingerprint_with("anything") == plain.fingerprint


def test_what_says_nothing_is_none():
    mask = np.zeros((4, 6), np.uint8)
    assert with_cues("a", blank(), mask, None).mask is None
    assert with_cues("a", blank(), None, joints() * np.float32([1, 1, 0])).joints is None


def test_joints_outside_the_picture_are_missing():
    """The picture of 6 x 4 reaches from -0.5 to 5.5 and from -0.5 to 3.5."""
    given = joints()
    given[0, 0], given[1, 0], given[2, 1], given[3, 1], given[4, 0] = -0.6, 5.6, 3.6, -0.6, 5.4
    found = with_cues("a", blank(), None, given).joints
    assert not found[:4].any()
    np.testing.assert_array_equal(found[4:], given[4:])
    assert with_cues("a", blank(), None, joints(x=77)).joints is None


def spoilt(value, column):
    given = joints()
    given[5, column] = value
    return given


@pytest.mark.parametrize(
    ("mask", "given", "words"),
    [
        (np.zeros((6, 4), np.uint8), None, "the mask has 6 x 4 pixels, the picture 4 x 6"),
        (np.ones((4, 6), np.uint8), None, "255 is the person .* greatest value of this one is 1"),
        (np.ones((4, 6), bool), None, "a mask must be uint8 .* given bool"),
        (None, np.zeros((17, 3)), r"joints must have the shape \(18, 3\); given \(17, 3\)"),
        (None, spoilt(np.nan, 0), "finite numbers with a confidence of at least 0"),
        (None, spoilt(-1, 2), "finite numbers with a confidence of at least 0"),
    ],
)
def test_cues_that_cannot_be_name_the_picture(model, mask, given, words):
    with pytest.raises(InputError, match=f"picture 1: .*{words}"):
        model.embed([blank()] * 2, masks=[None, mask], joints=[None, given])


@pytest.mark.parametrize("with_joints", [True, False])
def test_results_state_source_and_fallbacks(model, market, with_joints):
    split = load_market1501(market)
    cues = FileCues(market / "masks", market / "joints.json" if with_joints else None)
    if not with_joints:
        cues = ComputedCues(masks=Network())
    found = evaluate_model(model, split, cues=cues)
    count = len(split.query) + len(split.gallery)
    wanted = {
        "origin": "given" if with_joints else "computed",
        "source": cues.fingerprint,
        "pictures": count,
        "fallbacks": {"joints": 0 if with_joints else count, "mask": 0},
    }
    assert results(found, {})["cues"] == wanted
    assert found.fingerprint == model.fingerprint_with(cues.fingerprint)
    assert f"of {count} pictures without" in results_table(found).caption


def test_results_without_any_source(model, market, monkeypatch):
    split = load_market1501(market)
    monkeypatch.setattr("passerby.experiment.cues_of", lambda split: None)
    found = results(evaluate_model(model, split), {})["cues"]
    assert (found["origin"], found["source"]) == ("fallback", "")
    assert found["fallbacks"] == {"joints": found["pictures"], "mask": found["pictures"]}


def test_methods_without_cues_say_nothing(market):
    plain = Embedder(METHOD, Recipe.small(), METHOD.network(Recipe.small()))
    assert results(evaluate_model(plain, load_market1501(market)), {})["cues"] is None
