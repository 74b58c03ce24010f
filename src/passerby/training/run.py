"""A run under way: what the parts of the loop share, and the batches of an epoch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from passerby.data.loader import TrainingData
from passerby.extract import embed_samples
from passerby.method import EpochStart, Stage
from passerby.training.interrupt import StopRequest
from passerby.training.meter import Meter
from passerby.training.processes import joined_rows
from passerby.training.progress import TrainingProgress
from passerby.training.record import Position, Record
from passerby.training.seeds import epoch_key
from passerby.training.settings import Settings
from passerby.training.state import Batches
from passerby.types import InputError

if TYPE_CHECKING:
    from lightning_fabric import Fabric


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

    def epochs_before(self, position: Position) -> int:
        """Epochs of the whole run that are over."""
        return sum(stage.epochs for stage in self.stages[: position.stage]) + position.epoch


def check_stages(stages: Sequence[Stage]) -> None:
    """What stages must be before a run may start.

    Raises:
        InputError: two of one name, an optimizer in two places, or nothing to train.
    """
    names = [stage.name for stage in stages]
    if len(set(names)) < len(names):
        raise InputError(f"each stage needs its own name; given {', '.join(names)}")
    epochs = [stage.epochs for stage in stages]
    if min(epochs) < 0 or sum(epochs) == 0:
        raise InputError(
            f"a run needs at least one epoch, and no stage may have fewer than 0; given {epochs}"
        )
    optimizers = [o.optimizer for s in stages for t in s.turns for o in t.optimizers]
    if len({id(optimizer) for optimizer in optimizers}) < len(optimizers):
        raise InputError("each turn needs its own optimizers: a shared one cannot be resumed")


def draw_batches(run: Run, position: Position, meter: Meter) -> Batches:
    """The batches of an epoch: the sampler's, or what the stage computes when the epoch starts.

    What the stage notes then goes to the epoch's meter, and so into its checkpoints.
    """
    stage, data, seed = run.stages[position.stage], run.data, run.settings.seed
    if stage.at_epoch_start is None:
        return stage.sampler.batches(data.labels, seed=seed, epoch=epoch_key(position))

    def embed() -> NDArray[np.float32]:
        mine = data.samples[run.fabric.global_rank :: run.fabric.world_size]
        rows = embed_samples(run.network, data.inputs, mine, cues=data.cues)
        return joined_rows(run.fabric, rows, len(data.samples))

    def note(name: str, value: float) -> None:
        meter.add(position.step, {name: torch.tensor(value, dtype=torch.float64)})

    start = EpochStart(
        samples=data.samples,
        labels=data.labels,
        cameras=data.cameras,
        seed=seed,
        epoch=position.epoch,
        key=epoch_key(position),
        embed=embed,
        pictures=data.picture,
        note=note,
    )
    return [np.ascontiguousarray(batch, np.int64) for batch in stage.at_epoch_start(start)]
