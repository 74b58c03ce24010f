"""Cues of a whole data set computed to files, in as many goes as it takes.

What was done is kept: an interrupted run goes on where it stood. The index of masks is
`index.json` in their folder; that of joints is the Parquet file itself (its metadata).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from passerby.cues.joints import read_joints
from passerby.cues.masks import MASK_INDEX, mask_file
from passerby.cues.networks import JointNetwork, MaskNetwork
from passerby.data.images import read_image
from passerby.files import atomic, write_text
from passerby.parsing import parse_json
from passerby.types import InputError, Progress, Sample

SAVE_SECONDS = 30.0
"""An index is written at least so often while a data set is worked on."""
UNFINISHED = ".unfinished"
"""What the name of the file of joints ends with while it is not whole."""


@dataclass(frozen=True)
class CueCounts:
    """What a run left behind."""

    pictures: int
    """Pictures of the data set."""
    computed: int
    """Of these, computed by this run; the others were there."""
    without_person: tuple[str, ...]
    """Names of the pictures in which nobody was found."""
    finished: bool
    """Whether all is there that the masks or joints are for, so that training takes them."""


def compute_masks(
    samples: Sequence[Sample],
    network: MaskNetwork,
    folder: str | Path,
    *,
    batch_size: int = 16,
    whole: bool = True,
    progress: Progress | None = None,
) -> CueCounts:
    """Writes `folder/<same folder>/<same stem>.png` for each picture with a person.

    Args:
        samples: pictures of a data set; one that is listed twice is done once.
        network: finds the persons.
        folder: masks that this network wrote there earlier are kept.
        batch_size: pictures at a time.
        whole: the samples are all that the masks are for; off: the folder stays unfinished, and
            training does not take it (`passerby.cues.masks.check_masks`).
        progress: told how many pictures are done, and how many there are.

    Raises:
        InputError: the folder holds masks of another origin, a sample is a box in a frame, or a
            picture cannot be read.
        OSError: from the operating system, e.g. when the disk is full.
    """
    folder = Path(folder)
    wanted = _files(samples)
    stems: dict[Path, str] = {}
    for name, sample in wanted.items():
        other = stems.setdefault(mask_file(folder, sample), name)
        if other != name:
            raise InputError(f"{other} and {name} would have the same mask file: rename one")
    people, was_finished = _read_index(folder, network.fingerprint)
    todo = [sample for name, sample in wanted.items() if name not in people]
    done = whole or (was_finished and not todo)
    saved = time.monotonic()

    def save(finished: bool) -> None:
        found = {name: people[name] for name in sorted(people)}
        index = {
            "source": network.fingerprint,
            "finished": finished,
            "pictures": len(found),
            "without_person": sum(not person for person in found.values()),
            "person": found,
        }
        write_text(folder / MASK_INDEX, json.dumps(index, indent=0) + "\n")

    # From the start: masks that no index accounts for would stop the next run.
    save(finished=done and not todo)
    try:
        for batch in _batches(todo, batch_size):
            masks = network.masks([read_image(sample.file) for sample in batch])
            for sample, mask in zip(batch, masks, strict=True):
                if mask is not None:
                    _write_mask(mask_file(folder, sample), mask)
                people[sample.name] = mask is not None
            _tell(progress, len(wanted), len(wanted.keys() & people.keys()))
            if time.monotonic() - saved > SAVE_SECONDS:
                save(finished=False)
                saved = time.monotonic()
    except BaseException:
        with suppress(OSError):
            save(finished=False)
        raise
    save(finished=done)
    return CueCounts(len(wanted), len(todo), tuple(n for n in wanted if not people[n]), done)


def compute_joints(
    samples: Sequence[Sample],
    network: JointNetwork,
    file: str | Path,
    *,
    batch_size: int = 16,
    whole: bool = True,
    progress: Progress | None = None,
) -> CueCounts:
    """Writes a Parquet file of joints, one row for each picture.

    Args:
        samples: pictures of a data set; one that is listed twice is done once.
        network: finds the joints.
        file: `.parquet`; rows that this network wrote there earlier are kept. While the work lasts
            it is called `file.unfinished`.
        batch_size: pictures at a time.
        whole: the samples are all that the joints are for; off: what is new stays in
            `file.unfinished`.
        progress: told how many pictures are done, and how many there are.

    Raises:
        InputError: the file holds joints of another origin, a sample is a box in a frame, or a
            picture cannot be read.
        OSError: from the operating system, e.g. when the disk is full.
    """
    file = Path(file)
    if file.suffix.lower() != ".parquet":
        raise InputError(f"joints must be written as .parquet: given {file}")
    unfinished = file.with_name(file.name + UNFINISHED)
    wanted = _files(samples)
    joints: dict[str, NDArray[np.float32]] = {}
    for earlier in (file, unfinished):
        if earlier.exists():
            _same_source(earlier, joints_source(earlier), network.fingerprint)
            joints |= read_joints(earlier)
    todo = [sample for name, sample in wanted.items() if name not in joints]
    saved = time.monotonic()
    try:
        for batch in _batches(todo, batch_size):
            found = network.joints([read_image(sample.file) for sample in batch])
            joints |= {one.name: of_one for one, of_one in zip(batch, found, strict=True)}
            _tell(progress, len(wanted), len(wanted.keys() & joints.keys()))
            if time.monotonic() - saved > SAVE_SECONDS:
                write_joints(unfinished, joints, network.fingerprint)
                saved = time.monotonic()
    except BaseException:
        with suppress(OSError):
            write_joints(unfinished, joints, network.fingerprint)
        raise
    if whole:
        write_joints(file, joints, network.fingerprint)
        unfinished.unlink(missing_ok=True)
    elif todo:
        write_joints(unfinished, joints, network.fingerprint)
    without = tuple(name for name in wanted if not joints[name][:, 2].any())
    return CueCounts(len(wanted), len(todo), without, not unfinished.exists())


def write_joints(file: Path, joints: dict[str, NDArray[np.float32]], source: str) -> None:
    """Writes joints by sample name, sorted, with the name of what made them; atomically.

    Raises:
        OSError: from the operating system.
    """
    import pyarrow
    import pyarrow.parquet

    names = sorted(joints)
    flat = np.stack([joints[name] for name in names]) if names else np.zeros((0, 18, 3))
    values = pyarrow.array(flat.astype(np.float32).ravel())
    found = (flat[:, :, 2] > 0).sum(axis=1)
    counts = {"pictures": str(len(names)), "without_person": str(int((found == 0).sum()))}
    table = pyarrow.table(
        {
            "file_name": pyarrow.array(names, pyarrow.string()),
            "joints": pyarrow.FixedSizeListArray.from_arrays(values, 54),
            "found": pyarrow.array(found.astype(np.int32)),
        }
    ).replace_schema_metadata({"passerby.source": source, **counts})
    with atomic(file) as temporary:
        pyarrow.parquet.write_table(table, temporary)


def joints_source(file: Path) -> str | None:
    """What made a Parquet file of joints; None: it does not say, or is no such file."""
    import pyarrow
    import pyarrow.parquet

    try:
        metadata = pyarrow.parquet.read_schema(file).metadata or {}
    except (pyarrow.ArrowException, OSError):
        return None
    source = metadata.get(b"passerby.source")
    return None if source is None else bytes(source).decode()


def _files(samples: Sequence[Sample]) -> dict[str, Sample]:
    for sample in samples:
        if sample.box is not None:
            raise InputError(
                f"{sample.name}: cues are found by file name, and people of one frame share "
                "it; cut the boxes into files first"
            )
    return {sample.name: sample for sample in sorted(samples, key=lambda one: one.name)}


def _read_index(folder: Path, source: str) -> tuple[dict[str, bool], bool]:
    """Who was found in which picture, and whether that is all."""
    file = folder / MASK_INDEX
    if not file.is_file():
        if next(folder.rglob("*.png"), None) is not None:
            raise InputError(
                f"{folder}: contains masks without {MASK_INDEX}: choose another folder"
            )
        return {}, False
    try:
        index = parse_json(file.read_text(encoding="utf-8"))
        people = {str(name): bool(person) for name, person in index["person"].items()}
        earlier, finished = str(index["source"]), index.get("finished") is True
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"{file}: not an index of masks: choose another folder") from None
    _same_source(folder, earlier, source)
    return people, finished


def _same_source(place: Path, earlier: str | None, source: str) -> None:
    if earlier != source:
        raise InputError(
            f"{place}: was made by {earlier or 'somebody else'}, not by {source}: choose another "
            "place, or the same network and settings"
        )


def _batches(samples: Sequence[Sample], size: int) -> Iterator[Sequence[Sample]]:
    if size < 1:
        raise InputError(f"a batch needs at least one picture: given {size}")
    return (samples[start : start + size] for start in range(0, len(samples), size))


def _write_mask(file: Path, mask: NDArray[np.uint8]) -> None:
    with atomic(file) as temporary:
        Image.fromarray(mask).save(temporary, "PNG")


def _tell(progress: Progress | None, total: int, done: int) -> None:
    if progress is not None:
        progress(done, total)
