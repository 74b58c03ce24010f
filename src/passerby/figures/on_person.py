"""How much of a method's mask lies on the person, in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from passerby.types import CueSource, InputError, Sample


@dataclass(frozen=True)
class OnPerson:
    """Masks of a method beside the true masks of the people, means over the pictures."""

    pictures: int
    """With a true mask that holds both person and background."""
    without: int
    """Pictures left out, without such a mask."""
    person: float
    """Share of a picture that is person, 0 to 1."""
    inside: float
    """Mean value of the method's mask on the person."""
    outside: float
    """The same on the background."""
    higher: float
    """Share of the pictures whose mask is greater on the person than beside it."""
    hidden_on_person: float | None = None
    """Share of the hidden pixels that lie on the person; None: the method hides nothing.
    Pixels hidden by chance would give `person`."""


def on_person(
    samples: Sequence[Sample],
    masks: NDArray[np.floating],
    cues: CueSource,
    hidden: NDArray[np.bool_] | None = None,
) -> OnPerson:
    """Compares masks with true person masks, at the size of these.

    Args:
        samples: N pictures.
        masks: (N, h, w), each over the whole picture; grown bilinearly.
        cues: where the true masks come from.
        hidden: (N, h, w) hidden pixels, taken to the nearest pixel of the picture.

    Raises:
        InputError: no picture has a true mask with person and background, another number of masks,
            or a true mask cannot be read.
    """
    if masks.ndim != 3 or len(masks) != len(samples):
        raise InputError(f"{len(samples)} pictures need masks (N, h, w): given {masks.shape}")
    found: list[tuple[float, float, float, float]] = []
    for index, sample in enumerate(samples):
        true = cues.mask(sample)
        if true is None or (person := true > 127).all() or not person.any():
            continue
        grown = _grown(masks[index], person.shape, Image.Resampling.BILINEAR)
        gone = np.nan
        if hidden is not None:
            away = _grown(hidden[index], person.shape, Image.Resampling.NEAREST) > 0.5
            gone = float(person[away].mean()) if away.any() else np.nan
        found.append((person.mean(), grown[person].mean(), grown[~person].mean(), gone))
    if not found:
        raise InputError(
            f"none of {len(samples)} pictures has a true mask of person and background"
        )
    values = np.array(found, np.float64)
    share, inside, outside = values[:, :3].mean(axis=0).tolist()
    return OnPerson(
        pictures=len(found),
        without=len(samples) - len(found),
        person=share,
        inside=inside,
        outside=outside,
        higher=float((values[:, 1] > values[:, 2]).mean()),
        hidden_on_person=None if hidden is None else float(np.nanmean(values[:, 3])),
    )


def _grown(
    mask: NDArray[np.generic], shape: tuple[int, ...], how: Image.Resampling
) -> NDArray[np.float32]:
    picture = Image.fromarray(mask.astype(np.float32))
    return np.asarray(picture.resize((shape[1], shape[0]), how))
