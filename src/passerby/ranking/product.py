"""Matrix products in float32 by the fastest routine at hand, and the threads that run them."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

import torch
from torch import Tensor

Job = TypeVar("Job")

_LEAST_GAIN = 1.3
_PROCESSOR = torch.device("cpu")


@cache
def has_fast_linear() -> bool:
    """Whether oneDNN is there and clearly faster than `torch.mm`: measured once, in milliseconds.

    On AMD processors torch's own float32 product leaves half of the machine unused.
    """
    random = torch.Generator().manual_seed(0)
    left = torch.randn(128, 512, generator=random)
    right = torch.randn(512, 512, generator=random)
    bias = torch.zeros(512)
    try:
        packed = torch.ops.mkldnn._reorder_linear_weight(right, len(left))
        fast = torch.ops.mkldnn._linear_pointwise(left, packed, bias, "none", [], "")
        plain = torch.addmm(bias, left, right.T)
        if not torch.allclose(fast, plain, rtol=0, atol=1e-3):
            return False
        seconds = [
            min(_seconds(product) for _ in range(5))
            for product in (
                lambda: torch.ops.mkldnn._linear_pointwise(left, packed, bias, "none", [], ""),
                lambda: torch.addmm(bias, left, right.T),
            )
        ]
    except (AttributeError, RuntimeError):  # another build of torch, without oneDNN or its names
        return False
    return seconds[1] > _LEAST_GAIN * seconds[0]


def _seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


class RightSide:
    """The right side of a product, made ready for many left sides.

    Args:
        weight: (n, D) float32, contiguous.
        bias: (n,) float32, added to every row of the product.
        lefts: how many left sides there will be: from two on it pays to bring the right side into
            oneDNN's order once.
        rows: of a left side.
    """

    def __init__(self, weight: Tensor, bias: Tensor, lefts: int, rows: int) -> None:
        self._weight, self._bias = weight, bias
        self._fast = weight.device.type == "cpu" and has_fast_linear()
        if self._fast and lefts > 1:
            self._weight = torch.ops.mkldnn._reorder_linear_weight(weight, rows)

    def times(self, left: Tensor) -> Tensor:
        """(m, D) float32, contiguous, to (m, n): left @ weight.T + bias."""
        if self._fast:
            product: Tensor = torch.ops.mkldnn._linear_pointwise(
                left, self._weight, self._bias, "none", [], ""
            )
            return product
        return torch.addmm(self._bias, left, self._weight.T)


@contextmanager
def full_precision() -> Iterator[None]:
    """Products and sums in true float32 inside, whatever the program around has chosen."""
    # Half precision, bfloat16 or TF32 products would keep three digits of a distance.
    kept = torch.get_float32_matmul_precision()
    if kept != "highest":
        torch.set_float32_matmul_precision("highest")
    try:
        with (
            torch.no_grad(),
            torch.autocast("cpu", enabled=False),
            torch.autocast("cuda", enabled=False),
        ):
            yield
    finally:
        if kept != "highest":
            torch.set_float32_matmul_precision(kept)


def worker_count() -> int:
    """How many threads `in_parallel` uses: as many as torch does."""
    has_openmp: bool = torch.backends.openmp.is_available()  # type: ignore[no-untyped-call]
    return torch.get_num_threads() if has_openmp else 1


def in_parallel(
    jobs: Sequence[Job], work: Callable[[int, Job], None], device: torch.device = _PROCESSOR
) -> None:
    """Calls `work(worker, job)` for every job, `worker_count()` at a time, jobs in their order.

    Inside, torch works on one thread: many small products that each run on one core, with what
    follows on the same core, leave no core waiting, unlike one product that is spread over all.

    Args:
        jobs: what there is to do.
        work: given the number of its thread, 0 ... worker_count() - 1, and a job.
        device: where the work is done; on another than a processor, one job after another.

    Raises:
        Exception: the first one that `work` raised; jobs not yet begun are left out.
    """
    workers = worker_count()
    queue, lock, failed = iter(jobs), threading.Lock(), threading.Event()

    def run(worker: int) -> None:
        try:
            for job in _shared(queue, lock, failed):
                work(worker, job)
        except BaseException:
            failed.set()
            raise

    if workers == 1 or len(jobs) == 1 or device.type != "cpu":
        with full_precision():
            run(0)
        return

    def run_alone(worker: int) -> None:
        with torch.no_grad():
            run(worker)

    has_fast_linear()
    with full_precision():
        pool = _threads(workers)
        futures = [pool.submit(run_alone, worker) for worker in range(workers)]
        wait(futures)
    for future in futures:
        future.result()


def _threads(count: int) -> ThreadPoolExecutor:
    """Threads of this thread's own, which stay; on each of them torch works alone."""
    # A process that was forked has none of the threads of the one that it was forked from.
    wanted = (os.getpid(), count)
    if getattr(_OWN, "kind", None) != wanted:
        ready = threading.Barrier(count + 1)

        def enter() -> None:
            torch.set_num_threads(1)
            ready.wait()

        _OWN.pool, _OWN.kind = ThreadPoolExecutor(count, "passerby-ranking", enter), wanted
        for _ in range(count):
            _OWN.pool.submit(int)
        ready.wait()
        # The number is kept by thread; the call also sets it for threads that begin later.
        torch.set_num_threads(count)
    pool: ThreadPoolExecutor = _OWN.pool
    return pool


def _shared(queue: Iterator[Job], lock: threading.Lock, stop: threading.Event) -> Iterator[Job]:
    while not stop.is_set():
        with lock:
            job = next(queue, _END)
        if job is _END:
            return
        yield job


_END: Any = object()
_OWN = threading.local()
