"""Scores of some of the queries: by camera and, on drawn people, by what a person is drawn as."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from passerby.types import Scores, Split

PEOPLE = "people.csv"
"""Lies beside drawn people: `person_id` and what each is drawn as."""

TOLD = ("build", "age", "skin_tone")
"""Its columns by which scores are told apart."""


@dataclass(frozen=True)
class GroupScore:
    """Of the queries of one group, those without a match left out."""

    queries: int
    """How many."""
    rank_1: float
    """Share of them whose first match comes first."""
    mean_ap: float
    """Mean of their average precision."""


def group_scores(scores: Scores, split: Split) -> dict[str, dict[str, GroupScore]]:
    """By what groups differ in (`camera`, `build`, ...) and by the group's name.

    Nothing where the queries that were ranked are not those of the split, one by one.
    """
    if len(scores.ap) != len(split.query):
        return {}
    ranked = ~np.isnan(scores.ap)
    found = {}
    for kind, names in _groups(split).items():
        known = sorted({name for name, told in zip(names, ranked, strict=True) if name and told})
        found[kind] = {
            name: _score(scores, ranked & np.array([other == name for other in names]))
            for name in known
        }
    return {kind: groups for kind, groups in found.items() if len(groups) > 1}


def _score(scores: Scores, chosen: np.ndarray) -> GroupScore:
    return GroupScore(
        int(chosen.sum()),
        float((scores.first_match[chosen] == 1).mean()),
        float(scores.ap[chosen].mean()),
    )


def _groups(split: Split) -> dict[str, list[str]]:
    """The name of each query's group, empty where it is not known."""
    groups = {"camera": [sample.camera or str(sample.camera_id) for sample in split.query]}
    people = _people(split)
    for kind in TOLD:
        if any(kind in person for person in people.values()):
            told = [people.get(sample.person_id, {}) for sample in split.query]
            groups[kind] = [person.get(kind, "") for person in told]
    return groups


def _people(split: Split) -> dict[int, Mapping[str, str]]:
    file = split.root / PEOPLE
    if not file.is_file():
        return {}
    with file.open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))
    return {int(row["person_id"]): row for row in rows if (row.get("person_id") or "").isdecimal()}
