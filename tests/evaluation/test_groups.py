"""Scores of groups of queries against loops."""

from pathlib import Path

import numpy as np
import pytest

from passerby.evaluation.protocols import evaluate_split
from passerby.evaluation.results import results
from passerby.types import Sample, Split


def split(root):
    def one(person, camera, number):
        name = f"{person}_{camera}_{number}.jpg"
        return Sample(root / name, name, person, camera, camera=f"cam {camera}")

    people = range(1, 9)
    query = tuple(one(p, 1 + p % 2, 0) for p in people) + (one(50, 1, 0),)
    gallery = tuple(one(p, c, n) for p in people for c in (1, 2, 3) for n in (1, 2))
    return Split("market1501", root, (), query, gallery)


def ranked(root):
    rng = np.random.default_rng(0)
    given = split(root)
    rows = [rng.standard_normal((len(part), 6)) for part in (given.query, given.gallery)]
    for part, row in zip((given.query, given.gallery), rows, strict=True):
        for i, sample in enumerate(part):
            row[i, sample.person_id % 6] += 1.5
    how = {"metric": "euclidean", "feature": "f", "fingerprint": "m"}
    return given, evaluate_split(*(row.astype(np.float32) for row in rows), given, **how)


def test_by_camera_and_by_what_people_are_drawn_as(tmp_path):
    builds = {1: "slim", 2: "slim", 3: "heavy", 4: "heavy", 5: "heavy", 6: "average"}
    lines = [f"{p},{build},{'old' if p < 4 else 'adult'},3" for p, build in builds.items()]
    text = "\n".join(["person_id,build,age,skin_tone", *lines])
    (tmp_path / "people.csv").write_text(text + "\n")
    given, found = ranked(tmp_path)
    assert set(found.groups) == {"camera", "build", "age"}  # one skin tone is no group
    assert set(found.groups["build"]) == {"slim", "heavy", "average"}
    for name, score in found.groups["build"].items():
        of = [i for i, q in enumerate(given.query) if builds.get(q.person_id) == name]
        assert score.queries == len(of)
        assert score.rank_1 == pytest.approx(np.mean([found.first_match[i] == 1 for i in of]))
        assert score.mean_ap == pytest.approx(np.mean([found.ap[i] for i in of]))
    cameras = found.groups["camera"]
    # The query of person 50 has no match and counts nowhere.
    assert {name: score.queries for name, score in cameras.items()} == {"cam 1": 4, "cam 2": 4}
    total = sum(score.queries * score.mean_ap for score in cameras.values()) / 8
    assert total == pytest.approx(found.mean_ap)
    assert results(found, {})["groups"]["build"]["slim"]["queries"] == 2


def test_real_people_are_told_apart_by_camera_alone(tmp_path: Path):
    assert set(ranked(tmp_path)[1].groups) == {"camera"}
