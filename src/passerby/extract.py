"""The one loop that turns pictures (and cues) into embeddings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from passerby.data.loader import picture_loader
from passerby.data.transforms import normalise, to_device
from passerby.method import Inputs
from passerby.types import Batch, CueSource, InputSpec, Sample

Progress = Callable[[int], None]


def embed_samples(
    network: nn.Module,
    inputs: Inputs,
    samples: Sequence[Sample],
    *,
    cues: CueSource | None = None,
    batch_size: int = 128,
    workers: int = 0,
    progress: Progress | None = None,
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
        progress: told the number of pictures after each batch.

    Returns:
        (N, D) float32, in the samples' order.

    Raises:
        InputError: a picture cannot be read, or there is none.
    """
    batches = picture_loader(samples, inputs, cues=cues, batch_size=batch_size, workers=workers)
    return embed_batches(network, inputs.specs, batches, progress)


def embed_batches(
    network: nn.Module,
    specs: Mapping[str, InputSpec],
    batches: Iterable[Batch],
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """The same for uint8 batches from anywhere."""
    device = next(network.parameters()).device
    was_training = network.training
    network.eval()
    parts = []
    try:
        with torch.inference_mode():
            for raw in batches:
                batch = normalise(to_device(raw, device), specs)
                parts.append(network(**batch.inputs).float().cpu().numpy())
                if progress is not None:
                    progress(len(parts[-1]))
    finally:
        network.train(was_training)
    return np.concatenate(parts)
