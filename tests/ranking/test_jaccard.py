import numpy as np
import pytest
from reference_reranking import reference_rerank

from passerby.ranking import rerank
from passerby.ranking.jaccard import jaccard_within
from passerby.types import InputError


def people(seed, count=120, groups=9, width=8):
    random = np.random.default_rng(seed)
    centers = random.normal(size=(groups, width))
    x = centers[random.integers(0, groups, count)] + 0.5 * random.normal(size=(count, width))
    return x.astype(np.float32)


def euclidean(a, b):
    return np.sqrt(((a[:, None].astype(np.float64) - b[None]) ** 2).sum(2)).astype(np.float32)


def dense(pairs):
    count = len(pairs.starts) - 1
    matrix = np.full((count, count), np.inf, np.float32)
    for item in range(count):
        here = slice(pairs.starts[item], pairs.starts[item + 1])
        assert (np.diff(pairs.columns[here]) > 0).all()
        matrix[item, pairs.columns[here]] = pairs.distances[here]
    return matrix


@pytest.mark.parametrize(("k1", "k2"), [(20, 6), (7, 1), (9, 40)])
@pytest.mark.parametrize("limit", [0.3, 0.6, 0.999])
def test_equals_the_plain_algorithm_and_reranking(k1, k2, limit):
    x = people(k1 + k2)
    found = dense(jaccard_within(x, limit, k1, k2, metric="euclidean"))
    np.testing.assert_allclose(found, found.T, atol=1e-6)
    assert (np.diag(found) == 0).all()
    for queries in (1, 40, 119):
        query, gallery = x[:queries], x[queries:]
        given = euclidean(query, gallery), euclidean(query, query), euclidean(gallery, gallery)
        for whole in (
            reference_rerank(*given, k1, k2, 0.0),
            rerank.rerank(query, gallery, k1, k2, 0.0),
        ):
            part = found[:queries, queries:]
            clear = np.abs(whole - limit) > 1e-5
            np.testing.assert_array_equal(np.isfinite(part)[clear], (whole <= limit)[clear])
            inside = np.isfinite(part) & clear
            np.testing.assert_allclose(part[inside], whole[inside], atol=1e-5)
    assert np.isfinite(found).sum() > len(x)


def test_several_chunks_give_the_same(monkeypatch):
    x = people(3)
    whole = jaccard_within(x, 0.7, 8, 3)
    monkeypatch.setattr(rerank, "_CHUNK", 7)
    parts = jaccard_within(x, 0.7, 8, 3)
    np.testing.assert_array_equal(whole.starts, parts.starts)
    np.testing.assert_array_equal(whole.columns, parts.columns)
    np.testing.assert_array_equal(whole.distances, parts.distances)


def test_more_pairs_than_the_first_buffer_holds():
    # All alike: each of 70 is a neighbour of each, 4,900 pairs in one chunk.
    found = dense(jaccard_within(np.ones((70, 4), np.float32), 0.9, 80, 1))
    assert (found < 1e-5).all()


@pytest.mark.parametrize(
    ("count", "limit", "k1", "words"),
    [(1, 0.5, 5, "given 1"), (9, 1.0, 5, "given 1.0"), (9, -0.1, 5, "-0.1"), (9, 0.5, 0, "0, 6")],
)
def test_bad_input(count, limit, k1, words):
    with pytest.raises(InputError, match=words):
        jaccard_within(people(1, count), limit, k1)
