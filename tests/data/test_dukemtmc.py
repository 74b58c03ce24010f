import numpy as np
import pytest
from PIL import Image

from passerby.data.datasets import load
from passerby.data.dukemtmc import WITHDRAWN
from passerby.types import InputError


def write(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.fromarray(np.zeros((4, 2, 3), np.uint8)).save(folder / name)


@pytest.fixture
def root(tmp_path):
    inside = tmp_path / "DukeMTMC-reID"
    write(inside / "bounding_box_train", "0001_c2_f0046302.jpg", "0001_c2_f0046182.jpg")
    write(inside / "query", "0005_c2_f0046985.jpg")
    write(
        inside / "bounding_box_test",
        "0005_c5_f0051341.jpg",
        "0005_c2_f0046999.jpg",
        "7001_c8_f0000001.jpg",
    )
    return tmp_path


def test_parts(root):
    split = load("dukemtmc", root)
    assert split.name == "dukemtmc"
    assert split.root == root / "DukeMTMC-reID"
    assert [s.name for s in split.train] == [
        "bounding_box_train/0001_c2_f0046182.jpg",
        "bounding_box_train/0001_c2_f0046302.jpg",
    ]
    assert [(s.person_id, s.camera_id) for s in split.query] == [(5, 2)]
    assert [(s.person_id, s.camera_id) for s in split.gallery] == [(5, 2), (5, 5), (7001, 8)]
    assert split.multi_query == ()


def test_says_that_it_was_withdrawn_and_what_is_missing(root):
    first, counts = load("dukemtmc", root).warnings
    assert first == WITHDRAWN
    assert "withdrawn by its authors" in first
    for what in [
        "training pictures 2 (16,522)", "training identities 1 (702)", "queries 1 (2,228)",
        "gallery pictures 3 (17,661)", "gallery identities 2 (1,110)",
    ]:  # fmt: skip
        assert what in counts


def test_other_names_are_refused(root):
    write(root / "DukeMTMC-reID" / "query", "0002_c1s1_000451_03.jpg")
    with pytest.raises(InputError, match="0001_c2_f0046182.jpg .*; 1 of 2 here do not"):
        load("dukemtmc", root)


def test_a_wrong_folder(tmp_path):
    with pytest.raises(InputError, match="nor a folder DukeMTMC-reID or dukemtmc that does"):
        load("dukemtmc", tmp_path)
