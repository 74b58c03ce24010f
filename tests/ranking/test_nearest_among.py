"""Nearest neighbours among some items, against sorting all distances."""

import numpy as np
import pytest

from passerby.ranking.nearest import SMALL_GALLERY, nearest_among, nearest_of_each
from passerby.types import InputError


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("share", [0.01, 0.3, 0.9, 1.0])
@pytest.mark.parametrize("queries", [1, 5, 40])
@pytest.mark.parametrize("size", [500, 3 * SMALL_GALLERY])
def test_against_sorting(metric, share, queries, size):
    rng = np.random.default_rng(3)
    gallery = rng.standard_normal((size, 8)).astype(np.float32)
    query = rng.standard_normal((queries, 8)).astype(np.float32)
    among = rng.random(size) < share
    if share == 1.0:
        among[:] = True
    k = min(4, int(among.sum()))
    found, distances = nearest_among(query, gallery, k, among, metric)
    g, q = gallery.astype(np.float64), query.astype(np.float64)
    if metric == "cosine":
        g /= np.linalg.norm(g, axis=1, keepdims=True)
        q /= np.linalg.norm(q, axis=1, keepdims=True)
        every = 1 - q @ g.T
    else:
        every = np.sqrt(((q[:, None] - g[None]) ** 2).sum(2))
    every[:, ~among] = np.inf
    expected = np.argsort(every, axis=1)[:, :k]
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(distances, np.take_along_axis(every, expected, 1), atol=1e-3)


def test_what_is_refused():
    gallery = np.eye(4, dtype=np.float32)
    with pytest.raises(InputError, match="2 items that count: given 3"):
        nearest_among(gallery[:1], gallery, 3, np.array([True, False, True, False]))
    for among in (np.ones(3, bool), np.ones(4, int)):
        with pytest.raises(InputError, match=r"among must be \(4,\) of bool"):
            nearest_among(gallery[:1], gallery, 1, among)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("queries", [3, 50])
def test_of_each_its_own(metric, queries):
    rng = np.random.default_rng(4)
    gallery = rng.standard_normal((3000, 8)).astype(np.float32)
    query = rng.standard_normal((queries, 8)).astype(np.float32)
    among = rng.random((5, 3000)) < np.array([0.5, 0.9, 0.01, 1.0, 0.0])[:, None]
    among[2, :3] = [True, True, False]
    which = rng.integers(0, 5, queries)
    found, distances = nearest_of_each(query, gallery, 40, among, which, metric)
    for row in range(queries):
        own = among[which[row]]
        k = min(40, int(own.sum()))
        assert (found[row, k:] == -1).all()
        assert np.isinf(distances[row, k:]).all()
        if k:
            alone, values = nearest_among(query[row : row + 1], gallery, k, own, metric)
            np.testing.assert_array_equal(found[row, :k], alone[0])
            np.testing.assert_allclose(distances[row, :k], values[0], atol=1e-5)
