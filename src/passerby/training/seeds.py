"""Random numbers keyed by where a run stands, so that no generator's state need be kept."""

from __future__ import annotations

import hashlib

import torch

from passerby.training.record import Position


def epoch_key(position: Position) -> int:
    """One number for an epoch of a stage: samplers and augmentation key their numbers by it."""
    return position.stage * 1_000_000 + position.epoch


def seed_step(seed: int, position: Position, rank: int = 0) -> None:
    """Seeds torch's generators (dropout and the like) for one step of one process."""
    key = f"{seed} {epoch_key(position)} {position.step} {rank}"
    digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
    torch.manual_seed(int.from_bytes(digest, "little") >> 1)
