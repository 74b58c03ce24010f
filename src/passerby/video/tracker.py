"""Who is who from frame to frame: the trackers of the library `trackers` on boxes and times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from passerby.types import InputError
from passerby.video.boxes import Boxes


@dataclass(frozen=True)
class TrackerSettings:
    """How boxes become tracks."""

    by: Literal["bytetrack", "ocsort", "botsort"] = "bytetrack"
    """ByteTrack (Zhang et al. 2022), OC-SORT (Cao et al. 2023) or BoT-SORT (Aharon et al. 2022,
    without motion of the camera)."""
    patience: float = 1.0
    """Seconds that a track waits for a person who is out of sight."""
    confident: float = 0.5
    """Score from which on a box starts a track, and is matched first."""
    confirm: int = 2
    """Frames in a row that make a track: a box that nobody confirms is none."""

    def __post_init__(self) -> None:
        if not 0 < self.patience < float("inf") or self.confirm < 1:
            raise InputError(
                "a tracker's patience must be above 0 and confirm at least 1: given "
                f"{self.patience:g} and {self.confirm}"
            )
        if not 0 < self.confident < 1:
            raise InputError(f"confident must be between 0 and 1: given {self.confident:g}")


class Tracker:
    """Gives boxes the numbers of their tracks; frames come in order, at any rate.

    Args:
        settings: which tracker, and its patience.
        rate: frames/s, about.

    Raises:
        InputError: the library is missing.
    """

    def __init__(self, settings: TrackerSettings, rate: float = 25.0) -> None:
        self.settings = settings
        self._tracker = _made(settings, rate)

    def update(self, boxes: Boxes, seconds: float) -> NDArray[np.int64]:
        """The next frame.

        Args:
            boxes: N of its people.
            seconds: its time, later than that of the frame before.

        Returns:
            (N,) numbers of tracks; -1: of none (yet).
        """
        import supervision

        found = self._tracker.update(
            supervision.Detections(
                xyxy=boxes.corners.astype(np.float64),
                confidence=boxes.scores,
                data={"place": np.arange(len(boxes))},
            ),
            timestamp=seconds,
        )
        tracks = np.full(len(boxes), -1, np.int64)
        if len(found):
            tracks[found.data["place"].astype(np.int64)] = found.tracker_id
        return tracks

    def reset(self) -> None:
        """Forgets all tracks; numbers start again."""
        self._tracker.reset()


def _made(settings: TrackerSettings, rate: float) -> Any:
    try:
        import trackers
    except ImportError as error:
        if ".so" in str(error):
            raise InputError(
                f"OpenCV, which tracks need, lacks a library of the system: {error}: install it "
                "(Debian: apt-get install libgl1 libglib2.0-0), or opencv-python-headless in place "
                "of opencv-python"
            ) from None
        raise InputError(
            f"tracks need the library trackers: pip install 'passerby[video]' ({error})"
        ) from None
    # The library counts the frames of 30 in a second.
    common: dict[str, Any] = {
        "lost_track_buffer": max(round(settings.patience * 30), 1),
        "frame_rate": rate,
        "minimum_consecutive_frames": settings.confirm,
        "high_conf_det_threshold": settings.confident,
    }
    if settings.by == "ocsort":
        return trackers.OCSORTTracker(**common)
    common["track_activation_threshold"] = settings.confident
    if settings.by == "botsort":
        return trackers.BoTSORTTracker(**common, enable_cmc=False)
    return trackers.ByteTrackTracker(**common)
