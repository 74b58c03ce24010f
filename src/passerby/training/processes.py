"""Several processes: who this one is, and what all must agree on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from passerby.training.settings import Settings
from passerby.types import InputError

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def connect(settings: Settings) -> Fabric:
    """Devices and processes of a run: as many as torchrun started, or this one alone.

    Raises:
        InputError: an accelerator that is not there, or synchronised BatchNorm on a CPU.
    """
    # Takes seconds, which a finished run that is evaluated would wait for nothing.
    from lightning_fabric import Fabric
    from lightning_fabric.strategies.ddp import DDPStrategy

    world = int(os.environ.get("WORLD_SIZE", "1"))
    local = int(os.environ.get("LOCAL_WORLD_SIZE", str(world)))
    if settings.accelerator == "cuda" and not torch.cuda.is_available():
        raise InputError("--accelerator cuda: no CUDA device found")
    if settings.accelerator == "mps" and not torch.backends.mps.is_available():
        raise InputError("--accelerator mps: no such device found")
    fabric = Fabric(
        accelerator=settings.accelerator,
        devices=local if world > 1 else 1,
        num_nodes=max(world // local, 1),
        # A turn may leave a part of the network out, e.g. a loss without a valid triplet.
        strategy=DDPStrategy(find_unused_parameters=True) if world > 1 else "auto",
    )
    fabric.launch()
    if settings.sync_batchnorm and fabric.device.type == "cpu":
        raise InputError("sync_batchnorm needs GPUs: torch synchronises BatchNorm on GPUs only")
    return fabric


def is_first_process() -> bool:
    """Whether this process writes and prints; true where it is the only one."""
    return int(os.environ.get("RANK", "0")) == 0


def disconnect(fabric: Fabric) -> None:
    """Ends the group of processes when all have come so far: its threads must not outlive it."""
    if fabric.world_size > 1:
        fabric.barrier()
        torch.distributed.destroy_process_group()


def anyone(fabric: Fabric, flag: bool) -> bool:
    """Whether the flag is set in any process."""
    if fabric.world_size == 1:
        return flag
    found = fabric.all_reduce(torch.tensor(float(flag), device=fabric.device), reduce_op="sum")
    return bool(found > 0)  # type: ignore[operator]


def mean_over_processes(fabric: Fabric, numbers: dict[str, float]) -> dict[str, float]:
    """The mean of each number; every process names the same ones."""
    if fabric.world_size == 1 or not numbers:
        return numbers
    mine = torch.tensor(list(numbers.values()), dtype=torch.float64, device=fabric.device)
    found = fabric.all_reduce(mine, reduce_op="mean")
    assert isinstance(found, torch.Tensor)
    return dict(zip(numbers, found.tolist(), strict=True))


def share_buffers(fabric: Fabric, *modules: nn.Module) -> None:
    """Gives all processes the first one's buffers: BatchNorm has seen other pictures in each."""
    if fabric.world_size > 1:
        for module in modules:
            for buffer in module.buffers():
                torch.distributed.broadcast(buffer, 0)


def joined_rows(fabric: Fabric, mine: NDArray[np.float32], total: int) -> NDArray[np.float32]:
    """All processes' rows: process r holds rows r, r + world, r + 2 world, ... of `total`."""
    world = fabric.world_size
    if world == 1:
        return mine
    padded = torch.zeros(-(-total // world), mine.shape[1], device=fabric.device)
    padded[: len(mine)] = torch.from_numpy(mine).to(fabric.device)
    parts = fabric.all_gather(padded)
    assert isinstance(parts, torch.Tensor)
    rows = parts.transpose(0, 1).reshape(-1, mine.shape[1])
    return rows[:total].cpu().numpy()
