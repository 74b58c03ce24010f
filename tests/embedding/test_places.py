"""Files, folders and manifests as lists of pictures."""

import numpy as np
import pytest
from PIL import Image

from passerby.embedding.places import list_places
from passerby.embedding.quality import Quality, sharpness
from passerby.types import InputError


def picture(file, size=(8, 16)):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size).save(file)


@pytest.fixture
def tree(tmp_path):
    for name in ("a/2.jpg", "a/b/1.png", "a/.hidden.jpg", "a/masks/2.png", "c/3.jpg"):
        picture(tmp_path / name)
    (tmp_path / "a/notes.txt").write_text("no picture")
    (tmp_path / "list.csv").write_text(
        "file_name,person_id,camera_id,timestamp,x,y,width,height,track_id\n"
        "a/2.jpg,7,1,5.5,1,2,3,4,t\n"
        "a/2.jpg,,,,0,0,2,2,\n"
        "absent.jpg,7,1,,,,,,t\n"
    )
    return tmp_path


def test_a_folder_with_what_lies_below(tree):
    listed = list_places([tree / "a"])
    assert [sample.name for sample in listed.samples] == ["2.jpg", "b/1.png"]
    assert [sample.file for sample in listed.samples] == [tree / "a/2.jpg", tree / "a/b/1.png"]
    assert {(s.person, s.camera, s.timestamp) for s in listed.samples} == {(None,) * 3}
    assert listed.root == tree / "a"


def test_a_manifest_of_which_only_the_names_are_needed(tree):
    samples = list_places([tree / "list.csv"]).samples
    known = [(s.name, s.person, s.camera, s.timestamp, s.box, s.track_id) for s in samples]
    assert known == [
        ("a/2.jpg", None, None, None, (0, 0, 2, 2), None),
        ("a/2.jpg", "7", "1", 5.5, (1, 2, 3, 4), "t"),
        ("absent.jpg", "7", "1", None, None, "t"),
    ]  # fmt: skip
    (tree / "names.csv").write_text("path\nc/3.jpg\n")
    assert [s.name for s in list_places([tree / "names.csv"]).samples] == ["c/3.jpg"]


def test_names_of_people_are_kept(tree):
    (tree / "names.csv").write_text("file_name,person_id\nc/3.jpg,bea\na/2.jpg,al\n")
    (tree / "more.csv").write_text("file_name,person_id\na/b/1.png,al\n")
    listed = list_places([tree / "names.csv", tree / "more.csv"])
    assert [s.person for s in listed.samples] == ["al", "al", "bea"]


def test_several_places_keep_their_paths(tree, monkeypatch):
    monkeypatch.chdir(tree)
    listed = list_places(["c/3.jpg", "a"])
    assert [s.name for s in listed.samples] == ["a/2.jpg", "a/b/1.png", "c/3.jpg"]
    assert listed.root is None
    assert [s.name for s in list_places(["c/3.jpg"]).samples] == ["3.jpg"]


def test_what_is_no_place(tree):
    for places, message in (
        ([], "name what to embed"),
        ([tree / "no"], "no such file or folder"),
        ([tree / "a/notes.txt"], "not a picture, a folder or a manifest"),
        ([tree / "a", tree / "a/2.jpg"], "2.jpg is given 2 times"),
    ):
        with pytest.raises(InputError, match=message):
            list_places(places)
    (tree / "empty").mkdir()
    with pytest.raises(InputError, match="contains no pictures"):
        list_places([tree / "empty"])
    (tree / "bad.csv").write_text("person_id\n3\n")
    with pytest.raises(InputError, match="the column file_name is missing"):
        list_places([tree / "bad.csv"])


def test_sharpness_is_the_variance_of_the_laplacian():
    grey = np.random.default_rng(0).integers(0, 256, (9, 7)).astype(np.uint8)
    values = []
    for y in range(1, 8):
        for x in range(1, 6):
            around = [grey[y - 1, x], grey[y + 1, x], grey[y, x - 1], grey[y, x + 1]]
            values.append(sum(map(float, around)) - 4 * float(grey[y, x]))
    found = sharpness(np.repeat(grey[:, :, None], 3, axis=2))
    assert found == pytest.approx(np.var(values), rel=1e-5)
    assert sharpness(np.zeros((2, 50, 3), np.uint8)) == 0


def test_the_gate():
    noise = np.random.default_rng(0).integers(0, 256, (40, 20, 3), dtype=np.uint8)
    flat = np.full((40, 20, 3), 90, np.uint8)
    gate = Quality(min_height=30, min_sharpness=5)
    assert (gate.fault(noise), gate.fault(noise[:29]), gate.fault(flat)) == (None, "low", "blurred")
    assert Quality().fault(flat[:1]) is None
    with pytest.raises(InputError, match="at least 0; given -1"):
        Quality(min_height=-1)
