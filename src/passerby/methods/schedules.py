"""Factors on a learning rate, epoch by epoch (from 0)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence


def constant(epoch: int) -> float:
    """1, always."""
    return 1.0


def step_decay(milestones: Sequence[int], factor: float = 0.1) -> Callable[[int], float]:
    """Times `factor` once each number of epochs in `milestones` has passed.

    >>> [round(step_decay((2, 3))(epoch), 4) for epoch in range(4)]
    [1.0, 1.0, 0.1, 0.01]
    """

    def schedule(epoch: int) -> float:
        return factor ** sum(epoch >= milestone for milestone in milestones)

    return schedule


def cosine(epochs: int) -> Callable[[int], float]:
    """Half a cosine from 1 in epoch 0 to nearly 0 in the last of `epochs`.

    Loshchilov, Hutter: SGDR, ICLR 2017, Eq. 5, with one period.

    >>> [round(cosine(4)(epoch), 4) for epoch in range(4)]
    [1.0, 0.8536, 0.5, 0.1464]
    """

    def schedule(epoch: int) -> float:
        return (1 + math.cos(math.pi * epoch / epochs)) / 2

    return schedule


def warm_up(
    epochs: int, then: Callable[[int], float], start: float | None = None
) -> Callable[[int], float]:
    """Linear over the first `epochs`, then `then`.

    Args:
        epochs: how many; 0 leaves `then` alone.
        then: the schedule that is warmed up.
        start: factor in epoch 0; None: 1 / epochs, so that epoch t (from 1) has t / epochs.

    >>> [round(warm_up(4, constant)(epoch), 4) for epoch in range(5)]
    [0.25, 0.5, 0.75, 1.0, 1.0]
    >>> [round(warm_up(4, constant, start=0.1)(epoch), 4) for epoch in range(5)]
    [0.1, 0.4, 0.7, 1.0, 1.0]
    """

    def schedule(epoch: int) -> float:
        if epoch >= epochs - 1:
            return then(epoch)
        first = 1 / epochs if start is None else start
        return (first + (1 - first) * epoch / (epochs - 1)) * then(epoch)

    return schedule
