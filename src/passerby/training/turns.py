"""A turn at work: one pass forward and back, then a step of each of its optimizers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from passerby.method import Turn
from passerby.training.freeze import frozen
from passerby.training.settings import Settings
from passerby.types import Batch

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class TurnAtWork:
    """A turn, as several processes share it, with its own gradient scaler.

    Args:
        turn: the method's; on the fabric's device.
        fabric: devices and processes.
        settings: precision, clipping, accumulation, compilation.
        group: pictures of a batch that a cut must not part (`Stage.group`).
    """

    def __init__(self, turn: Turn, fabric: Fabric, settings: Settings, group: int = 1) -> None:
        self.turn = turn
        self.group = group
        self.fabric = fabric
        self.settings = settings
        self.optimizers = [scheduled.optimizer for scheduled in turn.optimizers]
        self.learned = [[p for g in o.param_groups for p in g["params"]] for o in self.optimizers]
        # With several optimizers one scale serves all: it may change only once all have stepped.
        # Fabric's own plugin updates it after each, so the scaler is ours (and off but for fp16).
        self.scaler = torch.amp.GradScaler(fabric.device.type, enabled=settings.precision == "fp16")
        if settings.compile:
            turn.compile()
        with self.alone():
            # The wrapper asks at this moment which parameters will have gradients.
            self.wrapped = fabric.setup_module(turn, move_to_device=False)

    def take(self, batch: Batch) -> dict[str, Tensor]:
        """Takes the turn on a normalised batch; returns its loss terms without their graph."""
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        parts = split(batch, self.settings.accumulate, self.group)
        sums: dict[str, Tensor] = {}
        with self.alone():
            for number, part in enumerate(parts, 1):
                with self.fabric.no_backward_sync(self.wrapped, enabled=number < len(parts)):
                    terms = self._pass(part, len(batch.labels))
                for name, term in terms.items():
                    sums[name] = sums[name] + term if name in sums else term
        for optimizer, parameters in zip(self.optimizers, self.learned, strict=True):
            if all(parameter.grad is None for parameter in parameters):
                continue
            if self.settings.clip is not None:
                self.scaler.unscale_(optimizer)
                nn.utils.clip_grad_norm_(parameters, self.settings.clip)
            self.scaler.step(optimizer)
        self.scaler.update()
        prefix = f"{self.turn.name}/" if self.turn.name else ""
        return {prefix + name: total for name, total in sums.items()}

    def _pass(self, part: Batch, whole: int) -> dict[str, Tensor]:
        """Forward and backward on a part of a batch, weighted by its share of the whole."""
        share = len(part.labels) / whole
        dtype = self.settings.dtype
        device = part.labels.device.type
        with torch.autocast(device, dtype=dtype, enabled=dtype != torch.float32):
            terms: dict[str, Tensor] = self.wrapped(part)
        total = torch.stack([term.float() for term in terms.values()]).sum()
        self.fabric.backward(self.scaler.scale(total * share))
        return {name: term.detach().float() * share for name, term in terms.items()}

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While it lasts, only what this turn's optimizers step takes gradients."""
        stepped = {id(p) for parameters in self.learned for p in parameters}
        idle = [p for p in self.turn.parameters() if p.requires_grad and id(p) not in stepped]
        with frozen(self.turn.frozen):
            for parameter in idle:
                parameter.requires_grad_(False)
            try:
                yield
            finally:
                for parameter in idle:
                    parameter.requires_grad_(True)

    def set_rates(self, epoch: int) -> None:
        """Sets the learning rates for an epoch of the stage, from 0."""
        for scheduled in self.turn.optimizers:
            factor = scheduled.schedule(epoch)
            for group in scheduled.optimizer.param_groups:
                group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor

    def state_dict(self) -> dict[str, Any]:
        """Optimizers and scaler."""
        return {
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "scaler": self.scaler.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
            for parameter, values in optimizer.state.items():
                for name, value in values.items():
                    if isinstance(value, Tensor) and value.shape == parameter.shape:
                        # In the parameter's own memory format, as a fresh state would be.
                        values[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
        self.scaler.load_state_dict(state["scaler"])


def split(batch: Batch, parts: int, group: int = 1) -> list[Batch]:
    """A batch in so many parts of nearly equal size, in order, cut between groups.

    There are fewer parts where they would be smaller than a group or than two pictures, of which
    BatchNorm could not take a variance.
    """
    size = len(batch.labels)
    parts = max(min(parts, size // max(group, 2)), 1)
    edges = [size * i // parts // group * group for i in range(parts)] + [size]
    return [
        replace(
            batch,
            inputs={name: values[start:end] for name, values in batch.inputs.items()},
            labels=batch.labels[start:end],
            cameras=batch.cameras[start:end],
            indices=batch.indices[start:end],
        )
        for start, end in zip(edges, edges[1:], strict=False)
        if end > start
    ]


def rates(turns: Sequence[TurnAtWork]) -> dict[str, float]:
    """The learning rate of each optimizer's first group, by a name for the logs."""
    optimizers = [optimizer for turn in turns for optimizer in turn.optimizers]
    return {f"rate{i}": float(o.param_groups[0]["lr"]) for i, o in enumerate(optimizers)}
