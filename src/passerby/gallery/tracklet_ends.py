"""When tracks ended whose entries tell when they began: from the notes beside their crops."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from passerby.parsing import read_json
from passerby.types import InputError

NOTE = "track.json"
"""Beside a tracklet's crops (`passerby watch`): what is known of it."""


def ends_of(pictures: Path) -> Mapping[str, float]:
    """Seconds since 1970 by the entry's key, of all notes in a folder; none: it has no note.

    Raises:
        InputError: no such folder, or a note that is damaged.
    """
    if not pictures.is_dir():
        raise InputError(f"{pictures}: no such folder")
    found = {}
    for note in sorted(pictures.rglob(NOTE)):
        plain = read_json(note)
        try:
            found[str(plain["key"])] = float(plain["to"])
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{note}: not a note of a track: {error!r}") from error
    return found
