"""The one loop that turns pictures (and cues) into embeddings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from passerby.data.loader import picture_loader, to_batch
from passerby.data.transforms import normalise, to_device
from passerby.method import Inputs
from passerby.types import Batch, CueSource, InputError, InputSpec, Picture, Progress, Sample
from passerby.workers import told_of_killed


def embed_samples(
    network: nn.Module,
    inputs: Inputs,
    samples: Sequence[Sample],
    *,
    cues: CueSource | None = None,
    batch_size: int = 128,
    workers: int = 0,
    progress: Progress | None = None,
    missing: Counter[str] | None = None,
) -> NDArray[np.float32]:
    """Embeds the pictures of a data set.

    Args:
        network: `forward(**inputs) -> (B, D)`; computes where its parameters are, in eval mode,
            and is left in the mode that it came in.
        inputs: how pictures become the network's inputs.
        samples: N pictures.
        cues: where masks and joints come from, if the inputs want any.
        batch_size: pictures at a time.
        workers: processes that decode; 0: this one.
        progress: told after each batch how many pictures are embedded, and N.
        missing: a counter to which the pictures without a wanted `mask` or `joints` are added.

    Returns:
        (N, D) float32, in the samples' order.

    Raises:
        InputError: a picture cannot be read, or there is none.
    """
    batches = picture_loader(samples, inputs, cues=cues, batch_size=batch_size, workers=workers)
    found = embed_batches(network, inputs.specs, _told(batches, len(samples), progress))
    if missing is not None:
        missing.update(batches.missing)
    return found


def embed_pictures(
    network: nn.Module, inputs: Inputs, pictures: Iterable[Picture], *, batch_size: int = 64
) -> NDArray[np.float32]:
    """Embeds N decoded pictures, in the order that they come in: (N, D) float32.

    Raises:
        InputError: there is none, or the method's inputs cannot be made of one.
    """
    return embed_batches(network, inputs.specs, _batches(inputs, iter(pictures), batch_size))


def device_of(network: nn.Module) -> torch.device:
    """Where a network computes: where its first tensor is; `cpu` without any."""
    first = next(chain(network.parameters(), network.buffers()), None)
    return torch.device("cpu") if first is None else first.device


def _told(batches: Iterable[Batch], total: int, progress: Progress | None) -> Iterator[Batch]:
    done = 0
    for batch in batches:
        yield batch
        done += len(batch.labels)
        if progress is not None:
            progress(done, total)


def _batches(inputs: Inputs, pictures: Iterator[Picture], size: int) -> Iterator[Batch]:
    while chosen := list(islice(pictures, size)):
        yield to_batch([inputs.make(picture) for picture in chosen])


def embed_batches(
    network: nn.Module,
    specs: Mapping[str, InputSpec],
    batches: Iterable[Batch],
) -> NDArray[np.float32]:
    """The same for uint8 batches from anywhere."""
    device = device_of(network)
    was_training = network.training
    network.eval()
    parts = []
    try:
        with torch.inference_mode(), told_of_killed("decodes pictures"):
            for raw in batches:
                batch = normalise(to_device(raw, device), specs)
                parts.append(network(**batch.inputs).float().cpu().numpy())
    finally:
        network.train(was_training)
    if not parts:
        raise InputError("there must be at least one picture to embed; given none")
    return np.concatenate(parts)
