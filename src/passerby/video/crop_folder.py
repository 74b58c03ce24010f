"""Tracklets as a folder of crops with a manifest: people to look through, to label, to train on."""

from __future__ import annotations

import csv
import io
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from passerby.files import atomic, write_text
from passerby.types import InputError
from passerby.video.tracklets import Tracklet

MANIFEST = "manifest.csv"
COLUMNS = (
    "file_name", "person_id", "camera_id", "timestamp", "split", "track_id",
    "frame", "seconds", "frame_x", "frame_y", "frame_width", "frame_height", "quality",
)  # fmt: skip
"""Of the manifest: the first six as every manifest has them, then where a crop comes from."""
_QUALITY = 95


def check_camera(name: str) -> str:
    """A camera's name, if it can be part of a file's name.

    Raises:
        InputError: it is empty or has other characters than letters, digits, `-` and `.`.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]{0,63}", name):
        raise InputError(
            "a camera's name must be up to 64 letters, digits, - and . that begin with a letter or "
            f"digit: given {name!r}"
        )
    return name


def write_jpeg(file: Path, image: NDArray[np.uint8]) -> None:
    """Writes a crop, whole or not at all, readable by its owner alone.

    Raises:
        OSError: from the operating system, e.g. when the disk is full.
    """
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=_QUALITY)
    with atomic(file) as temporary:
        temporary.write_bytes(buffer.getvalue())
    file.chmod(0o600)


@dataclass
class CropFolder:
    """A folder that appears when it is finished: `<camera>-<track>/<camera>_<frame>.jpg`.

    Until then crops lie in a hidden folder beside it, which a later start clears.

    Raises:
        InputError: something is there already.
    """

    folder: Path
    """The folder to make."""
    camera: str
    """Name of the camera."""
    start: float | None
    """Time of the first frame, seconds since 1970; None: not known."""

    def __post_init__(self) -> None:
        if self.folder.exists() and (not self.folder.is_dir() or any(self.folder.iterdir())):
            raise InputError(f"{self.folder} already exists: choose a new folder for the crops")
        self._hidden = self.folder.absolute().with_name(f".{self.folder.name}.unfinished")
        shutil.rmtree(self._hidden, ignore_errors=True)
        self._hidden.mkdir(parents=True, mode=0o700)
        self._rows: list[dict[str, Any]] = []

    def add(self, tracklet: Tracklet) -> None:
        """Writes the crops of a tracklet."""
        track = f"{self.camera}-{tracklet.track:05d}"
        (self._hidden / track).mkdir()
        for crop in tracklet.crops:
            name = f"{track}/{self.camera}_{crop.frame:06d}.jpg"
            write_jpeg(self._hidden / name, crop.image)
            x, y, width, height = crop.box
            self._rows.append(
                {
                    "file_name": name, "person_id": "", "camera_id": self.camera,
                    "timestamp": "" if self.start is None else f"{self.start + crop.seconds:.3f}",
                    "split": "gallery", "track_id": track, "frame": crop.frame,
                    "seconds": f"{crop.seconds:.3f}", "frame_x": x, "frame_y": y,
                    "frame_width": width, "frame_height": height,
                    "quality": f"{crop.quality:.3f}",
                }
            )  # fmt: skip

    def finish(self) -> int:
        """Writes the manifest and shows the folder; returns how many crops it has."""
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self._rows)
        write_text(self._hidden / MANIFEST, text.getvalue())
        if self.folder.exists():
            self.folder.rmdir()
        self._hidden.rename(self.folder)
        return len(self._rows)

    def discard(self) -> None:
        """Removes what is not finished."""
        shutil.rmtree(self._hidden, ignore_errors=True)
