"""How a run is carried out; what it computes is the recipe's business."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from passerby.types import InputError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Settings:
    """The settings of a run that no paper speaks of."""

    seed: int = 0
    """Random seed."""
    workers: int = 0
    """Number of processes that decode and augment pictures; the result does not depend on it."""
    keep_gb: float = 2.0
    """Memory for decoded pictures, in GB, for all workers and processes of a machine together; 0:
    none."""
    accelerator: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Device to compute on; auto: a GPU if there is one."""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """Number type of matrix products and convolutions; weights and losses stay in float32."""
    accumulate: int = 1
    """Split each batch into this number of parts, computed one after the other, to save memory;
    BatchNorm and the mining of triplets then see one part at a time."""
    clip: float | None = None
    """Clip the gradient to this norm, over the parameters of each optimizer."""
    compile: bool = False
    """Compile each turn with torch.compile: slow to start, then faster on a GPU."""
    sync_batchnorm: bool = False
    """Compute BatchNorm over the pictures of all processes (GPUs only)."""
    checkpoint_minutes: float = 10.0
    """Within an epoch, write a checkpoint after this many minutes (and after every epoch)."""
    validation: float = 0.0
    """Share of the training identities to hold out and evaluate after every epoch; the test set is
    never used."""

    @property
    def dtype(self) -> torch.dtype:
        """What matrix products and convolutions compute in."""
        import torch

        by_name = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
        return by_name[self.precision]

    def __post_init__(self) -> None:
        if not 0 <= self.validation <= 0.5:
            raise InputError(f"validation must be a share from 0 to 0.5; given {self.validation}")
        if self.workers < 0:
            raise InputError(f"workers must be 0 or more; given {self.workers}")
        if self.keep_gb < 0:
            raise InputError(f"keep_gb must be 0 or more; given {self.keep_gb}")
        if self.accumulate < 1:
            raise InputError(f"accumulate must be 1 or more; given {self.accumulate}")
        if self.clip is not None and not self.clip > 0:
            raise InputError(f"clip must be greater than 0; given {self.clip}")
        if not self.checkpoint_minutes > 0:
            given = self.checkpoint_minutes
            raise InputError(f"checkpoint_minutes must be greater than 0; given {given}")
        if self.seed < 0:
            raise InputError(f"seed must be 0 or more; given {self.seed}")
