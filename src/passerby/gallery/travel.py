"""Least times between cameras, as somebody gives them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from passerby.parsing import parse_yaml
from passerby.types import InputError

_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")
_SECONDS = (86_400, 3_600, 60, 1)


@dataclass(frozen=True)
class Travel:
    """Least times from one camera's view into another's, either way."""

    seconds: Mapping[frozenset[str], float] = field(default_factory=dict)
    """By the two cameras' names."""

    def between(self, one: str, other: str) -> float | None:
        """Least seconds between leaving one view and being in the other; None: not known."""
        return self.seconds.get(frozenset((one, other)))

    def check(self, cameras: Iterable[str]) -> None:
        """Refuses a camera that the gallery does not have: its rule would never hold.

        Raises:
            InputError: the first such camera.
        """
        there = set(cameras)
        for camera in sorted({name for pair in self.seconds for name in pair}):
            if camera not in there:
                raise InputError(
                    f"travel times name a camera that is not in the gallery: {camera!r}"
                )


def read_travel(file: Path) -> Travel:
    """Travel times from a YAML or JSON file: `{entrance: {lift: 45, "car park": PT1M30S}}`.

    A time is a number of seconds or an ISO 8601 duration, and holds either way.

    Raises:
        InputError: not readable, of another form, or two times for the same two cameras.
    """
    try:
        plain = parse_yaml(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: cannot be read: {error}") from error
    if not isinstance(plain, dict) or not all(isinstance(to, dict) for to in plain.values()):
        raise InputError(
            f"{file}: travel times must look like {{entrance: {{lift: 45, yard: PT1M30S}}}}: "
            "seconds or "
            "ISO 8601 durations by the names of two cameras"
        )
    found: dict[frozenset[str], float] = {}
    for one, others in plain.items():
        for other, value in others.items():
            pair = frozenset((str(one), str(other)))
            if len(pair) < 2:
                raise InputError(
                    f"{file}: a travel time needs two different cameras: given {one!r}"
                )
            seconds = _seconds(value, f"{file}: {one} to {other}")
            if found.setdefault(pair, seconds) != seconds:
                raise InputError(f"{file}: two travel times between {one!r} and {other!r}")
    return Travel(found)


def _seconds(value: object, where: str) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        seconds = float(value)
    else:
        match = _DURATION.fullmatch(str(value))
        if match is None or str(value)[-1] in "PT":
            raise InputError(
                f"{where}: a travel time must be seconds or an ISO 8601 duration like PT1M30S: "
                f"given {value!r}"
            )
        seconds = sum(
            float(n or 0) * unit for n, unit in zip(match.groups(), _SECONDS, strict=True)
        )
    if not 0 < seconds < float("inf"):
        raise InputError(f"{where}: a travel time must be more than 0 seconds: given {value!r}")
    return seconds
