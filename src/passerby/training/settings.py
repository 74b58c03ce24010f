"""How a run is carried out; what it computes is the recipe's business."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from passerby.types import InputError


@dataclass(frozen=True)
class Settings:
    """The settings of a run that no paper speaks of."""

    seed: int = 0
    """Fixes every random number."""
    workers: int = 0
    """Processes that decode and augment pictures; the result does not depend on it."""
    accelerator: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to compute; auto takes a GPU when there is one."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """bf16: matrix products and convolutions in bfloat16, weights and losses in float32."""
    validation: float = 0.0
    """Share of the training identities that is held out and ranked after every epoch; the test
    set is never looked at."""

    @property
    def dtype(self) -> torch.dtype:
        """What matrix products and convolutions compute in."""
        return torch.bfloat16 if self.precision == "bf16" else torch.float32

    def __post_init__(self) -> None:
        if not 0 <= self.validation <= 0.5:
            raise InputError(f"validation must be a share from 0 to 0.5; given {self.validation}")
        if self.workers < 0:
            raise InputError(f"workers must be 0 or more; given {self.workers}")
        if self.seed < 0:
            raise InputError(f"seed must be 0 or more; given {self.seed}")
