"""Person re-identification: find the same person in the pictures of other cameras.

>>> import passerby
>>> split = passerby.load("market1501", "Market-1501-v15.09.15")            # doctest: +SKIP
>>> model = passerby.train("bag_of_tricks", split, out="runs/baseline")     # doctest: +SKIP
>>> embeddings = model.embed(["a.jpg", "b.jpg"])                            # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from passerby.version import VERSION

if TYPE_CHECKING:
    from passerby.data.datasets import load
    from passerby.data.join import join
    from passerby.embedding.embedder import Embedder
    from passerby.experiment import evaluate_model, train
    from passerby.gallery.gallery import Gallery
    from passerby.ranking.metrics import evaluate, evaluate_distances
    from passerby.ranking.nearest import nearest
    from passerby.ranking.rerank import rerank
    from passerby.types import InputError

__version__ = VERSION

__all__ = [
    "Embedder",
    "Gallery",
    "InputError",
    "__version__",
    "evaluate",
    "evaluate_distances",
    "evaluate_model",
    "join",
    "load",
    "nearest",
    "rerank",
    "train",
]

_HOMES = {
    "Embedder": "passerby.embedding.embedder",
    "Gallery": "passerby.gallery.gallery",
    "InputError": "passerby.types",
    "evaluate": "passerby.ranking.metrics",
    "evaluate_distances": "passerby.ranking.metrics",
    "evaluate_model": "passerby.experiment",
    "join": "passerby.data.join",
    "load": "passerby.data.datasets",
    "nearest": "passerby.ranking.nearest",
    "rerank": "passerby.ranking.rerank",
    "train": "passerby.experiment",
}


def __getattr__(name: str) -> Any:
    # Imported at first use, so that `import passerby` is quick and loads no torch.
    if name not in _HOMES:
        raise AttributeError(f"module 'passerby' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
