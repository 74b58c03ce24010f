from pathlib import Path

import pytest

from passerby.data.datasets import load
from passerby.data.msmt17 import FOLDERS
from passerby.types import InputError

TRAIN = ["0000/0000_000_01_0303morning_0008_0.jpg 0", "0001/0001_003_14_0113noon_0100_1_ex.jpg 1"]
VAL = ["0000/0000_009_05_0303noon_0010_0.jpg 0"]
QUERY = ["0000/0000_001_02_0303morning_0020_0.jpg 0"]
GALLERY = [
    "0001/0001_000_15_0302afternoon_0001_0.jpg 1",
    "0000/0000_000_03_0302afternoon_0001_0.jpg 0",
]


def write(root, version="V1", **lists):
    whole = {"train": TRAIN, "val": VAL, "query": QUERY, "gallery": GALLERY} | lists
    for part, lines in whole.items():
        root.mkdir(exist_ok=True)
        (root / f"list_{part}.txt").write_text("".join(f"{line}\n" for line in lines))
        folder = root / FOLDERS[version][part in ("query", "gallery")]
        for line in lines:
            file = folder / line.split(" ")[0]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
    return root


@pytest.mark.parametrize("version", ["V1", "V2"])
def test_parts(tmp_path, version):
    root = write(tmp_path / f"MSMT17_{version}", version)
    split = load("msmt17", tmp_path)
    train, test = FOLDERS[version]
    assert split.root == root
    assert split.variant == version
    # In the order of their names; the test people are numbered on after the training people.
    assert [(s.name, s.person_id, s.camera_id) for s in split.train] == [
        (f"{train}/0000/0000_000_01_0303morning_0008_0.jpg", 0, 1),
        (f"{train}/0000/0000_009_05_0303noon_0010_0.jpg", 0, 5),
        (f"{train}/0001/0001_003_14_0113noon_0100_1_ex.jpg", 1, 14),
    ]
    assert [(s.name, s.person_id, s.camera_id) for s in split.query] == [
        (f"{test}/0000/0000_001_02_0303morning_0020_0.jpg", 2, 2)
    ]
    assert [(s.person_id, s.camera_id) for s in split.gallery] == [(2, 3), (3, 15)]
    # Person 0000 of the test part is not that of the training part.
    assert [(s.person, s.camera) for s in (split.train[0], *split.gallery)] == [
        ("train/0000", "01"), ("test/0000", "03"), ("test/0001", "15"),
    ]  # fmt: skip
    assert all(s.file == root / s.name for s in (*split.train, *split.gallery))


def test_validation_pictures_can_stay_out(tmp_path):
    split = load("msmt17", write(tmp_path), with_validation=False)
    assert [s.camera_id for s in split.train] == [1, 14]
    assert split.variant == "V1 without validation pictures"
    assert "training pictures 2 (30,248)" in split.warnings[0]


def test_counts_are_those_of_v1(tmp_path):
    (warning,) = load("msmt17", write(tmp_path / "a")).warnings
    for what in [
        "training pictures 3 (32,621)", "training identities 2 (1,041)", "queries 1 (11,659)",
        "gallery pictures 2 (82,161)", "gallery identities 2 (3,060)",
    ]:  # fmt: skip
        assert what in warning
    (note,) = load("msmt17", write(tmp_path / "b", "V2")).warnings
    assert "faces blurred" in note


def test_both_versions_need_a_choice(tmp_path):
    write(write(tmp_path, "V1"), "V2")
    with pytest.raises(InputError, match="contains both V1 and V2: say which by `version`"):
        load("msmt17", tmp_path)
    assert load("msmt17", tmp_path, version="V2").query[0].name.startswith("mask_test_v2/")
    assert load("msmt17", tmp_path, version="V1").query[0].name.startswith("test/")


@pytest.mark.parametrize(
    ("lists", "words"),
    [
        ({"query": ["0000/0000_001_02_0303morning_0020_0.jpg"]}, "list_query.txt: line 1 must"),
        ({"train": [*TRAIN, "0000/x.jpg 0"]}, "list_train.txt: line 3 must look like .*x.jpg 0"),
        ({"gallery": [*GALLERY, GALLERY[0]]}, "0001_000_15.* is listed twice in the gallery"),
        ({"val": [TRAIN[0]]}, "listed twice in the training part"),
        ({"query": []}, "list_query.txt: lists no pictures"),
    ],
)
def test_wrong_lists(tmp_path, lists, words):
    with pytest.raises(InputError, match=words):
        load("msmt17", write(tmp_path, **lists))


def test_missing_things(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        load("msmt17", tmp_path / "none")
    with pytest.raises(InputError, match="no folders train and test or mask_train_v2 and"):
        load("msmt17", tmp_path)
    root = write(tmp_path)
    with pytest.raises(InputError, match="V1 or V2: given 'V3'"):
        load("msmt17", root, version="V3")
    Path(root / "test" / GALLERY[0].split(" ")[0]).unlink()
    with pytest.raises(
        InputError, match="1 of 2 gallery pictures are missing, e.g. test/0001/0001_0"
    ):
        load("msmt17", root)
    (root / "list_val.txt").unlink()
    with pytest.raises(InputError, match="list_val.txt: the list is missing"):
        load("msmt17", root)
    (root / "list_val.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="list_val.txt: not a text file"):
        load("msmt17", root)
