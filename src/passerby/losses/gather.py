"""Batches that several processes share: losses that compare pictures need all of them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed
from torch.autograd.function import once_differentiable


def gathered(x: Tensor) -> Tensor:
    """The rows of all processes, in the processes' order; `x` itself where there is only one.

    Gradients flow back: every process computes the same loss on all rows, the gradient of a row
    is the sum over these W equal losses, and the mean over processes that distributed training
    takes of parameter gradients divides by W again. So a loss on gathered rows has the gradient
    that it has in one process with the whole batch.

    Args:
        x: (B, ...), of the same shape in every process.

    Returns:
        (W B, ...).
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return x
    if distributed.get_world_size() == 1:
        return x
    found: Tensor = _Gather.apply(x)  # type: ignore[no-untyped-call]
    return found


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        parts = [torch.empty_like(x) for _ in range(distributed.get_world_size())]
        distributed.all_gather(parts, x.contiguous())
        ctx.rows = len(x)
        return torch.cat(parts)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.contiguous().clone()
        distributed.all_reduce(total)
        return total[distributed.get_rank() * ctx.rows :][: ctx.rows]
