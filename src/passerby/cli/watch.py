"""`passerby watch PLACE --camera NAME --gallery GALLERY --model RUN`."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from passerby.cli.cue_options import NetworkOptions, with_networks
from passerby.cli.gallery_options import (
    ModelOptions,
    Place,
    age_of,
    load_model,
    open_gallery,
    seconds_of,
)
from passerby.cli.options import named, parse_options
from passerby.cli.video_options import BoxOptions, TrackOptions, follower_of
from passerby.cli.video_progress import VideoProgress
from passerby.cli.watch_events import Webhook, read_secret
from passerby.cli.watch_mqtt import Mqtt, read_login
from passerby.terminal import say, show, terminal
from passerby.training.interrupt import StopRequest
from passerby.types import InputError
from passerby.video.crop_folder import check_camera
from passerby.video.frames import open_video
from passerby.video.live import Live
from passerby.video.resting import settings_digest

if TYPE_CHECKING:
    from passerby.cli.watch_cameras import Source, Watched
    from passerby.cli.watch_store import Store

FORGET_EVERY, IDLE = 3600.0, 0.005
"""Seconds between looks at what has expired, and of a short sleep."""


@dataclass(frozen=True)
class TellOptions:
    """Who is told of finished tracklets: standard output always, a line of JSON each."""

    webhook: str | None = None
    """Send each event to this address by POST, signed."""
    webhook_secret: Path | None = None
    """File with the secret for signing."""
    mqtt: str | None = None
    """Publish each event to this broker, mqtt://host[:port][/topic] or mqtts://..., under
    topic/camera. The topic is passerby if not given."""
    mqtt_login: Path | None = None
    """File with name:password for the broker."""
    link: str | None = None
    """Address of the server that shows the gallery; events then carry a link to the picture, which
    requires a token."""
    metrics: str | None = None
    """Serve counters for Prometheus on this host:port, e.g. 127.0.0.1:9464."""


@dataclass(frozen=True)
class Options:
    """Watch cameras: each person's way through a view becomes an entry of the gallery."""

    gallery: str
    """The gallery: a folder, or http://host:port[/name] of a Milvus server."""
    model: Annotated[ModelOptions, tyro.conf.arg(name="")]
    """Makes embeddings."""
    place: Annotated[tyro.conf.Positional[str | None], named("[VIDEO]")] = None
    """A video file, a folder of frames, an address (rtsp://...), or a device (/dev/video0)."""
    camera: str | None = None
    """Name of the camera."""
    cameras: Path | None = None
    """YAML file of several cameras, in place of VIDEO and --camera; see docs/video.md."""
    start: str | None = None
    """Time of a file's first frame: 2026-11-21T08:00 (UTC unless it names a zone), or seconds since
    1970. If not given, entries have no times."""
    pictures: Path | None = None
    """Folder for the crops, for `passerby serve --pictures`. If not given, GALLERY.pictures."""
    keep: str | None = None
    """Time until entries and their crops expire, e.g. 30d or 12h. If not given, they never
    expire."""
    token_file: Path | None = None
    """File with the user:password or API key of the Milvus server."""
    audit: Path | None = None
    """Audit log. If not given, audit.jsonl in the gallery's folder; none on a Milvus server."""
    who: str | None = None
    """Name that the audit log records. If not given, your user name."""
    networks: Annotated[NetworkOptions, tyro.conf.arg(name="")] = field(
        default_factory=NetworkOptions
    )
    """Compute masks and joints."""
    boxes: Annotated[BoxOptions, tyro.conf.arg(name="")] = field(default_factory=BoxOptions)
    """Where boxes come from."""
    tracks: Annotated[TrackOptions, tyro.conf.arg(name="")] = field(default_factory=TrackOptions)
    """How boxes become tracks."""
    tell: Annotated[TellOptions, tyro.conf.arg(name="")] = field(default_factory=TellOptions)
    """Who is told."""


def run(arguments: list[str]) -> None:
    """Runs the command."""
    options: Options = parse_options(Options, arguments, "passerby watch")
    with ExitStack() as stack:
        # From here on: what is asked to stop while it loads stops in good order, too.
        stop = stack.enter_context(StopRequest())
        cameras = _watch(options, stack, stop)
    for one in cameras:
        _conclude(one)


def _watch(options: Options, stack: ExitStack, stop: StopRequest) -> list[Watched]:
    from passerby.cli.watch_store import Store

    sources = sources_of(options)
    keep = None if options.keep is None else age_of(options.keep)
    model = with_networks(load_model(options.model), options.networks)
    place = Place(options.gallery, options.token_file, options.audit, options.who)
    tell = stack.enter_context(_telling(options.tell))
    gallery = stack.enter_context(open_gallery(place, model))
    store = Store(gallery, model, _pictures(options), keep, options.tell.link, tell)
    for source in sources:
        stack.enter_context(_alone(store.pictures / source.camera))
    cameras = [_watched(source, options, store) for source in sources]
    if options.tell.metrics is not None:
        stack.enter_context(_served(options.tell.metrics, cameras))
    store.forget()
    progress = VideoProgress(lambda: [one.standing for one in cameras], terminal(errors=True))
    _follow(cameras, store, stop, stack.enter_context(progress))
    return cameras


def sources_of(options: Options) -> list[Source]:
    """The cameras that the options name.

    Raises:
        InputError: none, or both a place and a file of cameras; boxes of one for several.
    """
    from passerby.cli.watch_cameras import Source, read_cameras

    if (options.place is None) == (options.cameras is None):
        raise InputError("give a PLACE and its --camera, or --cameras FILE for several")
    if options.cameras is not None:
        if options.camera is not None or options.start is not None:
            raise InputError("--camera and --start need a PLACE: the file of --cameras has its own")
        sources = read_cameras(options.cameras)
        if options.boxes.boxes is not None:
            raise InputError("--boxes needs a PLACE: the file of --cameras has its own")
        return sources
    assert options.place is not None
    if options.camera is None:
        raise InputError("a PLACE needs the name of its --camera")
    start = None if options.start is None else seconds_of(options.start)
    return [Source(check_camera(options.camera), options.place, start, options.boxes.boxes)]


def _pictures(options: Options) -> Path:
    if options.pictures is not None:
        return options.pictures
    if "://" in options.gallery:
        raise InputError("a gallery on a server needs a folder for --pictures")
    return Path(options.gallery).with_suffix(".pictures")


def _watched(source: Source, options: Options, store: Store) -> Watched:
    from passerby.cli.watch_cameras import Channel, Recording

    video = open_video(source.place)
    boxes = replace(options.boxes, boxes=source.boxes)
    follower = follower_of(boxes, options.tracks, video.rate, options.model.device)
    if video.live:
        if source.start is not None:
            raise InputError(
                f"{source.camera} is live and knows the time: --start is for files only"
            )
        return Channel(source, Live(video, options.tracks.fps), follower, store)
    settings = settings_digest(boxes, options.tracks)
    return Recording(source, video, follower, store, settings, options.tracks.fps)


def _follow(
    cameras: Sequence[Watched], store: Store, stop: StopRequest, progress: VideoProgress
) -> None:
    """Goes round until all are over or somebody asks to stop; what is open is then stored."""
    forgot = time.monotonic()
    while not stop.asked and not all(one.over for one in cameras):
        if not any([one.step() for one in cameras]):
            time.sleep(IDLE)
        progress.tick()
        if time.monotonic() - forgot >= FORGET_EVERY:
            store.forget()
            forgot = time.monotonic()
    for one in cameras:
        one.close()


def _conclude(one: Watched) -> None:
    numbers = {name: value for name, value in one.numbers.items() if value and name != "seconds"}
    more = "".join(f"   {name.replace('_', ' ')}: {value:g}" for name, value in numbers.items())
    say(
        terminal(errors=True),
        f"{one.source.camera}: {one.counts.frames:,} frames, {one.counts.tracklets:,} tracks{more}",
    )


@contextmanager
def _telling(options: TellOptions) -> Iterator[Any]:
    """What is called with each event."""
    if (options.webhook is None) != (options.webhook_secret is None):
        raise InputError("--webhook and --webhook-secret must be given together")
    if options.mqtt is None and options.mqtt_login is not None:
        raise InputError("--mqtt-login needs --mqtt")
    told: dict[str, Webhook | Mqtt] = {}

    def tell(event: dict[str, Any]) -> None:
        show(json.dumps(event))
        for one in told.values():
            one.tell(event)

    try:
        if options.webhook is not None and options.webhook_secret is not None:
            told["the webhook"] = Webhook(options.webhook, read_secret(options.webhook_secret))
        if options.mqtt is not None:
            login = None if options.mqtt_login is None else read_login(options.mqtt_login)
            told["the broker"] = Mqtt(options.mqtt, login)
        yield tell
    finally:
        for name, one in told.items():
            one.close()
            if one.lost:
                say(terminal(errors=True), f"events not delivered to {name}: {one.lost:,}")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process watches a camera at a time."""
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with FileLock(folder / ".lock", timeout=0, mode=0o600):
            yield
    except Timeout:
        raise InputError(f"{folder}: another process watches this camera") from None


@contextmanager
def _served(address: str, cameras: Sequence[Watched]) -> Iterator[None]:
    """Counters for Prometheus while it lasts."""
    from passerby.cli.watch_metrics import serve_metrics

    server = serve_metrics(address, cameras)
    try:
        yield
    finally:
        server.shutdown()
