"""Scores of a run on a drawn set, split by build, age and skin tone as drawn.

python tools/scores_by_attribute.py RUN ROOT
"""

from __future__ import annotations

import argparse
from pathlib import Path

import passerby
from passerby.evaluation.by_attribute import by_attribute, read_people


def main() -> None:
    """Embeds the set's queries and gallery, ranks them, prints a line for each value."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("root", type=Path)
    options = parser.parse_args()
    split = passerby.load("synthetic", options.root)
    found = passerby.evaluate_model(passerby.Embedder.load(options.run), split)
    persons = [sample.person_id for sample in split.query]
    parts = by_attribute(found.step, persons, read_people(options.root / "people.csv"))
    for attribute, values in parts.items():
        for value, part in values.items():
            print(
                f"{attribute:10s} {value:10s} {part.people:5d} people {part.queries:6d} queries "
                f"rank-1 {part.rank_1:.1%} mAP {part.mean_ap:.1%}"
            )


if __name__ == "__main__":
    main()
