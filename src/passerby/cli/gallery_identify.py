"""`passerby gallery identify` and `decide`: who is who, suggested and answered."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.table import Table

from passerby.cli.gallery_options import Command, open_gallery
from passerby.cli.gallery_output import as_json, tell, time_text
from passerby.cli.options import named
from passerby.gallery.identified import PRECISION, Group, Identified
from passerby.gallery.tracklet_ends import NOTE, ends_of
from passerby.gallery.travel import Travel, read_travel
from passerby.terminal import printable, say, show, terminal
from passerby.types import InputError

_SHOWN = 20
"""Groups that a table shows."""


@dataclass(frozen=True)
class IdentifyOptions:
    """Which tracks are one person."""

    threshold: float | None = None
    """Highest mean distance of tracks to join. If not given, the calibrated one."""
    pairs: Literal["other-camera", "any"] | None = None
    """Compare tracks from two cameras, or any tracks. If not given, as calibrated."""
    precision: float = PRECISION
    """Lowest share of joined pairs that show one person, as the calibration estimates it."""
    travel: Path | None = None
    """Shortest travel times between cameras, YAML or JSON: {entrance: {lift: 45, yard:
    PT1M30S}}."""
    pictures: Path | None = None
    """Folder of crops that `passerby watch` wrote; its notes say when each track ended."""
    apply: tyro.conf.FlagCreatePairsOff[bool] = False
    """Give the tracks of each group one name. Without it nothing is merged."""
    dry_run: tyro.conf.FlagCreatePairsOff[bool] = False
    """With --apply: show what would be merged, and merge nothing."""


@dataclass(frozen=True)
class DecideOptions:
    """What you say of two entries."""

    one: Annotated[tyro.conf.Positional[str], named("KEY")]
    """Key of an entry."""
    other: Annotated[tyro.conf.Positional[str], named("KEY")]
    """Key of an entry of another track."""
    decision: tyro.conf.Positional[Literal["yes", "no", "later"]]
    """yes: one person. no: two people, never joined again. later: ask last."""


def _identify(command: Any) -> None:
    options: IdentifyOptions = command.IdentifyOptions
    travel = Travel() if options.travel is None else read_travel(options.travel)
    ends = None if options.pictures is None else ends_of(options.pictures)
    if ends is not None and not ends:
        raise InputError(f"{options.pictures}: no {NOTE} here, which passerby watch writes")
    with open_gallery(command.Place) as gallery:
        found = gallery.identify(
            options.threshold, pairs=options.pairs, precision=options.precision, travel=travel,
            ends=ends,
        )  # fmt: skip
        merge = options.apply and not options.dry_run
        changed = gallery.apply(found) if merge else []
    if command.OutputOptions.json:
        show(as_json({**dataclasses.asdict(found), "changed": changed}))
        return
    console = terminal(errors=True)
    for note in found.notes:
        say(console, f"note: {note}")
    terminal().print(groups_table(found))
    show(_told(found, options, sum(each.entries for each in changed), len(changed)))


def _decide(command: Any) -> None:
    options: DecideOptions = command.DecideOptions
    with open_gallery(command.Place) as gallery:
        found = gallery.decide(options.one, options.other, options.decision)
    text = {"yes": f"one person: {found.name}   entries changed: {found.entries:,}",
            "no": "two persons, never joined again", "later": "asked last from now on"}  # fmt: skip
    tell(command, found, text[options.decision])


def groups_table(found: Identified) -> Table:
    """The groups with the most tracks."""
    table = Table(title="tracks that are probably one person")
    for name in ("person", "tracks", "cameras", "seen", "distance", "precision"):
        table.add_column(name, justify="left" if name in ("person", "cameras", "seen") else "right")
    for group in sorted(found.groups, key=lambda group: -len(group.tracks))[:_SHOWN]:
        table.add_row(*_row(group))
    return table


def _row(group: Group) -> tuple[str, ...]:
    cameras = sorted({track.camera for track in group.tracks if track.camera is not None})
    times = [track.first for track in group.tracks if track.first is not None]
    times += [track.last for track in group.tracks if track.last is not None]
    return (
        printable(group.person or "(new)"),
        f"{len(group.tracks):,}",
        printable(", ".join(cameras)) or "-",
        f"{time_text(min(times))} to {time_text(max(times))}" if times else "-",
        f"{group.distance:.4g}",
        "-" if group.precision is None else f"{group.precision:.3f}",
    )


def _told(found: Identified, options: IdentifyOptions, entries: int, merged: int) -> str:
    bound = "below the threshold"
    if found.bound is not None:
        bound = f"of precision {found.bound:g} or more"
    text = (
        f"{found.tracks:,} tracks: {len(found.groups):,} groups {bound}; "
        f"{len(found.suggestions):,} suggestions up to a distance of {found.threshold:.4g}"
    )
    if not options.apply:
        return f"{text}\nnothing was merged: --apply merges the groups, decide answers one"
    if options.dry_run:
        return f"{text}\nwould merge: {len(found.groups):,} groups"
    return f"{text}\nmerged: {merged:,} groups, {entries:,} entries changed (undo takes back each)"


COMMANDS: dict[str, Command] = {
    "identify": ((IdentifyOptions,), _identify, "suggest which tracks are one person"),
    "decide": ((DecideOptions,), _decide, "say whether two entries are one person"),
}
