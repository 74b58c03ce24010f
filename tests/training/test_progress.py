import io
import re

import pytest
from rich.console import Console

from passerby.training import progress
from passerby.training.progress import TrainingProgress


@pytest.mark.parametrize(("first", "steps"), [(0, 1), (0, 4), (6, 1), (6, 4)])
def test_time_left_of_new_and_resumed_runs(monkeypatch, first, steps):
    """8 epochs of 30 s; an epoch of one step counts like any other."""
    now = 1000.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    shown = io.StringIO()
    with TrainingProgress(8, Console(file=shown)) as bar:
        for step in range(1, steps + 1):
            now += 30 / steps
            bar.step(first + step / steps, "train", 64)
        bar.epoch(first + 1, "train", {"loss": 0.5}, 12.0)
    minutes, seconds = map(int, re.search(r"(\d+):(\d\d) left", shown.getvalue()).groups())
    assert 60 * minutes + seconds == 30 * (8 - first - 1)
