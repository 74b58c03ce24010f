"""The one training loop: stages, epochs, steps, turns. It knows no paper."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace

import torch
from torch import Tensor

from passerby.data.loader import Loader
from passerby.data.transforms import normalise, to_device
from passerby.training.average import WeightAverage
from passerby.training.interrupt import Interrupted
from passerby.training.meter import Meter
from passerby.training.processes import anyone, mean_over_processes, share_buffers
from passerby.training.run import Run, draw_batches
from passerby.training.seeds import epoch_key, seed_step
from passerby.training.state import Standing, capture, check_finite, restore
from passerby.training.turns import TurnAtWork, rates
from passerby.types import Batch, InputError
from passerby.workers import told_of_killed

ASK_EVERY = 10
"""Steps after which several processes ask each other whether to stop."""


def fit(run: Run) -> None:
    """Trains from the record's last checkpoint, or from the start, to the end of the last stage.

    With the same settings the weights at the end are the same whether the run was interrupted or
    not: batches are functions of (seed, stage, epoch), augmentation of the place in the epoch
    too, and the generators of dropout and the like are seeded anew for each step.

    Raises:
        InputError: the checkpoint belongs to another run, or an epoch has no batches.
        ChildProcessError: a worker of the loader was killed; names the checkpoint.
        FloatingPointError: a loss or a weight is not finite; names the step and the checkpoint.
        Interrupted: the user asked for it; names the checkpoint that was written.
    """
    standing = restore(run.record.latest(), run.network, run.criterion)
    run.record.start(standing.position)
    try:
        with torch.random.fork_rng(), told_of_killed("decodes pictures"):
            for _ in range(standing.position.stage, len(run.stages)):
                train_stage(run, standing)
    except FloatingPointError as error:
        raise FloatingPointError(f"{error}; last good checkpoint: {run.record.last}") from error
    except ChildProcessError as error:
        on = f"; saved {run.record.last}: continue with --resume" if run.record.last else ""
        raise ChildProcessError(f"{error}{on}") from error
    finally:
        run.record.close()


def train_stage(run: Run, standing: Standing) -> None:
    """The epochs of one stage, from where the run stands."""
    index = standing.position.stage
    stage = run.stages[index]
    keep = int(run.settings.keep_gb * 1e9) // run.fabric.world_size
    workers = run.settings.workers
    loader = Loader(run.data, stage.augmentation, workers=workers, keep_bytes=keep)
    turns = [TurnAtWork(turn, run.fabric, run.settings, stage.group) for turn in stage.turns]
    for turn, state in zip(turns, standing.turns or [], strict=False):
        turn.load_state_dict(state)
    standing.average = WeightAverage(run.network, stage.average) if stage.average else None
    if standing.average and standing.average_state:
        standing.average.load_state_dict(standing.average_state)
    standing.average_state = None
    run.network.train()
    run.criterion.train()
    for _ in range(standing.position.epoch, stage.epochs):
        train_epoch(run, standing, turns, loader)
        end_epoch(run, standing, turns)
    if standing.position.stage == index:
        standing.position = replace(standing.position, stage=index + 1)


def train_epoch(run: Run, standing: Standing, turns: list[TurnAtWork], loader: Loader) -> None:
    """The steps of an epoch, from where the run stands."""
    stage, epoch = run.stages[standing.position.stage], standing.position.epoch
    if standing.batches is None:
        standing.meter = Meter()
        standing.batches = draw_batches(run, standing.position, standing.meter)
    for turn in turns:
        turn.set_rates(epoch)
    world, rank = run.fabric.world_size, run.fabric.global_rank
    key, first = epoch_key(standing.position), standing.position.step
    started, pictures, missing = time.monotonic(), 0, Counter[str]()
    for raw in loader.epoch(standing.batches, key, first, (rank, world), stage.group):
        batch = to_device(raw, run.fabric.device)
        batch = normalise(batch, run.data.inputs.specs, stage.augmentation.erase_fill)
        position = standing.position
        seed_step(run.settings.seed, position, rank)
        for turn in turns:
            standing.meter.add(position.step, turn.take(batch))
        if standing.average:
            standing.average.step()
        missed = {cue: loader.missing[cue] - missing[cue] for cue in run.data.inputs.cues}
        if missed:
            standing.meter.add(position.step, without_cues(batch, missed))
            missing.update(missed)
        step, done = position.step + 1, position.steps_done + 1
        standing.position = replace(position, step=step, steps_done=done)
        pictures += len(batch.labels) * world
        part = run.epochs_before(position) + step / len(standing.batches)
        label = f"{stage.name} {epoch + 1}/{stage.epochs}"
        run.progress.step(part, label, len(batch.labels) * world)
        if world == 1 or done % ASK_EVERY == 0:
            between_steps(run, standing, turns)
    if standing.position.step == 0:
        raise InputError(f"an epoch needs a batch; stage {stage.name} drew none that can be cut")
    standing.images_per_second = pictures / (time.monotonic() - started)


def without_cues(batch: Batch, missed: Mapping[str, int]) -> dict[str, Tensor]:
    """For each cue that the method looks at, the share of the batch's pictures without it."""
    size = len(batch.labels)
    # Where the losses are: the meter reads them together.
    return {f"without_{cue}": batch.labels.new_tensor(missed[cue]) / size for cue in sorted(missed)}


def end_epoch(run: Run, standing: Standing, turns: list[TurnAtWork]) -> None:
    """Notes the epoch's numbers and writes the checkpoint that the run goes on from."""
    position, stage = standing.position, run.stages[standing.position.stage]
    share_buffers(run.fabric, run.network, run.criterion)
    numbers = mean_over_processes(run.fabric, standing.meter.means())
    numbers |= validated(run, standing)
    label, speed = f"{stage.name} {position.epoch + 1}/{stage.epochs}", standing.images_per_second
    run.progress.epoch(run.epochs_before(position) + 1, label, numbers, speed)
    for name, value in (numbers | rates(turns) | {"images_per_second": speed}).items():
        run.record.metric(position, name, value)
    standing.position = replace(position, epoch=position.epoch + 1, step=0)
    standing.batches, standing.meter, standing.turns = None, Meter(), None
    last = standing.position.epoch == stage.epochs
    if last:
        standing.position = replace(standing.position, stage=position.stage + 1, epoch=0)
        if standing.average:
            standing.average.put()
            standing.average = None
    save(run, standing, turns, stage.name if last else None)
    if anyone(run.fabric, run.stop.asked) and standing.position.stage < len(run.stages):
        raise Interrupted(f"interrupted; saved {run.record.last}: continue with --resume")


def validated(run: Run, standing: Standing) -> dict[str, float]:
    """Scores on held-out identities, of the weights that the stage would leave behind now."""
    if run.validate is None:
        return {}
    with standing.average.in_place() if standing.average else nullcontext():
        return run.validate()


def between_steps(run: Run, standing: Standing, turns: list[TurnAtWork]) -> None:
    """Saves and stops when the user asked for it, and saves when it is time."""
    stop = anyone(run.fabric, run.stop.asked)
    if stop or anyone(run.fabric, run.record.due):
        save(run, standing, turns)
    if stop:
        raise Interrupted(f"interrupted; saved {run.record.last}: continue with --resume")


def save(
    run: Run, standing: Standing, turns: list[TurnAtWork], finished: str | None = None
) -> None:
    """Writes a checkpoint, and the stage that is finished; never broken weights."""
    check_finite(run.network, run.criterion)
    if finished is not None:
        run.record.save_stage(finished, run.network, run.criterion)
    run.record.save(standing.position, capture(run.network, run.criterion, turns, standing))
