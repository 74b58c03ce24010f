"""The hub, off line: a local folder, and a hub that is a folder."""

import shutil
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from passerby.embedding.embedder import Embedder
from passerby.methods.bag_of_tricks import METHOD, Recipe
from passerby.types import InputError

PIXELS = [np.random.default_rng(0).integers(0, 256, (30, 20, 3), dtype=np.uint8)]


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return Embedder(METHOD, Recipe.small(), METHOD.network(Recipe.small()))


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """What was asked for, and a folder that stands for the hub."""
    folder, asked = tmp_path / "hub", []

    class Api:
        def __init__(self, token=None):
            asked.append(("token", token))

        def create_repo(self, name, **options):
            asked.append((name, options))
            return f"https://hub/{name}"

        def upload_folder(self, *, repo_id, folder_path, commit_message):
            shutil.copytree(folder_path, folder / repo_id)

    def download(name, *, revision, allow_patterns):
        asked.append((name, revision))
        if not (folder / name).is_dir():
            raise ConnectionError("no\nroute")
        return str(folder / name)

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    return folder, asked


def test_there_and_back(model, hub):
    folder, asked = hub
    assert model.push_to_hub("me/people", token="t") == "https://hub/me/people"
    files = {file.name for file in (folder / "me/people").iterdir()}
    assert files == {"README.md", "config.json", "model.safetensors"}
    again = Embedder.from_pretrained("me/people", revision="v1")
    np.testing.assert_array_equal(again.embed(PIXELS), model.embed(PIXELS))
    assert asked == [
        ("token", "t"), ("me/people", {"private": True, "exist_ok": True}), ("me/people", "v1"),
    ]  # fmt: skip


def test_the_card_says_what_it_is(model, hub):
    folder, _ = hub
    model.push_to_hub("me/people")
    card = (folder / "me/people/README.md").read_text()
    assert card.startswith("---\nlibrary_name: passerby\n")
    for text in ("Luo et al. 2019", "128 x 64", "cosine", model.fingerprint, "me/people",
                 "A ranking is not an identity"):  # fmt: skip
        assert text in card


def test_a_local_folder(model, tmp_path):
    model.save(tmp_path)
    assert Embedder.from_pretrained(tmp_path).fingerprint == model.fingerprint


def test_other_weights_than_the_config_was_written_for(model, tmp_path):
    model.save(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    tensors["neck.weight"] += 1
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(InputError, match="does not belong to config.json"):
        Embedder.from_pretrained(tmp_path)


def test_out_of_reach_is_one_line(model, hub, monkeypatch):
    with pytest.raises(InputError, match="ConnectionError: no route") as caught:
        Embedder.from_pretrained("nobody/nothing")
    assert "\n" not in str(caught.value)
    monkeypatch.setattr(huggingface_hub, "HfApi", None)
    with pytest.raises(InputError, match="me/people: not on the hub"):
        model.push_to_hub("me/people")


def test_nothing_but_safetensors_and_json_is_fetched(hub, monkeypatch):
    wanted = []

    def download(name, *, revision, allow_patterns):
        wanted.extend(allow_patterns)
        raise ConnectionError

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    with pytest.raises(InputError):
        Embedder.from_pretrained("me/people")
    assert {Path(name).suffix for name in wanted} == {".json", ".safetensors", ".md"}
