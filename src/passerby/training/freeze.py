"""What a turn must leave as it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import nn


@contextmanager
def frozen(modules: Sequence[nn.Module]) -> Iterator[None]:
    """Meanwhile no parameter of `modules` takes a gradient, and their BatchNorm is in eval mode.

    Afterwards every flag is what it was, so that what one turn freezes another may train.
    """
    wanted = {p: p.requires_grad for module in modules for p in module.parameters()}
    training = {m: m.training for module in modules for m in module.modules()}
    try:
        for module in modules:
            module.requires_grad_(False)
            module.eval()
        yield
    finally:
        for parameter, flag in wanted.items():
            parameter.requires_grad_(flag)
        for module, mode in training.items():
            module.training = mode
