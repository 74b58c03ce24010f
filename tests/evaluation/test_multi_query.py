from pathlib import Path

import numpy as np
import pytest

from passerby.evaluation.multi_query import groups_of, pooled
from passerby.evaluation.protocols import MultiQuery, SingleQuery, evaluate_split
from passerby.evaluation.ranker import Ranking, normalised
from passerby.evaluation.sides import More, Sides, sides_of
from passerby.ranking.metrics import evaluate
from passerby.types import InputError, Sample, Split


def sides(seed=0, with_more=False):
    random = np.random.default_rng(seed)
    query_ids, query_cameras = random.integers(1, 4, 7), random.integers(1, 3, 7)
    gallery_ids, gallery_cameras = random.integers(0, 5, 40) - 1, random.integers(1, 4, 40)
    more = None
    if with_more:
        ids, cameras = random.integers(1, 4, 12), random.integers(1, 3, 12)
        more = More(random.normal(size=(12, 5)), ids, cameras)
    return Sides(
        random.normal(size=(7, 5)), random.normal(size=(40, 5)), query_ids, gallery_ids,
        query_cameras, gallery_cameras, more, np.full(7, -1),
    )  # fmt: skip


def naive(given, pooling):
    """Word for word: all the pictures' vectors of length 1, their mean, of length 1 again."""
    found = []
    for q in range(len(given.query)):
        if given.more is None:
            vectors = [given.query[q]]
            others = zip(given.gallery, given.gallery_ids, given.gallery_cameras, strict=True)
        else:
            vectors = []
            others = zip(given.more.embeddings, given.more.ids, given.more.cameras, strict=True)
        for vector, person, camera in others:
            if (person, camera) == (given.query_ids[q], given.query_cameras[q]):
                vectors.append(vector)
        if not vectors:
            vectors = [given.query[q]]
        unit = [vector / sum(x * x for x in vector) ** 0.5 for vector in vectors]
        together = [
            sum(values) / len(unit) if pooling == "mean" else max(values)
            for values in zip(*unit, strict=True)
        ]
        found.append(np.array(together) / sum(x * x for x in together) ** 0.5)
    return np.array(found)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("with_more", [False, True])
@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_pooling_equals_the_definition(pooling, with_more, seed):
    given = sides(seed, with_more)
    np.testing.assert_allclose(pooled(given, pooling).query, naive(given, pooling), atol=1e-6)


def test_one_hand_made_query():
    given = Sides(
        np.array([[3.0, 0.0]]), np.array([[0.0, 7.0], [1.0, 1.0], [9.0, 9.0]]),
        np.array([1]), np.array([1, 1, 2]), np.array([4]), np.array([4, 5, 4]),
        None, np.array([-1]),
    )  # fmt: skip
    # (1, 0) and (0, 1) of camera 4; their mean, of length 1.
    np.testing.assert_allclose(pooled(given, "mean").query, [[0.5**0.5, 0.5**0.5]], atol=1e-7)


def samples(part, rows):
    return tuple(Sample(Path(f"{part}/{n}"), f"{part}/{n}", p, c) for n, p, c in rows)


def split(more=()):
    shared = Sample(Path("both/x"), "both/x", 1, 1)
    return Split(
        "toy", Path("toy"), (),
        (shared, *samples("query", [("a", 2, 1)])),
        (*samples("gallery", [("b", 1, 1), ("c", 1, 2), ("d", 2, 1), ("e", 2, 2)]), shared),
        samples("gt_bbox", more),
    )  # fmt: skip


def test_a_query_that_is_in_the_gallery_counts_once():
    groups = groups_of(sides_of(split(), np.eye(2), np.ones((5, 2))))
    assert [rows.tolist() for rows in groups.rows] == [[0], [2]]
    assert groups.with_query.tolist() == [True, True]


def test_of_a_file_equal_embeddings_are_the_same_picture():
    query, gallery = np.array([[1.0, 2.0]]), np.array([[3.0, 4.0], [1.0, 2.0]])
    ones = np.array([1, 1])
    groups = groups_of(Sides(query, gallery, ones[:1], ones, ones[:1], ones))
    assert [rows.tolist() for rows in groups.rows] == [[0]]


def test_pictures_of_gt_bbox_hold_the_query_themselves():
    given = sides_of(split([("f", 1, 1), ("g", 1, 1)]), np.eye(2), np.ones((5, 2)), np.ones((2, 2)))
    groups = groups_of(given)
    assert [rows.tolist() for rows in groups.rows] == [[0, 1], []]
    assert groups.with_query.tolist() == [False, True]


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_the_protocol_ranks_by_the_pooled_queries(metric):
    given = sides(5)
    found = MultiQuery("max").scores(given, Ranking(metric))
    for definition in ("step", "trapezoid"):
        scores = found[definition]
        expected = evaluate(
            naive(given, "max"), unit(given.gallery), given.query_ids, given.gallery_ids,
            given.query_cameras, given.gallery_cameras,
            metric=metric, average_precision=definition,
        )  # fmt: skip
        assert scores.mean_ap == pytest.approx(expected.mean_ap, abs=1e-9)
        np.testing.assert_array_equal(scores.first_match, expected.first_match)
    plain = SingleQuery().scores(given, Ranking(metric))["step"]
    assert plain.mean_ap != found["step"].mean_ap


def test_pictures_of_the_split_reach_the_protocol():
    random = np.random.default_rng(0)
    query, gallery, more = (random.normal(size=(n, 3)) for n in (2, 5, 2))
    said = {"metric": "euclidean", "feature": "", "fingerprint": "", "protocol": "multi-query"}
    with_more = evaluate_split(
        query, gallery, split([("f", 1, 1), ("g", 1, 1)]), multi_query_embeddings=more, **said
    )
    ones = unit(more)
    both = ones.mean(0) / np.linalg.norm(ones.mean(0))
    own = query[1] / np.linalg.norm(query[1])
    expected = evaluate(
        np.stack([both, own]), unit(gallery), [1, 2], [1, 1, 2, 2, 1], [1, 1], [1, 2, 1, 2, 1]
    )
    np.testing.assert_allclose(with_more.step.ap, expected.ap)
    assert with_more.settings == {"pooling": "mean"}


def test_bad_input():
    given = sides()
    with pytest.raises(InputError, match="mean or max: given 'median'"):
        pooled(given, "median")
    with pytest.raises(InputError, match="needs the cameras"):
        pooled(Sides(given.query, given.gallery, given.query_ids, given.gallery_ids), "mean")
    with pytest.raises(InputError, match="1 of 2 embeddings are not, first row 1"):
        normalised(np.array([[1.0, 0], [0, 0]]))
    opposite = Sides(
        np.array([[1.0, 0]]), np.array([[-1.0, 0]]),
        np.array([1]), np.array([1]), np.array([1]), np.array([1]), None, np.array([-1]),
    )  # fmt: skip
    with pytest.raises(InputError, match="other than zero"):
        pooled(opposite, "mean")
