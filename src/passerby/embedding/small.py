"""A model's two files with weights of half the width, as the one that comes with passerby."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path

import torch

from passerby.embedding.embedder import Embedder
from passerby.embedding.made_up import made_up
from passerby.embedding.model_files import write_model
from passerby.embedding.onnx_network import OnnxNetwork
from passerby.types import InputError

LEAST_COSINE = 0.999
"""Between an embedding of the whole weights and of the halved ones."""


@dataclass(frozen=True)
class SmallModel:
    """What was written."""

    fingerprint: str
    """Of the model with the halved weights: its embeddings are others, if hardly."""
    cosine: float
    """The least between an embedding of both, on made-up inputs."""


def write_small(model: Embedder, folder: Path) -> SmallModel:
    """Writes `config.json` and `model.safetensors` with float16 weights.

    Args:
        model: a model that torch computes.
        folder: made where it is not there.

    Raises:
        InputError: it is an ONNX file, or float16 does not hold its weights.
        OSError: from the operating system.
    """
    if isinstance(model.network, OnnxNetwork):
        raise InputError(f"this model is an ONNX file: {model.network.source}")
    halved = {
        name: value.cpu().half() if value.is_floating_point() else value.cpu()
        for name, value in model.network.state_dict().items()
    }
    network = copy.deepcopy(model.network).cpu()
    whole = copy.deepcopy(network)
    network.load_state_dict(halved)
    inputs = made_up(model.inputs.specs, 8, seed=0)
    with torch.inference_mode():
        found, wanted = network(**inputs).double(), whole(**inputs).double()
    cosine = float(torch.cosine_similarity(found, wanted).min())
    if not cosine > LEAST_COSINE:
        raise InputError(
            f"float16 is too coarse for this model's weights: lowest cosine {cosine:.6f} with its "
            f"own embeddings, at least {LEAST_COSINE} is needed"
        )
    made = Embedder(model.method, model.recipe, network)
    write_model(folder, {**made.config, "fingerprint": made.fingerprint}, halved)
    return SmallModel(made.fingerprint, cosine)
