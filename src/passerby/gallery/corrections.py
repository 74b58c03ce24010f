"""Who is who, corrected: identities made one, split, renamed, and all of it undone again."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from passerby.gallery.audit import AuditLog
from passerby.gallery.decisions import best_name
from passerby.gallery.entries import UNKNOWN, check_name
from passerby.gallery.filters import Condition, Filter
from passerby.gallery.identified import Group
from passerby.gallery.naming import new_name, new_names
from passerby.gallery.store import Store
from passerby.types import InputError

Named = Literal["person", "camera"]

_AT_ONCE = 1_000
_TAKES_ALL = ("rename", "merge")
"""Corrections after which nobody has the old name."""
_NAMES_ANEW = ("rename", "merge", "split")
"""Corrections whose name may be another person's than before."""


@dataclass(frozen=True)
class Changed:
    """What a correction did."""

    entries: int
    """That have another name now."""
    name: str | None
    """Which they have now; None: not known."""
    change: str | None
    """Names the correction, to undo it; None: nothing changed."""
    of: Named = "person"
    """Whose names these are."""
    before: str | None = None
    """The one that they had; None: none, or several."""


@dataclass(frozen=True)
class Corrections:
    """Of the entries that a store keeps; each is a line of the audit log, which undoing reads."""

    store: Store
    """Keeps the entries."""
    audit: AuditLog
    """Told what was there before."""

    def write(
        self, where: Filter, name: str | None, now: float, what: str, column: Named = "person"
    ) -> Changed:
        """Gives entries a name, or none.

        Raises:
            InputError: a filter that means all entries, or a bad name.
        """
        if where.empty:
            raise InputError(f"{what} needs a filter: an empty one means every entry")
        value = UNKNOWN if name is None else check_name(column, name)
        conditions = [*where.conditions(), Condition(column, "!=", value)]
        before = self._names(conditions, column)
        if not before:
            return Changed(0, name, None, column)
        change = secrets.token_hex(4)
        # Before the entries: what is not in the log could not be undone.
        self.audit.write(
            what, now, change=change, column=column, name=name, before=before,
            entries=sum(map(len, before.values())), filter=where.described(),
        )  # fmt: skip
        changed = self.store.assign(conditions, column, value)
        return Changed(changed, name, change, column, _only(before))

    def merge(self, persons: Sequence[str], into: str | None, now: float) -> Changed:
        """Makes several identities one, called like the first where no name is given.

        Raises:
            InputError: fewer than two, or one that is nobody's.
        """
        name = persons[0] if into is None and persons else into
        others = [person for person in persons if person != name]
        if name is None or not others:
            raise InputError(
                f"merge needs at least two names: given {', '.join(persons) or 'none'}"
            )
        for person in persons:
            self._known("person", person)
        return self.write(Filter(persons=others), name, now, "merge")

    def split(self, keys: Sequence[str], into: str | None, now: float) -> Changed:
        """Makes entries an identity of their own.

        Raises:
            InputError: a key that the gallery does not have.
        """
        asked = sorted(set(keys))
        names = self._names(Filter(keys=asked).conditions(), "person")
        there = sum(map(len, names.values()))
        if there < len(asked):
            raise InputError(f"the gallery has {there} of the {len(asked)} entries to split off")
        if into is None:
            taken = self._names(Filter(known=True).conditions(), "person")
            into = new_name({name or None for name in names}, taken)
        return self.write(Filter(keys=asked), into, now, "split")

    def same(self, one: str, other: str, now: float) -> Changed:
        """Makes the tracks of two entries one person, with all that have the same name already.

        Raises:
            InputError: a key that the gallery does not have; two names that people gave.
        """
        (first, keys), (second, more) = self._track(one), self._track(other)
        name = best_name([first, second])
        for person in {first, second} - {None, name}:
            keys = keys + [row[0] for row in self._rows(Filter(persons=[person or ""]))]
        return self.join([*keys, *more], name, now, "same")

    def join(self, keys: Sequence[str], name: str | None, now: float, what: str) -> Changed:
        """Gives entries one name, a new one where none is given."""
        if name is None:
            name = new_name({None}, self._names(Filter(known=True).conditions(), "person"))
        return self.write(Filter(keys=sorted(set(keys))), name, now, what)

    def join_groups(self, groups: Sequence[Group], now: float) -> list[Changed]:
        """Gives the tracks of each group one name; each is a correction of its own."""
        new = new_names(self._names(Filter(known=True).conditions(), "person"))
        return [
            self.write(Filter(keys=group.keys), group.person or next(new), now, "identify")
            for group in groups
        ]

    def apart(self, one: str, other: str, now: float, what: str) -> Changed:
        """Writes the line of a decision that two entries are two persons, or that waits.

        Raises:
            InputError: a key that the gallery does not have; two tracks of one person.
        """
        first, second = self._track(one)[0], self._track(other)[0]
        if first is not None and first == second:
            raise InputError(f"both entries are {first}: split one of them off first")
        change = secrets.token_hex(4)
        self.audit.write(what, now, change=change, pair=[one, other])
        return Changed(0, None, change)

    def _track(self, key: str) -> tuple[str | None, list[str]]:
        """Who an entry's track is, and the keys of its entries of that name or of none."""
        rows = self._rows(Filter(keys=[key]))
        if not rows:
            raise InputError(f"the gallery has no entry {key!r}")
        [(_, person, camera, track)] = rows
        if track != UNKNOWN:
            rows = self._rows(Filter(cameras=[camera], tracks=[track]))
        known = {name for _, name, _, _ in rows if name != UNKNOWN}
        # Several names: somebody took the track apart; entries without one are on their own.
        alone = len(known) > 1
        name = person if alone else next(iter(known), UNKNOWN)
        fits = (name,) if alone else (name, UNKNOWN)
        return name or None, [each for each, of, _, _ in rows if of in fits]

    def _rows(self, where: Filter) -> list[tuple[str, str, str, str]]:
        columns = ("key", "person", "camera", "track_id")
        return [
            row
            for batch in self.store.scan(where.conditions(), columns)
            for row in zip(*(batch.column(name).to_pylist() for name in columns), strict=True)
        ]

    def rename(self, column: Named, old: str, new: str, now: float) -> Changed:
        """Gives a person or a camera another name.

        Raises:
            InputError: nobody has the old name, or somebody the new one.
        """
        self._known(column, old)
        if old != new and self.store.count([Condition(column, "==", check_name(column, new))]):
            also = ": merge makes two identities one" if column == "person" else ""
            raise InputError(f"the gallery has a {column} {new!r} already{also}")
        where = Filter(persons=[old]) if column == "person" else Filter(cameras=[old])
        return self.write(where, new, now, "rename", column)

    def undo(self, change: str | None, now: float) -> Changed:
        """Gives entries the names back that a correction took.

        Entries that were corrected again since, or removed, stay as they are.

        Args:
            change: which correction; None: the last one that was not undone.
            now: seconds since 1970 in UTC.

        Raises:
            InputError: there is none, or no audit log; somebody else may have an old name by now.
        """
        line = self.correction(change)
        column, value = line["column"], line["name"] or UNKNOWN
        self._still_theirs(line)
        self.audit.write("undo", now, undid=line["change"])
        changed = 0
        for name, keys in line["before"].items():
            for start in range(0, len(keys), _AT_ONCE):
                where = Filter(keys=keys[start : start + _AT_ONCE]).conditions()
                unchanged = [*where, Condition(column, "==", value)]
                changed += self.store.assign(unchanged, column, name)
        return Changed(changed, _only(line["before"]), line["change"], column, line["name"])

    def correction(self, change: str | None) -> dict[str, Any]:
        """The line of a correction that was not undone, of the last one where none is named.

        Raises:
            InputError: there is none, or no audit log.
        """
        if self.audit.file is None:
            raise InputError("undoing needs the audit log: this gallery has none (--audit FILE)")
        found = [line for line in self._made() if change in (None, line["change"])]
        if not found:
            which = "" if change is None else f" {change!r}"
            raise InputError(f"the audit log has no correction{which} to undo")
        return found[-1]

    def _names(self, conditions: Sequence[Condition], column: Named) -> dict[str, list[str]]:
        """Keys of the entries by their name."""
        found: dict[str, list[str]] = {}
        for batch in self.store.scan(conditions, ("key", column)):
            rows = zip(
                batch.column(column).to_pylist(), batch.column("key").to_pylist(), strict=True
            )
            for name, key in rows:
                found.setdefault(name, []).append(key)
        return found

    def _made(self) -> list[dict[str, Any]]:
        """Lines of the corrections that were not undone, oldest first."""
        lines = self.audit.lines()
        undone = {line.get("undid") for line in lines}
        return [
            line
            for line in lines
            if ("before" in line or "pair" in line) and line["change"] not in undone
        ]

    def _still_theirs(self, line: dict[str, Any]) -> None:
        """Sees that names that undoing gives back were not given to somebody else since."""
        column, names = line["column"], sorted(name for name in line["before"] if name)
        if line["what"] in _TAKES_ALL:
            for name in names:
                if self.store.count([Condition(column, "==", name)]):
                    raise InputError(f"another {column} is called {name!r} now: rename it first")
        made = self._made()
        for later in made[made.index(line) + 1 :]:
            given = later["what"] in _NAMES_ANEW and later["column"] == column
            if given and later["name"] in names:
                raise InputError(
                    f"a later correction, {later['change']}, gave the name {later['name']!r}: "
                    "undo that one first"
                )

    def _known(self, column: Named, name: str) -> None:
        if not self.store.count([Condition(column, "==", name)]):
            raise InputError(f"the gallery has no {column} {name!r}")


def _only(names: Collection[str]) -> str | None:
    return next(iter(names)) or None if len(names) == 1 else None
