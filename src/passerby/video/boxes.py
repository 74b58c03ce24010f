"""Boxes of people in a frame, and those of one's own detector, from a file or standard input."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TextIO

import numpy as np
from numpy.typing import NDArray

from passerby.types import InputError
from passerby.video.frames import Frame

_SHOWN = 60


@dataclass(frozen=True)
class Boxes:
    """N boxes of people."""

    corners: NDArray[np.float32]
    """(N, 4) left, top, right, bottom in pixels of the frame."""
    scores: NDArray[np.float32]
    """(N,) from 0 to 1."""

    def __len__(self) -> int:
        return len(self.scores)


NOBODY = Boxes(np.empty((0, 4), np.float32), np.empty(0, np.float32))
"""No box."""


class Detector(Protocol):
    """Finds people in frames."""

    def detect(self, frame: Frame) -> Boxes:
        """Boxes within the frame."""


def within(boxes: Boxes, height: int, width: int) -> Boxes:
    """The boxes cut to the frame; those of less than 2 x 2 pixels inside it are left out."""
    corners = boxes.corners.clip(0, [width, height, width, height]).astype(np.float32)
    sides = corners[:, 2:] - corners[:, :2]
    inside = (sides >= 2).all(axis=1)
    return Boxes(corners[inside], boxes.scores[inside])


class BoxFile:
    """Boxes from elsewhere, as a detector.

    A line is a box: `frame, track, left, top, width, height, score`, as MOTChallenge has it: frames
    count from 1, the track is not looked at, what follows the score neither. Lines come in the
    order of the frames. Of standard input a frame is known once a later one begins or it ends.

    Args:
        file: `-` is standard input.
        least: boxes of a lower score are left out.

    Raises:
        InputError: no such file.
    """

    def __init__(self, file: str | Path, least: float = 0.0) -> None:
        self.name = "standard input" if str(file) == "-" else str(file)
        self.least = least
        if str(file) == "-":
            self._lines: TextIO = sys.stdin
        elif Path(file).is_file():
            self._lines = Path(file).open(encoding="utf-8")  # noqa: SIM115
        else:
            raise InputError(f"{file}: no such file")
        self._rows = self._read()
        self._next: tuple[int, list[float]] | None = next(self._rows, None)

    def detect(self, frame: Frame) -> Boxes:
        """The boxes of a frame; frames come in order, left-out ones are skipped.

        Raises:
            InputError: a line that is none, or out of order.
        """
        found = []
        while self._next is not None and self._next[0] <= frame.number + 1:
            number, row = self._next
            if number == frame.number + 1 and row[4] >= self.least:
                found.append(row)
            self._next = next(self._rows, None)
        if not found:
            return NOBODY
        table = np.array(found, np.float32)
        table[:, 2:4] += table[:, :2]
        height, width = frame.image.shape[:2]
        return within(Boxes(table[:, :4], table[:, 4]), height, width)

    def _read(self) -> Iterator[tuple[int, list[float]]]:
        last = 0
        with self._lines as lines:
            for place, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                number, row = self._parsed(line, place)
                if number < last:
                    raise InputError(
                        f"{self.name}: line {place}: boxes must be in the order of frames; frame "
                        f"{number} follows {last}"
                    )
                last = number
                yield number, row

    def _parsed(self, line: str, place: int) -> tuple[int, list[float]]:
        try:
            frame, _, *numbers = line.replace(",", " ").split()[:7]
            row = [float(text) for text in numbers]
            number = int(float(frame))
        except (ValueError, OverflowError):
            number, row = 0, []
        if number < 1 or len(row) not in (4, 5) or not all(map(math.isfinite, row)):
            raise InputError(
                f"{self.name}: line {place}: a box needs frame, track, left, top, width, height, "
                f"score, with frames from 1: given {line.strip()[:_SHOWN]!r}"
            )
        # MOTChallenge writes -1 where nothing is known.
        score = row[4] if len(row) == 5 and row[4] >= 0 else 1.0
        return number, [*row[:4], min(score, 1.0)]
