"""Samples to uint8 batches, in worker processes or in this one, always with the same bytes.

Every random number is keyed by (seed, epoch, position in the epoch, sample), and workers hold no
state: any number of them gives the same batches, and an epoch can start in its middle.
"""

from __future__ import annotations

import multiprocessing
import os
import weakref
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from passerby.data.images import read_image
from passerby.data.randomness import keyed
from passerby.data.transforms import augment, erase_box
from passerby.method import Inputs
from passerby.types import Augmentation, Batch, CueSource, InputError, InputSpec, Picture, Sample


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


class _Step(NamedTuple):
    """One batch to make."""

    epoch: int
    position: int
    """Of the batch's first picture in the epoch."""
    indices: NDArray[np.int64]


class _Made(NamedTuple):
    """A batch on its way from a worker: of plain types, which torch can pin."""

    inputs: dict[str, Tensor]
    """(B, H, W, C)"""
    boxes: dict[str, Tensor]
    labels: Tensor
    cameras: Tensor
    indices: Tensor
    missing: dict[str, int]


class _Batches(Dataset[_Made | InputError]):
    """Makes the batch of a step; an error is a value here, to reach the caller without a trace."""

    def __init__(self, data: TrainingData, augmentation: Augmentation | None) -> None:
        self.data = data
        self.augmentation = augmentation

    def __getitem__(self, step: _Step) -> _Made | InputError:
        try:
            return self.make(step)
        except InputError as error:
            return error

    def make(self, step: _Step) -> _Made:
        specs = self.data.inputs.specs
        made: list[dict[str, NDArray[np.uint8]]] = []
        boxes: dict[str, list[tuple[int, int, int, int]]] = {
            name: [] for name, spec in specs.items() if spec.erase and self._erases
        }
        missing: Counter[str] = Counter()
        for position, index in enumerate(step.indices, step.position):
            picture = self.data.picture(int(index))
            missing.update(c for c in self.data.inputs.cues if getattr(picture, c) is None)
            if self.augmentation is not None:
                rng = keyed(self.data.seed, step.epoch, position, int(index))
                picture = augment(picture, self.augmentation, rng)
                for name, drawn in boxes.items():
                    size = specs[name].height, specs[name].width
                    drawn.append(erase_box(*size, self.augmentation, rng))
            made.append(_checked(self.data.inputs.make(picture), specs))
        return _Made(
            _stacked(made),
            {name: torch.tensor(drawn, dtype=torch.int64) for name, drawn in boxes.items()},
            torch.from_numpy(self.data.labels[step.indices]),
            torch.from_numpy(self.data.cameras[step.indices]),
            torch.from_numpy(np.asarray(step.indices, np.int64)),
            dict(missing),
        )

    @property
    def _erases(self) -> bool:
        return self.augmentation is not None and self.augmentation.erase > 0


class _Epoch:
    """The steps that the workers take next; changes from epoch to epoch, the workers stay."""

    def __init__(self) -> None:
        self.steps: list[_Step] = []

    def __iter__(self) -> Iterator[_Step]:
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.steps)


class Loader:
    """Batches of one stage (or, without augmentation, of pictures to embed).

    Args:
        data: what the batches are made from.
        augmentation: applied to each picture; None: pictures as they are.
        workers: processes that decode; 0: this one does. They stay from epoch to epoch.
        pin: pinned memory; None: where there is a CUDA device.
    """

    def __init__(
        self,
        data: TrainingData,
        augmentation: Augmentation | None,
        *,
        workers: int = 0,
        pin: bool | None = None,
    ) -> None:
        self.data = data
        self.missing: Counter[str] = Counter()
        """How many pictures of the running epoch had no `mask` or `joints` though wanted."""
        self._epoch = _Epoch()
        forks = "fork" in multiprocessing.get_all_start_methods()
        self._loader: DataLoader[_Made | InputError] = DataLoader(
            _Batches(data, augmentation),
            batch_size=None,
            sampler=self._epoch,
            collate_fn=_as_is,
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=torch.cuda.is_available() if pin is None else pin,
            # A method's `make` may be a closure, which only fork carries into a worker.
            multiprocessing_context="fork" if workers and forks else None,
            # Else torch draws a number from the global generator for each epoch.
            generator=torch.Generator(),
        )
        self._stop = weakref.finalize(self, _stop_workers, self._loader, os.getpid())

    def close(self) -> None:
        """Ends the workers; happens by itself when the loader is no longer used."""
        self._stop()

    def epoch(
        self, batches: Sequence[NDArray[np.int64]], epoch: int = 0, start_step: int = 0
    ) -> Iterator[Batch]:
        """The epoch's batches from `start_step` on, uint8, with the boxes to erase.

        Args:
            batches: indices into the samples, all batches of the epoch.
            epoch: keys the random numbers; different for every epoch of every stage.
            start_step: how many batches are left out at the start; the others do not change.

        Raises:
            InputError: a picture or a cue cannot be used: one line that names it.
        """
        self.missing.clear()
        firsts = np.cumsum([0, *(len(batch) for batch in batches)])
        self._epoch.steps = [
            _Step(epoch, int(first), np.asarray(batch))
            for first, batch in zip(firsts, batches, strict=False)
        ][start_step:]
        for made in self._loader:
            if isinstance(made, InputError):
                raise made
            self.missing.update(made.missing)
            yield _seen(made)


class PictureLoader:
    """Batches of pictures in their order, without augmentation: an iterable, as often as wanted.

    Args:
        samples: the pictures.
        inputs: the method's input tensors.
        cues: where masks and joints come from.
        batch_size: pictures in a batch; the last may be smaller.
        workers: processes that decode; 0: this one does.
        labels: (N,) for `Batch.labels`; None: -1.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        inputs: Inputs,
        cues: CueSource | None = None,
        batch_size: int = 64,
        workers: int = 0,
        labels: NDArray[np.int64] | None = None,
    ) -> None:
        count = len(samples)
        if labels is None:
            labels = np.full(count, -1, np.int64)
        cameras = np.array([sample.camera_id for sample in samples], np.int64)
        data = TrainingData(tuple(samples), labels, cameras, inputs, cues)
        starts = range(0, count, batch_size)
        self._batches = [np.arange(start, min(start + batch_size, count)) for start in starts]
        self._loader = Loader(data, None, workers=workers)

    @property
    def missing(self) -> Counter[str]:
        """How many pictures so far had no `mask` or `joints` though the inputs want them."""
        return self._loader.missing

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Batch]:
        return self._loader.epoch(self._batches)


def training_loader(
    data: TrainingData,
    augmentation: Augmentation | None,
    epoch_batches: Sequence[NDArray[np.int64]],
    epoch: int,
    *,
    workers: int = 0,
    start_step: int = 0,
) -> Iterator[Batch]:
    """One epoch's batches; for several epochs with the same workers hold a `Loader`."""
    loader = Loader(data, augmentation, workers=workers)
    return loader.epoch(epoch_batches, epoch, start_step)


def picture_loader(
    samples: Sequence[Sample],
    inputs: Inputs,
    cues: CueSource | None = None,
    batch_size: int = 64,
    workers: int = 0,
) -> PictureLoader:
    """Batches of pictures to embed: labels -1, `indices` in order."""
    return PictureLoader(samples, inputs, cues, batch_size, workers)


def to_batch(made: Sequence[Mapping[str, NDArray[np.uint8]]]) -> Batch:
    """What `Inputs.make` gave for B pictures as a batch; labels and cameras are -1.

    Raises:
        InputError: the pictures' inputs differ in shape.
    """
    unknown = torch.full((len(made),), -1)
    return _seen(_Made(_stacked(made), {}, unknown, unknown, torch.arange(len(made)), {}))


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
            raise InputError(f"input {name!r} has to be uint8 {wanted}, its method made {given}")
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


def _seen(made: _Made) -> Batch:
    """(B, H, W, C) seen as (B, C, H, W): channels last in memory, at no cost."""
    inputs = {name: tensor.permute(0, 3, 1, 2) for name, tensor in made.inputs.items()}
    return Batch(inputs, made.labels, made.cameras, made.indices, made.boxes)


def _stop_workers(loader: DataLoader[_Made | InputError], owner: int) -> None:
    # Left to the garbage collector, which may take the queues first, torch waits for 5 s a worker.
    iterator = loader._iterator
    loader._iterator = None
    if iterator is not None and os.getpid() == owner:
        iterator._shutdown_workers()  # type: ignore[attr-defined]


def _as_is(made: Any) -> Any:
    return made
