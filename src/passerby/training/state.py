"""Everything that a run must remember, and how it takes it up again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from passerby.method import ScheduledOptimizer, Stage
from passerby.training.meter import Meter
from passerby.training.record import Position

Batches = Sequence[NDArray[np.int64]]


def capture(
    network: nn.Module,
    criterion: nn.Module,
    stage: Stage,
    batches: Batches | None = None,
    meter: Meter | None = None,
) -> dict[str, Any]:
    """The state between two steps.

    Args:
        network: with its BatchNorm statistics.
        criterion: classifiers, centers.
        stage: the stage under way, for its optimizers.
        batches: those of the epoch under way, which may depend on weights that are no more.
        meter: the epoch's sums so far.
    """
    return {
        "network": network.state_dict(),
        "criterion": criterion.state_dict(),
        "optimizers": [each.optimizer.state_dict() for each in optimizers(stage)],
        "batches": None if batches is None else [torch.from_numpy(b) for b in batches],
        "meter": (meter or Meter()).state_dict(),
    }


def restore(
    state: dict[str, Any] | None,
    network: nn.Module,
    criterion: nn.Module,
    stages: Sequence[Stage],
) -> tuple[Position, Batches | None, Meter]:
    """Takes a captured state up again; None starts anew.

    Returns:
        Where the run stands, the batches of the epoch under way if there are any, and its meter.
    """
    meter = Meter()
    if state is None:
        return Position(), None, meter
    position = Position(**state["position"])
    network.load_state_dict(state["network"])
    criterion.load_state_dict(state["criterion"])
    if position.stage < len(stages) and position.in_stage:
        saved = state["optimizers"]
        for each, old in zip(optimizers(stages[position.stage]), saved, strict=True):
            each.optimizer.load_state_dict(old)
    meter.load_state_dict(state["meter"])
    batches = state["batches"]
    return position, None if batches is None else [b.numpy() for b in batches], meter


def optimizers(stage: Stage) -> list[ScheduledOptimizer]:
    """Those of all turns, in order."""
    return [each for turn in stage.turns for each in turn.optimizers]
