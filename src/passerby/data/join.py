"""Several data sets trained on as one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

from passerby.types import InputError, Sample, Split


def join(splits: Sequence[Split]) -> Split:
    """The first data set with the training parts of the others added to its own.

    Query and gallery stay the first one's, and so do its ids. People and cameras of the others are
    numbered on after the greatest in use, so that no two data sets share one. Their sample names
    start with the data set's name (and its number, where a name comes twice).

    Args:
        splits: at least one.

    Raises:
        InputError: there is none, one of them is joined already, or has no training pictures.
    """
    if not splits:
        raise InputError("join needs at least one data set: given none")
    first, *others = splits
    for split in splits:
        if split.joined:
            raise InputError(f"{split.name} in {split.root} is joined already: join all at once")
    for split in others:
        if not split.train:
            raise InputError(f"{split.name} in {split.root} has no training pictures to join")
    train = list(first.train)
    people = _next(s.person_id for s in (*first.train, *first.query, *first.gallery))
    cameras = _next(s.camera_id for s in (*first.train, *first.query, *first.gallery))
    joined: dict[str, Path] = {}
    taken = {sample.name.partition("/")[0] for sample in first.train}
    for split in others:
        prefix = next(name for name in _spellings(split.name) if name not in {*taken, *joined})
        joined[prefix] = split.root
        new = [_renumbered(sample, prefix, people, cameras) for sample in split.train]
        people, cameras = _next(s.person_id for s in new), _next(s.camera_id for s in new)
        train += new
    return replace(
        first,
        train=tuple(train),
        joined=joined,
        warnings=tuple(warning for split in splits for warning in split.warnings),
    )


def trained_on(split: Split) -> list[str]:
    """The data sets that a split's training part comes from: name, variant, folder."""
    variant = f" ({split.variant})" if split.variant else ""
    own = f"{split.name}{variant} in {split.root.resolve().name}"
    return [own, *(f"{name} in {root.resolve().name}" for name, root in split.joined.items())]


def _renumbered(sample: Sample, prefix: str, people: int, cameras: int) -> Sample:
    return replace(
        sample,
        name=f"{prefix}/{sample.name}",
        person_id=people + sample.person_id,
        camera_id=cameras + sample.camera_id,
    )


def _spellings(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name}-{number}" for number in count(2))


def _next(ids: Iterable[int]) -> int:
    return max(ids, default=-1) + 1
