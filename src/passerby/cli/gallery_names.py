"""`passerby gallery merge`, `split`, `rename` and `undo`: who is who, corrected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from passerby.cli.gallery_options import Command, open_gallery
from passerby.cli.gallery_output import tell
from passerby.cli.options import named

if TYPE_CHECKING:
    from passerby.gallery.corrections import Changed


@dataclass(frozen=True)
class MergeOptions:
    """Which identities."""

    persons: Annotated[tyro.conf.Positional[tuple[str, ...]], named("NAME ...")]
    """Names that belong to one person."""
    into: str | None = None
    """Name to keep. If not given, the first."""


@dataclass(frozen=True)
class SplitOptions:
    """Which entries."""

    keys: Annotated[tyro.conf.Positional[tuple[str, ...]], named("KEY ...")]
    """Keys of the entries that show another person."""
    into: str | None = None
    """Name of that person. If not given, a new one."""


@dataclass(frozen=True)
class RenameOptions:
    """Who, or which camera."""

    old: Annotated[tyro.conf.Positional[str], named("NAME")]
    """Current name."""
    new: Annotated[tyro.conf.Positional[str], named("NEW")]
    """New name; it must not exist yet."""
    camera: tyro.conf.FlagCreatePairsOff[bool] = False
    """Rename a camera instead of a person."""


@dataclass(frozen=True)
class UndoOptions:
    """Which correction."""

    change: str | None = None
    """The change to undo, as the audit log names it. If not given, the last one."""


def _merge(command: Any) -> None:
    options: MergeOptions = command.MergeOptions
    with open_gallery(command.Place) as gallery:
        found = gallery.merge(options.persons, options.into)
    _tell_changed(command, found, f"   identity: {found.name}")


def _split(command: Any) -> None:
    options: SplitOptions = command.SplitOptions
    with open_gallery(command.Place) as gallery:
        found = gallery.split(options.keys, options.into)
    _tell_changed(command, found, f"   identity: {found.name}")


def _rename(command: Any) -> None:
    options: RenameOptions = command.RenameOptions
    with open_gallery(command.Place) as gallery:
        found = gallery.rename(options.old, options.new, "camera" if options.camera else "person")
    _tell_changed(command, found)


def _undo(command: Any) -> None:
    with open_gallery(command.Place) as gallery:
        found = gallery.undo(command.UndoOptions.change)
    _tell_changed(command, found, f"   correction undone: {found.change}")


def _tell_changed(command: Any, found: Changed, more: str = "") -> None:
    tell(command, found, f"entries changed: {found.entries:,}{more}")


COMMANDS: dict[str, Command] = {
    "merge": ((MergeOptions,), _merge, "merge names of the same person"),
    "split": ((SplitOptions,), _split, "move entries to another person"),
    "rename": ((RenameOptions,), _rename, "rename a person or a camera"),
    "undo": ((UndoOptions,), _undo, "undo a merge, split, rename, confirmation or decision"),
}
