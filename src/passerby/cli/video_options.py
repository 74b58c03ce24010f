"""Options of `passerby crops` and `passerby watch`: boxes, tracks, tracklets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from passerby.types import InputError
from passerby.video.boxes import BoxFile, Detector
from passerby.video.following import Follower, FollowSettings
from passerby.video.joining import JoinSettings
from passerby.video.named_detectors import NAMED, fetched
from passerby.video.onnx_detector import OnnxDetector
from passerby.video.tracker import TrackerSettings
from passerby.video.tracklets import TrackletSettings


@dataclass(frozen=True)
class BoxOptions:
    """Where boxes of people come from: one of the two."""

    detector: Path | None = None
    """A detection network, FILE.onnx, described by FILE.onnx.json beside it; or yolox-tiny or
    yolox-nano, downloaded once from its authors' release."""
    boxes: str | None = None
    """File with the boxes of a detector of your own, in MOTChallenge's format; - for standard
    input."""


@dataclass(frozen=True)
class TrackOptions:
    """How boxes become tracks, and tracks crops."""

    fps: float | None = None
    """Use at most this many frames per second. If not given, all."""
    tracker: Literal["bytetrack", "ocsort", "botsort"] = "bytetrack"
    """ByteTrack, OC-SORT or BoT-SORT."""
    patience: float = 1.0
    """Seconds that a track waits for a person who is out of sight."""
    confident: float = 0.5
    """Lowest score of a box that can start a track."""
    gap: float = 2.0
    """Seconds that a person may be out of sight and keep the track, if the path connects; 0:
    never."""
    crops: int = 4
    """Maximum number of crops kept of each track."""
    shortest: float = 0.5
    """Leave out tracks shorter than this, in seconds."""
    longest: float = 300.0
    """End a track after this many seconds and start the next, even if the person stays."""


def detector_of(options: BoxOptions, device: str) -> Detector:
    """The detector that the options name.

    Raises:
        InputError: none or two of them; as the detector itself.
    """
    if (options.detector is None) == (options.boxes is None):
        raise InputError(
            "give either --detector FILE.onnx (or --detector yolox-tiny) or --boxes FILE"
        )
    if options.detector is not None:
        name = str(options.detector)
        if name in NAMED and not options.detector.exists():
            return OnnxDetector(fetched(name), NAMED[name].settings, device)
        return OnnxDetector(options.detector, device=device)
    assert options.boxes is not None
    return BoxFile(options.boxes)


def follower_of(
    boxes: BoxOptions, tracks: TrackOptions, rate: float, device: str = "cpu"
) -> Follower:
    """What follows the people of one video.

    Args:
        boxes: where boxes come from.
        tracks: how they become tracks.
        rate: frames/s of the video, about.
        device: where a detection network computes.

    Raises:
        InputError: as `detector_of`; settings out of their range.
    """
    if tracks.fps is not None and not 0 < tracks.fps < float("inf"):
        raise InputError(f"frames/s must be above 0: given {tracks.fps:g}")
    settings = FollowSettings(
        TrackerSettings(tracks.tracker, tracks.patience, tracks.confident),
        TrackletSettings(tracks.crops, tracks.shortest, tracks.longest),
        JoinSettings(tracks.gap),
    )
    return Follower(detector_of(boxes, device), settings, min(tracks.fps or rate, rate))
