"""The one training loop: stages, epochs, steps, turns. It knows no paper."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import nn

from passerby.data.loader import Loader, TrainingData
from passerby.data.transforms import normalise, to_device
from passerby.extract import embed_samples
from passerby.method import EpochStart, Stage
from passerby.training.interrupt import Interrupted, StopRequest
from passerby.training.meter import Meter
from passerby.training.processes import anyone, joined_rows, mean_over_processes, share_buffers
from passerby.training.progress import TrainingProgress
from passerby.training.record import Position, Record
from passerby.training.seeds import epoch_key, seed_step
from passerby.training.settings import Settings
from passerby.training.state import Batches, Standing, capture, restore
from passerby.training.turns import TurnAtWork, rates

ASK_EVERY = 10
"""Steps after which several processes ask each other whether to stop."""


@dataclass(frozen=True)
class Run:
    """What the functions of the loop share."""

    fabric: Fabric
    """Devices and processes."""
    network: nn.Module
    """On the fabric's device, as the criterion is."""
    criterion: nn.Module
    """What only training needs."""
    stages: Sequence[Stage]
    """In order; their optimizers hold the parameters of the two above."""
    data: TrainingData
    """Training pictures, labels, and how they become inputs."""
    settings: Settings
    """Seed, workers, precision."""
    record: Record
    """The run's files."""
    progress: TrainingProgress
    """What the user sees."""
    stop: StopRequest
    """Whether the user wants the run to stop."""
    validate: Callable[[], dict[str, float]] | None = None
    """Scores on held-out identities after each epoch."""


def fit(run: Run) -> None:
    """Trains from the record's last checkpoint, or from the start, to the end of the last stage.

    With the same settings the weights at the end are the same whether the run was interrupted or
    not: batches are functions of (seed, stage, epoch), augmentation of the place in the epoch
    too, and the generators of dropout and the like are seeded anew for each step.

    Raises:
        InputError: the checkpoint belongs to another run.
        FloatingPointError: a loss is not finite; names the step, its terms and the checkpoint.
        Interrupted: the user asked for it; names the checkpoint that was written.
    """
    standing = restore(run.record.latest(), run.network, run.criterion)
    run.record.start(standing.position)
    try:
        with torch.random.fork_rng():
            for _ in range(standing.position.stage, len(run.stages)):
                train_stage(run, standing)
    except FloatingPointError as error:
        raise FloatingPointError(f"{error}; last good checkpoint: {run.record.last}") from error
    finally:
        run.record.close()


def train_stage(run: Run, standing: Standing) -> None:
    """The epochs of one stage, from where the run stands."""
    index = standing.position.stage
    stage = run.stages[index]
    keep = int(run.settings.keep_gb * 1e9)
    workers = run.settings.workers
    loader = Loader(run.data, stage.augmentation, workers=workers, keep_bytes=keep)
    turns = [TurnAtWork(turn, run.fabric, run.settings) for turn in stage.turns]
    for turn, state in zip(turns, standing.turns or [], strict=False):
        turn.load_state_dict(state)
    run.network.train()
    run.criterion.train()
    for _ in range(standing.position.epoch, stage.epochs):
        train_epoch(run, standing, turns, loader)
        end_epoch(run, standing, turns)
    if standing.position.stage == index:
        standing.position = replace(standing.position, stage=index + 1)


def train_epoch(run: Run, standing: Standing, turns: list[TurnAtWork], loader: Loader) -> None:
    """The steps of an epoch, from where the run stands."""
    epoch, stage = standing.position.epoch, run.stages[standing.position.stage]
    if standing.batches is None:
        standing.batches, standing.meter = draw_batches(run, standing.position), Meter()
    for turn in turns:
        turn.set_rates(epoch)
    shard = (run.fabric.global_rank, run.fabric.world_size)
    key, first = epoch_key(standing.position), standing.position.step
    started, pictures = time.monotonic(), 0
    for raw in loader.epoch(standing.batches, key, start_step=first, shard=shard):
        batch = to_device(raw, run.fabric.device)
        batch = normalise(batch, run.data.inputs.specs, stage.augmentation.erase_fill)
        position = standing.position
        seed_step(run.settings.seed, position, run.fabric.global_rank)
        for turn in turns:
            standing.meter.add(position.step, turn.take(batch))
        standing.position = replace(
            position, step=position.step + 1, steps_done=position.steps_done + 1
        )
        size = len(batch.labels) * run.fabric.world_size
        pictures += size
        done = epochs_before(run, position) + (position.step + 1) / len(standing.batches)
        run.progress.step(done, f"{stage.name} {epoch + 1}/{stage.epochs}", size)
        between_steps(run, standing, turns)
    standing.images_per_second = pictures / (time.monotonic() - started)


def between_steps(run: Run, standing: Standing, turns: list[TurnAtWork]) -> None:
    """Saves and stops when the user asked for it, and saves when it is time."""
    if run.fabric.world_size > 1 and standing.position.step % ASK_EVERY:
        return
    if anyone(run.fabric, run.stop.asked):
        run.record.save(standing.position, capture(run.network, run.criterion, turns, standing))
        raise Interrupted(f"interrupted; saved {run.record.last}: go on with --resume")
    if anyone(run.fabric, run.record.due):
        run.record.save(standing.position, capture(run.network, run.criterion, turns, standing))


def draw_batches(run: Run, position: Position) -> Batches:
    """The batches of an epoch: the sampler's, or what the stage computes when the epoch starts."""
    stage, data, seed = run.stages[position.stage], run.data, run.settings.seed
    if stage.at_epoch_start is None:
        return stage.sampler.batches(data.labels, seed=seed, epoch=epoch_key(position))

    def embed() -> NDArray[np.float32]:
        mine = data.samples[run.fabric.global_rank :: run.fabric.world_size]
        rows = embed_samples(run.network, data.inputs, mine, cues=data.cues)
        return joined_rows(run.fabric, rows, len(data.samples))

    samples, labels, cameras = data.samples, data.labels, data.cameras
    start = EpochStart(samples, labels, cameras, seed, position.epoch, embed, data.picture)
    return [np.ascontiguousarray(batch, np.int64) for batch in stage.at_epoch_start(start)]


def end_epoch(run: Run, standing: Standing, turns: list[TurnAtWork]) -> None:
    """Notes the epoch's numbers and writes the checkpoint that the run goes on from."""
    position, stage = standing.position, run.stages[standing.position.stage]
    share_buffers(run.fabric, run.network, run.criterion)
    numbers = mean_over_processes(run.fabric, standing.meter.means())
    numbers |= run.validate() if run.validate else {}
    label = f"{stage.name} {position.epoch + 1}/{stage.epochs}"
    speed = standing.images_per_second
    run.progress.epoch(epochs_before(run, position) + 1, label, numbers, speed)
    for name, value in (numbers | rates(turns) | {"images_per_second": speed}).items():
        run.record.metric(position, name, value)
    standing.position = replace(position, epoch=position.epoch + 1, step=0)
    if standing.position.epoch == stage.epochs:
        run.record.save_stage(stage.name, run.network, run.criterion)
        standing.position = replace(standing.position, stage=position.stage + 1, epoch=0)
    standing.batches, standing.meter, standing.turns = None, Meter(), None
    run.record.save(standing.position, capture(run.network, run.criterion, turns, standing))


def epochs_before(run: Run, position: Position) -> int:
    """Epochs of the whole run that are over."""
    return sum(stage.epochs for stage in run.stages[: position.stage]) + position.epoch
