import numpy as np
import pytest

from passerby.ranking import nearest as module
from passerby.ranking.nearest import nearest
from passerby.ranking.tiles import distances, row_blocks
from passerby.types import InputError


@pytest.mark.parametrize("k", [1, 4, 30])
@pytest.mark.parametrize("metric", ["euclidean", "squared_euclidean", "cosine"])
def test_equals_a_sort_of_pairs(k, metric):
    random = np.random.default_rng(k)
    # Whole numbers: exact in float32, with many ties.
    q, g = random.integers(1, 4, size=(12, 3)), random.integers(1, 4, size=(30, 3))
    indices, values = nearest(q, g, k, metric)
    assert indices.shape == values.shape == (12, k)
    for query in range(12):
        row = distances(q, g, metric)[query].tolist()
        expected = sorted((value, index) for index, value in enumerate(row))[:k]
        assert list(zip(values[query].tolist(), indices[query].tolist(), strict=True)) == expected


def test_all_equal_distances_keep_the_order_of_the_gallery():
    indices, values = nearest(np.zeros((2, 3)), np.ones((50, 3)), 7)
    assert indices.tolist() == [list(range(7))] * 2
    assert (values == np.float32(np.sqrt(3))).all()


def test_blocks_make_no_difference(monkeypatch):
    random = np.random.default_rng(5)
    q, g = random.integers(0, 3, size=(20, 4)), random.integers(0, 3, size=(25, 4))
    whole = nearest(q, g, 9)
    small = lambda query, gallery, metric: row_blocks(query, gallery, metric, 300)  # noqa: E731
    monkeypatch.setattr(module, "row_blocks", small)
    for one, other in zip(whole, nearest(q, g, 9), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("k", [0, 6, -1])
def test_k_outside_the_gallery(k):
    with pytest.raises(InputError, match=f"5 items of the gallery: given {k}"):
        nearest(np.ones((2, 3)), np.ones((5, 3)), k)
