"""A turn at work against plain fp32 steps: scaler, clipping, parts of a batch, idle parameters."""

import pytest
import torch
from lightning_fabric import Fabric
from torch import nn, optim

from passerby.method import ScheduledOptimizer, Turn
from passerby.training.settings import Settings
from passerby.training.turns import TurnAtWork, split
from passerby.types import Batch


class Two(Turn):
    """Two optimizers over two parts; a third part belongs to neither."""

    def __init__(self, scale=1.0):
        torch.manual_seed(0)
        body, centers, other = nn.Linear(4, 3), nn.Linear(3, 2), nn.Linear(2, 2)
        adam = optim.SGD(body.parameters(), lr=0.1, momentum=0.9)
        sgd = optim.SGD(centers.parameters(), lr=0.5)
        super().__init__([ScheduledOptimizer(o, lambda epoch: 0.5**epoch) for o in (adam, sgd)])
        self.body, self.centers, self.other, self.scale = body, centers, other, scale

    def forward(self, batch):
        y = self.other(self.centers(self.body(batch.inputs["x"])))
        return {"square": self.scale * y.float().square().mean(), "line": y.float().mean()}


def batch(seed, size=6):
    x = torch.randn(size, 4, generator=torch.Generator().manual_seed(seed))
    index = torch.arange(size)
    return Batch({"x": x}, index, index, index)


def at_work(turn, **settings):
    fabric = Fabric(accelerator="cpu", devices=1)
    fabric.launch()
    return TurnAtWork(turn, fabric, Settings(accelerator="cpu", **settings))


def plain(turn, batches, clip=None):
    """The same in fp32, written down."""
    for given in batches:
        turn.zero_grad()
        sum(turn(given).values()).backward()
        for scheduled in turn.optimizers:
            parameters = [p for g in scheduled.optimizer.param_groups for p in g["params"]]
            if clip:
                total = torch.sqrt(sum(p.grad.square().sum() for p in parameters))
                for p in parameters:
                    p.grad *= min(1.0, clip / (float(total) + 1e-6))
            scheduled.optimizer.step()
    return turn


def assert_same(one, two, **tolerance):
    for (name, a), (_, b) in zip(one.named_parameters(), two.named_parameters(), strict=True):
        torch.testing.assert_close(a, b, msg=lambda m, name=name: f"{name}: {m}", **tolerance)


@pytest.mark.parametrize("clip", [None, 0.05])
def test_steps_equal_plain_ones(clip):
    work = at_work(Two(), clip=clip)
    for seed in range(3):
        work.take(batch(seed))
    assert_same(work.turn, plain(Two(), map(batch, range(3)), clip))


def test_both_optimizers_step_by_the_same_scale_when_it_changes():
    """The scale doubles after each step: an update between the two optimizers would halve one."""
    work = at_work(Two(), precision="fp16")
    work.scaler = torch.amp.GradScaler("cpu", init_scale=256.0, growth_interval=1)
    start = Two()
    for seed in range(3):
        work.take(batch(seed))
    assert work.scaler.get_scale() == 256.0 * 2**3
    expected = plain(Two(), map(batch, range(3)))
    for name, moved in work.turn.named_parameters():
        before, wanted = start.get_parameter(name), expected.get_parameter(name)
        step, wanted_step = moved - before, wanted - before
        torch.testing.assert_close(step, wanted_step, rtol=0.02, atol=2e-4)


def test_an_overflow_skips_both_steps_and_halves_the_scale_once():
    work = at_work(Two(scale=1e6), precision="fp16")
    work.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40)
    work.take(batch(0))
    assert_same(work.turn, Two(), rtol=0, atol=0)
    assert work.scaler.get_scale() == 2.0**39


def test_the_scalers_state_is_part_of_the_checkpoint():
    work, other = at_work(Two(), precision="fp16"), at_work(Two(), precision="fp16")
    work.scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    work.take(batch(0))
    other.load_state_dict(work.state_dict())
    assert other.scaler.get_scale() == work.scaler.get_scale() == 8.0


@pytest.mark.parametrize("parts", [2, 3, 6, 9])
def test_parts_of_a_batch_equal_the_whole(parts):
    work = at_work(Two(), accumulate=parts)
    found = work.take(batch(0, size=7))
    whole = at_work(Two())
    expected = whole.take(batch(0, size=7))
    assert_same(work.turn, whole.turn)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value)


def test_a_batch_is_split_in_order_and_whole():
    sizes = [len(part.labels) for part in split(batch(0, size=7), 3)]
    assert sizes == [2, 2, 3]
    joined = torch.cat([part.inputs["x"] for part in split(batch(0, size=7), 3)])
    assert torch.equal(joined, batch(0, size=7).inputs["x"])


def test_a_batch_is_cut_between_groups_and_never_to_single_pictures():
    def sizes(size, parts, group):
        return [len(part.labels) for part in split(batch(0, size=size), parts, group)]

    assert sizes(12, 3, 4) == [4, 4, 4]
    assert sizes(12, 5, 4) == [4, 4, 4]
    assert sizes(64, 3, 4) == [20, 20, 24]
    assert sizes(5, 4, 1) == [2, 3]
    assert sizes(1, 4, 1) == [1]


def test_an_optimizer_without_a_gradient_leaves_its_part_alone_in_fp16_too():
    class One(Two):
        def forward(self, batch):
            return {"line": self.body(batch.inputs["x"]).float().mean()}

    for precision in ("fp32", "fp16"):
        work = at_work(One(), precision=precision)
        work.take(batch(0))
        assert torch.equal(work.turn.centers.weight, Two().centers.weight)
        assert not torch.equal(work.turn.body.weight, Two().body.weight)


def test_resumed_optimizers_keep_the_parameters_memory_format():
    convolution = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    adam = optim.Adam(convolution.parameters(), lr=0.1)

    class Conv(Turn):
        def forward(self, batch):
            return {"mean": convolution(batch.inputs["x"]).mean()}

    turn = Conv([ScheduledOptimizer(adam, lambda epoch: 1.0)])
    turn.convolution = convolution
    work, index = at_work(turn), torch.arange(2)
    work.take(Batch({"x": torch.randn(2, 3, 5, 5)}, index, index, index))
    state = work.state_dict()
    saved = state["optimizers"][0]["state"][0]
    saved["exp_avg"] = saved["exp_avg"].contiguous()
    before = saved["exp_avg"].clone()
    work.load_state_dict(state)
    loaded = adam.state[convolution.weight]["exp_avg"]
    assert loaded.stride() == convolution.weight.stride()
    assert torch.equal(loaded, before)


def test_what_no_optimizer_steps_takes_no_gradient_and_gets_its_flag_back():
    work = at_work(Two())
    work.take(batch(0))
    assert all(p.grad is None for p in work.turn.other.parameters())
    assert all(p.requires_grad for p in work.turn.other.parameters())


def test_rates_follow_the_schedule_from_the_base_rate():
    work = at_work(Two())
    for epoch, rate in ((0, 0.1), (2, 0.025), (1, 0.05)):
        work.set_rates(epoch)
        assert work.optimizers[0].param_groups[0]["lr"] == pytest.approx(rate)


def test_bf16_is_near_fp32():
    work = at_work(Two(), precision="bf16")
    work.take(batch(0))
    assert_same(work.turn, plain(Two(), [batch(0)]), rtol=0.05, atol=5e-3)


@pytest.mark.slow
def test_compiled_turns_compute_the_same():
    work = at_work(Two(), compile=True)
    work.take(batch(0))
    assert_same(work.turn, plain(Two(), [batch(0)]))
