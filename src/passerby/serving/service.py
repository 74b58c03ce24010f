"""What the server does with gallery and model; knows nothing of HTTP but what it refuses."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from passerby.figures.overlay import OverlayKind, overlay, overlay_kinds
from passerby.gallery.answers import Groups, Reranking
from passerby.gallery.corrections import Changed
from passerby.gallery.entries import Entry
from passerby.gallery.filters import Filter
from passerby.gallery.gallery import Gallery
from passerby.gallery.new_rows import NewEntries
from passerby.gallery.searches import Found, NoEntry, Search
from passerby.gallery.settings import Model
from passerby.gallery.tracklet_ends import ends_of
from passerby.gallery.travel import Travel
from passerby.serving.pictures import inside, stored
from passerby.serving.refusals import Refusal
from passerby.serving.schemas import (
    AddedModel,
    AnswerModel,
    ChangedModel,
    Decided,
    EntryModel,
    EntrySearch,
    FilterQuery,
    HitModel,
    NewEntry,
    PageModel,
    PageQuery,
    PeopleModel,
    PeopleQuery,
    PersonModel,
    PictureSearch,
    Rename,
    SearchQuery,
    StatisticsModel,
    SuggestionModel,
    SuggestionsModel,
    SuggestionsQuery,
    TrackModel,
)  # fmt: skip
from passerby.types import InputError

if TYPE_CHECKING:
    from passerby.gallery.tracks import Track


@dataclass(frozen=True)
class Asked:
    """A search as it came in."""

    query: SearchQuery
    """The request."""
    search: Search
    """What it asks of the gallery."""


class PictureEmbedder(Model, Protocol):
    """A model that is at hand; a `passerby.Embedder` is one."""

    def embed(self, pictures: Sequence[Image.Image]) -> NDArray[np.float32]:
        """(N, D) embeddings of N pictures."""


@dataclass(frozen=True)
class Service:
    """Gallery, model and pictures; may be called by several threads at once."""

    gallery: Gallery
    """Opened for the model."""
    model: PictureEmbedder
    """Makes the embeddings."""
    pictures: Path | None = None
    """The folder that the entries' file names start from; None: no pictures are shown."""
    most: int = 200
    """Hits of a search, entries of a page and suggestions at most."""
    travel: Travel = Travel()
    """Least times between cameras, for suggestions."""
    _changes: threading.Lock = field(default_factory=threading.Lock, repr=False)
    """Corrections one after the other: a new identity's name is one that nobody has."""

    def check_count(self, name: str, count: int) -> None:
        """Refuses to show more than `most`.

        Raises:
            Refusal: 422.
        """
        if count > self.most:
            raise Refusal(422, f"{name} is at most {self.most} on this server: given {count}")

    def embed(self, pictures: Sequence[Image.Image]) -> list[NDArray[np.float32]]:
        """(D,) embeddings of pictures, which are forgotten."""
        return list(self.model.embed(pictures))

    def asked_by_picture(
        self, query: PictureSearch, embedding: NDArray[np.float32], content: str, who: str
    ) -> Asked:
        """A search by a picture; by its digest it does not find itself."""
        return Asked(query, _search(query, embedding, who, query.query_camera, content))

    def asked_by_entry(self, query: EntrySearch, who: str) -> Asked:
        """A search by an entry."""
        return Asked(query, replace(_search(query, query.key, who), own_camera=query.own_camera))

    def search(self, asked: Sequence[Asked]) -> list[AnswerModel | Exception]:
        """Answers searches together."""
        if not self.gallery.exists:
            empty = AnswerModel(
                hits=[], threshold=None, false_match_rate=None, nearest=None, query=None, itself=[]
            )
            return [_no_entry() if isinstance(one.search.query, str) else empty for one in asked]
        found = self.gallery.search_each([one.search for one in asked])
        sizes = self._sizes(asked, found)
        return [
            self._answer(one, size) if isinstance(one, Found)
            else _no_entry() if isinstance(one, NoEntry) else one
            for one, size in zip(found, sizes, strict=True)
        ]  # fmt: skip

    def entry(self, key: str) -> Entry:
        """The entry of that key.

        Raises:
            Refusal: 404, there is none.
        """
        found = self.gallery.entries(Filter(keys=[key])) if self.gallery.exists else []
        if not found:
            raise _no_entry()
        return found[0]

    def entries_of(self, keys: Sequence[str]) -> list[EntryModel]:
        """The entries of these keys, in this order; those that are gone by now are left out."""
        found = self.gallery.entries(Filter(keys=list(keys))) if keys else []
        shown = {entry.key: self._shown(entry) for entry in found}
        return [shown[key] for key in keys if key in shown]

    def page(self, query: PageQuery) -> PageModel:
        """Some entries by key."""
        self.check_count("limit", query.limit)
        if not self.gallery.exists:
            return PageModel(entries=[], after=None)
        found = self.gallery.page(query.limit, query.after, filter_of(query), query.contains)
        after = found[-1].key if len(found) == query.limit else None
        return PageModel(entries=[self._shown(entry) for entry in found], after=after)

    def people(self, query: PeopleQuery) -> PeopleModel:
        """Some identities by name, each with its entries counted."""
        self.check_count("limit", query.limit)
        found = self.gallery.people(filter_of(query)) if self.gallery.exists else []
        left = [one for one in found if one.name is None or one.name > query.after]
        page = left[: query.limit]
        after = page[-1].name if len(left) > query.limit else None
        keys = [person.key for person in page]
        entries = self.gallery.entries(Filter(keys=keys)) if keys else []
        there = {entry.key: self._shown(entry).picture for entry in entries}
        return PeopleModel(
            people=[
                PersonModel(**vars(person), picture=there.get(person.key, False))
                for person in page
            ],
            after=after,
        )  # fmt: skip

    def add(
        self, embedding: NDArray[np.float32], new: NewEntry, content: str | None = None
    ) -> AddedModel:
        """Adds an entry; the picture itself is not kept."""
        entries = NewEntries(
            keys=[new.key], file_names=[new.file_name], persons=[new.person],
            cameras=[new.camera], timestamps=[new.timestamp],
            track_ids=[new.track_id], contents=[content], expires=[new.expires],
        )  # fmt: skip
        found = self.gallery.add(embedding[None], entries)
        return AddedModel(added=found.added, known=found.known)

    def remove(self, where: Filter) -> int:
        """Removes entries for good; how many."""
        return self.gallery.remove(where) if self.gallery.exists else 0

    def assign(self, keys: Sequence[str], person: str | None) -> ChangedModel:
        """Gives entries an identity, or none."""
        with self._changes:
            return _changed(self.gallery.assign(Filter(keys=keys), person))

    def merge(self, persons: Sequence[str], into: str | None) -> ChangedModel:
        """Makes several identities one."""
        with self._changes:
            return _changed(self.gallery.merge(persons, into))

    def split(self, keys: Sequence[str], into: str | None = None) -> ChangedModel:
        """Makes entries an identity of their own."""
        with self._changes:
            return _changed(self.gallery.split(keys, into))

    def rename(self, wanted: Rename) -> ChangedModel:
        """Gives a person or a camera another name."""
        with self._changes:
            return _changed(self.gallery.rename(wanted.old, wanted.new, wanted.of))

    def suggestions(self, query: SuggestionsQuery) -> SuggestionsModel:
        """Tracks that are probably one person, the surest first."""
        self.check_count("limit", query.limit)
        ends = {} if self.pictures is None else ends_of(self.pictures)
        found = self.gallery.identify(
            query.threshold, pairs=query.pairs, travel=self.travel, ends=ends
        )
        page = found.suggestions[: query.limit]
        keys = sorted({track.key for each in page for track in (each.one, each.other)})
        entries = self.gallery.entries(Filter(keys=keys)) if keys else []
        there = {entry.key: self._shown(entry).picture for entry in entries}

        def shown(track: Track) -> TrackModel:
            return TrackModel(**vars(track), picture=there.get(track.key, False))

        return SuggestionsModel(
            suggestions=[
                SuggestionModel(
                    one=shown(each.one), other=shown(each.other), tracks=each.tracks,
                    distance=each.distance, precision=each.precision, later=each.later,
                )
                for each in page
            ],
            total=len(found.suggestions), tracks=found.tracks, threshold=found.threshold,
            notes=list(found.notes),
        )  # fmt: skip

    def decide(self, wanted: Decided) -> ChangedModel:
        """Keeps what somebody says of two entries' tracks."""
        with self._changes:
            return _changed(self.gallery.decide(wanted.one, wanted.other, wanted.decision))

    def undo(self, change: str | None) -> ChangedModel:
        """Undoes a correction."""
        with self._changes:
            return _changed(self.gallery.undo(change))

    def statistics(self) -> StatisticsModel:
        """The gallery in numbers; of one that does not exist yet, zeros."""
        pictures = self.pictures is not None
        if not self.gallery.exists:
            return StatisticsModel(
                entries=0, expired=0, persons=0, unknown=0, tracks=0, cameras={},
                first=None, last=None, metric=self.model.descriptor.metric,
                threshold=None, false_match_rate=None,
                overlays=self.overlays, pictures=pictures, profiles=None, profiled_cameras=[],
                raw_cameras=[],
            )  # fmt: skip
        found = self.gallery.statistics()
        calibration, profiles = found.settings.calibration, found.settings.profiles
        return StatisticsModel(
            entries=found.entries, expired=found.expired, persons=found.persons,
            unknown=found.unknown, tracks=found.tracks, cameras=dict(found.cameras),
            first=found.first, last=found.last, metric=found.settings.space.metric,
            threshold=None if calibration is None else calibration.threshold,
            false_match_rate=None if calibration is None else calibration.false_match_rate,
            overlays=self.overlays, pictures=pictures,
            profiles=None if profiles is None else profiles.reason,
            profiled_cameras=list(found.profiled_cameras), raw_cameras=list(found.raw_cameras),
        )  # fmt: skip

    @property
    def overlays(self) -> list[str]:
        """What the model can show over a picture."""
        return list(overlay_kinds(self.model))

    def overlay(self, picture: Image.Image, kind: OverlayKind) -> Image.Image:
        """A picture under the model's map.

        Raises:
            Refusal: 404, the model has no such map.
        """
        if kind not in self.overlays:
            raise Refusal(404, f"this model has no {kind} to show")
        return overlay(self.model, picture, kind)

    def picture(self, key: str, most_pixels: int) -> Image.Image:
        """The picture of an entry; width x height have a limit.

        Raises:
            Refusal: 404, no such entry, or its picture is not there.
        """
        return stored(self.entry(key), self.pictures, most_pixels)

    def _answer(self, found: Found, sizes: Sequence[int]) -> AnswerModel:
        calibration = found.calibration
        limit = None if calibration is None else calibration.threshold
        return AnswerModel(
            hits=[
                HitModel(
                    entry=self._shown(hit.entry), distance=hit.distance,
                    match=None if limit is None else hit.distance < limit, entries=size,
                )
                for hit, size in zip(found.answer.hits, sizes, strict=True)
            ],
            threshold=limit,
            false_match_rate=None if calibration is None else calibration.false_match_rate,
            nearest=found.answer.nearest,
            query=None if found.entry is None else self._shown(found.entry),
            itself=list(found.answer.itself),
        )  # fmt: skip

    def _sizes(
        self, asked: Sequence[Asked], found: Sequence[Found | InputError]
    ) -> list[list[int]]:
        """For each search, how many entries each hit stands for."""
        entries = [
            [hit.entry for hit in one.answer.hits] if isinstance(one, Found) else []
            for one in found
        ]
        sizes = [[1] * len(each) for each in entries]
        for group_by in get_args(Groups):
            rows = [row for row, one in enumerate(asked) if one.query.group_by == group_by]
            every = [entry for row in rows for entry in entries[row]]
            counted = iter(self.gallery.group_sizes(every, group_by) if every else [])
            for row in rows:
                sizes[row] = list(islice(counted, len(entries[row])))
        return sizes

    def _shown(self, entry: Entry) -> EntryModel:
        there = self.pictures is not None and inside(entry.file_name, self.pictures) is not None
        return EntryModel(
            key=entry.key, person=entry.person, camera=entry.camera,
            timestamp=entry.timestamp, track_id=entry.track_id, box=entry.box, picture=there,
            added=entry.added, expires=entry.expires,
        )  # fmt: skip


def _changed(found: Changed) -> ChangedModel:
    return ChangedModel(person=found.name, changed=found.entries, change=found.change)


def _search(
    query: SearchQuery,
    what: NDArray[np.float32] | str,
    who: str,
    camera: str | None = None,
    content: str | None = None,
) -> Search:
    return Search(
        what, query.k, filter_of(query), math.inf if query.everything else None,
        camera=camera, content=content, group_by=query.group_by,
        reranking=Reranking() if query.rerank else None, who=who,
    )  # fmt: skip


def _no_entry() -> Refusal:
    return Refusal(404, "the gallery has no such entry")


def filter_of(query: FilterQuery) -> Filter:
    """The filter that a request describes."""
    return Filter(
        cameras=query.camera or None,
        not_cameras=query.not_camera,
        since=query.since,
        until=query.until,
        known=query.known,
        persons=query.person or None,
        tracks=query.track or None,
    )
