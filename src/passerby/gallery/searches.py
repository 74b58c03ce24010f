"""Searches that are answered together: one look at the gallery, one product."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from passerby.gallery.answers import Answer, Groups, Reranking, answer, first_count, group_of
from passerby.gallery.audit import Line, brief
from passerby.gallery.entries import DETAILS, Entry, embeddings_of, to_entries
from passerby.gallery.filters import Filter
from passerby.gallery.new_rows import check_embeddings
from passerby.gallery.queries import Fetch, View, threshold_of
from passerby.gallery.settings import Calibration, GallerySettings
from passerby.ranking.profiles import Profiles
from passerby.types import InputError


class NoEntry(InputError):
    """The gallery has no entry of that key."""


MOST_HITS = 1_000_000
"""Of one search: memory for all of them is taken before it starts."""


@dataclass(frozen=True)
class Search:
    """What one search asks for."""

    query: NDArray[np.float32] | str
    """(D,) embedding; or the key of an entry, whose camera and picture are then the query's, and
    which is left out."""
    k: int = 10
    """Hits at most."""
    where: Filter = field(default_factory=Filter)
    """Which entries count; expired ones never do."""
    threshold: float | None = None
    """Distance from which on nothing is a match; None: as calibrated; infinite: none."""
    camera: str | None = None
    """Took the query: its entries are left out, and its profile is applied."""
    content: str | None = None
    """Digest of the query's picture: entries of it are left out, and named in the answer."""
    own_camera: bool = False
    """Entries of the query's camera count too."""
    group_by: Groups | None = None
    """`person` or `track` (of a camera): one hit for each, its nearest entry."""
    reranking: Reranking | None = None
    """Re-ranks the nearest entries; the threshold stays one of the distance."""
    who: str | None = None
    """Asks, for the audit log; None: whoever this thread acts for."""

    def check(self) -> None:
        """Refuses what cannot be answered.

        Raises:
            InputError: k or a shortlist below 1 or above `MOST_HITS`, another way to group.
        """
        counts = (self.k, *([self.reranking.shortlist] if self.reranking is not None else []))
        if not all(1 <= count <= MOST_HITS for count in counts):
            given = ", ".join(map(str, counts))
            raise InputError(f"k and a shortlist are 1 to {MOST_HITS:,}: given {given}")
        if self.group_by not in (None, "person", "track"):
            raise InputError(f"group_by must be person or track: given {self.group_by!r}")


@dataclass(frozen=True)
class Found:
    """What a search found."""

    answer: Answer
    """The hits."""
    line: Line
    """For the audit log."""
    entry: Entry | None = None
    """That was searched by; None: it was an embedding."""
    calibration: Calibration | None = None
    """Of the gallery then."""


@dataclass(frozen=True)
class _Asked:
    """A search with its query looked up."""

    search: Search
    query: NDArray[np.float32]
    entry: Entry | None

    @property
    def camera(self) -> str | None:
        return self.search.camera if self.entry is None else self.entry.camera

    @property
    def content(self) -> str | None:
        return self.search.content if self.entry is None else self.entry.content

    @property
    def where(self) -> Filter:
        where = self.search.where
        return (
            where
            if self.entry is None
            else replace(where, not_keys=(*where.not_keys, self.entry.key))
        )

    def counting(self, now: float) -> Filter:
        """Which entries count: nothing expired, nothing of its own camera if it has one."""
        where = self.search.where
        own = () if self.camera is None or self.search.own_camera else (self.camera,)
        return replace(where, alive_at=now, not_cameras=(*where.not_cameras, *own))


def answer_all(
    view: View,
    searches: Sequence[Search],
    settings: GallerySettings,
    profiles: Profiles | None,
    now: float,
) -> list[Found | InputError]:
    """Answers searches together, each on its own terms.

    Args:
        view: of the gallery.
        searches: what is asked for.
        settings: of the gallery.
        profiles: those in use.
        now: seconds since 1970 in UTC.

    Returns:
        For each search what it found, or what is wrong with it.
    """
    asked = _looked_up(view, searches, settings, profiles)
    good = [each for each in asked if isinstance(each, _Asked)]
    if not good:
        return [each for each in asked if isinstance(each, InputError)]
    itself = _same_pictures(view, [each.content for each in good])
    own = [
        names if each.entry is None else (*names, each.entry.key)
        for each, names in zip(good, itself, strict=True)
    ]
    fetch = Fetch(
        view,
        any(each.search.reranking is not None for each in good),
        np.stack([each.query for each in good]),
        [each.counting(now).conditions() for each in good],
        own,
        [first_count(one.k, one.group_by, one.reranking) for one in (each.search for each in good)],
    )
    answered = iter(
        _found(each, fetch.of(row), itself[row], settings) for row, each in enumerate(good)
    )
    return [each if isinstance(each, InputError) else next(answered) for each in asked]


def group_sizes(view: View, entries: Sequence[Entry], group_by: Groups) -> list[int]:
    """For each entry, how many there are of its person, or of its camera's track.

    An entry whose person or track is not known stands for itself: 1.
    """
    groups = [group_of(group_by, entry.person, entry.camera, entry.track_id) for entry in entries]
    names = sorted({group[1] for group in groups if group is not None})
    where = Filter(persons=names) if group_by == "person" else Filter(tracks=names)
    columns = ("person", "camera", "track_id")
    counts: Counter[tuple[str, str]] = Counter()
    for batch in view.scan(where.conditions(), columns) if names else ():
        rows = zip(*(batch.column(name).to_pylist() for name in columns), strict=True)
        counts.update(found for row in rows if (found := group_of(group_by, *row)))
    return [1 if group is None else counts[group] for group in groups]


def _found(asked: _Asked, fetch: Any, itself: tuple[str, ...], settings: GallerySettings) -> Found:
    search = asked.search
    limit = threshold_of(search.threshold, settings.calibration)
    found = answer(
        asked.query, fetch, search.k, limit, search.group_by, search.reranking,
        settings.space.metric,
    )  # fmt: skip
    details = {
        "queries": 1, "k": search.k, "hits": len(found.hits), "without_match": int(not found.hits),
        "filter": brief(asked.where.described()),
    }  # fmt: skip
    line = Line("search", details, search.who)
    return Found(replace(found, itself=itself), line, asked.entry, settings.calibration)


def _looked_up(
    view: View, searches: Sequence[Search], settings: GallerySettings, profiles: Profiles | None
) -> list[_Asked | InputError]:
    entries = _entries(view, sorted({one.query for one in searches if isinstance(one.query, str)}))
    given = [one for one in searches if not isinstance(one.query, str)]
    checked = iter(_checked(given, settings, profiles))
    found: list[_Asked | InputError] = []
    for search in searches:
        try:
            if isinstance(search.query, str):
                if search.query not in entries:
                    raise NoEntry(f"the gallery has no entry {search.query!r}")
                entry, row = entries[search.query]
                made: _Asked | InputError = _Asked(search, row, entry)
            else:
                made = next(checked)
            search.check()
            found.append(made)
        except InputError as error:
            found.append(error)
    return found


def _checked(
    searches: Sequence[Search], settings: GallerySettings, profiles: Profiles | None
) -> list[_Asked | InputError]:
    """Those by an embedding."""
    if not searches:
        return []
    try:
        shapes = {np.shape(one.query) for one in searches}
        if len(shapes) > 1:
            raise InputError(f"embeddings must be alike: given {sorted(shapes)}")
        rows = check_embeddings(
            np.stack([one.query for one in searches]), settings.width, settings.space.metric
        )
    except InputError as error:
        if len(searches) == 1:
            return [error]
        return [each for one in searches for each in _checked([one], settings, profiles)]
    if profiles is not None:
        rows = profiles.applied(rows, [one.camera for one in searches])
    return [_Asked(one, row, None) for one, row in zip(searches, rows, strict=True)]


def _entries(view: View, keys: Sequence[str]) -> dict[str, tuple[Entry, NDArray[np.float32]]]:
    found = {}
    if keys:
        conditions = Filter(keys=keys).conditions()
        for batch in view.scan(conditions, (*DETAILS, "embedding")):
            for entry, row in zip(to_entries(batch), embeddings_of(batch), strict=True):
                found[entry.key] = (entry, row)
    return found


def _same_pictures(view: View, contents: Sequence[str | None]) -> list[tuple[str, ...]]:
    """For each picture's digest, the keys of its entries."""
    known = sorted({content for content in contents if content is not None})
    keys: dict[str, list[str]] = {content: [] for content in known}
    if known:
        for batch in view.scan(Filter(contents=known).conditions(), ("key", "content")):
            rows = (batch.column(name).to_pylist() for name in ("key", "content"))
            for key, content in zip(*rows, strict=True):
                keys[content].append(key)
    return [() if each is None else tuple(sorted(keys[each])) for each in contents]
