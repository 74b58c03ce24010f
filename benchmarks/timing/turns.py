"""Times of works that take turns, so that all see the same machine."""

import statistics
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Seconds:
    """Medians over the rounds."""

    wall: float
    cpu: float
    """Of all threads."""


def in_turns(works, rounds):
    """Runs each work once to warm up, then all in turns.

    Args:
        works: functions without arguments, by name.
        rounds: how often.

    Returns:
        `Seconds` by name.
    """
    for work in works.values():
        work()
    taken = [{name: timed(work) for name, work in works.items()} for _ in range(rounds)]
    return {
        name: Seconds(*(statistics.median(took[name][k] for took in taken) for k in (0, 1)))
        for name in works
    }


def cpu_seconds(works, rounds):
    """As `in_turns`, CPU time alone."""
    return {name: seconds.cpu for name, seconds in in_turns(works, rounds).items()}


def timed(work):
    """Wall and CPU seconds of one call."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu
