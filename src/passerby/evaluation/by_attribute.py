"""Scores split by what is known of the people: build, age, skin tone of drawn ones."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from passerby.types import InputError, Scores

MOST_VALUES = 12
"""An attribute of more values, such as a height in metres, names no groups."""


@dataclass(frozen=True)
class Part:
    """The scores of the people who share a value."""

    people: int
    """Who are queried and have a match."""
    queries: int
    """Of these people, with a match."""
    rank_1: float
    """Share of the queries whose nearest picture is a match."""
    mean_ap: float
    """Mean average precision over the queries."""


def read_people(file: str | Path) -> dict[str, dict[str, str]]:
    """Attributes by person, from a CSV with a column `person_id`.

    Raises:
        InputError: the file cannot be read, or has no such column.
    """
    try:
        with Path(file).open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{file}: cannot be read as a table of people: {error}") from error
    if not rows or "person_id" not in rows[0]:
        raise InputError(f"{file}: must have a column person_id and a line for each person")
    return {row.pop("person_id"): row for row in rows}


def by_attribute(
    scores: Scores, persons: Sequence[int | str], people: Mapping[str, Mapping[str, str]]
) -> dict[str, dict[str, Part]]:
    """Splits scores by each attribute.

    Args:
        scores: of Q queries.
        persons: (Q,) whom each query shows.
        people: attributes by person.

    Returns:
        Attribute -> value -> scores; attributes of more than `MOST_VALUES` values are left out.

    Raises:
        InputError: the counts differ, or a queried person has no attributes.
    """
    if len(persons) != len(scores.ap):
        raise InputError(f"{len(scores.ap)} queries need as many persons; given {len(persons)}")
    names = [str(person) for person in persons]
    unknown = sorted(set(names) - set(people))
    if unknown:
        raise InputError(
            f"no attributes of {len(unknown)} queried people, the first is {unknown[0]}"
        )
    out: dict[str, dict[str, Part]] = {}
    for attribute in next(iter(people.values()), {}):
        values = np.array([people[name][attribute] for name in names])
        groups = sorted(set(values.tolist()))
        if len(groups) <= MOST_VALUES:
            out[attribute] = {
                value: _part(scores, values == value, np.array(names)) for value in groups
            }
    return out


def _part(scores: Scores, where: NDArray[np.bool_], names: NDArray[np.str_]) -> Part:
    matched = where & (scores.first_match > 0)
    if not matched.any():
        return Part(0, 0, float("nan"), float("nan"))
    return Part(
        len(set(names[matched].tolist())),
        int(matched.sum()),
        float((scores.first_match[matched] == 1).mean()),
        float(scores.ap[matched].mean()),
    )
