"""Means of loss terms over an epoch, and the watch for numbers that are not finite."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

CHECK_EVERY = 20


class Meter:
    """Sums of loss terms, read in groups, so that a GPU need not wait for each of them."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}
        self._pending: list[tuple[int, str, Tensor]] = []

    def add(self, step: int, terms: dict[str, Tensor]) -> None:
        """Takes the terms of one step.

        Raises:
            FloatingPointError: when one of the last steps had a term that is not finite.
        """
        self._pending += [(step, name, value.float()) for name, value in terms.items()]
        on_cpu = all(value.device.type == "cpu" for value in terms.values())
        if on_cpu or step % CHECK_EVERY == CHECK_EVERY - 1:
            self.flush()

    def flush(self) -> None:
        """Reads what is pending.

        Raises:
            FloatingPointError: names the first step with a term that is not finite, and its terms.
        """
        if not self._pending:
            return
        values = torch.stack([value for _, _, value in self._pending]).tolist()
        steps = [(step, name) for step, name, _ in self._pending]
        self._pending = []
        for (step, name), value in zip(steps, values, strict=True):
            if not abs(value) < float("inf"):
                terms = {n: v for (s, n), v in zip(steps, values, strict=True) if s == step}
                listed = ", ".join(f"{n} {v:g}" for n, v in terms.items())
                raise FloatingPointError(f"loss is not finite in step {step}: {listed}")
            self._sums[name] = self._sums.get(name, 0.0) + value
            self._counts[name] = self._counts.get(name, 0) + 1

    def means(self) -> dict[str, float]:
        """The mean of each term so far."""
        self.flush()
        return {name: total / self._counts[name] for name, total in self._sums.items()}

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint needs."""
        self.flush()
        return {"sums": self._sums, "counts": self._counts}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        self._sums, self._counts = dict(state["sums"]), dict(state["counts"])
