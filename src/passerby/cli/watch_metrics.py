"""Counts of `passerby watch`, as Prometheus reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from passerby.types import InputError

if TYPE_CHECKING:
    from passerby.cli.watch_cameras import Watched

COUNTS = {
    "frames": "Frames that were looked at",
    "people": "Boxes of people in them",
    "tracklets": "Tracklets that were stored",
    "too_short": "Tracklets that were too short",
    "dropped": "Frames that were dropped because the machine was too slow",
    "broken": "Packets that could not be decoded",
    "reconnects": "Attempts to open the source again",
}
GAUGES = {
    "open": "People who are followed now",
    "seconds": "Seconds of a file that lie behind",
    "delay_seconds": "Seconds from a frame to the end of its work",
    "connected": "Whether a live source sends frames",
}


class Collected:
    """Asks the cameras when Prometheus asks."""

    def __init__(self, cameras: Sequence[Watched]) -> None:
        self.cameras = cameras

    def collect(self) -> Iterator[Any]:
        """The metrics, as `prometheus_client` takes them."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        values = {one.source.camera: numbers(one) for one in self.cameras}
        for kind, names in ((CounterMetricFamily, COUNTS), (GaugeMetricFamily, GAUGES)):
            for name, text in names.items():
                family = kind(f"passerby_watch_{name}", text, labels=["camera"])
                for camera, found in values.items():
                    if name in found:
                        family.add_metric([camera], found[name])
                yield family


def numbers(one: Watched) -> dict[str, float]:
    """All that is counted of a camera."""
    collector = one.follower.collector
    return {
        "frames": one.counts.frames,
        "people": one.counts.people,
        "tracklets": one.counts.tracklets,
        "too_short": collector.too_short,
        "open": collector.open,
        **one.numbers,
    }


def serve_metrics(address: str, cameras: Sequence[Watched]) -> Any:
    """Serves `/metrics` from a thread; returns the server.

    Raises:
        InputError: prometheus-client is missing, or the address is none that can be listened on.
    """
    try:
        from prometheus_client import CollectorRegistry, start_http_server
    except ImportError as error:
        raise InputError(f"--metrics needs pip install 'passerby[serve]' ({error})") from None
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise InputError(f"--metrics takes host:port, like 127.0.0.1:9464: given {address!r}")
    registry = CollectorRegistry()
    registry.register(Collected(cameras))
    try:
        server, _ = start_http_server(int(port), host, registry)
    except (OSError, OverflowError) as error:
        raise InputError(f"--metrics {address}: cannot listen there: {error}") from None
    return server
