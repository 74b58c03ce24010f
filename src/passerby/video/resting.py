"""Where a video can be taken up again: moments at which nobody is followed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from passerby.files import write_text
from passerby.types import InputError

FORMAT = 1


@dataclass(frozen=True)
class Rest:
    """A frame after which everything that was followed is finished and kept."""

    seconds: float = -1.0
    """Its time; before the first frame: -1."""
    number: int = -1
    """Its number."""
    tracklets: int = 0
    """Numbers of tracklets that were given until then."""
    steady: bool = True
    """Whether the video's own times never jumped: then it can be sought in."""
    done: bool = False
    """Whether it is the video's last frame."""


def settings_digest(*parts: object) -> str:
    """Stands for all that decides on tracklets."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def read_rest(file: Path, place: str, settings: str) -> Rest:
    """Where this video was left; its beginning, where it was not begun or another one is finished.

    Raises:
        InputError: another video, or this one with other settings, was left in the middle; the file
            is damaged.
    """
    if not file.is_file():
        return Rest()
    try:
        plain = json.loads(file.read_text(encoding="utf-8"))
        held = (plain["format"], plain["place"], plain["settings"])
        rest = Rest(**plain["rest"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{file}: damaged ({error}): remove it to start over") from None
    if held == (FORMAT, place, settings):
        return rest
    if rest.done:
        return Rest()
    what = "another video" if held[1] != place else "this video with other settings"
    raise InputError(
        f"{file}: this camera was interrupted in the middle of {what}: finish that first, or "
        "remove the "
        "file to start over"
    )


def write_rest(file: Path, place: str, settings: str, rest: Rest) -> None:
    """Writes it, whole or not at all.

    Raises:
        OSError: from the operating system, e.g. when the disk is full.
    """
    plain = {"format": FORMAT, "place": place, "settings": settings, "rest": asdict(rest)}
    write_text(file, json.dumps(plain) + "\n")
