import numpy as np
import pytest
from PIL import Image

from passerby.figures.ranked_lists import draw_ranked_lists, ranked_lists
from passerby.types import InputError, Sample, Split

GREEN, RED = (0, 150, 80), (214, 39, 40)


@pytest.fixture
def split(tmp_path):
    """Query 0 finds its person at ranks 2 and 4, query 1 at rank 1, query 2 has no match."""

    def samples(part, people, cameras):
        made = []
        for i, (person, camera) in enumerate(zip(people, cameras, strict=True)):
            file = tmp_path / f"{part}{i}.png"
            Image.new("RGB", (20 + 4 * i, 40 + 8 * i), (100, 100, 100)).save(file)
            name = "A" * 200 if person == 1 else None
            made.append(Sample(file, f"{part}/{i}.png", person, camera, person=name))
        return tuple(made)

    return Split(
        name="toy",
        root=tmp_path,
        train=(),
        query=samples("query", [1, 2, 3], [1, 1, 1]),
        gallery=samples("gallery", [1, 2, -1, 1, 4, 1, 3], [1, 2, 2, 2, 2, 3, 1]),
    )


QUERY = np.array([[0.0], [0.2], [7.0]])
GALLERY = np.array([[0.0], [0.25], [0.1], [0.5], [0.6], [4.0], [9.0]])


def test_lists_follow_the_evaluation(split):
    lists, matched = ranked_lists(split, QUERY, GALLERY, metric="euclidean", choice="worst")
    assert matched == 2
    assert [row.query.name for row in lists] == ["query/0.png", "query/1.png"]
    assert [sample.name for sample in lists[0].found] == [
        f"gallery/{i}.png" for i in (1, 3, 4, 5, 6)
    ]
    np.testing.assert_allclose(lists[0].distances, [0.25, 0.5, 0.6, 4, 9], atol=1e-6)
    assert [sample.name for sample in lists[1].found] == [
        f"gallery/{i}.png" for i in (1, 0, 3, 4, 5, 6)
    ]


def test_choices(split):
    def names(**options):
        lists, _ = ranked_lists(split, QUERY, GALLERY, metric="euclidean", **options)
        return [row.query.name for row in lists]

    assert names(choice="best") == ["query/1.png", "query/0.png"]
    assert names(choice="best", rows=1) == ["query/1.png"]
    assert names(choice="random", rows=5) == ["query/0.png", "query/1.png"]
    drawn = {tuple(names(choice="random", rows=1, seed=seed)) for seed in range(20)}
    assert drawn == {("query/0.png",), ("query/1.png",)}
    assert names(rows=1, seed=3) == names(rows=1, seed=3)
    with pytest.raises(InputError, match="gained compares with another run: --beside RUN"):
        names(choice="gained")


def test_frames_are_green_and_red(split, tmp_path):
    draw_ranked_lists(split, QUERY, GALLERY, tmp_path / "out" / "a.png", metric="euclidean", top=4)
    with Image.open(tmp_path / "out" / "a.png") as image:
        pixels = np.asarray(image)
    # Every picture is 80 x 160 on the page, in a frame of 4 pixels.
    frame = 88 * 168 - 80 * 160
    assert (pixels == GREEN).all(2).sum() == (2 + 1) * frame
    assert (pixels == RED).all(2).sum() == (2 + 3) * frame
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["a.png"]


def test_the_same_call_writes_the_same_file(split, tmp_path):
    for name in ("a.png", "b.png"):
        draw_ranked_lists(split, QUERY, GALLERY, tmp_path / name, metric="euclidean")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"target": "a.jpg"}, "as .png or .svg: given a.jpg"),
        ({"rows": 0}, "given 0, 10"),
        ({"top": 0}, "given 8, 0"),
        ({"choice": "nicest"}, "random, best, worst: given 'nicest'"),
        ({"metric": "dot"}, "metric"),
        ({"query_embeddings": QUERY[:2]}, "query_ids must be 2"),
    ],
)
def test_bad_input(split, tmp_path, options, words):
    options = {
        "query_embeddings": QUERY,
        "gallery_embeddings": GALLERY,
        "target": tmp_path / "a.png",
        "metric": "euclidean",
    } | options
    with pytest.raises(InputError, match=words):
        draw_ranked_lists(split, **options)
    assert not (tmp_path / "a.png").exists()


def test_an_unreadable_picture_is_named(split, tmp_path):
    split.gallery[4].file.write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"gallery4\.png"):
        draw_ranked_lists(split, QUERY, GALLERY, tmp_path / "a.png", metric="euclidean")
    assert not (tmp_path / "a.png").exists()
