"""What the user sees of a training run while it lasts."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType

from rich import progress as rich_progress
from rich.console import Console

from passerby.terminal import say, terminal
from passerby.types import Progress

FIRST_LINE, NEXT_LINE = 5.0, 30.0
"""Seconds until counted work says how far it is, and between two lines, without a terminal."""


class TrainingProgress:
    """A bar on a terminal, and a line for each epoch anywhere.

    Args:
        epochs: epochs of the whole run, all stages together.
        console: where it is shown.
    """

    def __init__(self, epochs: int, console: Console | None = None) -> None:
        self.console = console or terminal(errors=True)
        self._bar = rich_progress.Progress(
            rich_progress.TextColumn("{task.description}", markup=False),
            rich_progress.BarColumn(),
            rich_progress.TextColumn("{task.percentage:.0f} %"),
            rich_progress.TextColumn("{task.fields[rate]} img/s"),
            rich_progress.TimeElapsedColumn(),
            rich_progress.TextColumn("left"),
            rich_progress.TimeRemainingColumn(elapsed_when_finished=False),
            console=self.console,
            disable=not self.console.is_terminal,
            transient=True,
        )
        self._task = self._bar.add_task("starting", total=float(epochs), rate="-")
        self._started = time.monotonic()
        self._resumed_at: float | None = None
        self._pictures = 0
        self._epochs = epochs

    def __enter__(self) -> TrainingProgress:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def step(self, done: float, label: str, pictures: int) -> None:
        """A step is done on that many pictures; `done` epochs of the run lie behind it."""
        if self._resumed_at is None:
            self._resumed_at = math.ceil(done) - 1
        self._pictures += pictures
        rate = self._pictures / max(time.monotonic() - self._started, 1e-9)
        self._bar.update(self._task, completed=done, description=label, rate=f"{rate:.0f}")

    def epoch(
        self, done: float, label: str, numbers: Mapping[str, float], images_per_second: float
    ) -> None:
        """An epoch is done: leaves a line with its numbers."""
        first = done - 1 if self._resumed_at is None else self._resumed_at
        seconds = (time.monotonic() - self._started) / max(done - first, 1e-9)
        shown = "  ".join(f"{name} {value:.4g}" for name, value in numbers.items())
        say(
            self.console,
            f"{label}  {shown}  {images_per_second:.0f} img/s  "
            f"{clock(seconds * (self._epochs - done))} left",
        )


def clock(seconds: float) -> str:
    """Hours, minutes and seconds.

    >>> clock(75), clock(3600)
    ('1:15', '1:00:00')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


@contextmanager
def counting(label: str, console: Console | None = None) -> Iterator[Progress]:
    """For work that tells how much of it is done: a bar; without a terminal a line now and then."""
    if console is not None and not console.is_terminal:
        yield _Lines(label, console)
        return
    bar = rich_progress.Progress(
        rich_progress.TextColumn("{task.description}", markup=False),
        rich_progress.BarColumn(),
        rich_progress.MofNCompleteColumn(),
        rich_progress.TimeRemainingColumn(),
        console=console,
        disable=console is None,
        transient=True,
    )
    with bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


class _Lines:
    """A line when work has gone on for a while, for logs; short work leaves none."""

    def __init__(self, label: str, console: Console) -> None:
        self._label = label
        self._console = console
        self._next = time.monotonic() + FIRST_LINE

    def __call__(self, done: int, total: int) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + NEXT_LINE
        say(self._console, f"{self._label}: {done:,} of {total:,}")
