"""Everything that a run must remember, and how it takes it up again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from passerby.training.average import WeightAverage
from passerby.training.meter import Meter
from passerby.training.record import Position
from passerby.training.turns import TurnAtWork

Batches = Sequence[NDArray[np.int64]]


@dataclass
class Standing:
    """Where a run stands between two steps."""

    position: Position = field(default_factory=Position)
    """The step that comes next."""
    batches: Batches | None = None
    """Those of the epoch under way, which may depend on weights that are no more."""
    meter: Meter = field(default_factory=Meter)
    """The epoch's sums so far."""
    turns: list[dict[str, Any]] | None = None
    """States of the stage's turns, until they are taken up."""
    average: WeightAverage | None = None
    """Mean of the stage's weights, where the stage wants one."""
    average_state: dict[str, Any] | None = None
    """Its state, until it is taken up."""
    images_per_second: float = 0.0
    """Of the last epoch, over all processes."""


def capture(
    network: nn.Module, criterion: nn.Module, turns: Sequence[TurnAtWork], standing: Standing
) -> dict[str, Any]:
    """The state between two steps, as a checkpoint holds it."""
    batches = standing.batches
    return {
        "network": network.state_dict(),
        "criterion": criterion.state_dict(),
        "turns": [turn.state_dict() for turn in turns],
        "batches": None if batches is None else [torch.from_numpy(b) for b in batches],
        "meter": standing.meter.state_dict(),
        "average": standing.average.state_dict() if standing.average else None,
    }


def restore(state: dict[str, Any] | None, network: nn.Module, criterion: nn.Module) -> Standing:
    """Takes a captured state up again; None starts anew.

    The states of turns and average wait in the result until the stage has made them.
    """
    if state is None:
        return Standing()
    network.load_state_dict(state["network"])
    criterion.load_state_dict(state["criterion"])
    standing = Standing(Position(**state["position"]))
    standing.meter.load_state_dict(state["meter"])
    if state["batches"] is not None:
        standing.batches = [batch.numpy() for batch in state["batches"]]
    if standing.position.in_stage:
        standing.turns = state["turns"]
        standing.average_state = state.get("average")
    return standing


def check_finite(*modules: nn.Module) -> None:
    """Weights and statistics must be finite before they are saved as good ones.

    Raises:
        FloatingPointError: names the first that is not.
    """
    for module in modules:
        for name, value in module.state_dict().items():
            if value.is_floating_point() and not bool(torch.isfinite(value).all()):
                raise FloatingPointError(f"weights are not finite after the last step: {name}")
