"""Which pictures make up the batches of an epoch: shuffled, or P identities x K pictures.

Both satisfy `passerby.types.Sampler`: the batches are a function of (labels, seed, epoch) alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from passerby.randomness import keyed
from passerby.types import InputError, Sampler


@dataclass(frozen=True)
class Shuffled:
    """Every picture once an epoch, in random order."""

    batch_size: int
    """Pictures in a batch."""
    drop_last: bool = False
    """Leave out the pictures that do not fill the last batch."""

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise InputError(f"batch_size must be at least 1; given {self.batch_size}")

    def batches(
        self, labels: NDArray[np.int64], *, seed: int, epoch: int
    ) -> list[NDArray[np.int64]]:
        """The epoch's batches of indices into `labels` (N,).

        A last batch of one picture joins the batch before it: BatchNorm cannot train on one
        vector, and no picture is lost that way. (With `batch_size` 1 it stays as it is.)

        Raises:
            InputError: there are no pictures, or fewer than `batch_size` with `drop_last`.
        """
        count, size = len(labels), self.batch_size
        if count == 0 or (self.drop_last and count < size):
            raise InputError(
                f"not one batch: {count} training pictures, batch_size {size}, "
                f"drop_last {self.drop_last}"
            )
        order = keyed(seed, epoch).permutation(count)
        starts = list(range(0, count - size + 1 if self.drop_last else count, size))
        if not self.drop_last and size > 1 and count % size == 1 and len(starts) > 1:
            starts.pop()
        ends = [*starts[1:], starts[-1] + size if self.drop_last else count]
        return [order[start:end] for start, end in zip(starts, ends, strict=True)]


@dataclass(frozen=True)
class IdentityBalanced:
    """P identities x K pictures a batch (Hermans et al. 2017), identity by identity.

    In an epoch the shuffled pictures of an identity are cut into chunks of K; what is left over
    sits this epoch out. An identity with fewer than K pictures makes one chunk: each of its
    pictures once, then draws with replacement. Batches of P different identities are drawn until
    fewer than P identities have a chunk left.
    """

    identities: int
    """P."""
    pictures: int
    """K."""

    def __post_init__(self) -> None:
        if self.identities < 1 or self.pictures < 1:
            raise InputError(
                "identities and pictures of a batch must be at least 1; "
                f"given {self.identities} and {self.pictures}"
            )

    def batches(
        self, labels: NDArray[np.int64], *, seed: int, epoch: int
    ) -> list[NDArray[np.int64]]:
        """The epoch's batches, each P * K indices into `labels` (N,).

        Raises:
            InputError: the labels hold fewer than P identities.
        """
        rng = keyed(seed, epoch)
        counts = np.unique(labels, return_counts=True)[1]
        if len(counts) < self.identities:
            raise InputError(
                f"a batch takes pictures of {self.identities} identities, "
                f"the training data have {len(counts)}: set --identities to that or less"
            )
        chunks, rows = _chunks(labels, counts, self.pictures, rng)
        drawn = _draw(rows, self.identities, rng)
        return [chunks[batch].reshape(-1) for batch in drawn]


def _chunks(
    labels: NDArray[np.int64], counts: NDArray[np.int64], size: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(chunks, size) indices, sorted by identity, and how many chunks each identity has."""
    shuffled = rng.permutation(len(labels))
    grouped = shuffled[np.argsort(labels[shuffled], kind="stable")]
    rows = np.maximum(counts // size, 1)
    owner = np.repeat(np.arange(len(counts)), rows)
    first_row = np.cumsum(rows) - rows
    first_picture = (np.cumsum(counts) - counts)[owner, None]
    available = counts[owner, None]
    place = (np.arange(len(owner)) - first_row[owner])[:, None] * size + np.arange(size)
    again = (rng.random(place.shape) * available).astype(np.int64)
    place = np.where(place < available, place, again)
    return grouped[first_picture + place], rows


def _draw(
    rows: NDArray[np.int64], identities: int, rng: np.random.Generator
) -> list[NDArray[np.int64]]:
    """Batches of chunk numbers, the chunks being sorted by identity: `rows` of each."""
    following = np.cumsum(rows) - rows
    end = np.cumsum(rows)
    left = np.arange(len(rows))
    count = len(rows)
    batches = []
    while count >= identities:
        places = rng.choice(count, identities, replace=False)
        chosen = left[places]
        batches.append(following[chosen])
        following[chosen] += 1
        # An identity without chunks gives its place to the last one: constant work for each.
        for place in np.sort(places[following[chosen] == end[chosen]])[::-1]:
            count -= 1
            left[place] = left[count]
    return batches


@dataclass(frozen=True)
class Passes:
    """Another sampler's epochs one after the other, or a part of one, as one epoch."""

    sampler: Sampler
    """Draws the batches."""
    passes: float
    """Its epochs in one of ours; with 1 the batches are its own."""

    def __post_init__(self) -> None:
        if not self.passes > 0:
            raise InputError(f"passes must be above 0; given {self.passes}")

    def batches(
        self, labels: NDArray[np.int64], *, seed: int, epoch: int
    ) -> list[NDArray[np.int64]]:
        """The epoch's batches of indices into `labels` (N,); at least one.

        Raises:
            InputError: as the sampler's own.
        """
        count = math.ceil(self.passes)
        found: list[NDArray[np.int64]] = []
        for number in range(count):
            share = min(1.0, self.passes - number)
            drawn = self.sampler.batches(labels, seed=seed, epoch=epoch * count + number)
            found += drawn[: max(1, round(share * len(drawn)))]
        return found
