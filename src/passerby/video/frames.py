"""A video as frames with times: files, folders of pictures, streams, webcams.

Frames come upright and in RGB, whatever the codec, the pixel format and the rotation that the file
asks for. Times count from the first frame and always grow: where those of the file jump back (two
recordings in one, a counter that wraps), they go on from there.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from passerby.data.images import is_picture, read_image
from passerby.types import InputError

OPEN_SECONDS, READ_SECONDS = 15.0, 10.0
"""How long a stream may take to answer, and to send something."""
_RATE = 25.0
"""Frames/s where a file says nothing."""


@dataclass(frozen=True)
class Frame:
    """One frame."""

    image: NDArray[np.uint8]
    """(H, W, 3) RGB, upright."""
    number: int
    """From 0, counting every frame of the video."""
    seconds: float
    """Since the first frame; greater than that of the frame before."""


class Video(Protocol):
    """What frames come from."""

    live: bool
    """Whether it goes on without waiting for whoever reads it."""
    duration: float | None
    """Seconds; None: not known."""
    rate: float
    """Frames/s, about."""
    broken: int
    """Packets (or pictures) that could not be decoded so far; they are left out."""
    jumps: int
    """How often its own times jumped back so far."""

    def frames(self, start: float = 0.0, number: int = 0, *, seek: bool = True) -> Iterator[Frame]:
        """The frames from a time on.

        Args:
            start: seconds, as an earlier reading gave them; a live video has only 0.
            number: of the frame at that time.
            seek: go there without decoding what lies before; wrong where times have jumped.
        """


def open_video(place: str | Path, rate: float | None = None) -> Video:
    """What there is at a place; streams are opened when frames are asked for.

    Args:
        place: a video file, a folder of pictures (in the order of their names), a device such as
            `/dev/video0`, or an address such as `rtsp://host/stream`.
        rate: frames/s of a folder; None: 25.

    Raises:
        InputError: PyAV is missing; nothing there, or no video.
    """
    text = str(place)
    if is_address(text):
        return Stream(text)
    path = Path(place)
    if path.is_char_device():
        return Stream(text, "v4l2")
    if path.is_dir():
        return Folder(path, _RATE if rate is None else rate)
    if not path.exists():
        raise InputError(f"{path}: no such file")
    return File(path)


def is_address(place: str) -> bool:
    """Whether a place is an address rather than a path."""
    return "://" in place


def shown(place: str | Path) -> str:
    """A place without the name and password that an address may hold.

    >>> shown("rtsp://admin:secret@10.0.0.7:554/live")
    'rtsp://10.0.0.7:554/live'
    """
    if not is_address(str(place)):
        return str(place)
    parts = urllib.parse.urlsplit(str(place))
    return urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


class Refused(InputError):
    """A stream that wants another name and password."""


class File:
    """A video file.

    Raises:
        InputError: FFmpeg reads no video from it.
    """

    live = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self.broken = self.jumps = 0
        with opened(str(path)) as container:
            stream = video_stream(container, str(path))
            self.duration = _duration(container, stream)
            self.rate = rate_of(stream)

    def frames(self, start: float = 0.0, number: int = 0, *, seek: bool = True) -> Iterator[Frame]:
        """As `Video.frames`; seeks to the key frame before `start`."""
        with opened(str(self.path)) as container:
            stream = video_stream(container, str(self.path))
            clock = Clock(stream)
            # A stream of unknown length has no times to seek by.
            if seek and start > 0 and stream.duration is not None:
                container.seek(round(clock.own(start) / stream.time_base), stream=stream)
            for picture in decoded(container, stream, self):
                seconds = clock.seconds(picture)
                self.jumps = clock.jumps
                if seconds >= start:
                    yield Frame(upright(picture), number, seconds)
                    number += 1


class Folder:
    """A folder of pictures as a video.

    Raises:
        InputError: no picture in it, or a rate of 0 or less.
    """

    live = False

    def __init__(self, path: Path, rate: float) -> None:
        if not 0 < rate < float("inf"):
            raise InputError(f"frames/s of a folder must be above 0: given {rate:g}")
        self.files = sorted(file for file in path.iterdir() if is_picture(file))
        if not self.files:
            raise InputError(f"{path}: contains no pictures")
        self.rate = rate
        self.broken = self.jumps = 0
        self.duration: float | None = len(self.files) / rate

    def frames(self, start: float = 0.0, number: int = 0, *, seek: bool = True) -> Iterator[Frame]:
        """As `Video.frames`; the number follows from the time."""
        first = max(round(start * self.rate), 0)
        for place in range(first, len(self.files)):
            try:
                image = read_image(self.files[place])
            except InputError:
                self.broken += 1
                continue
            yield Frame(image, place, place / self.rate)


class Stream:
    """A stream from the network, or a device: frames as they come.

    The stream is opened by `frames`, which raises an `InputError` where it cannot be opened, and
    ends where the stream does or says nothing for 10 s.
    """

    live = True
    duration: float | None = None
    rate = _RATE

    def __init__(self, place: str, form: str | None = None) -> None:
        self.place = place
        self.form = form
        self.broken = self.jumps = 0

    def frames(self, start: float = 0.0, number: int = 0, *, seek: bool = True) -> Iterator[Frame]:
        """As `Video.frames`."""
        with opened(self.place, self.form) as container:
            stream = video_stream(container, self.place)
            clock = Clock(stream)
            for picture in decoded(container, stream, self):
                yield Frame(upright(picture), number, clock.seconds(picture))
                self.jumps = clock.jumps
                number += 1


def opened(place: str, form: str | None = None) -> Any:
    """PyAV's container.

    Raises:
        InputError: PyAV is missing, or reads nothing.
    """
    try:
        import av
    except ImportError as error:
        raise InputError(f"videos need PyAV: pip install 'passerby[video]' ({error})") from None
    # What FFmpeg would write to standard error is counted, or said in one line.
    av.logging.set_level(None)
    options = {"rtsp_transport": "tcp"} if place.startswith("rtsp") else {}
    timeout = (OPEN_SECONDS, READ_SECONDS) if is_address(place) else None
    try:
        return av.open(place, format=form, options=options, timeout=timeout)
    except av.HTTPUnauthorizedError:
        raise Refused(f"{shown(place)}: refuses this name and password") from None
    except (av.InvalidDataError, av.EOFError):
        raise InputError(f"{shown(place)}: not a video, or one that is cut off") from None
    except (av.FFmpegError, OSError) as error:
        raise InputError(f"{shown(place)}: cannot be opened: {_reason(error)}") from None


def video_stream(container: Any, place: str) -> Any:
    """The container's first video, decoded by several threads.

    Raises:
        InputError: there is none, or none that FFmpeg decodes.
    """
    if not container.streams.video:
        raise InputError(f"{shown(place)}: has no video stream")
    stream = container.streams.video[0]
    if stream.codec_context is None:
        raise InputError(f"{shown(place)}: FFmpeg cannot decode its codec")
    stream.thread_type = "AUTO"
    return stream


def decoded(container: Any, stream: Any, counted: File | Stream) -> Iterator[Any]:
    """PyAV's frames in the order of their times; packets that do not decode are counted."""
    import av

    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except av.FFmpegError:
            # The container itself ends in the middle, or the stream fell silent.
            packet = None
        if packet is None:
            return
        try:
            pictures = packet.decode()
        except av.EOFError:
            return
        except av.FFmpegError:
            counted.broken += 1
            continue
        counted.broken += int(packet.is_corrupt)
        yield from pictures


def upright(picture: Any) -> NDArray[np.uint8]:
    """(H, W, 3) RGB, turned as the file asks for."""
    image: NDArray[np.uint8] = picture.to_ndarray(format="rgb24")
    quarters = round(picture.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, quarters)) if quarters else image


def rate_of(stream: Any) -> float:
    """Frames/s that the stream tells of."""
    rate = stream.average_rate or stream.guessed_rate
    return float(rate) if rate else _RATE


def thinned(
    frames: Iterator[Frame], rate: float | None, after: float | None = None
) -> Iterator[Frame]:
    """At most so many frames/s, evenly; None: all.

    Args:
        frames: all frames.
        rate: frames/s.
        after: time of the frame that was given before; None: none was.
    """
    for frame in frames:
        # From a grid: a rate that does not divide the video's own is met on average.
        if rate is None or after is None or _place(frame.seconds, rate) > _place(after, rate):
            after = frame.seconds
            yield frame


def _place(seconds: float, rate: float) -> int:
    return int(np.floor(seconds * rate + 1e-6))


class Clock:
    """Times of a stream's frames: from 0, always growing."""

    jumps = 0
    """How often the stream's own jumped back."""

    def __init__(self, stream: Any) -> None:
        self._step = 1 / rate_of(stream)
        base = stream.time_base
        known = stream.start_time is not None and base is not None
        self._first = float(stream.start_time * base) if known else None
        self._shift = 0.0
        self._last: float | None = None

    def own(self, seconds: float) -> float:
        """The stream's own time of one of ours."""
        return seconds + (self._first or 0.0)

    def seconds(self, picture: Any) -> float:
        """Of a frame; those without a time follow the one before at the stream's rate."""
        own = picture.time
        if self._first is None:
            self._first = own
        follows = 0.0 if self._last is None else self._last + self._step
        found = follows if own is None else own - (self._first or 0.0) + self._shift
        if self._last is not None and found <= self._last:
            self._shift += follows - found
            self.jumps += 1
            found = follows
        self._last = found
        return found


def _duration(container: Any, stream: Any) -> float | None:
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return None if container.duration is None else container.duration / 1e6


def _reason(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error)
