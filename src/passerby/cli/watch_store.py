"""Tracklets on their way into the gallery: crops as pictures, a description, an entry."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from passerby.cli.watch_events import event_of
from passerby.embedding.embedder import Embedder
from passerby.files import write_text
from passerby.gallery.filters import Filter
from passerby.gallery.gallery import Gallery
from passerby.gallery.new_rows import NewEntries
from passerby.gallery.tracklet_ends import NOTE
from passerby.video.crop_folder import write_jpeg
from passerby.video.embeddings import mean_embedding
from passerby.video.tracklets import Tracklet

_AT_ONCE = 1000
"""Entries that are looked up together."""


@dataclass
class Store:
    """Puts tracklets into a gallery and their crops into a folder; adding one again is harmless."""

    gallery: Gallery
    """Where entries go."""
    model: Embedder
    """Makes their embeddings."""
    pictures: Path
    """The folder of the crops: what `passerby serve --pictures` is given."""
    keep: float | None = None
    """Seconds after which entries expire; None: never."""
    link: str | None = None
    """Address of the server that shows the gallery."""
    tell: Callable[[dict[str, Any]], None] = lambda event: None
    """Told of each tracklet once it is stored."""
    added: int = field(default=0, init=False)
    """Tracklets that were not there before."""

    def put(self, camera: str, name: str, start: float | None, tracklet: Tracklet) -> None:
        """Stores a tracklet; what is told is told afterwards.

        Args:
            camera: name of the camera.
            name: of the video, where times are not known.
            start: time of the video's first frame, seconds since 1970; None: not known.
            tracklet: what to store.

        Raises:
            OSError: from the operating system, e.g. when the disk is full; to be stored again.
        """
        key = key_of(camera, name, start, tracklet)
        begin, end = ((start or 0.0) + seconds for seconds in (tracklet.start, tracklet.end))
        expires = None if self.keep is None else time.time() + self.keep
        best = f"{key}/{tracklet.crops.index(tracklet.best)}.jpg"
        folder = self.pictures / key
        for number, crop in enumerate(tracklet.crops):
            write_jpeg(folder / f"{number}.jpg", crop.image)
        write_text(
            folder / NOTE, json.dumps(described(camera, key, begin, end, tracklet), indent=1) + "\n"
        )
        (folder / NOTE).chmod(0o600)
        found = self.gallery.add(
            mean_embedding(self.model, tracklet)[np.newaxis],
            NewEntries(
                keys=[key],
                file_names=[best],
                cameras=[camera],
                timestamps=[None if start is None else begin],
                track_ids=[key],
                expires=[expires],
            ),
        )
        self.added += found.added
        if found.added:
            self.tell(event_of(camera, key, begin, end, start is not None, self.link))

    def forget(self) -> int:
        """Removes what has expired, and the crops of entries that are gone; returns how many went.

        Crops of entries that somebody removed from the gallery go, too.
        """
        if not self.gallery.exists:
            return 0
        self.gallery.expire(most=1)  # nobody is there to be asked
        notes = list(self.pictures.rglob(NOTE))
        gone = 0
        for first in range(0, len(notes), _AT_ONCE):
            keys = {
                note.parent.relative_to(self.pictures).as_posix(): note.parent
                for note in notes[first : first + _AT_ONCE]
            }
            there = {entry.key for entry in self.gallery.entries(Filter(keys=list(keys)))}
            for key, folder in keys.items():
                if key not in there:
                    shutil.rmtree(folder, ignore_errors=True)
                    gone += 1
        return gone


def key_of(camera: str, name: str, start: float | None, tracklet: Tracklet) -> str:
    """The entry's key, and the folder of its crops: `entrance/20261121/080312.480-00017`."""
    if start is None:
        return f"{camera}/{name}/{tracklet.track:05d}"
    begin = datetime.fromtimestamp(start + tracklet.start, UTC)
    milliseconds = begin.microsecond // 1000
    return f"{camera}/{begin:%Y%m%d}/{begin:%H%M%S}.{milliseconds:03d}-{tracklet.track:05d}"


def described(camera: str, key: str, begin: float, end: float, tracklet: Tracklet) -> Any:
    """What is known of a tracklet, as plain values."""
    return {
        "key": key, "camera": camera, "from": round(begin, 3), "to": round(end, 3),
        "frames": tracklet.frames,
        "crops": [
            {"file": f"{number}.jpg", "time": round(begin + crop.seconds - tracklet.start, 3),
             "frame": crop.frame, "box": crop.box, "quality": round(crop.quality, 4)}
            for number, crop in enumerate(tracklet.crops)
        ],
    }  # fmt: skip
