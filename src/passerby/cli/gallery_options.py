"""Options of `passerby gallery`: the gallery, the filter, the model, times and ages."""

from __future__ import annotations

import datetime
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from passerby.cli.cue_options import FileOptions, NetworkOptions
from passerby.cli.options import named
from passerby.embedding.shipped import SHIPPED
from passerby.terminal import say, show, terminal
from passerby.types import InputError

if TYPE_CHECKING:
    from passerby.embedding.embedder import Embedder
    from passerby.gallery.corrections import Named
    from passerby.gallery.filters import Filter
    from passerby.gallery.gallery import Gallery
    from passerby.gallery.settings import Model, Space

Command = tuple[tuple[Any, ...], Callable[[Any], None], str]
"""Options, what is done with them, and that in words."""

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


@dataclass(frozen=True)
class Place:
    """Which gallery."""

    gallery: Annotated[tyro.conf.Positional[str], named("GALLERY")]
    """The gallery: a folder, or http://host:port[/name] of a Milvus server."""
    token_file: Path | None = None
    """File with the user:password or API key of the Milvus server."""
    audit: Path | None = None
    """Audit log. If not given, audit.jsonl in the gallery's folder; none on a Milvus server."""
    who: str | None = None
    """Name that the audit log records. If not given, your user name."""


@dataclass(frozen=True)
class OutputOptions:
    """How the answer is told."""

    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print JSON, with times in ISO 8601, UTC."""


@dataclass(frozen=True)
class ModelOptions:
    """The model that makes embeddings."""

    model: Path = SHIPPED
    """Model: a run, a folder with config.json and model.safetensors, or an ONNX file. If not given,
    the one that comes with passerby."""
    method: str | None = None
    """Method of your own, path/to/file.py:METHOD, for a run that was trained with it. If not given,
    passerby asks before it runs the file that the run names."""
    device: str = "cpu"
    """Device to compute on, e.g. cuda."""


MODEL = (ModelOptions, FileOptions, NetworkOptions)


@dataclass(frozen=True)
class FilterOptions:
    """Which entries."""

    cameras: tuple[str, ...] | None = None
    """Only entries of these cameras."""
    not_cameras: tuple[str, ...] = ()
    """No entries of these cameras."""
    since: str | None = None
    """Only entries taken at this time or later: 2026-11-20T09:30 (local; with Z: UTC), or seconds
    since 1970."""
    until: str | None = None
    """Only entries taken before this time."""
    known: bool | None = None
    """Only entries with a name (True), or without one (False)."""
    persons: tuple[str, ...] | None = None
    """Only entries of these people."""
    tracks: tuple[str, ...] | None = None
    """Only entries of these tracks."""
    keys: tuple[str, ...] | None = None
    """Only these entries."""


def open_gallery(place: Place, model: Model | Space | None = None) -> Gallery:
    """Opens the gallery that the options name.

    Raises:
        InputError: as `Gallery.open`; a token's file that is not there.
    """
    from passerby.gallery.gallery import Gallery

    return Gallery.open(
        place.gallery, model, token=token_of(place), audit=place.audit, who=place.who
    )


def token_of(place: Place) -> str | None:
    """What the token's file says; None: none is named."""
    if place.token_file is None:
        return None
    if not place.token_file.is_file():
        raise InputError(f"{place.token_file}: no such file")
    return place.token_file.read_text(encoding="utf-8").strip()


def load_model(options: ModelOptions) -> Embedder:
    """The model that the options name."""
    from passerby.cli.models import open_model

    return open_model(options.model, options.method, device=options.device)


def filter_of(options: FilterOptions) -> Filter:
    """The filter that the options describe."""
    from passerby.gallery.filters import Filter

    return Filter(
        cameras=options.cameras,
        not_cameras=options.not_cameras,
        since=None if options.since is None else seconds_of(options.since),
        until=None if options.until is None else seconds_of(options.until),
        known=options.known,
        persons=options.persons,
        tracks=options.tracks,
        keys=options.keys,
    )


def note_missing_names(gallery: Gallery, where: Filter, query_camera: str | None = None) -> None:
    """Names the people and cameras that were asked for and that no entry has: often misspelt."""
    cameras = [*(where.cameras or ()), *where.not_cameras]
    asked: dict[Named, list[str]] = {
        "person": list(where.persons or ()),
        "camera": cameras if query_camera is None else [*cameras, query_camera],
    }
    for column, names in asked.items():
        for name in gallery.missing(column, names):
            say(terminal(errors=True), f"note: the gallery has no {column} {name!r}")


def confirm(question: str) -> None:
    """Asks on the terminal before what cannot be undone.

    Raises:
        InputError: there is no terminal to ask on.
        SystemExit: with 1 where the answer is not yes.
    """
    if not sys.stdin.isatty():
        raise InputError(
            f"{question} This is not a terminal: use --yes to remove them, or --dry-run to see "
            "what would go"
        )
    show(f"{question} [y/N] ", errors=True, end="")
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        show("nothing was removed", errors=True)
        raise SystemExit(1)


def seconds_of(text: str) -> float:
    """Seconds since 1970 of a time: ISO 8601, local where it names no zone, or a number.

    Raises:
        InputError: neither.
    """
    try:
        return float(text)
    except ValueError:
        pass
    try:
        time = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise InputError(
            f"a time must look like 2026-11-20T09:30, or be seconds since 1970: given {text!r}"
        ) from None
    return time.timestamp()


def age_of(text: str) -> float:
    """Seconds of an age like 30d, 12h, 45m, 90s or 2w.

    Raises:
        InputError: of another form.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw])", text)
    if match is None:
        raise InputError(f"an age must be a number with s, m, h, d or w, like 30d: given {text!r}")
    return float(match[1]) * _UNITS[match[2]]
