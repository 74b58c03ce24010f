"""What `passerby gallery` prints."""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from passerby.evaluation.results import NOT_ENOUGH
from passerby.terminal import printable, printable_json, show, terminal

if TYPE_CHECKING:
    from passerby.gallery.answers import Answer
    from passerby.gallery.gallery import Added
    from passerby.gallery.people import Person
    from passerby.gallery.settings import Calibration
    from passerby.gallery.statistics import Statistics
    from passerby.ranking.profiles import Profiles

_TIMES = {
    "timestamp", "added", "expires", "first", "last", "created", "measured", "time", "since",
    "until", "seen_before", "expired_by", "alive_at",
}  # fmt: skip
"""Fields that hold seconds since 1970, as floats; `added` is also a count, an integer, and a camera
may be called `first`."""


def as_json(found: Any, indent: int | None = 1) -> str:
    """What a program reads: times in ISO 8601, UTC, and nothing that commands a terminal.

    >>> as_json({"time": 0.0, "added": 3}, None)
    '{"time": "1970-01-01T00:00:00Z", "added": 3}'
    """
    return printable_json(json.dumps(_plain(found), indent=indent, ensure_ascii=False))


def answers_plain(names: Sequence[str], answers: Sequence[Answer]) -> list[dict[str, Any]]:
    """One object for each query."""
    return [
        {"query": name, "match": bool(answer.hits), **dataclasses.asdict(answer)}
        for name, answer in zip(names, answers, strict=True)
    ]


def answer_table(name: str, answer: Answer) -> Table:
    """The hits of one query, or that there is none."""
    limit = "none" if answer.threshold is None else f"{answer.threshold:.4g}"
    title = f"{printable(name)}   (threshold: {limit})"
    if answer.itself:
        title += f"\nleft out, being this very picture: {printable(', '.join(answer.itself))}"
    if not answer.hits:
        nearest = "no entry fulfils the filter"
        if answer.nearest is not None:
            nearest = f"nearest at {answer.nearest:.4g}"
        return Table("no match: " + nearest, title=title, min_width=len(title))
    table = Table("", "distance", "person", "camera", "time", title=title)
    table.add_column("entry", overflow="fold")  # whole: it is what other commands take
    for rank, hit in enumerate(answer.hits, 1):
        entry = hit.entry
        table.add_row(
            str(rank),
            f"{hit.distance:.4g}",
            _or_dash(entry.person),
            _or_dash(entry.camera),
            time_text(entry.timestamp),
            printable(entry.key),
        )
    return table


MISSES_MOST = (
    "warning: this threshold misses more than half of the pairs of one person: a search will often "
    "answer no match for somebody who is there. A greater --fmr misses fewer."
)
"""Said of a calibration that `misses_most`."""


def calibration_table(found: Calibration) -> Table:
    """Every rate with its threshold and what it misses, in per cent."""
    which = "two cameras" if found.pairs == "other-camera" else "any cameras"
    table = Table(
        title=f"pairs of pictures of {which}, per cent, below a distance; 95 %: with other people",
        caption=f"{found.genuine:,} pairs of one person, {found.impostor:,} of two; "
        f"{found.people:,} persons",
    )
    for name in ("FMR", "(95 %)", "below", "FNMR", "(95 %)", ""):
        table.add_column(name, justify="right")
    for rate in found.rates:
        name = f"{100 * rate.false_match_rate:g}"
        if rate.threshold is None or rate.false_non_match_rate is None:
            table.add_row(name, "", "", "", "", NOT_ENOUGH)
            continue
        table.add_row(
            name,
            _interval(rate.false_match_interval),
            f"{rate.threshold:.4g}",
            f"{100 * rate.false_non_match_rate:.1f}",
            _interval(rate.false_non_match_interval),
            "misses over half" if rate.false_non_match_rate > 0.5 else "",
        )
    return table


def profiles_table(found: Profiles) -> Table:
    """Each camera with its tracks and how far its move is taken out."""
    table = Table(title="camera profiles")
    for name in ("camera", "tracks", "taken out (%)"):
        table.add_column(name, justify="left" if name == "camera" else "right")
    for name, profile in found.cameras.items():
        table.add_row(printable(name), f"{profile.tracks:,}", f"{100 * profile.weight:.0f}")
    return table


def statistics_table(found: Statistics) -> Table:
    """A gallery in numbers."""
    settings, calibration = found.settings, found.settings.calibration
    rows: dict[str, Any] = {
        "entries": f"{found.entries:,}",
        "expired, not removed yet": f"{found.expired:,}",
        "persons": f"{found.persons:,}",
        "entries without identity": f"{found.unknown:,}",
        "tracks": f"{found.tracks:,}",
        "entries by camera": ", ".join(
            f"{camera or '(not known)'}: {count:,}" for camera, count in found.cameras.items()
        ),
        "first, last picture": f"{time_text(found.first)}, {time_text(found.last)}",
        "model": f"{settings.space.fingerprint}, {settings.width} numbers, {settings.space.metric}",
        **({"masks or joints by": settings.space.cues or "nobody"} if settings.space.model else {}),
        "camera profiles": _profiles_text(found),
        "threshold": "not calibrated"
        if calibration is None
        else f"{calibration.threshold:.5g}: FMR {calibration.false_match_rate:g}, "
        f"FNMR {calibration.false_non_match_rate:.4g} ({calibration.genuine:,} pairs of one "
        f"person, {calibration.impostor:,} of two"
        f"{', by another rule: calibrate again' if not calibration.pairs else ''})",
        "format": found.format,
        **found.engine,
    }
    table = Table(show_header=False)
    for name, value in rows.items():
        table.add_row(name, f"{value:,}" if type(value) is int else printable(str(value)))
    return table


def time_text(seconds: float | None) -> str:
    """A time as people read it: local, with how far that is from UTC."""
    if seconds is None:
        return "-"
    try:
        time = datetime.datetime.fromtimestamp(seconds, datetime.UTC).astimezone()
    except (ValueError, OverflowError, OSError):
        return f"{seconds:g} s"
    return time.isoformat(" ", "seconds")


def removal_text(people: Sequence[Person]) -> str:
    """What a removal takes: how many entries, whose, where, when."""
    count = sum(one.entries for one in people)
    named = [f"{one.name or 'nobody known'} ({one.entries:,})" for one in people]
    more = f" and {len(named) - 5:,} more" if len(named) > 5 else ""
    whose = f": {', '.join(named[:5])}{more}" if named else ""
    cameras = sorted({camera for one in people for camera in one.cameras})
    times = [time for one in people for time in (one.first, one.last) if time is not None]
    text = "; ".join(
        [
            f"{count:,} {'entry' if count == 1 else 'entries'}{whose}",
            *([f"cameras {', '.join(cameras[:5])}"] if cameras else []),
            *([f"{time_text(min(times))} to {time_text(max(times))}"] if times else []),
        ]
    )
    return printable(text)


def log_text(line: dict[str, Any]) -> str:
    """A line of the audit log as people read it."""
    hidden = ("time", "who", "what", "before", "filter", "previous")
    rest = {key: value for key, value in line.items() if key not in hidden}
    told = "  ".join(f"{key} {value}" for key, value in rest.items())
    where = as_json(line["filter"], None) if line.get("filter") else ""
    parts = filter(None, [time_text(line["time"]), line["who"], line["what"], told, where])
    return printable("  ".join(parts))


def _plain(found: Any) -> Any:
    if dataclasses.is_dataclass(found) and not isinstance(found, type):
        # Settings, profiles and decisions hold what JSON does not have.
        fields = {each.name: getattr(found, each.name) for each in dataclasses.fields(found)}
        found = found.plain() if hasattr(found, "plain") else fields
    if isinstance(found, Mapping):
        return {
            key: _iso(value) if key in _TIMES and type(value) is float else _plain(value)
            for key, value in found.items()
        }
    if isinstance(found, (list, tuple)):
        return [_plain(value) for value in found]
    return str(found) if isinstance(found, Path) else found


def _iso(seconds: float) -> str | float:
    try:
        time = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    except (ValueError, OverflowError, OSError):
        return seconds
    return time.isoformat().replace("+00:00", "Z")


def _profiles_text(found: Statistics) -> str:
    profiles = found.settings.profiles
    if profiles is None:
        return "none learned"
    new = found.raw_cameras
    raw = f"; raw, since they are new: {', '.join(new)}" if new else ""
    return f"{profiles.reason} {profiles.fingerprint}".rstrip() + raw


def _interval(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else "{:.2g} to {:.2g}".format(*(100 * end for end in interval))


def _or_dash(value: str | None) -> str:
    return "-" if value is None else printable(value)


def tell(command: Any, found: Any, *parts: str | Table) -> None:
    """Prints the answer: all of it for programs, texts and tables for people."""
    if command.OutputOptions.json:
        show(as_json(found))
        return
    for part in parts:
        show(part) if isinstance(part, str) else terminal().print(part)


def tell_added(command: Any, found: Added) -> None:
    """Prints how many entries came in."""
    tell(command, found, f"added: {found.added:,}   there already: {found.known:,}")
