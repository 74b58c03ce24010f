import numpy as np
import pytest
from PIL import Image

from passerby.data import load
from passerby.data.folder import load_folder
from passerby.types import InputError


def write(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((4, 2, 3), np.uint8)).save(root / name)


def summary(samples):
    return [(s.name, s.person_id, s.camera_id) for s in samples]


def test_parts_with_a_folder_for_each_person(tmp_path):
    write(
        tmp_path,
        "train/0005/1_a.jpg",
        "train/0002/2_b.jpg",
        "query/0007/1_a.jpg",
        "gallery/0007/2_a.jpg",
        "gallery/-1/2_b.jpg",
        "gallery/0009/10_a.jpg",
    )
    split = load_folder(tmp_path)
    assert summary(split.train) == [("train/0002/2_b.jpg", 2, 2), ("train/0005/1_a.jpg", 5, 1)]
    assert summary(split.query) == [("query/0007/1_a.jpg", 7, 1)]
    assert summary(split.gallery) == [
        ("gallery/-1/2_b.jpg", -1, 2),
        ("gallery/0007/2_a.jpg", 7, 2),
        ("gallery/0009/10_a.jpg", 9, 10),
    ]
    assert split.train[0].file == tmp_path / "train/0002/2_b.jpg"
    assert (split.name, split.root, split.warnings) == ("folder", tmp_path, ())


def test_names_are_numbered_over_all_parts(tmp_path):
    write(
        tmp_path,
        "train/carl/door_1.jpg",
        "query/anna/gate_1.jpg",
        "gallery/anna/door_1.jpg",
        "gallery/berta/gate_9_x.jpg",
    )
    split = load_folder(tmp_path)
    everybody = (*split.query, *split.gallery, *split.train)
    assert [(s.person, s.camera) for s in everybody] == [
        ("anna", "gate"), ("anna", "door"), ("berta", "gate"), ("carl", "door"),
    ]  # fmt: skip
    assert [s.person_id for s in split.query] == [0]
    assert [(s.person_id, s.camera_id) for s in split.gallery] == [(0, 0), (1, 1)]
    assert [s.person_id for s in split.train] == [2]


def test_market_names_flat_or_in_folders(tmp_path):
    write(
        tmp_path,
        "train/0003_c2s1_000001_00.jpg",
        "train/0000_c1s1_000001_00.jpg",
        "query/0004_c1s1_000001_00.jpg",
        "gallery/0004_c2s1_000001_00.jpg",
        "gallery/0005/0005_c6s1_000001_00.jpg",
    )
    split = load_folder(tmp_path)
    # Own pictures have no distractors: 0000 is a person like any other.
    assert [(s.person_id, s.camera_id) for s in split.train] == [(0, 1), (3, 2)]
    assert [(s.person_id, s.camera_id) for s in split.query] == [(4, 1)]
    assert [(s.person_id, s.camera_id) for s in split.gallery] == [(4, 2), (5, 6)]
    assert [(s.person, s.camera) for s in split.gallery] == [("0004", "2"), ("0005", "6")]
    assert split.train[0].person == "0000"


def test_without_queries_the_first_of_each_person_and_camera(tmp_path):
    write(
        tmp_path,
        "test/1/1_b.jpg",
        "test/1/1_a.jpg",
        "test/1/2_a.jpg",
        "test/2/1_a.jpg",
        "test/-1/1_a.jpg",
    )
    split = load_folder(tmp_path)
    assert split.train == ()
    assert [s.name for s in split.query] == ["test/1/1_a.jpg", "test/1/2_a.jpg", "test/2/1_a.jpg"]
    assert len(split.gallery) == 5
    assert set(split.query) <= set(split.gallery)
    assert split.warnings == (
        f"{tmp_path}: no queries given: 3, the first of each person and camera",
    )


@pytest.mark.parametrize(
    ("share", "test"), [(0.5, {1, 3, 5}), (0.0, set()), (1.0, set(range(6))), (1 / 3, {2, 5})]
)
def test_only_people_are_dealt_evenly(tmp_path, share, test):
    for person in range(6):
        write(tmp_path, f"{person}/1_a.jpg", f"{person}/2_a.jpg", f"{person}/2_b.jpg")
    split = load("folder", tmp_path, test_share=share)
    assert {s.person_id for s in split.gallery} == {s.person_id for s in split.query} == test
    assert {s.person_id for s in split.train} == set(range(6)) - test
    assert len(split.train) + len(split.gallery) == 18
    assert len(split.query) == 2 * len(test)
    assert f"{6 - len(test)} people for training, {len(test)} to search for" in split.warnings[-1]


def test_test_share_lies_between_0_and_1(tmp_path):
    with pytest.raises(InputError, match=r"test_share must be from 0 to 1; given 1\.5"):
        load_folder(tmp_path, test_share=1.5)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([], "contains no pictures"),
        (["train/a/b.jpg"], r"train/a/b\.jpg: file names .* start with the camera"),
        (["train/a/_b.jpg"], r"start with the camera"),
        (["train/a/b/1_c.jpg"], "train/a/b: a person's folder may contain pictures only"),
        (["train/a.jpg"], r"train/a\.jpg: put the picture into its person's folder"),
        (["train/-1/1_a.jpg"], "person -1 is junk"),
        (["gallery/1/1_a.jpg", "query/-1/1_a.jpg"], "person -1 is junk"),
        (["train/1/1_a.jpg", "query/1/1_a.jpg"], "a folder query but no folder gallery"),
        (["test/1/1_a.jpg", "gallery/1/1_a.jpg"], "both a folder gallery and a folder test"),
    ],
)
def test_wrong_folders(tmp_path, names, words):
    write(tmp_path, *names)
    with pytest.raises(InputError, match=words):
        load_folder(tmp_path)


def test_another_data_sets_layout_says_its_name(market):
    with pytest.raises(InputError, match=r"bounding_box_train, .* --data market1501"):
        load_folder(market)


def test_missing_folder(tmp_path):
    with pytest.raises(InputError, match="nowhere: no such folder"):
        load_folder(tmp_path / "nowhere")


def test_what_is_no_picture_is_ignored(tmp_path):
    write(tmp_path, "train/1/1_a.jpg")
    (tmp_path / "train/1/Thumbs.db").write_bytes(b"x")
    (tmp_path / "train/.cache").mkdir()
    assert len(load_folder(tmp_path).train) == 1
