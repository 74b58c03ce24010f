"""Tracklets as embeddings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from passerby.embedding.embedder import Embedder
from passerby.embedding.to_files import track_mean
from passerby.video.tracklets import Tracklet


def mean_embedding(model: Embedder, tracklet: Tracklet) -> NDArray[np.float32]:
    """(D,) of the tracklet's crops.

    Raises:
        InputError: as `Embedder.embed`.
    """
    embeddings = model.embed([crop.image for crop in tracklet.crops])
    return track_mean(embeddings, cosine=model.descriptor.metric == "cosine")
