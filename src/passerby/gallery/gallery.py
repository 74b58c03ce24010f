"""Gallery: embeddings of people that can be searched, corrected, and removed for good."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from heapq import nsmallest
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from passerby.gallery.answers import Answer, Groups, Reranking
from passerby.gallery.audit import CLOCK, AuditLog, brief
from passerby.gallery.clock import Clock, check_share
from passerby.gallery.corrections import Changed, Corrections, Named
from passerby.gallery.decisions import DECISIONS, Decision, Decisions
from passerby.gallery.engines import audit_file, open_store
from passerby.gallery.entries import (
    DETAILS,
    Entry,
    embeddings_of,
    labels_of,
    to_entries,
)  # fmt: skip
from passerby.gallery.filters import Condition, Filter
from passerby.gallery.identified import PRECISION, Identified
from passerby.gallery.naming import numbers_among
from passerby.gallery.new_rows import NewEntries, check_embeddings, rows_of
from passerby.gallery.people import COLUMNS, Person, people_of
from passerby.gallery.queries import Stored, View, threshold_of
from passerby.gallery.searches import Found, Search, answer_all, group_sizes
from passerby.gallery.settings import (
    Calibration,
    GallerySettings,
    Model,
    Pairs,
    Space,
    another_space,
    space_of,
)  # fmt: skip
from passerby.gallery.snapshot import Snapshot
from passerby.gallery.statistics import Statistics, measure
from passerby.gallery.store import Store
from passerby.gallery.times import COLUMNS as TIME_COLUMNS
from passerby.gallery.times import Times, times_of
from passerby.gallery.transfer import (
    Exported,
    check_target,
    damaged_keys,
    export_rows,
    parquet_files,
    read_backup,
    read_batches,
    space_of_file,
    write_backup_note,
)  # fmt: skip
from passerby.gallery.travel import Travel
from passerby.ranking.profiles import RETURNS, Profiles
from passerby.types import InputError

if TYPE_CHECKING:
    import pyarrow as pa

_ADDED_AT_ONCE = 2**15


@dataclass(frozen=True)
class Added:
    """What became of entries that were to be added."""

    added: int
    """Now in the gallery."""
    known: int
    """Whose key was there already: they were left as they are."""
    others: tuple[str, ...] = ()
    """Keys among these that were there with another picture, which is not theirs."""


class Gallery:
    """Entries of one model's embeddings in a folder or on a Milvus server.

    Threads and processes may use one gallery at once. What a method returned from is stored.
    `Gallery.open` makes one.
    """

    def __init__(
        self,
        store: Store,
        audit: AuditLog,
        space: Space | None = None,
        *,
        resident: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._place = str(store.described()["place"])
        self._audit = audit
        self._clock = Clock(clock, store, audit)
        self._given = space
        self._resident = resident
        self._snapshot: Snapshot | None = None
        if store.settings() is not None:
            self._checked_settings()

    @classmethod
    def open(
        cls,
        place: str | Path,
        model: Model | Space | None = None,
        *,
        resident: bool = False,
        token: str | None = None,
        audit: str | Path | None = None,
        who: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> Gallery:
        """Opens a gallery; one that does not exist is made by the first `add`.

        Args:
            place: a folder (Lance); `http://host:port` or `http://host:port/name` (Milvus), or a
                file `*.db` (Milvus Lite).
            model: the embedder whose embeddings are added and searched with, or a `Space`; needed
                to make a gallery, and refused where the gallery is another model's, or was filled
                with masks or joints of another source than the embedder's (`with_cues`).
            resident: keep the entries in memory, for fast searches and look-ups (folders only).
            token: `user:password` or API key of a Milvus server.
            audit: the audit log's file; None: `audit.jsonl` in the folder, none for Milvus.
            who: stands in the audit log; None: the user of this process.
            clock: tells the time, seconds since 1970 in UTC.

        Raises:
            InputError: the place holds something else, a gallery of another model or of a later
                format; the engine is not installed or does not answer.
        """
        space = None if model is None else space_of(model)
        store = open_store(place, token)
        log = AuditLog(audit_file(place, audit), who)
        return cls(store, log, space, resident=resident, clock=clock)

    @property
    def audit(self) -> AuditLog:
        """Who did what and when."""
        return self._audit

    @property
    def place(self) -> str:
        """The folder or server."""
        return self._place

    @property
    def exists(self) -> bool:
        """Whether something was added yet."""
        return self._store.settings() is not None

    @property
    def settings(self) -> GallerySettings:
        """Width, model, metric, threshold.

        Raises:
            InputError: nothing was added yet.
        """
        return self._checked_settings()

    def add(self, embeddings: NDArray[np.float32], entries: NewEntries) -> Added:
        """Adds entries; those whose key is there already are left as they are.

        Args:
            embeddings: (N, D), made by the gallery's model.
            entries: what is known of each, N of everything that is given.

        Raises:
            InputError: no model was given to `open` for a new gallery; embeddings of another
                width, not finite, or zero under cosine; lists of other lengths; a key twice.
            OSError: from the operating system, e.g. when the disk is full: some entries may have
                been added; adding them again is harmless.
        """
        settings = self._settings_for(np.asarray(embeddings))
        checked = check_embeddings(embeddings, settings.width, settings.space.metric)
        now = self._clock.now()
        return self._add_rows(rows_of(checked, entries, settings.space.fingerprint, now), now)

    def search(
        self,
        embeddings: NDArray[np.float32],
        k: int = 10,
        where: Filter | None = None,
        *,
        threshold: float | None = None,
        query_cameras: Sequence[str | None] | None = None,
        query_contents: Sequence[str | None] | None = None,
        own_camera: bool = False,
        group_by: Groups | None = None,
        reranking: Reranking | None = None,
        approximate: bool = False,
    ) -> list[Answer]:
        """Finds the most similar entries; filters hold before similarity is looked at.

        Args:
            embeddings: (Q, D) of the queries, made by the gallery's model.
            k: hits at most, for each query.
            where: which entries count; expired ones never do.
            threshold: distance from which on nothing is a match; None: as calibrated, if it is;
                `math.inf`: none.
            query_cameras: Q cameras that took the queries, None where not known: their own
                entries are left out, and their profiles are applied.
            query_contents: Q digests of the queries' pictures (`entries.content_of`), None where
                not known: entries of the very picture are left out, and named in the answer.
            own_camera: entries of the queries' cameras count too.
            group_by: `person` or `track` (of a camera): one hit for each, its nearest entry.
            reranking: re-ranks the nearest entries; the threshold stays one of the distance.
            approximate: by the index (`index`): faster in great galleries, may miss some.

        Returns:
            One answer for each query.

        Raises:
            InputError: no gallery yet, embeddings of another width or not finite, k below 1, a
                threshold that is not a number, cameras of another length, no index, or an index
                beside camera profiles.
        """
        settings = self._checked_settings()
        queries = check_embeddings(embeddings, settings.width, settings.space.metric)
        for name, given in (("cameras", query_cameras), ("contents", query_contents)):
            if given is not None and len(given) != len(queries):
                raise InputError(
                    f"query_{name} must have one value for each query: {len(given)} for "
                    f"{len(queries)}"
                )
        cameras, contents = (
            each or [None] * len(queries) for each in (query_cameras, query_contents)
        )
        base = Search(
            queries[0], k, where or Filter(), threshold,
            own_camera=own_camera, group_by=group_by, reranking=reranking,
        )  # fmt: skip
        base.check()
        threshold_of(threshold, settings.calibration)
        now = self._clock.now()
        searches = [
            replace(base, query=query, camera=camera, content=content)
            for query, camera, content in zip(queries, cameras, contents, strict=True)
        ]
        profiles = _in_use(settings)
        found = [
            _answer(each)
            for each in answer_all(
                self._view(profiles, approximate=approximate), searches, settings, profiles, now
            )
        ]
        self._audit.write(
            "search", now, queries=len(queries), k=k, hits=sum(len(each.hits) for each in found),
            without_match=sum(not each.hits for each in found),
            filter=brief(base.where.described()),
        )  # fmt: skip
        return found

    def search_each(self, searches: Sequence[Search]) -> list[Found | InputError]:
        """Answers searches that different people ask at once; each is as if it were alone.

        The gallery is looked at once, the product is one, and their lines in the audit log reach
        the disk together.

        Returns:
            For each what it found, or what is wrong with it: `NoEntry`, or as `search`.

        Raises:
            InputError: no gallery yet.
        """
        settings, now = self._checked_settings(), self._clock.now()
        profiles = _in_use(settings)
        found = answer_all(self._view(profiles), searches, settings, profiles, now)
        lines = [each.line for each in found if isinstance(each, Found)]
        self._audit.write_together(lines, now)
        return found

    def entries(self, where: Filter | None = None) -> list[Entry]:
        """The entries that a filter means, by key."""
        batches = self._looked_up(where or Filter(), DETAILS)
        found = [entry for batch in batches for entry in to_entries(_table(batch))]
        return sorted(found, key=lambda entry: entry.key)

    def page(
        self, limit: int, after: str = "", where: Filter | None = None, contains: str = ""
    ) -> list[Entry]:
        """The first entries by key that come after a key; memory is bounded by the keys alone.

        Args:
            limit: how many at most.
            after: a key, e.g. that of the last entry of the page before; empty: from the start.
            where: which entries count.
            contains: text in the key or in the person's name, in upper or lower case.
        """
        keys: list[str] = []
        text = contains.casefold()
        for batch in self._looked_up(where or Filter(), ("key", "person")):
            rows = zip(*(batch.column(name).to_pylist() for name in ("key", "person")), strict=True)
            fitting = (
                key
                for key, person in rows
                if key > after and (not text or text in f"{key}\n{person}".casefold())
            )
            keys = nsmallest(limit, chain(keys, fitting))
        return self.entries(Filter(keys=keys)) if keys else []

    def group_sizes(self, entries: Sequence[Entry], group_by: Groups) -> list[int]:
        """For each entry, how many the gallery has of its person, or of its camera's track.

        An entry whose person or track is not known stands for itself: 1.
        """
        return group_sizes(self._view(_in_use(self._checked_settings())), entries, group_by)

    def embeddings(self, keys: Sequence[str]) -> NDArray[np.float32]:
        """(N, D) embeddings of entries, e.g. to search with them.

        Raises:
            InputError: a key that the gallery does not have.
        """
        found: dict[str, NDArray[np.float32]] = {}
        for batch in self._looked_up(Filter(keys=list(keys)), ("key", "embedding")):
            found.update(zip(batch.column("key").to_pylist(), embeddings_of(batch), strict=True))
        missing = [key for key in keys if key not in found]
        if missing:
            raise InputError(
                f"the gallery has no entry {missing[0]!r} ({len(missing)} are missing)"
            )
        return np.stack([found[key] for key in keys])

    def assign(self, where: Filter, person: str | None) -> Changed:
        """Gives entries an identity by its name, or none.

        Raises:
            InputError: a filter that means all entries, or a bad name.
        """
        with self._corrections() as corrections:
            return corrections.write(where, person, self._clock.plain(), "assign")

    def merge(self, persons: Sequence[str], into: str | None = None) -> Changed:
        """Makes several identities one, called like the first where no name is given.

        Raises:
            InputError: fewer than two, or one that is nobody's.
        """
        with self._corrections() as corrections:
            return corrections.merge(persons, into, self._clock.plain())

    def split(self, keys: Sequence[str], into: str | None = None) -> Changed:
        """Makes entries an identity of their own.

        Args:
            keys: of the entries.
            into: the identity's name; None: a new one, after the identity that all of them had.

        Raises:
            InputError: a key that the gallery does not have.
        """
        with self._corrections() as corrections:
            return corrections.split(keys, into, self._clock.plain())

    def rename(self, old: str, new: str, of: Named = "person") -> Changed:
        """Gives a person, or a camera, another name.

        Raises:
            InputError: nobody has the old name, or somebody the new one.
        """
        with self._corrections() as corrections:
            found = corrections.rename(of, old, new, self._clock.plain())
        return self._followed(found)

    def undo(self, change: str | None = None) -> Changed:
        """Undoes a correction of names (`Changed.change`), the last one where none is given.

        Entries that were corrected again since, or removed, stay as they are.

        Raises:
            InputError: there is none, or the gallery has no audit log.
        """
        now = self._clock.plain()
        with self._corrections() as corrections:
            line = corrections.correction(change)
            if "pair" in line:
                self._audit.write("undo", now, undid=line["change"])
            else:
                found = corrections.undo(line["change"], now)
        if "pair" not in line:
            return self._followed(found)
        one, other = line["pair"]
        self._keep_decision(one, other, "yes")
        return Changed(0, None, line["change"])

    def identify(
        self,
        threshold: float | None = None,
        *,
        pairs: Pairs | None = None,
        precision: float = PRECISION,
        travel: Travel | None = None,
        ends: Mapping[str, float] | None = None,
    ) -> Identified:
        """Suggests which tracks are one person; nothing is changed.

        Args:
            threshold: greatest distance that is joined; None: as calibrated.
            pairs: compare tracks of two cameras (`other-camera`) or of `any`; None: as calibrated,
                without a calibration those of two cameras.
            precision: of the groups, at least, as far as the calibration can tell.
            travel: least times between cameras.
            ends: when the tracks of entries ended, by key, where their times are beginnings.

        Raises:
            InputError: no gallery yet or no entry, no threshold, one camera, a camera of `travel`
                that no entry has.
        """
        from passerby.gallery.identify import Asked, identify
        from passerby.gallery.tracks import COLUMNS as OF_TRACKS
        from passerby.gallery.tracks import read_tracks

        settings = self._checked_settings()
        calibration, metric = settings.calibration, settings.space.metric
        if threshold is None and calibration is None:
            raise InputError(
                f"{self.place}: no threshold yet: run passerby gallery calibrate, or give "
                "--threshold"
            )
        calibrated = "other-camera" if calibration is None else calibration.pairs
        asked = Asked(
            calibration.threshold if threshold is None and calibration else threshold or 0.0,
            metric, calibration, pairs or calibrated or "other-camera", precision,
            travel or Travel(),
        )  # fmt: skip
        alive = self._looked_up(Filter(alive_at=self._clock.now()), OF_TRACKS)
        tracks = read_tracks(alive, metric, _in_use(settings), ends)
        return identify(tracks, settings.decisions, asked)

    def apply(self, found: Identified) -> list[Changed]:
        """Gives the tracks of each group that the bound on precision allows one name.

        Each group is a correction of its own, which `undo` takes back.

        Raises:
            InputError: without a calibration no bound can be held.
        """
        if found.bound is None:
            raise InputError(
                "groups are merged up to a bound on their precision, and only a calibration tells "
                "how precise they are: calibrate first (gallery calibrate)"
            )
        with self._corrections() as corrections:
            return corrections.join_groups(found.groups, self._clock.plain())

    def decide(self, one: str, other: str, decision: Decision) -> Changed:
        """Keeps what somebody says of the tracks of two entries; the audit log says who.

        Args:
            one: key of an entry.
            other: key of an entry of another track.
            decision: `yes`: one person, from now on by name; `no`: two, never joined again;
                `later`: asked last. Each takes the place of an earlier one.

        Raises:
            InputError: a key that the gallery does not have; another decision; `yes` for two
                persons with names that people gave; `no` for two of one name.
        """
        if decision not in DECISIONS:
            raise InputError(
                f"a decision must be one of {', '.join(DECISIONS)}: given {decision!r}"
            )
        if one == other:
            raise InputError(f"a decision needs two entries: given {one!r} twice")
        now = self._clock.plain()
        with self._corrections() as corrections:
            if decision == "yes":
                found = corrections.same(one, other, now)
            else:
                what = "apart" if decision == "no" else decision
                found = corrections.apart(one, other, now, what)
        self._keep_decision(one, other, decision)
        return found

    def people(self, where: Filter | None = None) -> list[Person]:
        """The identities among the entries that a filter means, by name; the unknown come last."""
        return people_of(self._looked_up(where or Filter(), COLUMNS))

    def missing(self, column: Named, names: Iterable[str]) -> list[str]:
        """Those of the names of people, or of cameras, that no entry has; sorted."""
        return sorted(
            name for name in set(names) if not self._store.count([Condition(column, "==", name)])
        )

    def times(
        self, where: Filter, columns: int, most: int,
        since: float | None = None, until: float | None = None,
    ) -> Times:  # fmt: skip
        """When each camera saw somebody; arguments as of `times_of`."""
        return times_of(self._looked_up(where, TIME_COLUMNS), columns, most, since, until)

    def remove(self, where: Filter, *, reason: str = "remove") -> int:
        """Removes entries, out of the files too; returns how many.

        Of a folder, no file holds a byte of their embeddings when it returns. Other processes that
        keep the gallery resident drop them at their next search. What a Milvus server does is in
        docs/gallery.md.

        Raises:
            InputError: a filter that means all entries.
        """
        self._checked_settings()
        _refuse_everything(where, "remove")
        if self._snapshot is not None:
            self._snapshot.drop()
        # The line comes first, so that no removal is without one. But a log that cannot be written
        # keeps nobody from having somebody removed.
        missing: dict[str, Any] = {"reason": reason, "filter": where.described()}
        with suppress(OSError):
            self._audit.write(reason, self._clock.plain(), filter=where.described())
            missing = {}
        rows = self._store.remove(where.conditions())
        self._audit.write("removed", self._clock.plain(), entries=rows, **missing)
        return rows

    def expire(self, older_than: float | None = None, *, most: float = 0.5) -> int:
        """Removes what has expired; returns how many.

        Args:
            older_than: seconds: also what was taken (or added, where that is not known) longer ago.
            most: share of the entries that may go at once; more looks like a wrong clock.

        Raises:
            InputError: a clock behind the gallery's newest entry, or more than that share.
        """
        if older_than is not None and older_than < 0:
            raise InputError(f"an age must be at least 0 seconds: given {older_than}")
        self._checked_settings()
        now = self._clock.now()
        filters = [Filter(expired_by=now)]
        if older_than is not None:
            filters.append(Filter(seen_before=now - older_than, alive_at=now))
        gone = sum(self._store.count(each.conditions()) for each in filters)
        check_share(gone, self._store.count([]), most, now, self.place)
        return sum(self.remove(each, reason="expire") for each in filters)

    def accept_clock(self) -> None:
        """Says that the clock is right, and that the log's newest lines are of a wrong one."""
        self._audit.write(CLOCK, self._clock.plain())

    def people_to_expire(self, older_than: float | None = None) -> list[Person]:
        """Whose entries `expire` would remove now."""
        now = self._clock.now()
        wheres = [Filter(expired_by=now)]
        if older_than is not None:
            wheres.append(Filter(seen_before=now - older_than, alive_at=now))
        return people_of(chain.from_iterable(self._looked_up(where, COLUMNS) for where in wheres))

    def calibrate(
        self,
        false_match_rate: float = 1e-3,
        embeddings: NDArray[np.float32] | None = None,
        persons: Sequence[str | None] | None = None,
        cameras: Sequence[str | None] | None = None,
        *,
        pairs: Pairs = "other-camera",
    ) -> Calibration:
        """Measures and keeps the threshold that accepts so many pairs of two persons.

        Args:
            false_match_rate: wanted FMR.
            embeddings: (N, D) of labelled pictures; None: the gallery's entries of known identity.
            persons: N names, with `embeddings`; None where one is not known.
            cameras: N or None, with `embeddings`.
            pairs: of pictures of two cameras (`other-camera`), as a search with `query_cameras`
                compares them, or `any`.

        Raises:
            InputError: as `passerby.gallery.calibration.calibrate`.
        """
        from passerby.gallery.calibration import calibrate

        settings = self._checked_settings()
        if embeddings is None:
            embeddings, persons, cameras = self._labelled()
        embeddings = check_embeddings(embeddings, settings.width, settings.space.metric)
        lengths = {len(each) for each in (persons or (), cameras) if each is not None}
        if lengths != {len(embeddings)}:
            raise InputError("each embedding needs a person and a camera")
        profiles = _in_use(settings)
        if profiles is not None:
            embeddings = profiles.applied(embeddings, cameras or [None] * len(embeddings))
        found = calibrate(
            embeddings, labels_of(persons or ()), None if cameras is None else labels_of(cameras),
            settings.space,
            false_match_rate=false_match_rate, now=self._clock.plain(), pairs=pairs,
        )  # fmt: skip
        found = replace(found, fingerprint=settings.fingerprint)
        self._keep_calibration(found)
        self._audit.write("calibrate", found.measured, threshold=found.threshold)
        return found

    def profile(self, returns: float = RETURNS, untracked: int | None = None) -> Profiles:
        """Learns and keeps what its cameras do to embeddings, for every search from then on.

        No label is looked at. Stored embeddings stay raw. Where the profiles change distances, the
        threshold no longer holds and is dropped: calibrate again.

        Args:
            returns: tracks of one camera that are taken for one person.
            untracked: so many entries without a track that follow each other are taken for one;
                None: they do not count.

        Returns:
            What was learned; `Profiles.reason` says whether anything is taken out, and why.

        Raises:
            InputError: no gallery yet, no track of a known camera, a number below 1.
        """
        from passerby.gallery.profiled import learn

        settings, now = self._checked_settings(), self._clock.plain()
        alive = Filter(alive_at=now)
        found = learn(
            lambda columns: self._rows(alive, columns), settings.space.metric, returns, untracked
        )
        self._keep_profiles(found)
        self._audit.write("profile", now, fingerprint=found.fingerprint, reason=found.reason)
        return found

    def forget_profiles(self) -> None:
        """Goes back to raw embeddings; a threshold of profiles that were on is dropped."""
        self._checked_settings()
        self._keep_profiles(None)
        self._audit.write("profile", self._clock.plain(), fingerprint="", reason="off: as asked")

    def index(self) -> None:
        """Makes the index for approximate search; later additions are found without it too."""
        settings = self._checked_settings()
        self._store.index(settings.space.metric)
        self._audit.write("index", self._clock.plain())

    def statistics(self) -> Statistics:
        """Counts, times, place, size.

        Raises:
            InputError: no gallery yet.
        """
        settings = self._checked_settings()
        columns = ("person", "camera", "track_id", "timestamp", "expires")
        batches = self._store.scan([], columns)
        resident = 0 if self._snapshot is None else self._snapshot.bytes
        return measure(batches, settings, self._store.described(), self._clock.plain(), resident)

    def check(self) -> int:
        """Reads every entry and compares its embedding with its checksum; returns how many.

        Of the other columns it sees that each entry has them. Settings are compared with their
        checksum, and every line of the audit log with the one before.

        Raises:
            InputError: a damaged entry, file or log.
        """
        self._audit.verify()
        rows, damaged = 0, []
        for batch in self._rows(Filter(), (*DETAILS, "embedding")):
            rows += batch.num_rows
            damaged += damaged_keys(batch)
        if damaged:
            raise InputError(
                f"{len(damaged)} of {rows} entries are damaged, the first is "
                f"{damaged[0]!r}: remove them and add them again, or restore a backup"
            )
        return rows

    def export(self, folder: str | Path, where: Filter | None = None) -> Exported:
        """Writes entries to Parquet files, see `passerby.gallery.transfer.export_rows`."""
        settings = self._checked_settings()
        check_target(Path(folder), self.place)
        chosen = where or Filter()
        batches = self._rows(chosen, (*DETAILS, "embedding"))
        found = export_rows(batches, Path(folder), settings.space)
        self._audit.write(
            "export", self._clock.plain(), entries=found.rows, filter=chosen.described()
        )
        return found

    def import_files(self, paths: Sequence[str | Path], *, namespace: str | None = None) -> Added:
        """Adds entries from Parquet files: exported ones, or embeddings' shards.

        Args:
            paths: files, or folders of them.
            namespace: stands before all names of theirs; None: nothing does.

        Raises:
            InputError: of another model; not readable; as `add`.
        """
        files = parquet_files([Path(path) for path in paths])
        for file in files:
            self._check_fingerprint(space_of_file(file) or self._given, str(file))
        added = known = 0
        for file in files:
            for rows in read_batches(file):
                embeddings = embeddings_of(rows)
                settings = self._settings_for(embeddings, space_of_file(file))
                checked = check_embeddings(embeddings, settings.width, settings.space.metric)
                entries = NewEntries.of_table(rows.drop_columns("embedding")).within(namespace)
                now, name = self._clock.now(), settings.space.fingerprint
                found = self._add_rows(rows_of(checked, entries, name, now), now)
                added, known = added + found.added, known + found.known
        return Added(added, known)

    def backup(self, folder: str | Path) -> Exported:
        """Writes everything but the audit log to a new folder, with checksums.

        A backup holds what it holds: removing somebody from the gallery does not reach it.
        """
        settings = self._checked_settings()
        check_target(Path(folder), self.place)
        found = export_rows(
            self._rows(Filter(), (*DETAILS, "embedding")), Path(folder), settings.space
        )
        write_backup_note(Path(folder), settings, found)
        self._audit.write("backup", self._clock.plain(), entries=found.rows)
        return found

    def restore(self, folder: str | Path) -> Added:
        """Adds what a backup holds to this gallery, which is new or of the same model.

        Raises:
            InputError: no backup or one that is not whole (nothing is added then); another model.
        """
        settings, files, rows = read_backup(Path(folder))
        self._check_fingerprint(settings.space, str(folder))
        if self._store.settings() is None:
            self._store.change_settings(lambda _: settings.plain())
        found = self.import_files(files) if rows else Added(0, 0)
        if settings.profiles is not None and self.settings.profiles is None:
            self._keep_profiles(settings.profiles)
        self.keep_decisions(settings.decisions)
        same = self.settings.fingerprint == settings.fingerprint
        if settings.calibration is not None and self.settings.calibration is None and same:
            self._keep_calibration(settings.calibration)
        self._audit.write("restore", self._clock.plain(), entries=found.added)
        return found

    def close(self) -> None:
        """Frees the memory and lets go of files and connections."""
        if self._snapshot is not None:
            self._snapshot.drop()
        self._store.close()

    def __enter__(self) -> Gallery:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _add_rows(self, rows: pa.Table, now: float) -> Added:
        added = 0
        self._clock.added(rows.column("added"), now)
        for start in range(0, rows.num_rows, _ADDED_AT_ONCE):
            try:
                added += self._store.add(rows.slice(start, _ADDED_AT_ONCE))
            except OSError as error:
                if not start:
                    raise
                says = f"{error.strerror or error}; of {rows.num_rows:,} the first {start:,} are"
                raise OSError(error.errno, says, self.place) from error
        known = rows.num_rows - added
        self._audit.write("add", self._clock.plain(), added=added, known=known)
        return Added(added, known)

    def _followed(self, found: Changed) -> Changed:
        """Gives the profile of a renamed camera its name, too; distances stay as they are."""
        old, new = found.before, found.name
        profiles = self.settings.profiles
        if found.of == "person" or old is None or new is None or profiles is None:
            return found

        def change(before: GallerySettings) -> GallerySettings:
            assert before.profiles is not None
            cameras = {new if k == old else k: v for k, v in before.profiles.cameras.items()}
            after = replace(before, profiles=replace(before.profiles, cameras=cameras))
            kept = before.calibration
            if kept is not None and kept.fingerprint == before.fingerprint:
                kept = replace(kept, fingerprint=after.fingerprint)
            return replace(after, calibration=kept)

        self._change(change)
        return found

    def keep_decisions(self, theirs: Decisions) -> None:
        """Keeps decisions of another gallery whose entries have the same keys, beside its own."""
        if self.settings.decisions.joined(theirs) != self.settings.decisions:
            self._change(lambda old: replace(old, decisions=old.decisions.joined(theirs)))

    def _keep_decision(self, one: str, other: str, decision: Decision) -> None:
        kept = self.settings.decisions
        if kept != kept.taken(one, other, decision):
            self._change(
                lambda old: replace(old, decisions=old.decisions.taken(one, other, decision))
            )

    @contextmanager
    def _corrections(self) -> Iterator[Corrections]:
        self._checked_settings()
        with self._store.naming():
            yield Corrections(self._store, self._audit)

    def _rows(self, where: Filter, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        self._checked_settings()
        return self._store.scan(where.conditions(), columns)

    def _looked_up(self, where: Filter, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """As `_rows`, from memory where the gallery is resident; embeddings are raw."""
        profiles = _in_use(self._checked_settings())
        if not self._resident or (profiles is not None and "embedding" in columns):
            return self._rows(where, columns)
        return self._in_memory(profiles).now().scan(where.conditions(), columns)

    def _labelled(self) -> tuple[NDArray[np.float32], list[str], list[str]]:
        batches = list(self._rows(Filter(known=True), ("person", "camera", "embedding")))
        if not batches:
            raise InputError("calibration needs entries whose identity is known: there are none")
        people, cameras = (
            [name for batch in batches for name in batch.column(column).to_pylist()]
            for column in ("person", "camera")
        )
        return np.concatenate([embeddings_of(batch) for batch in batches]), people, cameras

    def numbered_elsewhere(self, source: str) -> list[str] | None:
        """Other sources whose people or cameras are bare numbers; None: nobody is one here.

        Args:
            source: as `note_numbered` was told.
        """
        if not self.exists or source in self.settings.numbered:
            return None
        if self.settings.numbered:
            return list(self.settings.numbered)
        people = self.people()
        names = [name for one in people for name in (one.name, *one.cameras)]
        return [] if numbers_among(names) else None

    def note_numbered(self, source: str) -> None:
        """Keeps a source whose people or cameras are bare numbers."""
        if source not in self.settings.numbered:
            self._change(lambda old: replace(old, numbered=(*old.numbered, source)))

    def _keep_calibration(self, found: Calibration) -> None:
        def change(settings: GallerySettings) -> GallerySettings:
            if found.fingerprint != settings.fingerprint:
                raise InputError(
                    f"{self.place}: this threshold belongs to other camera profiles: calibrate "
                    "again"
                )
            return replace(settings, calibration=found)

        self._change(change)

    def _change(self, change: Callable[[GallerySettings], GallerySettings]) -> None:
        def plainly(plain: dict[str, Any] | None) -> dict[str, Any]:
            assert plain is not None
            return change(GallerySettings.read(plain, "the gallery")).plain()

        self._store.change_settings(plainly)

    def _keep_profiles(self, found: Profiles | None) -> None:
        def change(before: GallerySettings) -> GallerySettings:
            after = replace(before, profiles=found)
            same = after.fingerprint == before.fingerprint
            return replace(after, calibration=before.calibration if same else None)

        self._change(change)

    def _checked_settings(self) -> GallerySettings:
        where = self.place
        plain = self._store.settings()
        if plain is None:
            raise InputError(f"{where}: no gallery here; the first addition creates it")
        settings = GallerySettings.read(plain, where)
        if self._given is not None and self._given != settings.space:
            raise InputError(another_space(where, settings.space, self._given))
        return settings

    def _check_fingerprint(self, space: Space | None, what: str) -> None:
        plain = self._store.settings()
        own = self._given if plain is None else self._checked_settings().space
        if own is not None and space is not None and own != space:
            raise InputError(another_space(what, space, own))

    def _settings_for(
        self, embeddings: NDArray[Any], space: Space | None = None
    ) -> GallerySettings:
        """The settings, made at the first addition."""
        if self._store.settings() is not None:
            return self._checked_settings()
        chosen = self._given or space
        if chosen is None:
            raise InputError(
                "a new gallery needs the model that makes its embeddings: "
                "Gallery.open(place, model) or a Space(fingerprint, metric)"
            )
        if embeddings.ndim != 2 or embeddings.shape[1] == 0:
            raise InputError(f"embeddings must be (N, D): given {embeddings.shape}")
        new = GallerySettings(embeddings.shape[1], chosen, self._clock.plain())
        self._store.change_settings(lambda before: before or new.plain())
        return self._checked_settings()

    def _view(self, profiles: Profiles | None, *, approximate: bool = False) -> View:
        """The rows as searches see them now.

        Raises:
            InputError: no index, or an index beside camera profiles.
        """
        if approximate and not self._store.has_index():
            raise InputError("approximate search needs an index: run passerby gallery index")
        if approximate and profiles is not None:
            raise InputError(
                "the index knows raw embeddings only: search without --approximate, or without "
                "camera profiles (gallery profile --off)"
            )
        if self._resident and not approximate:
            return self._in_memory(profiles).now()
        return Stored(self._store, self.settings.space.metric, profiles, approximate)

    def _in_memory(self, profiles: Profiles | None) -> Snapshot:
        kept = self._snapshot
        if kept is None or _name(kept.profiles) != _name(profiles):
            # A search that is under way keeps the one that it has.
            settings = self.settings
            kept = self._snapshot = Snapshot(
                self._store, settings.width, settings.space.metric, profiles
            )
        return kept


def _answer(found: Found | InputError) -> Answer:
    if isinstance(found, InputError):
        raise found
    return found.answer


def _name(profiles: Profiles | None) -> str:
    return "" if profiles is None else profiles.fingerprint


def _in_use(settings: GallerySettings) -> Profiles | None:
    """The camera profiles, if they change anything."""
    return settings.profiles if settings.profiles is not None and settings.profiles.on else None


def _refuse_everything(where: Filter, what: str) -> None:
    if where.empty:
        raise InputError(f"{what} needs a filter: an empty one means every entry")


def _table(batch: pa.RecordBatch) -> pa.Table:
    import pyarrow as pa

    return pa.Table.from_batches([batch])
