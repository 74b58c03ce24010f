"""Pictures into a gallery, and a gallery's pictures into that of another model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from passerby.gallery.entries import Entry, content_of
from passerby.gallery.filters import Filter
from passerby.gallery.gallery import Added, Gallery
from passerby.gallery.new_rows import NewEntries
from passerby.gallery.settings import Model
from passerby.types import InputError, Progress, Sample


class SampleEmbedder(Model, Protocol):
    """A model that is at hand; a `passerby.Embedder` is one."""

    def embed_samples(self, samples: Sequence[Sample]) -> NDArray[np.float32]:
        """(N, D) embeddings of N pictures."""


def add_samples(
    gallery: Gallery,
    model: SampleEmbedder,
    samples: Sequence[Sample],
    *,
    expires: float | None = None,
    namespace: str | None = None,
    at_once: int = 512,
    progress: Progress | None = None,
) -> Added:
    """Embeds and adds pictures; those that the gallery has are not embedded again.

    Args:
        gallery: opened for this model.
        model: makes the embeddings; its masks and joints come from where `with_cues` says.
        samples: the pictures.
        expires: when the entries are to be removed, seconds since 1970 in UTC; None: never.
        namespace: stands before all names of theirs, `site-a/0001.jpg`, so that they are no other
            source's.
        at_once: pictures that are embedded and then stored together.
        progress: told how many pictures are done.

    Raises:
        InputError: an unreadable picture (those before its batch are stored), or as `Gallery.add`.
    """
    added = 0
    others: list[str] = []
    for start in range(0, len(samples), at_once):
        batch = samples[start : start + at_once]
        entries = NewEntries.of_samples(batch, expires).within(namespace)
        keys = list(entries.keys or ())
        there = _known(gallery, keys)
        new = [row for row, key in enumerate(keys) if key not in there]
        if new:
            chosen = [batch[row] for row in new]
            news = replace(entries.taken(new), contents=contents_of(chosen))
            added += gallery.add(model.embed_samples(chosen), news).added
        old = [row for row, key in enumerate(keys) if there.get(key)]
        contents = contents_of([batch[row] for row in old])
        others += [
            keys[row] for row, one in zip(old, contents, strict=True) if there[keys[row]] != one
        ]
        if progress is not None:
            progress(start + len(batch), len(samples))
    return Added(added, len(samples) - added, tuple(others))


def re_embed(
    source: Gallery,
    target: Gallery,
    model: SampleEmbedder,
    root: Path,
    *,
    at_once: int = 512,
    progress: Progress | None = None,
) -> Added:
    """Embeds the pictures of all entries with another model, into another gallery.

    Keys, identities, times and expiry stay; the threshold does not: calibrate again. What is in
    the target already is left as it is, so that it may be called again after an interruption.

    Args:
        source: the gallery whose entries are taken.
        target: new, or of this model.
        model: makes the new embeddings.
        root: the folder that the entries' file names start from.
        at_once: pictures that are embedded and then stored together.
        progress: told how many pictures are done.

    Raises:
        InputError: an entry without a picture, or whose picture is gone or unreadable.
    """
    entries = source.entries()
    for entry in entries:
        if not entry.file_name or not (root / entry.file_name).is_file():
            raise InputError(
                f"{root / entry.file_name}: the picture of entry {entry.key!r} is missing; "
                "only entries whose pictures are kept can move to another model"
            )
    added = known = 0
    for batch in _batches(entries, at_once):
        samples = [_sample(entry, root) for entry in batch]
        found = target.add(model.embed_samples(samples), _same(batch))
        added, known = added + found.added, known + found.known
        if progress is not None:
            progress(added + known, len(entries))
    if target.exists:
        target.keep_decisions(source.settings.decisions)
    return Added(added, known)


def contents_of(samples: Sequence[Sample]) -> list[str]:
    """Digests of the pictures' bytes, see `passerby.gallery.entries.content_of`."""
    read = lru_cache(1)(Path.read_bytes)  # the boxes of a frame follow one another
    return [content_of(read(sample.file), sample.box) for sample in samples]


def _known(gallery: Gallery, keys: Sequence[str]) -> dict[str, str | None]:
    """The entries among the keys, and the digests of their pictures."""
    if not gallery.exists:
        return {}
    return {entry.key: entry.content for entry in gallery.entries(Filter(keys=keys))}


def _batches(entries: Sequence[Entry], size: int) -> Iterator[Sequence[Entry]]:
    for start in range(0, len(entries), size):
        yield entries[start : start + size]


def _sample(entry: Entry, root: Path) -> Sample:
    return Sample(
        file=root / entry.file_name,
        name=entry.file_name,
        person_id=-1,
        camera_id=-1,
        timestamp=entry.timestamp,
        box=entry.box,
        track_id=entry.track_id,
        person=entry.person,
        camera=entry.camera,
    )


def _same(entries: Sequence[Entry]) -> NewEntries:
    return NewEntries(
        keys=[entry.key for entry in entries],
        file_names=[entry.file_name for entry in entries],
        persons=[entry.person for entry in entries],
        cameras=[entry.camera for entry in entries],
        timestamps=[entry.timestamp for entry in entries],
        boxes=[entry.box for entry in entries],
        track_ids=[entry.track_id for entry in entries],
        contents=[entry.content for entry in entries],
        expires=[entry.expires for entry in entries],
        added=[entry.added for entry in entries],
    )
