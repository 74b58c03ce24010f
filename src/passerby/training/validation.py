"""Scores on training identities that were held out; the test set is never looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from torch import nn

from passerby.extract import embed_samples
from passerby.method import Descriptor, Inputs
from passerby.ranking.metrics import evaluate
from passerby.types import CueSource, InputError, Sample


def hold_out(
    samples: Sequence[Sample], share: float, seed: int
) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    """Splits by identity; which ones are held out depends on the ids and the seed alone.

    Returns:
        Samples to train on, and those of about `share` of the identities.

    Raises:
        InputError: when no identity would be held out, or fewer than two left.
    """
    people = sorted({sample.person_id for sample in samples})
    count = round(share * len(people))
    if count < 1 or len(people) - count < 2:
        raise InputError(f"validation={share} of {len(people)} identities would hold out {count}")
    held = set(np.random.default_rng(seed).permutation(people)[:count].tolist())
    return (
        tuple(sample for sample in samples if sample.person_id not in held),
        tuple(sample for sample in samples if sample.person_id in held),
    )


def validator(
    network: nn.Module,
    inputs: Inputs,
    descriptor: Descriptor,
    samples: Sequence[Sample],
    cues: CueSource | None,
) -> Callable[[], dict[str, float]]:
    """A function that ranks held-out pictures as the network now stands.

    The first picture of each identity in each camera is a query, all pictures are the gallery:
    those of the query's identity and camera, itself among them, are left out of its ranking.

    Raises:
        InputError: when no held-out identity is seen by two cameras.
    """
    first: dict[tuple[int, int], int] = {}
    for index, sample in enumerate(samples):
        first.setdefault((sample.person_id, sample.camera_id), index)
    is_query = np.zeros(len(samples), bool)
    is_query[list(first.values())] = True
    seen: dict[int, set[int]] = {}
    for person, camera in first:
        seen.setdefault(person, set()).add(camera)
    if max(map(len, seen.values())) < 2:
        raise InputError(
            f"validation needs a held-out identity in two cameras; none of {len(seen)} is"
        )
    people = np.array([sample.person_id for sample in samples])
    cameras = np.array([sample.camera_id for sample in samples])

    def scores() -> dict[str, float]:
        embeddings = embed_samples(network, inputs, samples, cues=cues)
        found = evaluate(
            embeddings[is_query],
            embeddings,
            people[is_query],
            people,
            cameras[is_query],
            cameras,
            metric=descriptor.metric,
        )
        return {"validation_rank1": float(found.cmc[0]), "validation_map": found.mean_ap}

    return scores
