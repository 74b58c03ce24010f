import math

import numpy as np
import pytest
import torch

from passerby.ranking.tiles import distances, tiles
from passerby.types import InputError


def naive(q: np.ndarray, g: np.ndarray, metric: str) -> list[list[float]]:
    def distance(a, b):
        if metric == "cosine":
            dot = sum(x * y for x, y in zip(a, b, strict=True))
            return 1 - dot / math.sqrt(sum(x * x for x in a)) / math.sqrt(sum(y * y for y in b))
        square = sum((x - y) ** 2 for x, y in zip(a, b, strict=True))
        return square if metric == "squared_euclidean" else math.sqrt(square)

    return [[distance(a, b) for b in g.tolist()] for a in q.tolist()]


def features(q=7, g=11, width=5):
    random = np.random.default_rng(0)
    return random.normal(size=(q, width)), random.normal(size=(g, width))


@pytest.mark.parametrize("metric", ["euclidean", "squared_euclidean", "cosine"])
@pytest.mark.parametrize("block_bytes", [1, 3 * 11 * 4, 2**20])
def test_blocks_make_up_the_matrix(metric, block_bytes):
    q, g = features()
    parts = list(tiles(q, g, metric, block_bytes))
    rows = max(1, min(7, block_bytes // 44))
    assert [start for start, _ in parts] == list(range(0, 7, rows))
    whole = torch.cat([block for _, block in parts])
    assert whole.dtype == torch.float32
    np.testing.assert_allclose(whole.numpy(), naive(q, g, metric), atol=2e-6)
    np.testing.assert_allclose(distances(q, g, metric).numpy(), whole.numpy(), atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.int32])
def test_types_of_input(dtype):
    q, g = (torch.tensor(x * 3).to(dtype) for x in features())
    expected = naive(q.double().numpy(), g.double().numpy(), "euclidean")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        np.testing.assert_allclose(distances(q, g).numpy(), expected, atol=1e-5)


def test_inputs_stay_as_they_are():
    q, g = (x.astype(np.float32) for x in features())
    kept = q.copy(), g.copy()
    q.flags.writeable = False
    distances(q, g[::-1], "cosine")
    np.testing.assert_array_equal(q, kept[0])
    np.testing.assert_array_equal(g, kept[1])


def test_no_distance_is_below_zero_or_nan():
    x = np.random.default_rng(1).normal(size=(40, 300)).astype(np.float32) * 100
    for metric in ("euclidean", "squared_euclidean", "cosine"):
        assert (distances(x, x, metric) >= 0).all()


def spoilt(value):
    q, g = features()
    g[4, 2] = value
    return q, g


ZERO_QUERY = np.concatenate([np.ones((2, 5)), np.zeros((1, 5))])


@pytest.mark.parametrize(
    ("q", "g", "metric", "words"),
    [
        (*features(), "manhattan", "manhattan"),
        (np.zeros(5), np.zeros((2, 5)), "euclidean", r"\(5,\) and \(2, 5\)"),
        (np.zeros((3, 4)), np.zeros((2, 5)), "euclidean", r"\(3, 4\) and \(2, 5\)"),
        (np.zeros((0, 5)), np.zeros((2, 5)), "euclidean", r"\(0, 5\)"),
        (np.zeros((2, 5)), np.zeros((0, 5)), "euclidean", r"\(0, 5\)"),
        (np.zeros((2, 0)), np.zeros((2, 0)), "euclidean", r"\(2, 0\)"),
        (*spoilt(np.nan), "euclidean", "gallery.* 1 of 11 rows are not, first row 4"),
        (*spoilt(np.inf), "cosine", "gallery.* 1 of 11 rows are not, first row 4"),
        (*spoilt(1e30), "euclidean", "finite length"),
        (*spoilt(1e300), "euclidean", "finite length"),
        (ZERO_QUERY, np.ones((2, 5)), "cosine", "query.*zero.* 1 of 3 rows are not, first row 2"),
        (np.array([["a"]]), np.ones((2, 1)), "euclidean", "real numbers"),
        (torch.ones(2, 5, dtype=torch.complex64), np.ones((2, 5)), "euclidean", "real numbers"),
    ],
)
def test_bad_input_is_refused_before_the_first_block(q, g, metric, words):
    with pytest.raises(InputError, match=words):
        tiles(q, g, metric)
    with pytest.raises(InputError, match=words):
        distances(q, g, metric)


def test_a_zero_vector_has_euclidean_distances():
    assert distances(ZERO_QUERY, np.ones((1, 5)))[2, 0].item() == pytest.approx(math.sqrt(5))
