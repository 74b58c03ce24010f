"""Random numbers that depend on what they are for, never on who draws them."""

from __future__ import annotations

import numpy as np

from passerby.types import InputError


def keyed(seed: int, *key: int) -> np.random.Generator:
    """A generator of its own for each (seed, key), e.g. `keyed(seed, epoch, position, index)`.

    Args:
        seed: the run's seed, at least 0.
        key: what the numbers are for; each at least 0. Keys of different length differ.

    Raises:
        InputError: the seed or a part of the key is negative.
    """
    if seed < 0 or min(key, default=0) < 0:
        raise InputError(
            f"seeds and their keys must be at least 0; given seed {seed} and key {key}"
        )
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=key)))
