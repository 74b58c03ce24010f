"""Several processes that answer as one server: on one port, over one gallery."""

from __future__ import annotations

import logging
import os
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from passerby.types import InputError

if TYPE_CHECKING:
    from passerby.serving.server import Certificate
    from passerby.serving.service import Service
    from passerby.serving.settings import Address, Limits
    from passerby.serving.tokens import TokenFile

LOG = logging.getLogger("passerby.serving")

ENDING = 40.0
"""Seconds that a process has to end; what is under way is finished within `server.GRACE`."""


@dataclass(frozen=True)
class Job:
    """What each process does."""

    make: Callable[[], Service]
    """Opens gallery and model, in the process itself; can be pickled."""
    tokens: Path
    """Who may use the server."""
    address: Address
    """Where it listens, by its port."""
    limits: Limits
    """Those of one process."""
    certificate: Certificate | None
    """Speak HTTPS."""
    processes: int
    """How many there are."""
    shared: Path
    """Folder of what they have in common."""


def serve_together(
    make: Callable[[], Service],
    processes: int,
    tokens: TokenFile,
    address: Address,
    limits: Limits,
    certificate: Certificate | None = None,
    ready: Callable[[str], None] | None = None,
) -> None:
    """As `server.serve`, by several processes; one that dies is started anew.

    Sessions, rates and metrics are those of all of them together; other limits are divided.

    Args:
        make: opens gallery and model in each process; can be pickled.
        processes: how many.
        tokens: who may use the server.
        address: where to listen.
        limits: of all together.
        certificate: speak HTTPS.
        ready: told the page's address once all processes answer.

    Raises:
        InputError: as `server.serve`; what `make` raises.
    """
    from passerby.serving.server import listen, url_of

    listening, address = listen(address, tokens, tls=certificate is not None)
    shared = tempfile.TemporaryDirectory(prefix="passerby-serve-")
    with _stopped(), listening, shared as folder:
        job = Job(
            make,
            tokens.file,
            address,
            limits.divided(processes),
            certificate,
            processes,
            Path(folder),
        )
        with _Workers(job, listening) as workers:
            workers.start()
            if ready is not None:
                ready(url_of(address))
            workers.keep()


class _Stop(BaseException):
    """Somebody ends the server."""


@contextmanager
def _stopped() -> Iterator[None]:
    """Ends what is within on SIGTERM or SIGINT, and then the process, as it was told to."""
    told: list[int] = []

    def stop(number: int, _: FrameType | None) -> None:
        told.append(number)
        if len(told) == 1:
            raise _Stop

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    except _Stop:
        pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if told:
        signal.raise_signal(told[0])


class _Workers:
    """The processes; leaving the block ends them."""

    def __init__(self, job: Job, listening: socket.socket) -> None:
        self._job, self._listening = job, listening
        self._running: dict[SpawnProcess, Connection] = {}

    def __enter__(self) -> _Workers:
        return self

    def __exit__(self, *_: object) -> None:
        os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
        for process in self._running:
            process.terminate()
        until = time.monotonic() + ENDING
        for process in self._running:
            process.join(max(0.0, until - time.monotonic()))
            process.kill()

    def start(self) -> None:
        """Starts as many as are missing, and waits until they answer.

        Raises:
            InputError: one cannot start.
        """
        new = [self._start() for _ in range(self._job.processes - len(self._running))]
        for process in new:
            try:
                failed = self._running[process].recv()
            except EOFError:
                failed = "a process of the server ended before it could answer"
            if failed:
                raise InputError(failed)

    def keep(self) -> None:
        """Starts those that die anew, until the server is told to end.

        Raises:
            InputError: one cannot start any more.
        """
        from prometheus_client.multiprocess import mark_process_dead

        while True:
            wait([process.sentinel for process in self._running])
            for process in [each for each in self._running if not each.is_alive()]:
                LOG.error("process %s ended (%s): starting another", process.pid, process.exitcode)
                mark_process_dead(process.pid, str(self._job.shared))  # type: ignore[no-untyped-call]
                del self._running[process]
            time.sleep(1)
            self.start()

    def _start(self) -> SpawnProcess:
        context = get_context("spawn")
        # Prometheus looks for it as it is imported, which may be before `work` begins.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(self._job.shared)
        # Its other end closes with this process, however that ends.
        ours, theirs = context.Pipe()
        process = context.Process(target=work, args=(self._job, self._listening, theirs))
        process.start()
        theirs.close()
        self._running[process] = ours
        return process


def work(job: Job, listening: socket.socket, parent: Connection) -> None:
    """What one process does: tells the parent when it answers, or why it does not."""
    # Until the server has a handler of its own: the parent ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    import torch

    from passerby.serving.app import create_app
    from passerby.serving.server import answer
    from passerby.serving.tokens import TokenFile

    torch.set_num_threads(max(1, (os.cpu_count() or 1) // job.processes))
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    try:
        tokens = TokenFile(job.tokens)
        app = create_app(job.make(), tokens, job.address, job.limits, job.shared)
        answer(app, listening, job.certificate, lambda: parent.send(""))
    except InputError as error:
        parent.send(str(error))


def _end_with(parent: Connection) -> None:
    try:
        parent.recv()
    except EOFError:
        os.kill(os.getpid(), signal.SIGTERM)
