import json

import pytest

import passerby.drawing
from passerby.data.datasets import DATASETS, load, load_synthetic, options_of
from passerby.types import InputError

SMALL = {
    "train_identities": 2,
    "test_identities": 2,
    "cameras": 2,
    "pictures_per_identity": 4,
    "drawn_distractors": 1,
    "junk": 1,
}


def test_unknown_names_list_the_known_ones(tmp_path):
    with pytest.raises(InputError, match="no data set 'market'; there are market1501, dukemtmc, "):
        load("market", tmp_path)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("market1501", "none"),
        ("dukemtmc", "none"),
        ("msmt17", "version, with_validation"),
        ("cuhk03", "protocol, boxes, index, extract_to"),
        ("manifest", "file"),
        ("folder", "test_share"),
        ("synthetic", "drawing_seed"),
    ],
)
def test_unknown_options_list_the_known_ones(tmp_path, name, known):
    with pytest.raises(InputError, match=f"{name} has no option .colours.; it has .*{known}"):
        load(name, tmp_path, colours="all")


def test_every_option_has_its_line_in_the_docstring():
    for name, loader in DATASETS.items():
        for option in options_of(name):
            assert f"{option}:" in (loader.__doc__ or ""), (name, option)


def test_synthetic_is_drawn_once_and_loaded(tmp_path):
    root = tmp_path / "people"
    split = load("synthetic", root, **SMALL, drawing_seed=3)
    assert split.name == "synthetic"
    assert len({s.person_id for s in split.train}) == 2
    assert {s.person_id for s in split.query} <= {s.person_id for s in split.gallery}
    assert "not synthetic v1, but " in split.warnings[0]
    assert "seed 3" in split.warnings[0]
    times = {s.file: s.file.stat().st_mtime_ns for s in split.train}
    for again in (load("synthetic", root), load("synthetic", root, **SMALL, drawing_seed=3)):
        assert again == split
    assert times == {s.file: s.file.stat().st_mtime_ns for s in split.train}
    with pytest.raises(InputError, match="another synthetic set"):
        load("synthetic", root, **SMALL, drawing_seed=4)


def test_synthetic_v1_is_the_default(tmp_path, monkeypatch):
    asked = []

    def write(root, recipe):
        asked.append(recipe)
        raise InputError("enough")

    monkeypatch.setattr(passerby.drawing, "write_synthetic", write)
    with pytest.raises(InputError, match="enough"):
        load_synthetic(tmp_path / "people")
    assert asked == [passerby.drawing.SyntheticRecipe()]


def test_synthetic_says_nothing_of_v1(tmp_path):
    root = tmp_path / "people"
    split = load("synthetic", root, **SMALL)
    assert split.warnings
    from dataclasses import asdict

    held = json.loads((root / "synthetic.json").read_text())
    held["recipe"] = asdict(passerby.drawing.SyntheticRecipe())
    (root / "synthetic.json").write_text(json.dumps(held))
    assert load("synthetic", root).warnings == ()
