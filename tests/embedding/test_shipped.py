"""The model that comes with passerby, small model files, and its card."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import passerby
from passerby.embedding.embedder import Embedder
from passerby.embedding.model_files import CONFIG, WEIGHTS
from passerby.embedding.shipped import SHIPPED
from passerby.embedding.small import write_small
from passerby.methods.bag_of_tricks import METHOD, Recipe
from passerby.types import InputError

_spec = importlib.util.spec_from_file_location(
    "model_card", Path(__file__).parents[2] / "tools" / "model_card.py"
)
model_card = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(model_card)


def pictures(count=4, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (96, 40, 3), np.uint8) for _ in range(count)]


def small_model(**changes):
    recipe = Recipe(**{**vars(Recipe.small()), "height": 64, "width": 32, **changes})
    torch.manual_seed(0)
    network = METHOD.network(recipe)
    with torch.no_grad():
        network.train()(torch.randn(16, 3, 64, 32))
    return Embedder(METHOD, recipe, network)


def test_it_is_small_and_says_what_it_is():
    files = {file.name: file.stat().st_size for file in SHIPPED.iterdir()}
    assert set(files) == {WEIGHTS, CONFIG, "CARD.md"}
    assert sum(files.values()) <= 5_000_000
    assert {t.dtype for t in load_file(SHIPPED / WEIGHTS).values()} <= {torch.float16, torch.int64}
    card = (SHIPPED / "CARD.md").read_text()
    fingerprint = json.loads((SHIPPED / CONFIG).read_text())["fingerprint"]
    assert fingerprint in card
    for part in ("Trained on", "Command", "Scores", "not be used"):
        assert part in card


def test_it_embeds_in_float32_under_its_own_fingerprint():
    model = passerby.Embedder.default()
    found = model.embed(pictures())
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert np.linalg.matrix_rank(found) == 4
    assert next(model.network.parameters()).dtype == torch.float32
    assert model.fingerprint == json.loads((SHIPPED / CONFIG).read_text())["fingerprint"]


def test_halved_weights_give_nearly_the_same(tmp_path):
    model = small_model(mirror=True)
    made = write_small(model, tmp_path)
    again = Embedder.load(tmp_path)
    assert again.fingerprint == made.fingerprint != model.fingerprint
    whole, halved = model.embed(pictures()), again.embed(pictures())
    cosine = (
        (whole * halved).sum(1) / np.linalg.norm(whole, axis=1) / np.linalg.norm(halved, axis=1)
    )
    assert cosine.min() > 0.999
    assert not np.array_equal(whole, halved)
    by_hand = {k: v.half().float() for k, v in model.network.state_dict().items() if v.ndim}
    loaded = again.network.state_dict()
    assert all(torch.equal(loaded[k], v) for k, v in by_hand.items())
    assert model.network.state_dict()["trunk.conv1.weight"].dtype == torch.float32


def test_weights_that_float16_does_not_hold_are_refused(tmp_path):
    model = small_model()
    with torch.no_grad():
        model.network.neck.running_var.fill_(1e-9)
        model.network.trunk.layer4[1].bn2.weight.fill_(1e6)
    with pytest.raises(InputError, match="float16 is too coarse"):
        write_small(model, tmp_path)
    assert not list(tmp_path.iterdir())


def result(fingerprint, **more):
    return {
        "format": 1, "data": "manifest", "folder": "street", "protocol": "single-query",
        "metric": "cosine", "feature": "f", "model": fingerprint, "run": {},
        "counts": {"queries": 10, "gallery_ranked": 40},
        "scores": {"rank_1": 0.512, "rank_5": 0.75, "mean_ap_step": 0.4049}, **more,
    }  # fmt: skip


def test_the_card_takes_scores_from_result_files(tmp_path):
    fingerprint = write_small(small_model(), tmp_path).fingerprint
    card, file = tmp_path / "CARD.md", tmp_path / "r.json"
    card.write_text(f"# Mine\n\n{model_card.START}\nold\n{model_card.END}\n\nby hand\n")
    groups = {"build": {"slim": {"queries": 4, "rank_1": 0.25, "mean_ap": 0.333}}}
    file.write_text(json.dumps(result(fingerprint, groups=groups, same_camera_filter=False)))
    model_card.update(tmp_path, [file])
    text = card.read_text()
    how = "single-query, pictures of the query's camera count"
    assert f"| street | {how} | 10 | 40 | 51.2 | 75.0 | 40.5 |" in text
    assert "| Build as drawn | slim | 4 | 25.0 | 33.3 |" in text
    assert text.startswith("# Mine\n")
    assert text.endswith("\n\nby hand\n")
    assert "old" not in text
    model_card.update(tmp_path, [file])
    assert card.read_text() == text
    file.write_text(json.dumps(result("another")))
    with pytest.raises(InputError, match="is of the model another, not of"):
        model_card.update(tmp_path, [file])
