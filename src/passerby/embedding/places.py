"""Files, folders and manifests as one list of pictures."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from passerby.data.images import is_picture
from passerby.data.manifest import list_pictures
from passerby.types import InputError, Sample

TABLES = (".csv", ".parquet")
"""What manifests end in."""

_CUE_FOLDERS = ("masks", "joints")


@dataclass(frozen=True)
class Listed:
    """Pictures to embed."""

    samples: tuple[Sample, ...]
    """In order of name and box; without labels, with names of people and cameras where known."""
    root: Path | None
    """The one folder that names are relative to; None: there are several."""


def list_places(places: Sequence[str | Path]) -> Listed:
    """All pictures of some places.

    A picture stands for itself, a folder for the pictures in it and below (`masks` and `joints`
    beside them left out, and what is hidden), a `.csv` or `.parquet` for what it lists
    (`passerby.data.manifest.list_pictures`). Names are relative to the place's folder where there
    is one place, else as the places are written.

    Raises:
        InputError: a place that does not exist or is no picture; none at all; a folder without
            pictures; one picture twice.
    """
    if not places:
        raise InputError("name what to embed: pictures, folders or manifests")
    found: list[Sample] = []
    for place in map(Path, places):
        here = _folder(place)
        prefix = "" if len(places) == 1 or here == Path() else here.as_posix() + "/"
        if place.suffix.lower() in TABLES and place.is_file():
            listed = list_pictures(place)
            if not listed:
                raise InputError(f"{place}: lists no pictures")
            found += [replace(sample, name=prefix + sample.name) for sample in listed]
        else:
            found += [
                Sample(file, prefix + file.relative_to(here).as_posix(), -1, -1)
                for file in _files(place)
            ]
    ordered = sorted(found, key=lambda sample: (sample.name, sample.box or ()))
    times = Counter((sample.name, sample.box) for sample in ordered)
    (name, box), most = times.most_common(1)[0]
    if most > 1:
        where = "" if box is None else f" (box {', '.join(map(str, box))})"
        raise InputError(f"{name}{where} is given {most} times")
    root = _folder(Path(places[0])) if len(places) == 1 else None
    return Listed(tuple(ordered), root)


def _folder(place: Path) -> Path:
    return place if place.is_dir() else place.parent


def _files(place: Path) -> list[Path]:
    if place.is_file():
        if not is_picture(place):
            raise InputError(f"{place}: not a picture, a folder or a manifest")
        return [place]
    if not place.is_dir():
        raise InputError(f"{place}: no such file or folder")
    found = sorted(_below(place))
    if not found:
        raise InputError(f"{place}: contains no pictures")
    return found


def _below(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        here = Path(folder)
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".") and not (here == root and name in _CUE_FOLDERS)
        ]
        yield from (here / name for name in names if is_picture(Path(name)))
