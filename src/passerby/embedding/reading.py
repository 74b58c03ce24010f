"""Pictures read by threads, in order; a frame with several boxes is decoded once."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from passerby.data.images import cut, read_image
from passerby.data.training_data import with_cues
from passerby.embedding.quality import Quality
from passerby.method import Inputs
from passerby.types import CueSource, InputError, Sample

TASK = 16
"""Pictures that a thread reads before it hands them over."""


@dataclass(frozen=True)
class Read:
    """What became of one picture: inputs, or why there are none."""

    made: dict[str, NDArray[np.uint8]] | None
    """What `Inputs.make` gave; None: failed or left out."""
    error: str = ""
    """Why it failed; empty: it did not."""
    fault: str = ""
    """Why it is not good enough (`Quality.fault`); empty: it is."""
    missing: tuple[str, ...] = ()
    """Cues that the inputs want and that are not known."""


def read_pictures(
    samples: Sequence[Sample],
    inputs: Inputs,
    quality: Quality,
    *,
    cues: CueSource | None = None,
    threads: int = 2,
) -> Iterator[Read]:
    """Reads pictures in their order, some ahead; one that cannot be read is a value, not an error.

    Args:
        samples: those of one file should follow each other: it is then decoded once.
        inputs: makes the input tensors.
        quality: what a picture must have.
        cues: where masks and joints come from.
        threads: that decode.
    """
    tasks = iter(_tasks(samples))
    waiting: deque[Future[list[Read]]] = deque()
    with ThreadPoolExecutor(max(threads, 1)) as pool:
        try:
            while True:
                while len(waiting) < 2 * threads and (task := next(tasks, None)) is not None:
                    waiting.append(pool.submit(_read_files, task, inputs, quality, cues))
                if not waiting:
                    return
                yield from waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _tasks(samples: Sequence[Sample]) -> Iterator[list[list[Sample]]]:
    """The samples of each file, some files at a time: handing over costs as much as a resize."""
    files: list[list[Sample]] = []
    for _, group in groupby(samples, key=lambda sample: sample.file):
        files.append(list(group))
        if sum(map(len, files)) >= TASK:
            yield files
            files = []
    if files:
        yield files


def _read_files(
    files: list[list[Sample]], inputs: Inputs, quality: Quality, cues: CueSource | None
) -> list[Read]:
    return [read for samples in files for read in _read_file(samples, inputs, quality, cues)]


def _read_file(
    samples: Sequence[Sample], inputs: Inputs, quality: Quality, cues: CueSource | None
) -> list[Read]:
    try:
        frame = read_image(samples[0].file)
    except InputError as error:
        return [Read(None, error=str(error)) for _ in samples]
    return [_read(sample, frame, inputs, quality, cues) for sample in samples]


def _read(
    sample: Sample,
    frame: NDArray[np.uint8],
    inputs: Inputs,
    quality: Quality,
    cues: CueSource | None,
) -> Read:
    try:
        image = frame if sample.box is None else cut(frame, sample.box, sample.file)
        fault = quality.fault(image)
        if fault is not None:
            return Read(None, fault=fault)
        wanted = inputs.cues if cues is not None else frozenset()
        mask = cues.mask(sample) if cues is not None and "mask" in wanted else None
        joints = cues.joints(sample) if cues is not None and "joints" in wanted else None
        picture = with_cues(sample.name, image, mask, joints)
        return Read(inputs.make(picture), missing=tuple(inputs.without(picture)))
    except InputError as error:
        return Read(None, error=str(error))
