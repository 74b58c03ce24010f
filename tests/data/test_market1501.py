from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from passerby.data.market1501 import (
    _PUBLISHED,
    compare_counts,
    load_market1501,
    parse_name,
    read_market_layout,
)
from passerby.types import InputError, Sample, Split

REAL = Path(__file__).parents[2] / "../shared/data/pku_reid"


def write(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.fromarray(np.zeros((4, 2, 3), np.uint8)).save(folder / name)


@pytest.fixture
def root(tmp_path):
    write(
        tmp_path / "bounding_box_train",
        "0007_c2s1_000001_00.jpg",
        "0007_c1s1_000002_01.jpg",
        "0010_c6s3_077419_03.jpg",
    )
    write(tmp_path / "query", "0002_c2s1_000151_00.jpg", "0001_c1s1_001051_00.jpg")
    write(
        tmp_path / "bounding_box_test",
        "-1_c1s1_000401_03.jpg",
        "0000_c1s1_000151_01.jpg",
        "0001_c1s1_001051_03.jpg",
        "0001_c3s1_001051_03.jpg",
        "0002_c1s1_000151_03.jpg",
    )
    write(
        tmp_path / "gt_bbox",
        "0001_c1s1_001051_00.jpg",
        "0001_c1s1_001051_01.jpg",
        "0001_c2s1_001051_00.jpg",  # another camera than the query
        "0002_c2s1_000151_00.jpg",
        "0007_c2s1_000001_00.jpg",  # a training identity
    )
    return tmp_path


def test_every_part(root):
    split = load_market1501(root)
    assert split.name == "market1501"
    assert split.root == root
    assert split.train == (
        Sample(
            root / "bounding_box_train" / "0007_c1s1_000002_01.jpg",
            "bounding_box_train/0007_c1s1_000002_01.jpg",
            person_id=7,
            camera_id=1,
            person="0007",
            camera="1",
        ),
        Sample(
            root / "bounding_box_train" / "0007_c2s1_000001_00.jpg",
            "bounding_box_train/0007_c2s1_000001_00.jpg",
            person_id=7,
            camera_id=2,
            person="0007",
            camera="2",
        ),
        Sample(
            root / "bounding_box_train" / "0010_c6s3_077419_03.jpg",
            "bounding_box_train/0010_c6s3_077419_03.jpg",
            person_id=10,
            camera_id=6,
            person="0010",
            camera="6",
        ),
    )
    assert [(s.person_id, s.camera_id) for s in split.query] == [(1, 1), (2, 2)]
    assert [(s.person_id, s.camera_id) for s in split.gallery] == [
        (-1, 1), (0, 1), (1, 1), (1, 3), (2, 1),
    ]  # fmt: skip
    # Junk and distractors are nobody in particular.
    assert [s.person for s in split.gallery] == [None, None, "0001", "0001", "0002"]
    assert [s.name for s in split.multi_query] == [
        "gt_bbox/0001_c1s1_001051_00.jpg",
        "gt_bbox/0001_c1s1_001051_01.jpg",
        "gt_bbox/0002_c2s1_000151_00.jpg",
    ]


def test_without_gt_bbox(root):
    (root / "gt_bbox").rename(root / "elsewhere")
    assert load_market1501(root).multi_query == ()


@pytest.mark.parametrize(
    "inside",
    ["Market-1501-v15.09.15", "market1501", "Market1501", "market1501/Market-1501-v15.09.15"],
)
def test_the_folder_is_found(tmp_path, root, inside):
    parent = tmp_path / "all"
    target = parent / inside
    target.mkdir(parents=True)
    for part in ("bounding_box_train", "query", "bounding_box_test", "gt_bbox"):
        (root / part).rename(target / part)
    write(parent / "cuhk03" / "query", "a.jpg")
    for given in (parent, str(parent), target):
        split = load_market1501(given)
        assert split.root == target
        assert split.train[0].name == "bounding_box_train/0007_c1s1_000002_01.jpg"


def test_two_candidates_are_not_chosen_from(tmp_path):
    for name in ("market1501", "Market-1501-v15.09.15"):
        write(tmp_path / name / "query", "0001_c1s1_001051_00.jpg")
    with pytest.raises(InputError, match=r"Market-1501-v15\.09\.15 and market1501: choose one"):
        load_market1501(tmp_path)


def test_counts_are_compared_with_the_published_ones(root):
    (warning,) = load_market1501(root).warnings
    for words in (
        "training pictures 3 (12,936)",
        "training identities 2 (751)",
        "queries 2 (3,368)",
        "gallery pictures 5 (19,732)",
        "junk 1 (3,819)",
        "distractors 1 (2,798)",
    ):
        assert words in warning
    assert "\n" not in warning


def published():
    """Sample lists with exactly the numbers of Market-1501."""
    people = [1 + i % 751 for i in range(12936)]
    gallery = [-1] * 3819 + [0] * 2798 + [2000 + i % 750 for i in range(19732 - 3819 - 2798)]
    query = [2000 + i % 750 for i in range(3368)]
    parts = [tuple(Sample(Path(), "", p, 1) for p in ids) for ids in (people, query, gallery)]
    return Split("market1501", Path("x"), *parts)


def test_the_published_counts_give_no_warning():
    assert compare_counts(published(), _PUBLISHED) is None


def test_only_the_counts_that_differ_are_named():
    split = published()
    split = Split(split.name, split.root, split.train[1:], split.query, split.gallery)
    assert compare_counts(split, _PUBLISHED) == (
        "x: counts differ from market1501's published ones: training pictures 12,935 (12,936)"
    )


def test_other_sets_in_this_layout_are_not_compared(root):
    split = read_market_layout(root, "synthetic")
    assert split.name == "synthetic"
    assert split.warnings == ()


def test_junk_and_distractors_never_train(root):
    write(root / "bounding_box_train", "-1_c1s1_000401_03.jpg", "0000_c1s1_000151_01.jpg")
    split = read_market_layout(root, "own")
    assert [s.person_id for s in split.train] == [7, 7, 10]
    assert split.warnings == (
        "2 junk or distractor pictures (-1, 0000) left out of the training part",
    )


def test_files_that_are_no_pictures_are_ignored(root):
    (root / "query" / "Thumbs.db").write_bytes(b"x")
    (root / "query" / "readme.txt").write_text("x")
    (root / "query" / "._0001_c1s1_001051_00.jpg").write_bytes(b"x")
    (root / "query" / ".hidden").mkdir()
    assert len(load_market1501(root).query) == 2


def test_names_that_do_not_fit(root):
    write(root / "query", "b.jpg", "a.jpg")
    with pytest.raises(InputError, match=r"query/a\.jpg: names .* 2 of 4 here do not"):
        load_market1501(root)


@pytest.mark.parametrize("part", ["bounding_box_train", "query", "bounding_box_test", "gt_bbox"])
def test_empty_folder(root, part):
    for file in (root / part).iterdir():
        file.unlink()
    with pytest.raises(InputError, match=f"{part}: contains no pictures"):
        load_market1501(root)


def test_missing_folders(root, tmp_path):
    with pytest.raises(InputError, match="nowhere: no such folder"):
        load_market1501(tmp_path / "nowhere")
    (root / "query").rename(root / "queries")
    with pytest.raises(InputError, match="the folder query is missing"):
        load_market1501(root)
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        InputError, match="contains no folders bounding_box_train, query, bounding_b"
    ):
        load_market1501(tmp_path / "empty")


def test_a_query_is_not_junk(root):
    write(root / "query", "-1_c1s1_000401_03.jpg")
    with pytest.raises(InputError, match=r"-1_c1s1_000401_03\.jpg: a query cannot be junk"):
        load_market1501(root)


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("0002_c1s1_000451_03.jpg", ("0002", "1")),
        ("-1_c12s3_000401_00.jpg", ("-1", "12")),
        ("12345_c6s1_000001_00.JPG", ("12345", "6")),
        ("0001_c1s1_001051_00.jpg.jpg", ("0001", "1")),
        ("0001_c1s1_001051_00.png", ("0001", "1")),
        ("2_c1s1_000451_03.jpg", None),
        ("0002_c1_000451_03.jpg", None),
        ("x0002_c1s1_000451_03.jpg", None),
        ("0002_c1s1_000451_03xjpg", None),
    ],
)
def test_names(name, meaning):
    assert parse_name(name) == meaning


@pytest.mark.skipif(not REAL.is_dir(), reason=f"no real pictures at {REAL}")
def test_real_pictures():
    split = load_market1501(REAL)
    counts = (len(split.train), len(split.query), len(split.gallery), len(split.multi_query))
    assert counts == (640, 136, 407, 0)
    assert len({s.person_id for s in split.train}) == 40
    assert len({s.person_id for s in split.query}) == 34
    assert {s.camera_id for s in split.train} == {1, 2}
