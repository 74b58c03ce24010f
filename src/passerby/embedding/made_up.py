"""Inputs of noise, to compare two ways to compute one network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from passerby.types import InputSpec


def made_up(specs: Mapping[str, InputSpec], count: int, seed: int) -> dict[str, Tensor]:
    """Inputs (count, C, H, W) of noise bytes, normalised; an input of one channel is 0 or 255."""
    random = np.random.Generator(np.random.PCG64(seed))
    inputs = {}
    for name, spec in specs.items():
        channels = len(spec.mean)
        values: NDArray[Any] = random.integers(
            0, 256, (count, channels, spec.height, spec.width), dtype=np.uint8
        )
        if channels == 1:
            values = np.where(values >= 128, 255, 0)
        mean, std = (np.reshape(v, (1, channels, 1, 1)) for v in (spec.mean, spec.std))
        inputs[name] = torch.from_numpy(((values / 255 - mean) / std).astype(np.float32))
    return inputs


def compared(
    network: nn.Module, other: nn.Module, specs: Mapping[str, InputSpec]
) -> tuple[int, float]:
    """Width of the embeddings of two networks, and their least cosine on three noise pictures.

    Raises:
        FloatingPointError: the other's embeddings have another shape.
    """
    # Another count than networks are converted with: what was taken for fixed would show.
    inputs = made_up(specs, 3, seed=1)
    with torch.inference_mode():
        wanted, found = network(**inputs).double(), other(**inputs).double()
    if wanted.shape != found.shape:
        raise FloatingPointError(
            f"embeddings of {tuple(found.shape)} instead of {tuple(wanted.shape)}"
        )
    return wanted.shape[1], float(torch.cosine_similarity(wanted, found).min())
