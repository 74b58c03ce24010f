"""Limits that are counted: requests a second of a client, and what is computed at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import TypeVar

from passerby.serving.refusals import Refusal
from passerby.serving.shared import Row, Table

T = TypeVar("T")


class Rates:
    """A bucket of requests for each client, filled again at a steady rate.

    Args:
        rate: requests a second; 0: any.
        burst: size of the bucket.
        clock: seconds that only grow.
        table: holds the buckets, of several processes too; None: one of its own.
    """

    def __init__(
        self,
        rate: float,
        burst: int,
        clock: Callable[[], float] = monotonic,
        table: Table | None = None,
    ) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._buckets = table or Table()

    def take(self, client: str) -> float:
        """Takes one request out; 0, or the seconds to wait where the bucket is empty."""
        if self._rate == 0:
            return 0.0
        with self._buckets.alone():
            now = self._clock()
            kept = self._buckets.get(client)
            left = float(self._burst)
            if kept is not None:
                left = min(left, kept.number + max(0.0, now - kept.time) * self._rate)
            allowed = left >= 1
            self._buckets.put(client, Row(b"", left - allowed, now))
        return 0.0 if allowed else (1 - left) / self._rate


class Work:
    """Computes in few threads; refuses when too many wait.

    Args:
        workers: threads.
        waiting: requests that may wait.
        watch: told how many are computed or wait, whenever it changes.
    """

    def __init__(
        self, workers: int, waiting: int, watch: Callable[[int], object] = lambda _: None
    ) -> None:
        self._watch = watch
        self._most = workers + waiting
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="passerby")
        self.busy = 0
        """Computed or waiting now."""

    def begin(self) -> None:
        """Counts one more.

        Raises:
            Refusal: 503, too many wait.
        """
        if self.busy >= self._most:
            raise Refusal(503, "the server is busy: try again", retry=1)
        self.busy += 1
        self._watch(self.busy)

    def end(self) -> None:
        """Counts one less."""
        self.busy -= 1
        self._watch(self.busy)

    async def __call__(self, function: Callable[[], T]) -> T:
        """What the function returns; it runs to its end even if nobody waits for it any more.

        Raises:
            Refusal: 503, too many wait.
        """
        self.begin()
        loop = asyncio.get_running_loop()
        future = self._pool.submit(function)
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self.end))
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Waits for what is being computed."""
        self._pool.shutdown(wait=True, cancel_futures=False)
