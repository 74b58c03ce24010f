"""Requests that wait together are computed together."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from passerby.serving.limits import Work

Asked = TypeVar("Asked")
Given = TypeVar("Given")

MOST = 64
"""Requests of one batch."""


class Batches(Generic[Asked, Given]):
    """Computes one batch after the other, in a thread of its own.

    Nobody waits for company: a batch begins as soon as the one before has ended, with all that came
    meanwhile. A request alone is computed at once; how long others wait is bounded by the batches
    before them, not by how many requests those hold.

    Args:
        compute: answers requests in their order; an exception among the answers is that request's.
        work: counts who waits.
        most: requests of a batch.
    """

    def __init__(
        self,
        compute: Callable[[Sequence[Asked]], Sequence[Given | Exception]],
        work: Work,
        most: int = MOST,
    ) -> None:
        self._compute = compute
        self._work = work
        self._most = most
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="passerby-batch")
        self._waiting: deque[tuple[Asked, asyncio.Future[Given]]] = deque()
        self._busy = False

    async def __call__(self, asked: Asked) -> Given:
        """The answer to one request; it is computed even if nobody waits for it any more.

        Raises:
            Refusal: 503, too many wait.
            Exception: what `compute` answered or raised.
        """
        self._work.begin()
        answer: asyncio.Future[Given] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, answer))
        self._begin()
        return await answer

    def close(self) -> None:
        """Waits for what is being computed."""
        self._thread.shutdown(wait=True)

    def _begin(self) -> None:
        if self._busy or not self._waiting:
            return
        self._busy = True
        batch = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
        loop = asyncio.get_running_loop()
        done = self._thread.submit(self._answers, [asked for asked, _ in batch])
        done.add_done_callback(
            lambda done: loop.call_soon_threadsafe(self._end, [one for _, one in batch], done)
        )

    def _end(
        self,
        waiting: Sequence[asyncio.Future[Given]],
        done: Future[Sequence[Given | Exception]],
    ) -> None:
        self._busy = False
        # First, so that the thread is at work while these are answered.
        self._begin()
        for answer, given in zip(waiting, done.result(), strict=True):
            self._work.end()
            if answer.cancelled():
                continue
            if isinstance(given, Exception):
                answer.set_exception(given)
            else:
                answer.set_result(given)

    def _answers(self, batch: Sequence[Asked]) -> Sequence[Given | Exception]:
        try:
            return self._compute(batch)
        except Exception as error:
            if len(batch) == 1:
                return [error]
            # What is wrong with one request must not be answered to others.
            return [answer for one in batch for answer in self._answers([one])]
