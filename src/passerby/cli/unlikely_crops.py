"""Says of pictures that are hardly a crop of one person: too small, or wider than high."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from passerby.data.images import picture_size
from passerby.terminal import say
from passerby.types import InputError, Sample

LEAST_HEIGHT = 32
"""Pixels below which clothes are a few dots."""
LOOKED_AT = 2000
"""Pictures of which the size is read, spread over all: a head of a file costs 0.1 ms."""


def note_unlikely_crops(samples: Sequence[Sample], console: Console) -> None:
    """One line for each kind of picture that passerby has no network for; none is left out.

    Args:
        samples: pictures, or boxes in pictures.
        console: what is told.
    """
    step = -(-len(samples) // LOOKED_AT) or 1
    sizes = [(sample.name, *size) for sample in samples[::step] if (size := _size(sample))]
    wide = [name for name, height, width in sizes if width > height]
    low = [name for name, height, _ in sizes if height < LEAST_HEIGHT]
    for names, what in (
        (wide, "wider than high; passerby expects one upright person in a picture"),
        (low, f"less than {LEAST_HEIGHT} pixels high; too small to tell people apart"),
    ):
        if names and len(samples) == 1:
            say(console, f"note: {names[0]} is {what}")
        elif names:
            count = f"{len(names):,} of {len(sizes):,} pictures (first: {names[0]})"
            say(console, f"note: {what}: {count}")


def _size(sample: Sample) -> tuple[int, int] | None:
    if sample.box is not None:
        return sample.box[3], sample.box[2]
    try:
        return picture_size(sample.file)
    except InputError:
        return None  # whoever reads it whole says why it cannot be used
