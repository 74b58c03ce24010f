"""One step of an epoch: its pictures read, augmented and stacked, whoever does it.

Every random number is keyed by (seed, epoch, position in the epoch, sample).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from passerby.data.camera import change_camera
from passerby.data.kept import KeptPictures
from passerby.data.training_data import TrainingData
from passerby.data.transforms import augment, erase_box, resize
from passerby.randomness import keyed
from passerby.types import Augmentation, Batch, CameraChanges, InputError, InputSpec, Picture

Box = tuple[int, int, int, int]


class Step(NamedTuple):
    """One batch to make."""

    epoch: int
    """Keys the random numbers."""
    position: int
    """Of the batch's first picture in the epoch."""
    indices: NDArray[np.int64]
    """(B,) into the samples."""


class Made(NamedTuple):
    """A batch on its way from a worker: of plain types, which torch can pin."""

    inputs: dict[str, Tensor]
    """(B, H, W, C)"""
    boxes: dict[str, Tensor]
    labels: Tensor
    cameras: Tensor
    indices: Tensor
    missing: dict[str, int]


class Batches(Dataset[Made | InputError]):
    """Makes the batch of a step; an error is a value here, to reach the caller without a trace."""

    def __init__(
        self, data: TrainingData, augmentation: Augmentation | None, keep_bytes: int = 0
    ) -> None:
        self.data = data
        self.augmentation = augmentation
        self._kept: KeptPictures | None = None
        if keep_bytes and augmentation is not None and augmentation.resize is not None:
            self._kept = KeptPictures(len(data.samples), *augmentation.resize, keep_bytes)

    def __getitem__(self, step: Step) -> Made | InputError:
        try:
            return self.make(step)
        except InputError as error:
            return error

    def make(self, step: Step) -> Made:
        """The batch; raises `InputError` with the name of the picture that does not do."""
        specs = self.data.inputs.specs
        made: list[dict[str, NDArray[np.uint8]]] = []
        boxes: dict[str, list[Box]] = {name: [] for name in self._erased()}
        missing: Counter[str] = Counter()
        for position, index in enumerate(step.indices, step.position):
            picture = self._picture(int(index))
            rng = keyed(self.data.seed, step.epoch, position, int(index))
            try:
                missing.update(self.data.inputs.without(picture))
                if self.augmentation is not None:
                    picture = augment(picture, self.augmentation, rng)
                    picture = self._changed(picture, step.epoch, position, int(index))
                made.append(_checked(self.data.inputs.make(picture), specs))
            except InputError as error:
                raise InputError(f"{self.data.samples[index].name}: {error}") from None
            for name, drawn in boxes.items():
                assert self.augmentation is not None
                drawn.append(
                    erase_box(specs[name].height, specs[name].width, self.augmentation, rng)
                )
        return Made(
            _stacked(made),
            {name: torch.tensor(drawn, dtype=torch.int64) for name, drawn in boxes.items()},
            torch.from_numpy(self.data.labels[step.indices]),
            torch.from_numpy(self.data.cameras[step.indices]),
            torch.from_numpy(np.ascontiguousarray(step.indices, np.int64)),
            dict(missing),
        )

    def _changed(self, picture: Picture, *key: int) -> Picture:
        """As another camera might have taken it; its random numbers are its own."""
        assert self.augmentation is not None
        changes = self.augmentation.camera
        if changes == CameraChanges():
            return picture
        rng = keyed(self.data.seed, *key, 1)
        count = len(self.data.samples)
        return change_camera(picture, changes, rng, lambda n: self._picture(n % count).image)

    def _picture(self, index: int) -> Picture:
        """The picture, resized already where pictures are kept."""
        if self._kept is None:
            return self.data.picture(index)
        picture = self._kept.get(index)
        if picture is None:
            assert self.augmentation is not None
            assert self.augmentation.resize is not None
            picture = resize(self.data.picture(index), *self.augmentation.resize)
            self._kept.put(index, picture)
        return picture

    def _erased(self) -> list[str]:
        """Names of the inputs that random erasing applies to."""
        if self.augmentation is None or self.augmentation.erase <= 0:
            return []
        return [name for name, spec in self.data.inputs.specs.items() if spec.erase]


def to_batch(made: Sequence[Mapping[str, NDArray[np.uint8]]]) -> Batch:
    """What `Inputs.make` gave for B pictures as a batch; labels and cameras are -1.

    Raises:
        InputError: the pictures' inputs differ in shape.
    """
    unknown = torch.full((len(made),), -1)
    return as_batch(Made(_stacked(made), {}, unknown, unknown, torch.arange(len(made)), {}))


def _checked(
    made: Mapping[str, NDArray[np.uint8]], specs: Mapping[str, InputSpec]
) -> dict[str, NDArray[np.uint8]]:
    """The inputs in the specs' order, when they are what the specs say."""
    for name, spec in specs.items():
        array = made.get(name)
        wanted = (spec.height, spec.width, len(spec.mean))
        shape = None if array is None else (*array.shape, 1) if array.ndim == 2 else array.shape
        if array is None or shape != wanted or array.dtype != np.uint8:
            given = "nothing" if array is None else f"{array.dtype} {array.shape}"
            raise InputError(f"input {name!r} must be uint8 {wanted}; its method made {given}")
    return {name: made[name] for name in specs}


def _stacked(made: Sequence[Mapping[str, NDArray[np.uint8]]]) -> dict[str, Tensor]:
    """By input name, (B, H, W, C)."""
    stacked = {}
    for name in made[0]:
        arrays = [inputs[name] for inputs in made]
        shapes = sorted({array.shape for array in arrays})
        if len(shapes) > 1:
            raise InputError(f"input {name!r} has several shapes in one batch: {shapes}")
        stacked[name] = torch.from_numpy(np.stack(arrays)).reshape(len(made), *shapes[0][:2], -1)
    return stacked


def as_batch(made: Made) -> Batch:
    """(B, H, W, C) seen as (B, C, H, W): channels last in memory, at no cost."""
    inputs = {name: tensor.permute(0, 3, 1, 2) for name, tensor in made.inputs.items()}
    return Batch(inputs, made.labels, made.cameras, made.indices, made.boxes)
