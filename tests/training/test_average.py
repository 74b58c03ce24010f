"""The moving average of the weights, alone and in a run."""

from dataclasses import replace

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file
from torch import nn
from toy_method import METHOD

import passerby
from passerby.experiment import train
from passerby.training import loop
from passerby.training.average import WeightAverage
from passerby.training.interrupt import Interrupted
from passerby.training.settings import Settings
from passerby.training.turns import TurnAtWork

KEEP = 0.8


def averaged(keep):
    """The toy method with an average in its second stage."""

    def stages(*given):
        first, second = METHOD.stages(*given)
        return [first, replace(second, average=keep)]

    return replace(METHOD, stages=stages)


def run(market, out, method, **options):
    settings = Settings(seed=3, accelerator="cpu", **options.pop("settings", {}))
    split = passerby.load("market1501", market)
    console = Console(quiet=True)
    train(method, split, out, settings=settings, evaluate=False, console=console, **options)
    return load_file(out / "model.safetensors")


def test_against_the_formula():
    network = nn.BatchNorm1d(2)
    average = WeightAverage(network, KEEP)
    wanted = 1.0
    for n in range(1, 60):
        with torch.no_grad():
            network.weight.fill_(n**0.5)
        network.num_batches_tracked.fill_(n)
        average.step()
        kept = min(KEEP, (1 + n) / (10 + n))
        wanted = kept * wanted + (1 - kept) * n**0.5
    with average.in_place():
        assert network.weight.tolist() == pytest.approx([wanted] * 2, rel=1e-5)
        assert int(network.num_batches_tracked) == 59
    assert network.weight.tolist() == pytest.approx([59**0.5] * 2)


@pytest.fixture(scope="module")
def seen(market, tmp_path_factory):
    """An uninterrupted run; the network's weights after each step of its second stage."""
    out, steps = tmp_path_factory.mktemp("average") / "run", []
    take = TurnAtWork.take

    def noted(self, batch):
        terms = take(self, batch)
        if self.turn.name == "paint":
            steps.append(self.turn.network.body[0].weight.detach().clone())
        return terms

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TurnAtWork, "take", noted)
        weights = run(market, out, averaged(KEEP))
    return weights, steps, out


def test_a_run_ends_with_the_average_of_its_steps(seen):
    weights, steps, out = seen
    first = load_file(out / "stages" / "alone.safetensors")["body.0.weight"]
    wanted = first.double()
    for n, step in enumerate(steps, 1):
        kept = min(KEEP, (1 + n) / (10 + n))
        wanted = kept * wanted + (1 - kept) * step.double()
    torch.testing.assert_close(weights["body.0.weight"].double(), wanted, rtol=1e-4, atol=1e-6)
    assert not torch.allclose(weights["body.0.weight"], steps[-1])
    stage = load_file(out / "stages" / "together.safetensors")
    assert torch.equal(stage["body.0.weight"], weights["body.0.weight"])


@pytest.mark.parametrize("after", [1, 4])
def test_a_resumed_run_ends_with_the_same(market, seen, tmp_path, after, monkeypatch):
    weights, _, _ = seen
    step, count = WeightAverage.step, []

    def stops(self):
        step(self)
        count.append(1)
        if len(count) == after:
            raise KeyboardInterrupt

    monkeypatch.setattr(loop, "between_steps", save_each_step)
    monkeypatch.setattr(WeightAverage, "step", stops)
    with pytest.raises((Interrupted, KeyboardInterrupt)):
        run(market, tmp_path / "run", averaged(KEEP))
    monkeypatch.undo()
    again = run(market, tmp_path / "run", averaged(KEEP), resume=True)
    assert all(torch.equal(again[name], weights[name]) for name in weights)


def save_each_step(run, standing, turns):
    loop.save(run, standing, turns)


def test_validation_scores_the_average(market, tmp_path, monkeypatch):
    """The last scores are of what the run leaves behind."""
    scored = []

    def validator(network, *given):
        return lambda: scored.append(network.body[0].weight.detach().clone()) or {}

    monkeypatch.setattr("passerby.experiment.validator", validator)
    weights = run(market, tmp_path / "run", averaged(KEEP), settings={"validation": 0.4})
    assert torch.equal(scored[-1], weights["body.0.weight"])
