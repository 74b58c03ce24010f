"""What the batches of a training are made from: samples, labels, and where their cues come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from passerby.data.images import read_image
from passerby.types import CueSource, InputError, Picture, Sample

if TYPE_CHECKING:
    from passerby.method import Inputs


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
        raise InputError("the training part of the data set contains no pictures")
    people = np.array([sample.person_id for sample in samples], np.int64)
    if people.min() < 0:
        first = samples[int(people.argmin())]
        raise InputError(f"{first.name}: person id {first.person_id} (junk) cannot be trained on")
    labels = np.unique(people, return_inverse=True)[1].astype(np.int64)
    cameras = np.array([sample.camera_id for sample in samples], np.int64)
    return TrainingData(tuple(samples), labels, cameras, inputs, cues, seed)


def load_picture(sample: Sample, wanted: frozenset[str], cues: CueSource | None) -> Picture:
    """The decoded picture with those of its cues (`mask`, `joints`) that are wanted and known.

    What counts as known: see `with_cues`.

    Raises:
        InputError: the picture or a cue cannot be read, or a cue has the wrong shape.
    """
    image = read_image(sample.file, sample.box)
    mask = cues.mask(sample) if cues is not None and "mask" in wanted else None
    joints = cues.joints(sample) if cues is not None and "joints" in wanted else None
    return with_cues(sample.name, image, mask, joints)


def with_cues(
    name: str,
    image: NDArray[np.uint8],
    mask: NDArray[np.uint8] | None,
    joints: NDArray[np.float32] | None,
) -> Picture:
    """A picture with its cues, checked; what says nothing is None, as if it were not there.

    A mask without a person says nothing, nor do joints of which none is found. A joint outside the
    picture is missing, as one that leaves it by cropping.

    Args:
        name: of the picture, for messages.
        image: (H, W, 3).
        mask: (H, W), 0 = background.
        joints: (18, 3) in pixels of the picture.

    Raises:
        InputError: the mask has another size or type, or the joints another shape, numbers that
            are not finite or confidences below 0.
    """
    height, width = image.shape[:2]
    if mask is not None and mask.shape != (height, width):
        size = " x ".join(map(str, mask.shape))
        raise InputError(
            f"{name}: the mask has {size} pixels, the picture {height} x {width} (height x width)"
        )
    if mask is not None and mask.dtype != np.uint8:
        raise InputError(
            f"{name}: a mask must be uint8 with 255 for the person; given {mask.dtype}"
        )
    if mask is not None and 0 < mask.max() < 128:
        raise InputError(
            f"{name}: in a mask 255 is the person and 0 the background, the greatest value of "
            f"this one is {mask.max()}"
        )
    if mask is not None and not mask.any():
        mask = None
    if joints is not None:
        joints = _inside(name, joints, height, width)
    return Picture(image, mask, joints)


def _inside(
    name: str, joints: NDArray[np.float32], height: int, width: int
) -> NDArray[np.float32] | None:
    if joints.shape != (18, 3):
        raise InputError(f"{name}: joints must have the shape (18, 3); given {joints.shape}")
    if not np.isfinite(joints).all() or joints[:, 2].min() < 0:
        raise InputError(f"{name}: joints must be finite numbers with a confidence of at least 0")
    x, y, confidence = joints.T
    # Pixel centres: the picture reaches from -0.5 on.
    inside = (x >= -0.5) & (x <= width - 0.5) & (y >= -0.5) & (y <= height - 0.5)
    known = (confidence > 0) & inside
    if not known.any():
        return None
    return np.where(known[:, None], joints, 0).astype(np.float32)
