"""What `passerby gallery` prints."""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Sequence
from typing import Any

from rich.table import Table

from passerby.embedding.profiles import Profiles
from passerby.evaluation.results import NOT_ENOUGH
from passerby.gallery.answers import Answer
from passerby.gallery.settings import Calibration
from passerby.gallery.statistics import Statistics


def answers_json(names: Sequence[str], answers: Sequence[Answer]) -> str:
    """One object for each query."""
    found = [
        {"query": name, "match": bool(answer.hits), **dataclasses.asdict(answer)}
        for name, answer in zip(names, answers, strict=True)
    ]
    return json.dumps(found, indent=1)


def answer_table(name: str, answer: Answer) -> Table:
    """The hits of one query, or that there is none."""
    limit = "none" if answer.threshold is None else f"{answer.threshold:.4g}"
    title = f"{name}   (threshold: {limit})"
    if not answer.hits:
        nearest = "no entry fulfils the filter"
        if answer.nearest is not None:
            nearest = f"nearest at {answer.nearest:.4g}"
        return Table("no match: " + nearest, title=title, min_width=len(title))
    table = Table("", "distance", "person", "camera", "time (UTC)", title=title)
    table.add_column("entry", overflow="fold")  # whole: it is what other commands take
    for rank, hit in enumerate(answer.hits, 1):
        entry = hit.entry
        table.add_row(
            str(rank),
            f"{hit.distance:.4g}",
            _or_dash(entry.person),
            _or_dash(entry.camera),
            time_text(entry.timestamp),
            entry.key,
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
        title=f"pairs of pictures of {which}, per cent (95 % with other people)",
        caption=f"{found.genuine:,} pairs of one person, {found.impostor:,} of two; "
        f"{found.people:,} persons",
    )
    for name in ("FMR", "below distance", "FNMR", ""):
        table.add_column(name, justify="right")
    for rate in found.rates:
        if rate.threshold is None or rate.false_non_match_rate is None:
            table.add_row(f"{100 * rate.false_match_rate:g}", "", NOT_ENOUGH, "")
            continue
        table.add_row(
            f"{100 * rate.false_match_rate:g} {_interval(rate.false_match_interval)}",
            f"{rate.threshold:.4g}",
            f"{100 * rate.false_non_match_rate:.1f} {_interval(rate.false_non_match_interval)}",
            "misses more than half" if rate.false_non_match_rate > 0.5 else "",
        )
    return table


def profiles_table(found: Profiles) -> Table:
    """Each camera with its tracks and how far its move is taken out."""
    table = Table(title="camera profiles")
    for name in ("camera", "tracks", "taken out (%)"):
        table.add_column(name, justify="left" if name == "camera" else "right")
    for name, profile in found.cameras.items():
        table.add_row(name, f"{profile.tracks:,}", f"{100 * profile.weight:.0f}")
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
        "first, last picture (UTC)": f"{time_text(found.first)}, {time_text(found.last)}",
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
        table.add_row(name, f"{value:,}" if type(value) is int else str(value))
    return table


def time_text(seconds: float | None) -> str:
    """A time as people read it, in UTC."""
    if seconds is None:
        return "-"
    try:
        time = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    except (ValueError, OverflowError, OSError):
        return f"{seconds:g} s"
    return time.strftime("%Y-%m-%d %H:%M:%S")


def _profiles_text(found: Statistics) -> str:
    profiles = found.settings.profiles
    if profiles is None:
        return "none learned"
    new = found.raw_cameras
    raw = f"; raw, since they are new: {', '.join(new)}" if new else ""
    return f"{profiles.reason} {profiles.fingerprint}".rstrip() + raw


def _interval(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else "({:.3g} to {:.3g})".format(*(100 * end for end in interval))


def _or_dash(value: str | None) -> str:
    return "-" if value is None else value
