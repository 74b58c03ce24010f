"""A run that starts from another run's finished stages, with `toy_method.py`."""

import csv
import json
from dataclasses import replace

import pytest
import torch
import yaml
from rich.console import Console
from safetensors.torch import load_file, save_file
from toy_method import METHOD, Recipe

import passerby
from made_up import write_market
from passerby.experiment import train
from passerby.training.earlier_run import trained_by
from passerby.training.settings import Settings
from passerby.types import InputError

QUIET = Console(quiet=True)


def run(market, out, **options):
    split = passerby.load("market1501", market)
    options = {"settings": Settings(seed=3, accelerator="cpu"), "evaluate": False, **options}
    method = options.pop("method", METHOD)
    return train(method, split, out, console=QUIET, **options)


@pytest.fixture(scope="module")
def whole(market, tmp_path_factory):
    """An uninterrupted run of both stages."""
    out = tmp_path_factory.mktemp("earlier") / "run"
    run(market, out)
    return out


def copied(source, target):
    for file in source.rglob("*"):
        if file.is_file():
            (target / file.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
            (target / file.relative_to(source)).write_bytes(file.read_bytes())
    return target


def rows(out):
    with (out / "metrics.csv").open(newline="") as opened:
        return [tuple(r.values()) for r in csv.DictReader(opened) if "images" not in r["name"]]


@pytest.mark.parametrize("source", ["", "stages/alone.safetensors"])
def test_it_ends_as_the_whole_run_does(market, whole, tmp_path, source):
    out = tmp_path / "run"
    run(market, out, init_from=whole / source)
    for file in ("model.safetensors", "stages/alone.safetensors"):
        found, expected = load_file(out / file), load_file(whole / file)
        assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert [row[:2] + row[3:] for row in rows(out)] == [
        row[:2] + row[3:] for row in rows(whole) if row[0] == "together"
    ]
    origin = yaml.safe_load((out / "config.yaml").read_text())["init_from"]
    assert (origin["run"], origin["stage"]) == (str(whole), "alone")
    assert origin["recipe"]["stages"][0]["epochs"] == 2
    # And so can another one start from it.
    run(market, tmp_path / "third", init_from=out)
    found = load_file(tmp_path / "third" / "model.safetensors")
    assert all(torch.equal(found[n], v) for n, v in load_file(out / "model.safetensors").items())


def test_the_first_stages_settings_are_those_of_the_earlier_run(market, whole, tmp_path):
    run(market, tmp_path / "run", init_from=whole, recipe={"stages.0.epochs": 9})
    assert {row[0] for row in rows(tmp_path / "run")} == {"together"}


def test_what_a_stage_trains_is_what_its_turns_hold_and_do_not_freeze():
    network = METHOD.network(Recipe())
    criterion = METHOD.criterion(Recipe(), network, 3)
    alone, together = METHOD.stages(Recipe(), network, criterion)
    names = trained_by([alone], network)
    assert "body.1.running_mean" in names
    assert sorted(names) == sorted(n for n in network.state_dict() if not n.startswith("stem."))
    paint = replace(together, turns=[together.turns[1]])
    assert trained_by([paint], network) == []
    assert set(trained_by([paint], criterion)) == set(criterion.state_dict())


def test_resuming_needs_the_same_origin(market, whole, tmp_path):
    out = tmp_path / "run"
    run(market, out, init_from=whole)
    weights = load_file(out / "model.safetensors")
    run(market, out, init_from=whole, resume=True)
    assert all(torch.equal(weights[n], v) for n, v in load_file(out / "model.safetensors").items())
    with pytest.raises(InputError, match="another init_from"):
        run(market, out, resume=True)


def test_what_cannot_be_started_from(market, whole, tmp_path):
    def refused(message, source=whole, **options):
        with pytest.raises(InputError, match=message) as caught:
            run(options.pop("data", market), tmp_path / "out", init_from=source, **options)
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "out").exists()

    refused("--init-from .*absent: no such run", tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    refused("nothing to start from.*alone.safetensors", tmp_path / "empty")
    refused("one of alone; given .*together", whole / "stages" / "together.safetensors")
    refused("one of alone; given .*model", whole / "model.safetensors")
    refused("the method toy; it must be other", method=replace(METHOD, name="other"))
    refused("training pictures", data=write_market(tmp_path / "data", train=5))
    spoilt = copied(whole, tmp_path / "spoilt")
    file = spoilt / "stages" / "alone.safetensors"
    tensors = load_file(file)
    save_file({n: t for n, t in tensors.items() if n != "body.0.bias"}, file)
    refused("alone.safetensors lacks body.0.bias", spoilt)
    save_file({**tensors, "body.0.bias": torch.zeros(3)}, file)
    refused(r"body.0.bias must be \(8,\); it is \(3,\)", spoilt)
    file.write_bytes(b"x")
    refused("cannot be read as a finished stage", spoilt)
    (spoilt / "config.yaml").unlink()
    refused("not a run: config.yaml is missing", spoilt)


def test_a_method_of_one_stage_has_nothing_to_start_from(market, whole, tmp_path):
    with pytest.raises(InputError, match="one stage"):
        run(market, tmp_path / "out", init_from=whole, method="bag_of_tricks", preset="small",
            recipe={"identities": 3})  # fmt: skip
    assert json.loads((whole / "config.json").read_text())["method"] == "toy"
