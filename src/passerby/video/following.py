"""Detect, track, collect: the steps that each frame goes through."""

from __future__ import annotations

from dataclasses import dataclass, field

from passerby.video.boxes import Detector
from passerby.video.frames import Frame
from passerby.video.joining import JoinSettings
from passerby.video.tracker import Tracker, TrackerSettings
from passerby.video.tracklets import Collector, Tracklet, TrackletSettings


@dataclass(frozen=True)
class FollowSettings:
    """How people are followed."""

    tracker: TrackerSettings = field(default_factory=TrackerSettings)
    """How boxes become tracks."""
    tracklet: TrackletSettings = field(default_factory=TrackletSettings)
    """What is kept of a track."""
    join: JoinSettings = field(default_factory=JoinSettings)
    """Which tracks are one person's."""


class Follower:
    """Turns the frames of one camera into tracklets.

    Args:
        detector: finds the people of a frame.
        settings: tracker and tracklets.
        rate: frames/s, about.

    Raises:
        InputError: the library of trackers is missing.
    """

    def __init__(
        self, detector: Detector, settings: FollowSettings | None = None, rate: float = 25.0
    ) -> None:
        settings = settings or FollowSettings()
        self.detector = detector
        self.tracker = Tracker(settings.tracker, rate)
        # A little longer than the tracker waits: it counts in frames.
        patience = 1.2 * settings.tracker.patience + 2 / rate
        self.collector = Collector(settings.tracklet, patience, settings.join)
        self.people = 0
        """In the last frame."""

    def step(self, frame: Frame) -> list[Tracklet]:
        """The next frame; returns the tracklets that have ended."""
        boxes = self.detector.detect(frame)
        tracks = self.tracker.update(boxes, frame.seconds)
        self.people = len(boxes)
        return self.collector.add(frame, boxes, tracks)

    @property
    def resting(self) -> bool:
        """Whether nobody is followed, nor may be: what comes next does not depend on the past."""
        return self.people == 0 and self.collector.open == 0

    def close(self) -> list[Tracklet]:
        """Ends the tracklets that go on, and forgets the tracks."""
        self.tracker.reset()
        return self.collector.close()
