"""What requests and answers of the API hold; the OpenAPI document is made of these."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_LATEST = 1e15
_MOST_LETTERS = 4096


def _short(names: list[str]) -> list[str]:
    # They stand in the audit log, which a reader must not be able to fill.
    if sum(map(len, names)) > _MOST_LETTERS:
        raise ValueError(f"the names have more than {_MOST_LETTERS:,} letters together")
    return names


Name = Annotated[str, Field(min_length=1, max_length=256)]
Key = Annotated[str, Field(min_length=1, max_length=256)]
Time = Annotated[float, Field(ge=-_LATEST, le=_LATEST, allow_inf_nan=False)]
Names = Annotated[list[Name], Field(max_length=100), AfterValidator(_short)]
Keys = Annotated[list[Key], Field(min_length=1, max_length=1000)]


class _Strict(BaseModel):
    """Refuses fields that it does not know."""

    model_config = ConfigDict(extra="forbid")


class FilterQuery(_Strict):
    """Which entries count."""

    camera: Names = Field(default=[], description="Only of these cameras.")
    not_camera: Names = Field(default=[], description="Not of these cameras.")
    person: Names = Field(default=[], description="Only of these identities.")
    track: Names = Field(default=[], description="Only of these tracks; each camera has its own.")
    since: Time | None = Field(
        default=None, description="Taken then or later, seconds since 1970 in UTC."
    )
    until: Time | None = Field(default=None, description="Taken before then.")
    known: bool | None = Field(default=None, description="With a known identity, or without one.")


class SearchQuery(FilterQuery):
    """How to search."""

    k: int = Field(default=20, ge=1, le=10_000, description="Hits at most.")
    group_by: Literal["person", "track"] | None = Field(
        default=None, description="One hit for each person or track, its nearest entry."
    )
    everything: bool = Field(
        default=False, description="Show hits beyond the threshold too, marked as no match."
    )
    rerank: bool = Field(default=False, description="k-reciprocal re-ranking of the nearest.")


class PictureSearch(SearchQuery):
    """Search by a picture."""

    query_camera: Name | None = Field(
        default=None, description="The camera that took it: its own entries are left out."
    )


class EntrySearch(SearchQuery):
    """Search by an entry of the gallery; the entry itself is left out."""

    key: Key = Field(description="Of the entry.")
    own_camera: bool = Field(
        default=False, description="Whether entries of the entry's own camera count."
    )


class PageQuery(FilterQuery):
    """Which page of the entries, by key."""

    limit: int = Field(default=50, ge=1, le=10_000, description="Entries at most.")
    contains: str = Field(
        default="", max_length=256, description="Text in the key or the person, in any case."
    )
    after: str = Field(default="", max_length=256, description="Key of the page before's last.")


class NewEntry(_Strict):
    """What is known of a new entry."""

    key: Key = Field(description="Names the entry; one that is there is left as it is.")
    person: Name | None = None
    camera: Name | None = None
    timestamp: Time | None = Field(default=None, description="Seconds since 1970 in UTC.")
    track_id: Annotated[str, Field(max_length=256)] | None = None
    file_name: str = Field(
        default="",
        max_length=2048,
        description="Where the picture lies in the server's folder of pictures. "
        "The picture that is sent is not kept.",
    )
    expires: Time | None = Field(default=None, description="When it is to be removed.")


class EntryModel(BaseModel):
    """An entry of the gallery."""

    key: str
    person: str | None = Field(description="Name of the identity; null: not known.")
    camera: str | None = Field(description="Name of the camera; null: not known.")
    timestamp: float | None
    track_id: str | None
    box: tuple[int, int, int, int] | None
    picture: bool = Field(description="Whether the server has its picture.")
    added: float
    expires: float | None


class HitModel(BaseModel):
    """One found entry."""

    entry: EntryModel
    distance: float
    match: bool | None = Field(description="Below the threshold; null: there is no threshold.")
    entries: int = Field(
        description="Entries of the gallery in its person or track, as grouped; 1: not grouped."
    )


class AnswerModel(BaseModel):
    """What a search found. A ranking is not an identity."""

    hits: list[HitModel]
    threshold: float | None = Field(description="From which distance on nothing is a match.")
    false_match_rate: float | None = Field(
        description="Share of pairs of two persons that are below the threshold, as calibrated."
    )
    nearest: float | None = Field(description="Distance of the nearest entry, match or not.")
    query: EntryModel | None = Field(description="The entry that was searched by.")
    itself: list[str] = Field(
        description="Keys of entries that are the query's own picture: they are left out."
    )


class PersonModel(BaseModel):
    """An identity in the gallery, or all entries of nobody who is known."""

    name: str | None = Field(description="null: not known.")
    entries: int
    tracks: int
    cameras: list[str]
    first: float | None = Field(description="Seen first, seconds since 1970 in UTC.")
    last: float | None
    key: str = Field(description="Of one entry, e.g. to show its picture.")
    picture: bool = Field(description="Whether the server has that entry's picture.")


class PeopleQuery(FilterQuery):
    """Which page of the identities, by name."""

    limit: int = Field(default=50, ge=1, le=10_000, description="Identities at most.")
    after: str = Field(default="", max_length=256, description="Name of the page before's last.")


class PeopleModel(BaseModel):
    """Some identities; the unknown come last."""

    people: list[PersonModel]
    after: str | None = Field(description="To ask for the next page; null: this is the last one.")


class PageModel(BaseModel):
    """Some entries."""

    entries: list[EntryModel]
    after: str | None = Field(description="To ask for the next page; null: this is the last one.")


class AddedModel(BaseModel):
    """What became of an addition; once answered, it is stored."""

    added: int
    known: int


class RemovedModel(BaseModel):
    """How many entries were removed, out of the files too."""

    removed: int


class Assignment(_Strict):
    """Gives entries an identity."""

    keys: Keys
    person: Name | None = Field(description="Its name; null: not known.")


class Merge(_Strict):
    """Makes several identities one."""

    persons: Annotated[list[Name], Field(min_length=1, max_length=1000)]
    into: Name | None = Field(default=None, description="Its name; null: that of the first.")


class Split(_Strict):
    """Makes entries an identity of their own."""

    keys: Keys
    into: Name | None = Field(default=None, description="Its name; null: a new one is made.")


class Rename(_Strict):
    """Gives a person or a camera another name."""

    old: Name
    new: Name
    of: Literal["person", "camera"] = "person"


class Undo(_Strict):
    """Undoes a correction."""

    change: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(
        default=None, description="Which, as it was answered; null: the last one."
    )


class ChangedModel(BaseModel):
    """What a correction did."""

    person: str | None = Field(description="The name that the entries have now.")
    changed: int = Field(description="Entries that had another one before.")
    change: str | None = Field(description="To undo it by; null: nothing changed.")


class SuggestionsQuery(_Strict):
    """Which tracks are probably one person."""

    limit: int = Field(default=20, ge=1, le=10_000, description="Suggestions at most.")
    threshold: Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)] | None = Field(
        default=None, description="Greatest distance; null: as calibrated."
    )
    pairs: Literal["other-camera", "any"] | None = Field(
        default=None, description="Tracks of two cameras, or of any; null: as calibrated."
    )


class TrackModel(BaseModel):
    """What one camera saw of one person on one path."""

    key: str = Field(description="Of its first entry: for its picture, and to decide by.")
    person: str | None = Field(description="Name of the identity; null: not known.")
    camera: str | None
    track_id: str | None = Field(description="null: one entry without a track.")
    entries: int
    first: float | None = Field(description="When it began, seconds since 1970 in UTC.")
    last: float | None
    picture: bool = Field(description="Whether the server has the first entry's picture.")


class SuggestionModel(BaseModel):
    """Two tracks that are probably one person; a person decides."""

    one: TrackModel
    other: TrackModel
    tracks: tuple[int, int] = Field(description="Tracks of the groups that these stand for.")
    distance: float = Field(description="Mean distance of the two groups' pictures.")
    precision: float | None = Field(
        description="Least share of right pairs, were all up to here joined; null: not calibrated."
    )
    later: bool = Field(description="Somebody looked, and put it off.")


class SuggestionsModel(BaseModel):
    """The surest suggestions first; those that were put off come last."""

    suggestions: list[SuggestionModel]
    total: int = Field(description="Suggestions that there are.")
    tracks: int = Field(description="Tracks that were compared.")
    threshold: float = Field(description="Distance up to which tracks were joined.")
    notes: list[str] = Field(description="What could not be made use of, a line each.")


class Decided(_Strict):
    """What somebody says of the tracks of two entries."""

    one: Key
    other: Key
    decision: Literal["yes", "no", "later"] = Field(
        description="One person; two, never joined again; asked last."
    )


class StatisticsModel(BaseModel):
    """The gallery in numbers."""

    entries: int
    expired: int
    persons: int
    unknown: int
    tracks: int
    cameras: dict[str, int] = Field(description="Entries of each camera; empty: not known.")
    first: float | None
    last: float | None
    metric: str
    threshold: float | None
    false_match_rate: float | None
    overlays: list[str] = Field(description="What the model can show over a picture.")
    pictures: bool = Field(description="Whether the server has a folder of pictures.")
    profiles: str | None = Field(
        description="Whether camera profiles are on or off, and why; null: none were learned."
    )
    profiled_cameras: list[str] = Field(description="Cameras whose profile is in use.")
    raw_cameras: list[str] = Field(description="Cameras that came after the profiles.")


class SessionModel(BaseModel):
    """Who is logged in."""

    login: bool = Field(description="Whether a token must be given first.")
    name: str | None
    access: Literal["read", "write"] | None


class Login(_Strict):
    """A token, once."""

    token: Annotated[str, Field(min_length=1, max_length=200)]


class HealthModel(BaseModel):
    """Whether the server works."""

    status: Literal["ok"]


class ErrorModel(BaseModel):
    """What was wrong, in one line."""

    error: str
