"""Pictures of nobody who is looked for, appended to a gallery."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from passerby.data.images import is_picture
from passerby.types import InputError, Sample, Split

PREFIX = "distractors"
"""What the names of the appended samples start with."""


def with_distractors(split: Split, folder: str | Path) -> Split:
    """The split with all pictures of a folder, and of the folders in it, in its gallery.

    Each gets a person id of its own, all get one camera id that nothing else in the split has.

    Args:
        split: the data set.
        folder: e.g. Market-1501's 500,000 distractors.

    Raises:
        InputError: no such folder, or it holds no pictures.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of distractors")
    files = sorted(
        Path(place) / name
        for place, _, names in os.walk(folder)
        for name in names
        if is_picture(Path(place) / name)
    )
    if not files:
        raise InputError(f"{folder}: contains no pictures")
    everything = (*split.train, *split.query, *split.gallery, *split.multi_query)
    person = max(sample.person_id for sample in everything) + 1
    camera = max(sample.camera_id for sample in everything) + 1
    added = tuple(
        Sample(file, f"{PREFIX}/{file.relative_to(folder).as_posix()}", person + index, camera)
        for index, file in enumerate(files)
    )
    note = f"{len(added):,} distractors from {folder} appended to the gallery"
    return replace(split, gallery=(*split.gallery, *added), warnings=(*split.warnings, note))
