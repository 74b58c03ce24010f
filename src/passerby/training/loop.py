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
from passerby.training.meter import Meter
from passerby.training.progress import TrainingProgress
from passerby.training.record import Position, Record
from passerby.training.seeds import epoch_key, seed_step
from passerby.training.settings import Settings
from passerby.training.state import Batches, capture, restore
from passerby.training.turns import rates, set_rates, take_turn, wrap


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
    validate: Callable[[], dict[str, float]] | None = None
    """Scores on held-out identities after each epoch."""


def fit(run: Run) -> None:
    """Trains from the record's last checkpoint, or from the start, to the end of the last stage.

    With the same settings the weights at the end are the same whether the run was interrupted or
    not: batches are functions of (seed, stage, epoch), augmentation of the place in the epoch
    too, and the generators of dropout and the like are seeded anew for each step.

    Raises:
        InputError: the checkpoint belongs to another run.
        FloatingPointError: a loss is not finite; names the step and its terms.
    """
    position, batches, meter = restore(run.record.latest(), run.network, run.criterion, run.stages)
    run.record.start(position)
    with torch.random.fork_rng():
        while position.stage < len(run.stages):
            position = train_stage(run, position, batches, meter)
            batches = None
    run.record.close()


def train_stage(run: Run, position: Position, batches: Batches | None, meter: Meter) -> Position:
    """The epochs of one stage from `position` on; `batches` are those of an epoch under way."""
    index = position.stage
    stage = run.stages[index]
    loader = Loader(run.data, stage.augmentation, workers=run.settings.workers)
    turns = [(turn, wrap(run.fabric, turn)) for turn in stage.turns]
    run.network.train()
    run.criterion.train()
    for epoch in range(position.epoch, stage.epochs):
        if batches is None:
            batches, meter = draw_batches(run, position), Meter()
        key, started, pictures = epoch_key(position), time.monotonic(), 0
        for turn in stage.turns:
            set_rates(turn, epoch)
        for raw in loader.epoch(batches, key, start_step=position.step):
            moved = to_device(raw, run.fabric.device)
            batch = normalise(moved, run.data.inputs.specs, stage.augmentation.erase_fill)
            seed_step(run.settings.seed, position)
            for turn, wrapped in turns:
                terms = take_turn(run.fabric, turn, wrapped, batch, run.settings.dtype)
                meter.add(position.step, terms)
            position = replace(position, step=position.step + 1, steps_done=position.steps_done + 1)
            pictures += len(batch.labels)
            done = epochs_before(run, position) + position.step / len(batches)
            run.progress.step(done, f"{stage.name} {epoch + 1}/{stage.epochs}", len(batch.labels))
        position = end_epoch(run, position, meter, pictures / (time.monotonic() - started))
        batches = None
    return position if position.stage > index else replace(position, stage=index + 1)


def draw_batches(run: Run, position: Position) -> Batches:
    """The batches of an epoch: the sampler's, or what the stage computes when the epoch starts."""
    stage, data, seed = run.stages[position.stage], run.data, run.settings.seed
    if stage.at_epoch_start is None:
        return stage.sampler.batches(data.labels, seed=seed, epoch=epoch_key(position))

    def embed() -> NDArray[np.float32]:
        return embed_samples(run.network, data.inputs, data.samples, cues=data.cues)

    samples, labels, cameras = data.samples, data.labels, data.cameras
    start = EpochStart(samples, labels, cameras, seed, position.epoch, embed, data.picture)
    return stage.at_epoch_start(start)


def end_epoch(run: Run, position: Position, meter: Meter, images_per_second: float) -> Position:
    """Notes the epoch's numbers and writes the checkpoint that the run goes on from."""
    stage = run.stages[position.stage]
    numbers = meter.means() | (run.validate() if run.validate else {})
    label = f"{stage.name} {position.epoch + 1}/{stage.epochs}"
    run.progress.epoch(epochs_before(run, position) + 1, label, numbers, images_per_second)
    for name, value in (numbers | rates(stage.turns)).items():
        run.record.metric(position, name, value)
    run.record.metric(position, "images_per_second", images_per_second)
    position = replace(position, epoch=position.epoch + 1, step=0)
    if position.epoch == stage.epochs:
        run.record.save_network(stage.name, run.network)
        position = replace(position, stage=position.stage + 1, epoch=0)
    run.record.save(position, capture(run.network, run.criterion, stage))
    return position


def epochs_before(run: Run, position: Position) -> int:
    """Epochs of the whole run that are over."""
    return sum(stage.epochs for stage in run.stages[: position.stage]) + position.epoch
