from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from passerby.cues.joined import cues_of
from passerby.cues.source import find_cues
from passerby.data.datasets import load
from passerby.data.distractors import with_distractors
from passerby.data.join import join, trained_on
from passerby.data.loader import training_data
from passerby.method import Inputs
from passerby.types import InputError, Sample, Split


def samples(root, part, rows):
    return tuple(
        Sample(Path(root) / part / f"{i}.jpg", f"{part}/{i}.jpg", person, camera)
        for i, (person, camera) in enumerate(rows)
    )


def split(name, root, train, test=(), **others):
    return Split(
        name, Path(root), samples(root, "train", train),
        samples(root, "query", test), samples(root, "gallery", test), **others,
    )  # fmt: skip


def test_labels_and_cameras_are_unique():
    first = split("a", "A", [(5, 1), (7, 2)], [(9, 3), (-1, 3)], warnings=("one",))
    second = split("b", "B", [(0, 1), (5, 2)], [(99, 9)], warnings=("two",))
    third = split("b", "C", [(5, 1)])
    joined = join([first, second, third])
    # 9 and 3 are the greatest ids of the first, 10 + 5 and 4 + 2 then those of the second.
    assert [(s.name, s.person_id, s.camera_id) for s in joined.train] == [
        ("train/0.jpg", 5, 1), ("train/1.jpg", 7, 2),
        ("b/train/0.jpg", 10, 5), ("b/train/1.jpg", 15, 6),
        ("b-2/train/0.jpg", 21, 8),
    ]  # fmt: skip
    assert joined.train[4].file == third.train[0].file
    assert (joined.query, joined.gallery) == (first.query, first.gallery)
    assert (joined.name, joined.root) == ("a", Path("A"))
    assert joined.joined == {"b": Path("B"), "b-2": Path("C")}
    assert joined.warnings == ("one", "two")
    assert trained_on(joined) == ["a in A", "b in B", "b-2 in C"]
    data = training_data(joined.train, Inputs({}, lambda _: {}))
    assert data.labels.tolist() == [0, 1, 2, 3, 4]


def test_one_alone_stays_as_it_is():
    only = split("a", "A", [(1, 1)], variant="V1")
    assert join([only]) == only
    assert trained_on(only) == ["a (V1) in A"]


def test_what_cannot_be_joined():
    first, empty = split("a", "A", [(1, 1)]), split("b", "B", [])
    with pytest.raises(InputError, match="given none"):
        join([])
    with pytest.raises(InputError, match="b in B has no training pictures"):
        join([first, empty])
    with pytest.raises(InputError, match="joined already"):
        join([join([first, first]), first])


def test_cues_of_each_data_set(tmp_path, market):
    from made_up import write_market

    other = write_market(tmp_path / "other", train=2, test=2, seed=9)
    joined = join([load("market1501", market), load("market1501", other)])
    cues = cues_of(joined)
    for root, name in ((market, joined.train[0].name), (other, joined.train[-1].name)):
        sample = next(s for s in joined.train if s.name == name)
        plain = next(s for s in load("market1501", root).train if s.file == sample.file)
        own = find_cues(root)
        np.testing.assert_array_equal(cues.mask(sample), own.mask(plain))
        np.testing.assert_array_equal(cues.joints(sample), own.joints(plain))
    assert joined.train[-1].name.startswith("market1501/bounding_box_train/")
    assert cues.fingerprint.startswith("joined:")
    assert cues.fingerprint != cues_of(join([load("market1501", other)] * 2)).fingerprint
    assert cues_of(load("market1501", market)).fingerprint == find_cues(market).fingerprint


def test_one_of_them_may_have_no_cues(tmp_path, market):
    bare = split("bare", tmp_path, [(1, 1)])
    cues = cues_of(join([load("market1501", market), bare]))
    added = Sample(tmp_path / "x.jpg", "bare/train/0.jpg", 1, 1)
    assert cues.mask(added) is None
    assert cues.joints(added) is None
    assert cues_of(join([bare, bare])) is None


def test_distractors(tmp_path, market):
    for name in ("b.jpg", "a.png", "deep/er/c.jpg", "._a.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((4, 2, 3), np.uint8)).save(tmp_path / name, "PNG")
    plain = load("market1501", market)
    found = with_distractors(plain, tmp_path)
    added = found.gallery[len(plain.gallery) :]
    assert found.gallery[: len(plain.gallery)] == plain.gallery
    assert [s.name for s in added] == [
        "distractors/a.png", "distractors/b.jpg", "distractors/deep/er/c.jpg",
    ]  # fmt: skip
    known = {s.person_id for s in (*plain.train, *plain.query, *plain.gallery)}
    assert len({s.person_id for s in added} - known) == 3
    assert {s.camera_id for s in added} == {3}
    assert found.warnings[-1] == f"3 distractors from {tmp_path} appended to the gallery"


def test_folders_without_distractors(tmp_path, market):
    plain = load("market1501", market)
    with pytest.raises(InputError, match="no such folder of distractors"):
        with_distractors(plain, tmp_path / "none")
    with pytest.raises(InputError, match="contains no pictures"):
        with_distractors(plain, tmp_path)
