"""`passerby crops VIDEO --out FOLDER`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from passerby.cli.gallery_options import seconds_of
from passerby.cli.options import named, parse_options
from passerby.cli.video_options import BoxOptions, TrackOptions, follower_of
from passerby.cli.video_progress import Standing, VideoProgress
from passerby.terminal import show, terminal
from passerby.training.interrupt import StopRequest
from passerby.types import InputError
from passerby.video.crop_folder import CropFolder, check_camera
from passerby.video.frames import open_video, thinned


@dataclass(frozen=True)
class Options:
    """Cut the people out of a video: the best crops of each track, and a manifest of them."""

    video: Annotated[tyro.conf.Positional[str], named("VIDEO")]
    """A video file, a folder of frames, an address (rtsp://...), or a device (/dev/video0). A
    stream is followed until it ends or you press Ctrl-C."""
    out: Path
    """New folder for the crops: one folder for each track, and manifest.csv."""
    camera: str = "camera"
    """Name of the camera."""
    start: str | None = None
    """Time of the first frame: 2026-11-21T08:00 (UTC unless it names a zone), or seconds since
    1970. If not given, the times of the crops count from the start of the video."""
    rate: float | None = None
    """Frames per second of a folder of frames. If not given, 25."""
    device: str = "cpu"
    """Device for the detection network, e.g. cuda."""
    boxes: Annotated[BoxOptions, tyro.conf.arg(name="")] = field(default_factory=BoxOptions)
    """Where boxes come from."""
    tracks: Annotated[TrackOptions, tyro.conf.arg(name="")] = field(default_factory=TrackOptions)
    """How boxes become tracks."""


def run(arguments: list[str]) -> None:
    """Runs the command."""
    options: Options = parse_options(Options, arguments, "passerby crops")
    camera = check_camera(options.camera)
    start = None if options.start is None else seconds_of(options.start)
    video = open_video(options.video, options.rate)
    follower = follower_of(options.boxes, options.tracks, video.rate, options.device)
    folder = CropFolder(options.out, camera, start)
    count = tracklets = 0
    seconds = 0.0

    def standing() -> list[Standing]:
        done = None if video.live else seconds
        return [Standing(camera, count, follower.people, tracklets, done, video.duration)]

    try:
        with StopRequest() as stop, VideoProgress(standing, terminal(errors=True)) as progress:
            for frame in thinned(video.frames(), options.tracks.fps):
                ended = follower.step(frame)
                for tracklet in ended:
                    folder.add(tracklet)
                count, tracklets = count + 1, tracklets + len(ended)
                seconds = frame.seconds
                progress.tick()
                if stop.asked:
                    break
        for tracklet in follower.close():
            folder.add(tracklet)
            tracklets += 1
        if not count:
            raise InputError(f"{options.video}: no frame can be decoded")
        crops = folder.finish()
    except BaseException:
        folder.discard()
        raise
    show(
        f"{count:,} frames, {tracklets:,} tracks, {crops:,} crops: {options.out}"
        + (
            f"   too short: {follower.collector.too_short:,}"
            if follower.collector.too_short
            else ""
        )
        + (f"   broken: {video.broken:,}" if video.broken else "")
    )
