"""Sets of version 2 on disk: bytes, attributes, and how they are asked for."""

import csv
import json

import pytest

from passerby import load
from passerby.cli.synth import run
from passerby.drawing import DrawingRecipe, write_synthetic
from passerby.types import InputError

TINY = DrawingRecipe(
    train_identities=2, test_identities=2, cameras=2, people_per_place=1, pictures_per_identity=4,
    drawn_boxes=0, distractors=2, junk=2, height=64, width=32, seed=5,
)  # fmt: skip
FEW = [
    *("--train-identities", "2", "--test-identities", "2", "--cameras", "2", "--junk", "2"),
    *("--people-per-place", "1", "--pictures-per-identity", "4", "--drawn-boxes", "0"),
    *("--distractors", "2", "--height", "64", "--width", "32", "--seed", "5"),
]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    root = tmp_path_factory.mktemp("drawn") / "tiny"
    write_synthetic(root, TINY, workers=1)
    return root


def _bytes(root):
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_the_command_writes_the_same_bytes_with_two_processes(tiny, tmp_path):
    run([str(tmp_path / "two"), "--version", "2", "--workers", "2", *FEW])
    assert _bytes(tmp_path / "two") == _bytes(tiny)


def test_a_factor_left_out_is_another_set(tiny):
    with pytest.raises(InputError, match="another synthetic set: recipe"):
        run([str(tiny), "--version", "2", "--factors.no-crowd", *FEW])


def test_people_and_their_attributes(tiny):
    rows = list(csv.DictReader((tiny / "people.csv").open()))
    assert [row["person_id"] for row in rows] == ["1", "2", "3", "4"]
    for row in rows:
        assert row["build"] in {"slim", "average", "heavy"}
        assert row["age"] in {"child", "adult", "old"}
        assert row["skin_tone"] in set("123456")
        assert 0.9 < float(row["height"]) < 2.1
    about = json.loads((tiny / "synthetic.json").read_text())
    assert about["version"] == "v2"
    assert about["recipe"]["factors"]["crowd"] is True


def test_a_finished_set_of_version_2_is_loaded(tiny, tmp_path):
    split = load("synthetic", tiny)
    assert {sample.person_id for sample in split.query} == {3, 4}
    assert "not synthetic v2, but " in split.warnings[0]
    with pytest.raises(InputError, match="drawing_version must be 1 or 2; given 3"):
        load("synthetic", tmp_path / "absent", drawing_version=3)
