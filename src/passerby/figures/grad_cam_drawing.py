"""Grad-CAM over pictures: of the identity score, and of the similarity of a pair."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from passerby.data.loader import to_batch
from passerby.data.training_data import load_picture
from passerby.data.transforms import normalise, to_device
from passerby.embedding.embedder import Embedder
from passerby.figures.drawing_part import criterion_of
from passerby.figures.grad_cam import Score, explain, identity_score, mean_score, pair_score
from passerby.figures.masks import beside, heat_strip, whole_picture
from passerby.training.provenance import read_config
from passerby.training.validation import hold_out
from passerby.types import CueSource, InputError, Sample, Split

BATCH = 16
"""Pictures whose gradients are computed at once."""


def identity_strips(
    model: Embedder,
    run: str | Path,
    split: Split,
    samples: Sequence[Sample],
    *,
    cues: CueSource | None = None,
    layer: str | None = None,
) -> tuple[list[tuple[Image.Image, str]], str]:
    """Training pictures under the Grad-CAM of their person's score.

    The score is what the run's classifiers say for the person; of methods without classifiers it is
    the similarity with the mean embedding of the person's training pictures.

    Args:
        model: `Embedder.load(run)`.
        run: the run's folder, with its `stages/`.
        split: what it was trained on.
        samples: of `split.train`.
        cues: masks and joints.
        layer: dotted name of a module of the network; None: see `grad_cam.LAYERS`.

    Returns:
        For each picture a strip and its score in words; and in words what was explained.

    Raises:
        InputError: the split's training people are not the run's, its stages are gone, no such
            layer, or a picture cannot be read.
    """
    criterion = model.method.criterion(model.recipe, model.network, 1)
    people = [sample.person_id for sample in samples]
    if callable(getattr(criterion, "identity_logits", None)):
        what = "the classifiers' score of the person"
        criterion = criterion_of(model, run)
        labels, identities = _labels(Path(run), split, people)

        def score(start: int, stop: int) -> Score:
            own = labels[start:stop].to(_device(model))
            return identity_score(model.network, criterion, own, identities)

        def said(value: float) -> str:
            return f"score {value:.2f}"
    else:
        what = "similarity with the person's mean embedding"
        means = _means(model, split, people, cues)

        def score(start: int, stop: int) -> Score:
            own = means[start:stop].to(_device(model))
            return mean_score(model.network, own, model.descriptor.metric)

        def said(value: float) -> str:
            return _said(value, model.descriptor.metric)

    strips, name = [], ""
    for start in range(0, len(samples), BATCH):
        chosen = samples[start : start + BATCH]
        given = score(start, start + len(chosen))
        maps, values, name = _explained(model, chosen, given, cues, layer)
        for sample, heat, value in zip(chosen, maps, values.tolist(), strict=True):
            strip = heat_strip(_seen(model, sample, cues), [heat])
            strips.append((strip, said(value)))
    return strips, f"Grad-CAM at {name}: {what}"


def pair_strips(
    model: Embedder,
    pairs: Sequence[tuple[Sample, Sample]],
    *,
    cues: CueSource | None = None,
    layer: str | None = None,
) -> tuple[list[tuple[Image.Image, str]], str]:
    """Pairs under the Grad-CAM of their similarity: four pictures a strip.

    Args:
        model: the embedder.
        pairs: e.g. a query and what was found for it.
        cues: masks and joints.
        layer: as `identity_strips`.

    Returns:
        For each pair a strip and the similarity in words; and in words what was explained.

    Raises:
        InputError: no such layer, or a picture cannot be read.
    """
    metric = model.descriptor.metric
    strips, name = [], ""
    for start in range(0, len(pairs), BATCH // 2):
        chosen = pairs[start : start + BATCH // 2]
        both = [first for first, _ in chosen] + [second for _, second in chosen]
        maps, values, name = _explained(model, both, pair_score(model.network, metric), cues, layer)
        for index, value in enumerate(values.tolist()):
            two = [
                heat_strip(_seen(model, both[i], cues), [maps[i]])
                for i in (index, index + len(chosen))
            ]
            strips.append((beside(two), _said(value, metric)))
    return strips, f"Grad-CAM at {name}: similarity of the two pictures"


def _said(similarity: float, metric: str) -> str:
    """A similarity as what the gallery is ranked by; see `grad_cam.similarity`."""
    if metric == "cosine":
        return f"cosine {similarity:.3f}"
    return f"distance {max(-2 * similarity, 0) ** 0.5:.3f}"


def _labels(run: Path, split: Split, people: Sequence[int]) -> tuple[torch.Tensor, int]:
    """Positions among the people that the run was trained on, as training numbers them."""
    config = read_config(run)
    samples: Sequence[Sample] = split.train
    share = (config.get("settings") or {}).get("validation") or 0.0
    if share:
        samples, _ = hold_out(split.train, share, config["seed"])
    known = sorted({sample.person_id for sample in samples})
    absent = sorted(set(people) - set(known))
    if absent:
        raise InputError(f"{run} was not trained on person {absent[0]}: it has no score for it")
    return torch.from_numpy(np.searchsorted(known, people).astype(np.int64)), len(known)


def _means(
    model: Embedder, split: Split, people: Sequence[int], cues: CueSource | None
) -> torch.Tensor:
    samples = [sample for sample in split.train if sample.person_id in set(people)]
    embeddings = model.embed_samples(samples, cues=cues)
    if model.descriptor.metric == "cosine":
        embeddings = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    own = np.array([sample.person_id for sample in samples])
    return torch.from_numpy(np.stack([embeddings[own == one].mean(axis=0) for one in people]))


def _explained(
    model: Embedder,
    samples: Sequence[Sample],
    score: Score,
    cues: CueSource | None,
    layer: str | None,
) -> tuple[NDArray[np.float32], torch.Tensor, str]:
    pictures = [load_picture(sample, model.inputs.cues, cues) for sample in samples]
    raw = to_batch([model.inputs.make(picture) for picture in pictures])
    batch = normalise(to_device(raw, _device(model)), model.inputs.specs)
    maps, values, name = explain(
        model.network, score, batch.inputs, method=model.method.name, layer=layer
    )
    return maps.cpu().numpy(), values.cpu(), name


def _seen(model: Embedder, sample: Sample, cues: CueSource | None) -> Image.Image:
    """What the map lies over: the picture, or the region that the network sees as the whole."""
    if "whole" not in model.inputs.specs:
        return whole_picture(sample)
    made = model.inputs.make(load_picture(sample, model.inputs.cues, cues))
    return Image.fromarray(made["whole"])


def _device(model: Embedder) -> torch.device:
    return next(model.network.parameters()).device
