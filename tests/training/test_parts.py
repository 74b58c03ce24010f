"""Checkpoints, freezing, means: the loop's parts, one by one."""

import math

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from passerby.training import checkpoint
from passerby.training.freeze import frozen
from passerby.training.meter import Meter
from passerby.training.record import Position, Record
from passerby.training.settings import Settings
from passerby.types import InputError


def test_a_state_survives_its_file(tmp_path):
    shared = torch.arange(6.0).reshape(2, 3)
    image_like = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)
    state = {
        "a": {1: shared, "t": shared.T, "none": None, "flag": True},
        "list": [1, 2.5, "x", (shared, image_like)],
        "half": torch.tensor([1.5], dtype=torch.bfloat16),
        "scalar": torch.tensor(3.0),
        "empty": {},
    }
    checkpoint.save(tmp_path / "c.safetensors", state)
    back = checkpoint.load(tmp_path / "c.safetensors")
    assert back["a"].keys() == state["a"].keys()
    assert torch.equal(back["a"]["t"], shared.T)
    assert back["list"][:3] == [1, 2.5, "x"]
    assert isinstance(back["list"][3], tuple)
    assert torch.equal(back["list"][3][1], image_like)
    assert back["half"].dtype == torch.bfloat16
    assert back["scalar"].shape == ()
    assert back["empty"] == {}


@pytest.mark.parametrize("name", ["Adam", "SGD"])
def test_an_optimizers_state_survives(tmp_path, name):
    parameter = nn.Parameter(torch.randn(4))
    options = {"lr": 0.1, "momentum": 0.9} if name == "SGD" else {"lr": 0.1}
    optimizer = getattr(torch.optim, name)([parameter], **options)
    parameter.grad = torch.randn(4)
    optimizer.step()
    checkpoint.save(tmp_path / "c.safetensors", optimizer.state_dict())
    other = getattr(torch.optim, name)([nn.Parameter(parameter.detach().clone())], **options)
    other.load_state_dict(checkpoint.load(tmp_path / "c.safetensors"))
    other.param_groups[0]["params"][0].grad = parameter.grad = torch.randn(4)
    optimizer.step(), other.step()
    assert torch.equal(parameter, other.param_groups[0]["params"][0])


def test_what_is_no_checkpoint(tmp_path):
    file = tmp_path / "c.safetensors"
    save_file({"a": torch.zeros(1)}, file)
    with pytest.raises(InputError, match="not a checkpoint of passerby"):
        checkpoint.load(file)
    file.write_bytes(b"nothing")
    with pytest.raises(InputError, match="cannot be read as a checkpoint"):
        checkpoint.load(file)
    with pytest.raises(TypeError, match="plain values"):
        checkpoint.save(file, {"a": object()})


def test_frozen_modules_keep_weights_and_statistics_but_pass_gradients_on():
    frozen_part = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    frozen_part[0].bias.requires_grad_(False)
    free = nn.Linear(3, 3)
    before = {k: v.clone() for k, v in frozen_part.state_dict().items()}
    with frozen([frozen_part]):
        frozen_part(free(torch.randn(8, 3))).square().sum().backward()
        assert not frozen_part[1].training
    assert free.weight.grad.abs().sum() > 0
    assert all(p.grad is None for p in frozen_part.parameters())
    assert all(torch.equal(v, before[k]) for k, v in frozen_part.state_dict().items())
    assert frozen_part[1].training
    assert frozen_part[0].weight.requires_grad
    assert not frozen_part[0].bias.requires_grad


def test_flags_come_back_after_an_error():
    part = nn.BatchNorm1d(3)

    def fail():
        with frozen([part]):
            raise KeyError("x")

    with pytest.raises(KeyError):
        fail()
    assert part.training
    assert part.weight.requires_grad


def test_means_and_their_state():
    meter = Meter()
    for step, value in enumerate((1.0, 2.0, 6.0)):
        meter.add(step, {"a": torch.tensor(value), "b": torch.tensor(-value)})
    again = Meter()
    again.load_state_dict(meter.state_dict())
    again.add(3, {"a": torch.tensor(3.0), "b": torch.tensor(0.0)})
    assert again.means() == {"a": 3.0, "b": -2.25}


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_term_that_is_not_finite_is_named_with_its_step(bad):
    meter = Meter()
    meter.add(6, {"a": torch.tensor(1.0)})
    with pytest.raises(FloatingPointError, match=r"step 7: a 2, b -?(nan|inf)"):
        meter.add(7, {"a": torch.tensor(2.0), "b": torch.tensor(bad)})


def test_the_last_two_checkpoints_are_kept_and_metrics_are_cut_back(tmp_path):
    record = Record(tmp_path, {"seed": 1}, ["one", "two"])
    record.start(Position())
    for epoch in range(4):
        record.metric(Position(0, epoch), "loss", 1 / (epoch + 1))
        record.save(Position(0, epoch + 1), {"epoch": epoch})
    record.close()
    files = sorted(file.name for file in (tmp_path / "checkpoints").iterdir())
    assert files == [f"stage00-epoch000{e}-step000000.safetensors" for e in (3, 4)]
    again = Record(tmp_path, {"seed": 1}, ["one", "two"])
    assert again.latest()["epoch"] == 3
    again.start(Position(0, 2))
    again.close()
    rows = (tmp_path / "metrics.csv").read_text().splitlines()
    assert rows == ["stage,epoch,step,name,value", "one,0,0,loss,1.0", "one,1,0,loss,0.5"]


def test_leftovers_of_an_interrupted_write_are_not_taken_for_checkpoints(tmp_path):
    record = Record(tmp_path, {}, ["one"])
    record.save(Position(0, 1), {"epoch": 0})
    (tmp_path / "checkpoints" / ".stage00-epoch0009-step000000.safetensors.x.safetensors").touch()
    assert record.latest()["epoch"] == 0


@pytest.mark.parametrize("wrong", [{"validation": 0.7}, {"workers": -1}, {"seed": -1}])
def test_settings_are_checked(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        Settings(**wrong)
