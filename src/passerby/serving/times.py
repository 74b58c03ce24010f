"""Cameras and times: when each camera saw somebody, and the crops of a track, to play."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.responses import Response
from PIL import Image
from pydantic import BaseModel, Field

from passerby.gallery.entries import Entry
from passerby.gallery.tracklet_ends import NOTE
from passerby.parsing import parse_json
from passerby.serving.pictures import encoded, inside, stored
from passerby.serving.refusals import Refusal
from passerby.serving.schemas import EntryModel, FilterQuery, Key
from passerby.serving.service import Service, filter_of

_LONGEST_NOTE = 2**16
"""Bytes."""
_MOST_CROPS = 64


class TimesQuery(FilterQuery):
    """Which entries, and how finely."""

    columns: int = Field(default=48, ge=1, le=500, description="Columns of equal time.")
    cards: int = Field(
        default=100, ge=0, le=1000, description="Entries that are told one by one, at most."
    )


class CameraTimes(BaseModel):
    """A camera's row."""

    camera: str | None = Field(description="null: not known.")
    counts: list[int]


class TimesModel(BaseModel):
    """When each camera saw somebody."""

    begin: float = Field(description="Of the first column, seconds since 1970 in UTC.")
    end: float = Field(description="Of the last.")
    cameras: list[CameraTimes]
    total: int
    untimed: int = Field(description="Entries without a time: they are in no column.")
    entries: list[EntryModel] | None = Field(
        description="By time; null: more than `cards`, or none is asked for."
    )


class TrackModel(BaseModel):
    """What is known of a track."""

    key: str
    begin: float = Field(description="Its first box, seconds since 1970 in UTC or of the video.")
    end: float = Field(description="Its last.")
    crops: list[float] = Field(description="Times of its crops.")


def times(service: Service, query: TimesQuery) -> TimesModel:
    """The columns of a request; of a gallery that does not exist yet, none."""
    if not service.gallery.exists:
        return TimesModel(begin=0, end=1, cameras=[], total=0, untimed=0, entries=[])
    where = replace(filter_of(query), since=None, until=None)
    found = service.gallery.times(where, query.columns, query.cards, query.since, query.until)
    entries = service.entries_of(found.keys) if found.total <= query.cards else None
    return TimesModel(
        begin=found.begin, end=found.end, total=found.total, untimed=found.untimed,
        cameras=[
            CameraTimes(camera=name or None, counts=row.tolist())
            for name, row in found.counts.items()
        ],
        entries=entries,
    )  # fmt: skip


def track(service: Service, key: str) -> TrackModel:
    """What lies beside an entry's picture.

    Raises:
        Refusal: 404, no such entry, or none of a track with crops.
    """
    note, files = _note(service.entry(key), service.pictures)
    return TrackModel(key=key, begin=note["from"], end=note["to"], crops=[t for t, _ in files])


def crop(service: Service, key: str, number: int, most_pixels: int) -> Image.Image:
    """One of a track's crops, by its place.

    Raises:
        Refusal: 404, there is none.
    """
    entry = service.entry(key)
    _, files = _note(entry, service.pictures)
    if number >= len(files):
        raise Refusal(404, f"this track has {len(files)} crops")
    folder = PurePosixPath(entry.file_name).parent
    name = (folder / files[number][1]).as_posix()
    return stored(replace(entry, file_name=name, box=None), service.pictures, most_pixels)


def _note(entry: Entry, root: Path | None) -> tuple[dict[str, Any], list[tuple[float, str]]]:
    """A track's description, and its crops' times and names."""
    name = (PurePosixPath(entry.file_name).parent / NOTE).as_posix()
    file = None if root is None or not entry.file_name else inside(name, root)
    if file is None or file.stat().st_size > _LONGEST_NOTE:
        raise Refusal(404, "no other crops of this entry are kept")
    try:
        note = parse_json(file.read_bytes())
        files = [(float(one["time"]), str(one["file"])) for one in note["crops"]]
        note = {"from": float(note["from"]), "to": float(note["to"]), "key": note["key"]}
    except (ValueError, KeyError, TypeError):
        raise Refusal(404, "the description of this track is damaged") from None
    # A folder of pictures that are no track's may lie there, too.
    if note["key"] != entry.key or any("/" in name or "\\" in name for _, name in files):
        raise Refusal(404, "no other crops of this entry are kept")
    return note, files[:_MOST_CROPS]


def add_times(
    app: FastAPI,
    service: Service,
    do: Callable[[Request, Callable[[], Any]], Awaitable[Any]],
    most_pixels: int,
    jpeg: dict[int | str, dict[str, Any]],
) -> None:
    """The routes.

    Args:
        app: the application.
        service: gallery and pictures.
        do: computes beside other requests, in the user's name.
        most_pixels: width x height of a crop, at most.
        jpeg: how answers that are pictures are described.
    """

    @app.get("/v1/times")
    async def when(request: Request, query: Annotated[TimesQuery, Query()]) -> TimesModel:
        """Entries counted by camera and time; one by one where they are few."""
        found: TimesModel = await do(request, lambda: times(service, query))
        return found

    @app.get("/v1/tracks")
    async def of_track(request: Request, key: Annotated[Key, Query()]) -> TrackModel:
        """From when to when a track lasted, and the times of its crops."""
        found: TrackModel = await do(request, lambda: track(service, key))
        return found

    @app.get("/v1/tracks/crop", responses=jpeg, response_class=Response)
    async def of_crop(
        request: Request,
        key: Annotated[Key, Query()],
        number: Annotated[int, Query(ge=0, lt=_MOST_CROPS)],
    ) -> Response:
        """One of a track's crops, small."""
        picture = await do(request, lambda: encoded(crop(service, key, number, most_pixels)))
        return Response(picture, media_type="image/jpeg")
