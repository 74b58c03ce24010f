"""The mean of the weights over the last steps, which a stage may leave behind instead of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


class WeightAverage:
    """Exponential moving average of a network's weights and BatchNorm statistics.

    Step n (from 1) keeps min(`keep`, (1 + n) / (10 + n)) of the mean, so that the first weights,
    which are random, are soon forgotten.

    Args:
        network: its tensors now are where the mean starts.
        keep: the share of the mean that a step keeps, 0 to 1; about 1 / (1 - keep) steps count.
    """

    def __init__(self, network: nn.Module, keep: float) -> None:
        self.network = network
        self.keep = keep
        self.steps = 0
        self.mean = {name: value.clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def step(self) -> None:
        """Takes in the weights as they now stand."""
        self.steps += 1
        kept = min(self.keep, (1 + self.steps) / (10 + self.steps))
        for name, value in self.network.state_dict().items():
            if value.is_floating_point():
                self.mean[name].lerp_(value, 1 - kept)
            else:
                self.mean[name].copy_(value)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """While it lasts, the network has the mean's weights."""
        own = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.put()
        try:
            yield
        finally:
            self.network.load_state_dict(own)

    def put(self) -> None:
        """Gives the network the mean's weights."""
        self.network.load_state_dict(self.mean)

    def state_dict(self) -> dict[str, Any]:
        """The mean and the number of steps in it."""
        return {"steps": self.steps, "mean": self.mean}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        self.steps = int(state["steps"])
        saved: dict[str, Tensor] = state["mean"]
        for name, value in self.mean.items():
            value.copy_(saved[name])
