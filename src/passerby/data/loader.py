"""Samples to uint8 batches, in worker processes or in this one, always with the same bytes.

Workers hold no state, and no random number depends on who draws it: any number of workers gives
the same batches, and an epoch can start in its middle.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
import weakref
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from passerby.data.steps import Batches, Made, Step, as_batch, to_batch
from passerby.data.training_data import TrainingData, load_picture, training_data
from passerby.method import Inputs
from passerby.types import Augmentation, Batch, CueSource, InputError, Sample
from passerby.workers import told_of_killed

__all__ = [
    "Loader", "PictureLoader", "TrainingData", "load_picture", "picture_loader", "to_batch",
    "training_data", "training_loader",
]  # fmt: skip


class _Epoch:
    """The steps that the workers take next; changes from epoch to epoch, the workers stay."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def __iter__(self) -> Iterator[Step]:
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
        keep_bytes: decoded pictures are kept in memory (of all workers together) up to so many
            bytes, at the size that the augmentation resizes them to.
    """

    def __init__(
        self,
        data: TrainingData,
        augmentation: Augmentation | None,
        *,
        workers: int = 0,
        pin: bool | None = None,
        keep_bytes: int = 0,
    ) -> None:
        self.data = data
        self.missing: Counter[str] = Counter()
        """How many pictures of the running epoch had no `mask` or `joints` though wanted."""
        self._epoch = _Epoch()
        forks = "fork" in multiprocessing.get_all_start_methods()
        self._loader: DataLoader[Made | InputError] = DataLoader(
            Batches(data, augmentation, keep_bytes if forks or not workers else 0),
            batch_size=None,
            sampler=self._epoch,
            collate_fn=_as_is,
            num_workers=workers,
            persistent_workers=workers > 0,
            worker_init_fn=_start_worker,
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
        self,
        batches: Sequence[NDArray[np.int64]],
        epoch: int = 0,
        start_step: int = 0,
        shard: tuple[int, int] = (0, 1),
        group: int = 1,
    ) -> Iterator[Batch]:
        """The epoch's batches from `start_step` on, uint8, with the boxes to erase.

        Args:
            batches: indices into the samples, all batches of the epoch.
            epoch: keys the random numbers; different for every epoch of every stage.
            start_step: how many batches are left out at the start; the others do not change.
            shard: (r, W) gives the r-th of W equal, consecutive parts of each batch; the few
                pictures of a batch that would make the parts unequal are left out, and so are
                batches of which a part would have fewer than two.
            group: consecutive pictures that stay in one part.

        Raises:
            InputError: a picture or a cue cannot be used: one line that names it.
            ChildProcessError: a worker was killed.
        """
        self.missing.clear()
        firsts = np.cumsum([0, *(len(batch) for batch in batches)])
        rank, world = shard
        cut = world * group if world > 1 else 1
        sizes = [len(batch) // cut * cut // world for batch in batches]
        self._epoch.steps = [
            Step(epoch, int(first) + rank * size, np.asarray(batch)[rank * size :][:size])
            for first, batch, size in zip(firsts, batches, sizes, strict=False)
            if size > (world > 1)
        ][start_step:]
        with told_of_killed("decodes pictures"):
            for made in _whole(self._loader):
                if isinstance(made, InputError):
                    raise made
                self.missing.update(made.missing)
                yield as_batch(made)


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


def _stop_workers(loader: DataLoader[Made | InputError], owner: int) -> None:
    # Left to the garbage collector, which may take the queues first, torch waits for 5 s a worker.
    iterator = loader._iterator
    loader._iterator = None
    if iterator is not None and os.getpid() == owner:
        iterator._shutdown_workers()  # type: ignore[attr-defined]


def _whole(loader: DataLoader[Made | InputError]) -> Iterator[Made | InputError]:
    try:
        yield from loader
    except (EOFError, ConnectionError):
        # Its batch was on the way when a worker was killed. Torch's own error comes with the
        # signal, which may be a little later.
        time.sleep(5)
        raise


def _start_worker(number: int) -> None:
    usual = sys.excepthook

    def told(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        # Of a batch that nobody took any more: who should have has an error of its own to tell.
        if not isinstance(error, (EOFError, ConnectionError)):
            usual(kind, error, trace)

    sys.excepthook = told


def _as_is(made: Any) -> Any:
    return made
