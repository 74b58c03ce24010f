"""A turn's passage: one forward, one backward, a step of each of its optimizers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from passerby.method import Turn
from passerby.training.freeze import frozen
from passerby.types import Batch


def wrap(fabric: Fabric, turn: Turn) -> nn.Module:
    """The turn as several processes share it.

    It is wrapped while what it freezes is frozen, because the wrapper asks at that moment which
    parameters will have gradients.
    """
    with frozen(turn.frozen):
        return cast(nn.Module, fabric.setup_module(turn, move_to_device=False))


def take_turn(
    fabric: Fabric, turn: Turn, wrapped: nn.Module, batch: Batch, dtype: torch.dtype
) -> dict[str, Tensor]:
    """Takes one turn; returns its loss terms by name, without their graph."""
    for scheduled in turn.optimizers:
        scheduled.optimizer.zero_grad(set_to_none=True)
    with frozen(turn.frozen):
        device = batch.labels.device.type
        with torch.autocast(device, dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
            terms: dict[str, Tensor] = wrapped(batch)
        fabric.backward(torch.stack([term.float() for term in terms.values()]).sum())
    for scheduled in turn.optimizers:
        scheduled.optimizer.step()
    prefix = f"{turn.name}/" if turn.name else ""
    return {prefix + name: term.detach() for name, term in terms.items()}


def set_rates(turn: Turn, epoch: int) -> None:
    """Sets the learning rates of the turn's optimizers for an epoch of the stage, from 0."""
    for scheduled in turn.optimizers:
        factor = scheduled.schedule(epoch)
        for group in scheduled.optimizer.param_groups:
            group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor


def rates(turns: Sequence[Turn]) -> dict[str, float]:
    """The learning rate of each optimizer's first group, by a name for the logs."""
    optimizers = [scheduled.optimizer for turn in turns for scheduled in turn.optimizers]
    return {f"rate{i}": float(o.param_groups[0]["lr"]) for i, o in enumerate(optimizers)}
