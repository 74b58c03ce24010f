"""Embeddings of more pictures than fit the memory."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from passerby.types import Progress, Sample

CHUNK = 8192
"""Pictures embedded at a time."""

IN_MEMORY = 2**29
"""Bytes of embeddings that are held in memory; more go to a file."""

Embed = Callable[[Sequence[Sample], Progress], NDArray[np.float32]]
"""Samples (N) and whom to tell of progress -> (N, D)."""


def embed_in_chunks(
    embed: Embed,
    samples: Sequence[Sample],
    progress: Progress,
    chunk: int = CHUNK,
    in_memory: int = IN_MEMORY,
) -> NDArray[np.float32]:
    """Embeds any number of pictures; memory is bounded by a chunk and `in_memory`.

    Args:
        embed: embeds some samples.
        samples: N pictures, at least one.
        progress: told how many are done, and N.
        chunk: pictures at a time; a multiple of the batch size gives the batches of one go.
        in_memory: bytes; more than that lies in a nameless file in the folder for temporary files
            (`TMPDIR`), which is gone when the array is.

    Returns:
        (N, D) float32.

    Raises:
        OSError: from the operating system, e.g. when the disk is full.
        InputError: from `embed`.
    """
    total = len(samples)
    if total <= chunk:
        return embed(samples, progress)
    found: NDArray[np.float32] | None = None
    for start in range(0, total, chunk):

        def told(done: int, _: int, start: int = start) -> None:
            progress(start + done, total)

        part = embed(samples[start : start + chunk], told)
        if found is None:
            found = room((total, part.shape[1]), in_memory)
        found[start : start + len(part)] = part
    assert found is not None
    return found


def room(shape: tuple[int, ...], in_memory: int = IN_MEMORY) -> NDArray[np.float32]:
    """Space for embeddings: memory, or a nameless file where it is more than `in_memory` bytes.

    Raises:
        OSError: from the operating system, e.g. when the disk is full.
    """
    if 4 * shape[0] * shape[1] <= in_memory:
        return np.empty(shape, np.float32)
    with tempfile.TemporaryFile(prefix="passerby-embeddings-") as file:
        # Claimed at once: a full disk is an error here, and the end of the process later.
        os.posix_fallocate(file.fileno(), 0, 4 * shape[0] * shape[1])
        return np.memmap(file, np.float32, "w+", shape=shape)
