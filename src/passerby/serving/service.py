"""What the server does with gallery and model; knows nothing of HTTP but what it refuses."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from passerby.figures.overlay import OverlayKind, overlay, overlay_kinds
from passerby.gallery.answers import Answer, Groups, Reranking
from passerby.gallery.corrections import Changed
from passerby.gallery.entries import Entry
from passerby.gallery.filters import Filter
from passerby.gallery.gallery import Gallery
from passerby.gallery.new_rows import NewEntries
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

if TYPE_CHECKING:
    from passerby.gallery.tracks import Track


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

    def by_picture(
        self, picture: Image.Image, query: PictureSearch, content: str | None = None
    ) -> AnswerModel:
        """Searches by a picture, which is forgotten; by its digest it does not find itself."""
        camera = None if query.query_camera is None else [query.query_camera]
        embedding = self.model.embed([picture])
        return self._search(embedding, query, filter_of(query), camera, content, None)

    def by_entry(self, query: EntrySearch) -> AnswerModel:
        """Searches by an entry."""
        entry = self.entry(query.key)
        where = filter_of(query, not_keys=(entry.key,))
        camera = None if entry.camera is None else [entry.camera]
        embedding = self.gallery.embeddings([entry.key])
        return self._search(embedding, query, where, camera, entry.content, entry, query.own_camera)

    def entry(self, key: str) -> Entry:
        """The entry of that key.

        Raises:
            Refusal: 404, there is none.
        """
        found = self.gallery.entries(Filter(keys=[key])) if self.gallery.exists else []
        if not found:
            raise Refusal(404, "the gallery has no such entry")
        return found[0]

    def entries_of(self, keys: Sequence[str]) -> list[EntryModel]:
        """The entries of these keys, in this order; those that are gone by now are left out."""
        found = self.gallery.entries(Filter(keys=list(keys))) if keys else []
        shown = {entry.key: self._shown(entry) for entry in found}
        return [shown[key] for key in keys if key in shown]

    def page(self, query: PageQuery) -> PageModel:
        """Some entries by key."""
        self._check_count("limit", query.limit)
        if not self.gallery.exists:
            return PageModel(entries=[], after=None)
        found = self.gallery.page(query.limit, query.after, filter_of(query), query.contains)
        after = found[-1].key if len(found) == query.limit else None
        return PageModel(entries=[self._shown(entry) for entry in found], after=after)

    def people(self, query: PeopleQuery) -> PeopleModel:
        """Some identities by name, each with its entries counted."""
        self._check_count("limit", query.limit)
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

    def add(self, picture: Image.Image, new: NewEntry, content: str | None = None) -> AddedModel:
        """Adds an entry; the picture itself is not kept."""
        entries = NewEntries(
            keys=[new.key], file_names=[new.file_name], persons=[new.person],
            cameras=[new.camera], timestamps=[new.timestamp],
            track_ids=[new.track_id], contents=[content], expires=[new.expires],
        )  # fmt: skip
        found = self.gallery.add(self.model.embed([picture]), entries)
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
        self._check_count("limit", query.limit)
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

    def _search(
        self,
        embedding: NDArray[np.float32],
        query: SearchQuery,
        where: Filter,
        cameras: list[str] | None,
        content: str | None,
        entry: Entry | None,
        own_camera: bool = False,
    ) -> AnswerModel:
        self._check_count("k", query.k)
        calibration = self.gallery.settings.calibration if self.gallery.exists else None
        limit = None if calibration is None else calibration.threshold
        if self.gallery.exists:
            [found] = self.gallery.search(
                embedding, query.k, where,
                threshold=math.inf if query.everything else limit,
                query_cameras=cameras, query_contents=[content], own_camera=own_camera,
                group_by=query.group_by,
                reranking=Reranking() if query.rerank else None,
            )  # fmt: skip
        else:
            found = Answer((), None, None)
        sizes = self._sizes([hit.entry for hit in found.hits], query.group_by)
        hits = [
            HitModel(
                entry=self._shown(hit.entry), distance=hit.distance,
                match=None if limit is None else hit.distance < limit, entries=size,
            )
            for hit, size in zip(found.hits, sizes, strict=True)
        ]  # fmt: skip
        rate = None if calibration is None else calibration.false_match_rate
        return AnswerModel(
            hits=hits, threshold=limit, false_match_rate=rate, nearest=found.nearest,
            query=None if entry is None else self._shown(entry), itself=list(found.itself),
        )  # fmt: skip

    def _sizes(self, entries: Sequence[Entry], group_by: Groups | None) -> list[int]:
        if group_by is None or not entries:
            return [1] * len(entries)
        return self.gallery.group_sizes(entries, group_by)

    def _shown(self, entry: Entry) -> EntryModel:
        there = self.pictures is not None and inside(entry.file_name, self.pictures) is not None
        return EntryModel(
            key=entry.key, person=entry.person, camera=entry.camera,
            timestamp=entry.timestamp, track_id=entry.track_id, box=entry.box, picture=there,
            added=entry.added, expires=entry.expires,
        )  # fmt: skip

    def _check_count(self, name: str, count: int) -> None:
        if count > self.most:
            raise Refusal(422, f"{name} is at most {self.most} on this server: given {count}")


def _changed(found: Changed) -> ChangedModel:
    return ChangedModel(person=found.name, changed=found.entries, change=found.change)


def filter_of(query: FilterQuery, not_keys: Sequence[str] = ()) -> Filter:
    """The filter that a request describes."""
    return Filter(
        cameras=query.camera or None,
        not_cameras=query.not_camera,
        since=query.since,
        until=query.until,
        known=query.known,
        persons=query.person or None,
        tracks=query.track or None,
        not_keys=not_keys,
    )
