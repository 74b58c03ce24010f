"""Float32 at least, whatever the network runs in: for losses, and where numbers grow large."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def at_least_float32(x: Tensor) -> Tensor:
    """Half precision to float32; float32 and float64 as they are."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def without_autocast(device: torch.device) -> AbstractContextManager[object]:
    """A block in which matrix products run in the precision of their operands."""
    if not torch.amp.is_autocast_available(device.type):  # e.g. the meta device
        return nullcontext()
    return torch.autocast(device.type, enabled=False)
