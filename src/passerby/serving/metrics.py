"""Counts and times of requests, as Prometheus reads them."""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
METHODS = frozenset({"GET", "HEAD", "POST", "DELETE"})


class Metrics:
    """Of one server, in a registry of its own; of several processes of it, where they say so.

    `FOLDER` in the environment, set before anything of Prometheus is imported, names a folder
    where they keep theirs together.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "passerby_requests", "Requests by method, route and status",
            ["method", "route", "status"], registry=self.registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "passerby_request_seconds", "Time from a request's head to its answer", ["route"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
            registry=self.registry,
        )  # fmt: skip
        self.work = Gauge(
            "passerby_work", "Requests that are computed or wait for it", registry=self.registry,
            multiprocess_mode="livesum",
        )  # fmt: skip
        self.searches = Counter("passerby_searches", "Searches", ["match"], registry=self.registry)
        self.added = Counter("passerby_added_entries", "Entries added", registry=self.registry)
        self.removed = Counter(
            "passerby_removed_entries", "Entries removed", registry=self.registry
        )

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Counts one request."""
        name = method if method in METHODS else "other"
        self._requests.labels(name, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """In Prometheus' text format."""
        if FOLDER not in os.environ:
            return generate_latest(self.registry)
        every = CollectorRegistry()
        MultiProcessCollector(every)  # type: ignore[no-untyped-call]
        return generate_latest(every)
