import hashlib
import json
import os
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io

from passerby.data.cuhk03 import load_cuhk03
from passerby.data.cuhk03_files import (
    PAIR_PEOPLE,
    person_number,
    read_kept_testsets,
    read_new_protocol,
    read_testsets,
)
from passerby.data.datasets import load
from passerby.data.images import read_image
from passerby.types import InputError

REAL = Path(__file__).parents[2] / "../shared/data/cuhk03_new_protocol"
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason=f"{REAL} is not there")

PEOPLE = (3, 2, 1, 1, 1)
"""Of each camera pair in the files that these tests write."""

TESTSETS = [[(1, 2), (2, 1)], [(1, 1), (3, 1)]]


def has(boxes, pair, person, place):
    """Which cells hold a picture: five and five, but for two people, and one less if detected."""
    if (pair, person) == (1, 2):
        return place in (0, 5)
    return (boxes, pair, person, place) != ("detected", 1, 3, 4)


def picture(boxes, pair, person, place):
    """Height and width differ from picture to picture."""
    seed = [boxes == "detected", pair, person, place]
    shape = 5 + place, 3 + person, 3
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def write_mat(file, **changes):
    """As MATLAB writes cells of cells: object references, dimensions reversed."""
    with h5py.File(file, "w") as mat:
        hidden = mat.create_group("#refs#")

        def keep(array, empty=False):
            dataset = hidden.create_dataset(str(len(hidden)), data=array)
            if empty:
                dataset.attrs["MATLAB_empty"] = np.uint8(1)
            return dataset.ref

        def cells(shape, refs):
            array = np.empty(shape, h5py.ref_dtype)
            array.ravel()[:] = refs
            return array

        for boxes in ("labeled", "detected"):
            pairs = []
            for pair, people in enumerate(PEOPLE, 1):
                refs = [
                    keep(picture(boxes, pair, person, place).T)
                    if has(boxes, pair, person, place)
                    else keep(np.zeros(2, np.uint64), empty=place % 2 == 0)
                    for place in range(10)
                    for person in range(1, people + 1)
                ]
                dataset = hidden.create_dataset(f"{boxes}{pair}", data=cells((10, people), refs))
                pairs.append(dataset.ref)
            mat.create_dataset(boxes, data=cells((1, 5), pairs))
        sets = [keep(np.array(one, np.float64).T) for one in TESTSETS]
        mat.create_dataset("testsets", data=cells((1, len(sets)), sets))
        for name, change in changes.items():
            del mat[name]
            if change is not None:
                mat.create_dataset(name, data=change)
    return file


def names(boxes):
    return [
        f"{pair}_{person:03d}_{1 if place < 5 else 2}_{place + 1:02d}.png"
        for pair, people in enumerate(PEOPLE, 1)
        for person in range(1, people + 1)
        for place in range(10)
        if has(boxes, pair, person, place)
    ]


def write_config(root, boxes="labeled", **changes):
    """A list of the new protocol: people of pair 1 train, the others are tested."""
    listed = names(boxes)
    number = {(p, i): sum(PAIR_PEOPLE[: p - 1]) + i for p in range(1, 6) for i in range(1, 4)}
    place = [tuple(int(part) for part in name[:-4].split("_")) for name in listed]
    is_query = [p > 1 and k in (1, 6) for p, _, _, k in place]

    def column(values, kind):
        return np.array(values, kind)[:, None]

    filelist = np.empty((len(listed), 1), object)
    filelist[:, 0] = listed
    contents = {
        "filelist": filelist,
        "labels": column([number[p, i] for p, i, _, _ in place], np.uint16),
        "camId": column([camera for _, _, camera, _ in place], np.uint8),
        "train_idx": column([n for n, p in enumerate(place, 1) if p[0] == 1], np.uint16),
        "query_idx": column([n for n, q in enumerate(is_query, 1) if q], np.uint16),
        "gallery_idx": column(
            [n for n, p in enumerate(place, 1) if p[0] > 1 and not is_query[n - 1]], np.uint16
        ),
    } | changes
    file = root / f"cuhk03_new_protocol_config_{boxes}.mat"
    scipy.io.savemat(file, {k: v for k, v in contents.items() if v is not None})
    return file


@pytest.fixture
def root(tmp_path):
    (tmp_path / "cuhk03_release").mkdir()
    write_mat(tmp_path / "cuhk03_release" / "cuhk-03.mat")
    write_config(tmp_path)
    return tmp_path


def facts(samples):
    return [(s.file.name, s.person_id, s.camera_id) for s in samples]


@pytest.mark.parametrize("boxes", ["labeled", "detected"])
@pytest.mark.parametrize("index", [0, 1])
def test_original_protocol(root, boxes, index):
    split = load("cuhk03", root, protocol="original", boxes=boxes, index=index)
    assert split.variant == f"original protocol, {boxes}, split {index}"
    assert split.protocol == "single-gallery-shot"
    # Written out: the people's numbers run on from pair to pair, 843 + 440 + ... .
    start = {1: 0, 2: 843, 3: 1283, 4: 1360, 5: 1418}
    everyone = []
    for name in names(boxes):
        pair, person, camera, _ = (int(part) for part in name[:-4].split("_"))
        tested = (pair, person) in TESTSETS[index]
        everyone.append((tested, (name, start[pair] + person, camera)))
    assert facts(split.train) == [fact for tested, fact in everyone if not tested]
    assert facts(split.query) == [fact for tested, fact in everyone if tested]
    assert split.gallery == split.query
    assert split.query[0].name == f"images_{boxes}/{split.query[0].file.name}"
    assert "query identities 2 (100)" in split.warnings[0]
    total = "14,096" if boxes == "labeled" else "14,097"
    assert f"pictures {len(everyone)} ({total})" in split.warnings[0]


def test_pictures_are_extracted_whole_and_once(root):
    split = load_cuhk03(root, protocol="original", boxes="detected")
    folder = root / "cuhk03_release" / "images_detected"
    assert sorted(file.name for file in folder.iterdir()) == names("detected")
    assert {s.file.parent for s in split.train} == {folder}
    for sample in (*split.train, *split.query):
        pair, person, _, place = (int(part) for part in sample.file.stem.split("_"))
        np.testing.assert_array_equal(
            read_image(sample.file), picture("detected", pair, person, place - 1)
        )
    left = sorted(entry.name for entry in folder.parent.iterdir())
    assert left == ["cuhk-03.mat", "images_detected", "testsets.json"]
    (folder.parent / "cuhk-03.mat").unlink()  # not needed again
    assert load_cuhk03(root, protocol="original", boxes="detected") == split


def test_pictures_go_where_they_are_told(root, tmp_path):
    cache = tmp_path / "cache"
    split = load_cuhk03(root, extract_to=cache)
    assert {s.file.parent for s in split.train} == {cache / "images_labeled"}
    assert split.root == cache
    assert not (root / "cuhk03_release" / "images_labeled").exists()


def test_new_protocol(root):
    split = load("cuhk03", root)
    assert (split.variant, split.protocol) == ("new protocol, labeled", "single-query")
    assert {s.person_id for s in split.train} == {1, 2, 3}
    assert {s.person_id for s in split.query} == {844, 845, 1284, 1361, 1419}
    assert [s.file.name[:7] + s.file.name[8:] for s in split.query[:2]] == [
        "2_001_1" + "01.png", "2_001_2" + "06.png",
    ]  # fmt: skip
    assert len(split.query) == 2 * 5
    assert len(split.gallery) == 8 * 5
    assert not {s.file for s in split.query} & {s.file for s in split.gallery}
    assert "training pictures 22 (7,368)" in split.warnings[0]


def test_extracted_folders_are_enough(root, tmp_path):
    load_cuhk03(root)
    whole = root / "cuhk03_release"
    bare = tmp_path / "bare"
    bare.mkdir()
    (whole / "images_labeled").rename(bare / "images_labeled")
    write_config(bare)
    assert len(load_cuhk03(bare).train) == 22
    with pytest.raises(InputError, match="test sets stand in cuhk-03.mat, testsets.json or"):
        load_cuhk03(bare, protocol="original")
    # As another toolbox keeps them.
    kept = [
        {"query": [[f"/elsewhere/{n}", 0, 0] for n in names("labeled") if n[:5] in chosen]}
        for chosen in (["1_002", "2_001"], ["1_001", "3_001"])
    ]
    (bare / "splits_classic_labeled.json").write_text(json.dumps(kept))
    for index, people in enumerate(TESTSETS):
        split = load_cuhk03(bare, protocol="original", index=index)
        assert {s.person_id for s in split.query} == {person_number(p) for p in people}


def test_new_protocol_in_markets_layout(tmp_path):
    for part, name in [
        ("bounding_box_train", "0001_c1_1.png"),
        ("query", "0003_c1_22.png"),
        ("bounding_box_test", "0003_c2_27.png"),
    ]:
        (tmp_path / "detected" / part).mkdir(parents=True)
        (tmp_path / "detected" / part / name).touch()
    split = load_cuhk03(tmp_path, boxes="detected")
    assert split.variant == "new protocol, detected"
    assert facts(split.gallery) == [("0003_c2_27.png", 3, 2)]
    with pytest.raises(InputError, match="nor a folder labeled with bounding_box_train"):
        load_cuhk03(tmp_path)


def test_wrong_choices(root):
    with pytest.raises(InputError, match="given 'newest' and 'labeled'"):
        load_cuhk03(root, protocol="newest")
    with pytest.raises(InputError, match="given 'new' and 'drawn'"):
        load_cuhk03(root, boxes="drawn")
    with pytest.raises(InputError, match="index 0: given 3"):
        load_cuhk03(root, index=3)
    with pytest.raises(InputError, match=r"index must be from 0 to 1: given 2"):
        load_cuhk03(root, protocol="original", index=2)
    with pytest.raises(InputError, match="no such folder"):
        load_cuhk03(root / "none")


def one_line(caught):
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"labeled": None}, "labeled is not: is it cuhk-03.mat"),
        ({"labeled": np.zeros((1, 5))}, "labeled is not: is it cuhk-03.mat"),
        ({"testsets": None}, "testsets is not: is it cuhk-03.mat"),
    ],
)
def test_other_hdf5_files(tmp_path, changes, words):
    write_mat(tmp_path / "cuhk-03.mat", **changes)
    with pytest.raises(InputError, match=words) as caught:
        load_cuhk03(tmp_path, protocol="original")
    one_line(caught)
    assert [entry.name for entry in tmp_path.iterdir()] == ["cuhk-03.mat"]


def test_a_broken_mat_leaves_nothing_behind(tmp_path):
    file = write_mat(tmp_path / "cuhk-03.mat")
    whole = file.read_bytes()
    for contents, words in [
        (whole[: len(whole) // 2], "cut off"),
        (whole[:100], "cut off"),
        (b"", "cut off"),
        (b"not a mat file at all" * 50, "not a .mat file of MATLAB 7.3"),
    ]:
        file.write_bytes(contents)
        with pytest.raises(InputError, match=words) as caught:
            load_cuhk03(tmp_path, protocol="original")
        assert "cuhk-03.mat" in one_line(caught)
        assert [entry.name for entry in tmp_path.iterdir()] == ["cuhk-03.mat"]
    with h5py.File(write_mat(file), "r+") as mat:
        pair = mat[mat["labeled"][0, 4]]
        refs = pair[()]
        refs[9, 0] = h5py.Reference()
        pair[...] = refs
    with pytest.raises(InputError, match=r"cuhk-03.mat: the cell \(9, 0\) .* cannot be read"):
        load_cuhk03(tmp_path, protocol="original")
    assert [entry.name for entry in tmp_path.iterdir()] == ["cuhk-03.mat"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"labels": None, "camId": None}, "lacks labels, camId"),
        ({"labels": np.array([[1], [2]], np.uint16)}, "labels must be as many as filelist's 72"),
        ({"train_idx": np.array([[0]], np.uint16)}, "train_idx must hold numbers from 1 to 72"),
        ({"query_idx": np.array([[999]], np.uint16)}, "query_idx must hold numbers from 1 to 72"),
        ({"query_idx": np.array([[1]], np.uint16)}, "a picture is listed twice"),
        ({"camId": np.zeros((72, 1))}, "camId must be whole numbers; given float64"),
    ],
)
def test_wrong_lists_of_the_new_protocol(root, changes, words):
    write_config(root, **changes)
    with pytest.raises(InputError, match=words) as caught:
        load_cuhk03(root)
    one_line(caught)


def test_lists_that_are_no_mat(root):
    file = write_config(root)
    whole = file.read_bytes()
    hdf5 = (root / "cuhk03_release" / "cuhk-03.mat").read_bytes()
    for contents in (whole[: len(whole) // 2], whole[:60], b"", b"text " * 200, hdf5):
        file.write_bytes(contents)
        with pytest.raises(InputError, match="config_labeled.mat: not a .mat file") as caught:
            load_cuhk03(root)
        one_line(caught)


def test_pictures_that_the_list_has_and_the_folder_has_not(root):
    folder = root / "images_labeled"
    load_cuhk03(root, extract_to=root)
    (folder / "1_001_1_03.png").unlink()
    with pytest.raises(InputError, match="lacks 1 of the 72 pictures .*e.g. .*1_001_1_03.png"):
        load_cuhk03(root)
    (folder / "a.png").touch()
    with pytest.raises(InputError, match=r"a.png: names must look like 1_001_2_06.png"):
        load_cuhk03(root, protocol="original")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(root):
    (root / "cuhk03_release").chmod(0o500)
    with pytest.raises(InputError, match="extract_to"):
        load_cuhk03(root)


@pytest.mark.parametrize(("package", "protocol"), [("h5py", "original"), ("scipy.io", "new")])
def test_without_the_extra(root, monkeypatch, package, protocol):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=r"pip install 'passerby\[cuhk03\]'"):
        load_cuhk03(root, protocol=protocol)


def test_kept_test_sets_that_are_something_else(tmp_path):
    file = tmp_path / "testsets.json"
    for text in ("{", "3", '[{"train": []}]', "[[[1]]]", '[["a"]]'):
        file.write_text(text)
        with pytest.raises(InputError, match="not a list of CUHK03's original test sets"):
            read_kept_testsets(file)
    file.write_text("[[[6, 1]]]")
    with pytest.raises(InputError, match="testsets.json: .* no person 1 in camera pair 6"):
        read_kept_testsets(file)


def test_testsets(tmp_path):
    assert read_testsets(write_mat(tmp_path / "cuhk-03.mat")) == TESTSETS


@needs_real
@pytest.mark.parametrize(
    ("boxes", "pictures", "train", "gallery", "digest"),
    [
        ("labeled", 14096, 7368, 5328, "15627d0913d59ac6"),
        ("detected", 14097, 7365, 5332, "ef438e7775fce6d0"),
    ],
)
def test_the_real_lists_of_the_new_protocol(boxes, pictures, train, gallery, digest):
    file = REAL / f"cuhk03_new_protocol_config_{boxes}.mat"
    assert hashlib.sha256(file.read_bytes()).hexdigest().startswith(digest)
    found = read_new_protocol(file)
    assert len(found.names) == pictures
    assert (len(found.train), len(found.query), len(found.gallery)) == (train, 1400, gallery)
    assert len(set(found.people[found.train])) == 767
    assert set(found.people[found.query]) == set(found.people[found.gallery])
    assert len(set(found.people[found.query])) == 700
    # Names, people and cameras tell the same; so PAIR_PEOPLE is right.
    for name, person, camera in zip(found.names, found.people, found.cameras, strict=True):
        pair, number, view, _ = (int(part) for part in name[:-4].split("_"))
        assert person_number((pair, number)) == person
        assert view == camera


@needs_real
def test_the_real_lists_with_pictures(tmp_path):
    """All names of the real list, with empty files for pictures: the counts need no warning."""
    file = REAL / "cuhk03_new_protocol_config_detected.mat"
    (tmp_path / "images_detected").mkdir()
    (tmp_path / file.name).write_bytes(file.read_bytes())
    for name in read_new_protocol(file).names:
        (tmp_path / "images_detected" / name).touch()
    split = load_cuhk03(tmp_path, boxes="detected")
    assert split.warnings == ()
    assert (len(split.train), len(split.query), len(split.gallery)) == (7365, 1400, 5332)
