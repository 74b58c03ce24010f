"""What the batches of a training are made from: samples, labels, and where their cues come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from passerby.data.images import read_image
from passerby.method import Inputs
from passerby.types import CueSource, InputError, Picture, Sample


@dataclass(frozen=True)
class TrainingData:
    """What the batches of a training are made from."""

    samples: tuple[Sample, ...]
    """The N training pictures."""
    labels: NDArray[np.int64]
    """(N,) position of each person id in the sorted ids; -1 where nobody asks."""
    cameras: NDArray[np.int64]
    """(N,) camera ids."""
    inputs: Inputs
    """The method's input tensors."""
    cues: CueSource | None = None
    """Where masks and joints come from."""
    seed: int = 0
    """The run's seed."""

    @property
    def identities(self) -> int:
        """How many identities there are."""
        return int(self.labels.max(initial=-1)) + 1

    def picture(self, index: int) -> Picture:
        """One training picture with its cues, as the files hold it."""
        return load_picture(self.samples[index], self.inputs.cues, self.cues)


def training_data(
    samples: Sequence[Sample], inputs: Inputs, cues: CueSource | None = None, seed: int = 0
) -> TrainingData:
    """Training data with labels 0 ... identities - 1, in the order of the person ids.

    Raises:
        InputError: there are no samples, or one of them is junk (person id below 0).
    """
    if not samples:
        raise InputError("the training part of the data set holds no pictures")
    people = np.array([sample.person_id for sample in samples], np.int64)
    if people.min() < 0:
        first = samples[int(people.argmin())]
        raise InputError(f"{first.name}: person id {first.person_id} (junk) cannot be trained on")
    labels = np.unique(people, return_inverse=True)[1].astype(np.int64)
    cameras = np.array([sample.camera_id for sample in samples], np.int64)
    return TrainingData(tuple(samples), labels, cameras, inputs, cues, seed)


def load_picture(sample: Sample, wanted: frozenset[str], cues: CueSource | None) -> Picture:
    """The decoded picture with those of its cues (`mask`, `joints`) that are wanted and known.

    Raises:
        InputError: the picture or a cue cannot be read, or a cue has the wrong shape.
    """
    image = read_image(sample.file, sample.box)
    mask = cues.mask(sample) if cues is not None and "mask" in wanted else None
    joints = cues.joints(sample) if cues is not None and "joints" in wanted else None
    if mask is not None and mask.shape != image.shape[:2]:
        raise InputError(
            f"{sample.name}: the mask has {mask.shape[0]} x {mask.shape[1]} pixels, "
            f"the picture {image.shape[0]} x {image.shape[1]} (height x width)"
        )
    if joints is not None and joints.shape != (18, 3):
        raise InputError(f"{sample.name}: joints have the shape (18, 3), got {joints.shape}")
    return Picture(image, mask, joints)
