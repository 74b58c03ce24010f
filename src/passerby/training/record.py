"""The files of a run that training writes: checkpoints, networks, metrics, events."""

from __future__ import annotations

import csv
import io
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from passerby.files import stage_files, write_tensors, write_text
from passerby.training import checkpoint
from passerby.types import InputError

COLUMNS = ("stage", "epoch", "step", "name", "value")
KEEP = 2


@dataclass(frozen=True)
class Position:
    """How far a run has come; the next thing it does is `step` of `epoch` of `stage`."""

    stage: int = 0
    """Index of the stage."""
    epoch: int = 0
    """Epoch of the stage, from 0."""
    step: int = 0
    """Step of the epoch, from 0."""
    steps_done: int = 0
    """Steps of the whole run so far."""

    @property
    def in_stage(self) -> bool:
        """Whether the stage has begun."""
        return self.epoch > 0 or self.step > 0


class Record:
    """The run folder, as training sees it.

    `metrics.csv` and the events never run ahead of the checkpoint that a run was resumed from:
    what lies behind it is cut off.

    Args:
        folder: the run.
        identity: what a checkpoint must agree with to be resumed (method, recipe, seed, data).
        stage_names: in order.
        minutes: after so many since the last checkpoint the next one is due.
        writes: whether this process writes; with several, only the first one does.
    """

    def __init__(
        self,
        folder: Path,
        identity: Mapping[str, Any],
        stage_names: list[str],
        *,
        minutes: float = 10.0,
        writes: bool = True,
    ) -> None:
        self.folder = folder
        self._seconds = 60 * minutes
        self._writes = writes
        self._saved = time.monotonic()
        self.identity = dict(identity)
        self.stage_names = stage_names
        self._rows: list[tuple[str, int, int, str, float]] = []
        self._events: Any = None

    def latest(self) -> Any | None:
        """The state of the last checkpoint; None when there is none.

        Raises:
            InputError: when it is not a checkpoint of ours or belongs to another run.
        """
        file = self.last
        if file is None:
            return None
        state = checkpoint.load(file)
        for key, value in self.identity.items():
            if state["identity"].get(key) != value:
                raise InputError(
                    f"{file} was made with another {key}: a run must be resumed with the settings "
                    f"that it was started with ({_difference(state['identity'].get(key), value)})"
                )
        return state

    @property
    def due(self) -> bool:
        """Whether it is time for a checkpoint within an epoch."""
        return time.monotonic() - self._saved > self._seconds

    @property
    def last(self) -> Path | None:
        """The last checkpoint."""
        return max(self._checkpoints(), default=None)

    def save(self, position: Position, state: dict[str, Any]) -> None:
        """Writes the metrics so far and a checkpoint, then drops all but the last two."""
        self._saved = time.monotonic()
        if not self._writes:
            return
        self.write_metrics()
        name = f"stage{position.stage:02d}-epoch{position.epoch:04d}-step{position.step:06d}"
        file = self.folder / "checkpoints" / f"{name}.safetensors"
        checkpoint.save(file, {**state, "identity": self.identity, "position": vars(position)})
        for old in self._checkpoints()[:-KEEP]:
            old.unlink()

    def save_stage(self, stage: str, network: nn.Module, criterion: nn.Module) -> None:
        """Writes network and criterion as a stage leaves them."""
        if not self._writes:
            return
        for file, module in zip(stage_files(self.folder, stage), (network, criterion), strict=True):
            write_tensors(file, module.state_dict(), {"stage": stage})

    def start(self, position: Position) -> None:
        """Opens metrics and events for writing from `position` on; clears what a crash left."""
        self._saved = time.monotonic()
        if not self._writes:
            return
        for leftover in self.folder.glob("**/.*"):
            if leftover.is_file():
                leftover.unlink()
        self._rows = [row for row in self._read_metrics() if self._before(row, position)]
        self.write_metrics()
        self._events = _open_events(self.folder / "events", position.steps_done + 1)

    def metric(self, position: Position, name: str, value: float) -> None:
        """Notes a number of the epoch that `position` lies in."""
        stage = self.stage_names[position.stage]
        self._rows.append((stage, position.epoch, position.step, name, value))
        if self._events is not None:
            self._events.add_scalar(f"{stage}/{name}", value, position.steps_done)

    def write_metrics(self) -> None:
        """Writes `metrics.csv`: stage, epoch, steps of the epoch, name, value."""
        if not self._writes:
            return
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(self._rows)
        write_text(self.folder / "metrics.csv", text.getvalue())
        if self._events is not None:
            self._events.flush()

    def close(self) -> None:
        """Closes the events."""
        if self._events is not None:
            self._events.close()

    def _checkpoints(self) -> list[Path]:
        return sorted((self.folder / "checkpoints").glob("stage*.safetensors"))

    def _read_metrics(self) -> list[tuple[str, int, int, str, float]]:
        file = self.folder / "metrics.csv"
        if not file.exists():
            return []
        with file.open(newline="") as opened:
            return [
                (
                    row["stage"],
                    int(row["epoch"]),
                    int(row["step"]),
                    row["name"],
                    float(row["value"]),
                )
                for row in csv.DictReader(opened)
            ]

    def _before(self, row: tuple[str, int, int, str, float], position: Position) -> bool:
        return (self.stage_names.index(row[0]), row[1]) < (position.stage, position.epoch)


def _difference(old: Any, new: Any) -> str:
    if isinstance(old, dict) and isinstance(new, dict):
        keys = [key for key in {**old, **new} if old.get(key) != new.get(key)]
        return ", ".join(f"{key}: {old.get(key)!r} then, {new.get(key)!r} now" for key in keys)
    return f"{old!r} then, {new!r} now"


def _open_events(folder: Path, purge_step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except Exception as error:  # absent where only pure-Python packages can be installed
        warnings.warn(f"no TensorBoard events: {type(error).__name__}: {error}", stacklevel=2)
        return None
    return SummaryWriter(str(folder), purge_step=purge_step)
