import numpy as np
import pytest
import torch
from reference_reranking import reference_rerank

from passerby.ranking import matches, product, rerank_source
from passerby.ranking.matches import check_identities, find_matches_by_distances
from passerby.ranking.rerank import find_reranked_matches, rerank, rerank_distances
from passerby.types import InputError


def euclidean(a, b):
    return np.sqrt(((a[:, None].astype(np.float64) - b[None]) ** 2).sum(2)).astype(np.float32)


def clusters(seed, q, g, width=8):
    random = np.random.default_rng(seed)
    centers = random.normal(size=(10, width))
    ids = random.integers(0, 10, q), random.integers(-1, 10, g)
    query, gallery = (
        (centers[x] + 0.6 * random.normal(size=(len(x), width))).astype(np.float32) for x in ids
    )
    return query, gallery, ids, (random.integers(0, 3, q), random.integers(0, 3, g))


NUMBERS = [(20, 6, 0.3), (5, 1, 0.5), (7, 3, 0.0), (30, 6, 1.0), (9, 40, 0.3)]


@pytest.mark.parametrize("power", [2, 4])
@pytest.mark.parametrize("numbers", NUMBERS)
@pytest.mark.parametrize("shape", [(30, 130), (3, 9)])
def test_equals_the_plain_algorithm(shape, numbers, power):
    query, gallery, _, _ = clusters(sum(shape), *shape)
    given = euclidean(query, gallery), euclidean(query, query), euclidean(gallery, gallery)
    expected = reference_rerank(*given, *numbers, power)
    found = rerank_distances(*given, *numbers, power=power)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    from_features = rerank(query, gallery, *numbers, power=power)
    assert from_features.dtype == np.float32
    assert (np.abs(from_features - expected) <= 1e-5).mean() >= 0.999


def test_ties_and_duplicates_given_distances():
    random = np.random.default_rng(1)
    points = random.integers(0, 3, (60, 3))
    points[30:40] = points[20:30]
    query, gallery = points[:15], points[15:]
    given = euclidean(query, gallery), euclidean(query, query), euclidean(gallery, gallery)
    for numbers in NUMBERS:
        np.testing.assert_allclose(
            rerank_distances(*given, *numbers), reference_rerank(*given, *numbers), atol=1e-6
        )
        # Whole numbers are exact in float32: features and distances see the same ties.
        np.testing.assert_allclose(
            rerank(query, gallery, *numbers), reference_rerank(*given, *numbers), atol=1e-6
        )


def test_cosine_takes_the_square_of_its_distance():
    query, gallery, _, _ = clusters(2, 12, 60)
    units = [x / np.linalg.norm(x, axis=1)[:, None] for x in (query, gallery)]

    def cosine(a, b):
        return np.maximum(1 - a.astype(np.float64) @ b.T, 0)

    given = cosine(*units), cosine(units[0], units[0]), cosine(units[1], units[1])
    for matrix in given[1:]:
        np.fill_diagonal(matrix, 0)
    expected = reference_rerank(*given, 20, 6, 0.3)
    found = rerank(query, gallery, metric="cosine")
    assert (np.abs(found - expected) <= 1e-5).mean() >= 0.999


@pytest.mark.parametrize("small", [2**40, 0])
def test_streamed_matches_are_those_of_the_whole_matrix(small, monkeypatch):
    monkeypatch.setattr(matches, "SMALL", small)
    monkeypatch.setattr(rerank_source, "ROW_BLOCK_BYTES", 8 * 130 * 7)
    query, gallery, ids, cameras = clusters(3, 30, 130)
    identities = check_identities((30, 130), *ids, *cameras)
    streamed = find_reranked_matches(query, gallery, identities, 8, 3, 0.4)
    whole = find_matches_by_distances(rerank(query, gallery, 8, 3, 0.4), identities)
    np.testing.assert_array_equal(streamed.flat, whole.flat)
    np.testing.assert_array_equal(streamed.totals, whole.totals)


def test_neighbours_by_rows_are_those_by_tiles():
    # What a GPU does, done on the processor.
    query, gallery, _, _ = clusters(4, 40, 400)
    source = rerank_source.FeatureSource(query, gallery, "euclidean", 2, None)
    rows, tiles = source._nearest_by_rows(9), source._nearest_by_tiles(9)
    np.testing.assert_array_equal(rows[0], tiles[0])
    for one, other in zip(rows[1:], tiles[1:], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_a_gpu_reranks_alike(monkeypatch):
    # What a GPU does, done on the processor.
    query, gallery, _, _ = clusters(4, 40, 400)
    source = rerank_source.FeatureSource
    for metric in ("euclidean", "cosine"):
        with monkeypatch.context() as patch:
            expected = rerank(query, gallery, 9, 3, metric=metric)
            patch.setattr(source, "_nearest_by_tiles", source._nearest_by_rows)
            found = rerank(query, gallery, 9, 3, metric=metric)
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_half_of_the_symmetric_products_are_computed(monkeypatch):
    areas = []
    times = product.RightSide.times

    def counted(self, left):
        block = times(self, left)
        areas.append(block.numel())
        return block

    items = np.random.default_rng(0).normal(size=(5000, 4)).astype(np.float32)
    source = rerank_source.FeatureSource(items[:1000], items[1000:], "euclidean", 2, None)
    monkeypatch.setattr(product.RightSide, "times", counted)
    source.neighbours(5)
    # The other half but for the tiles on the diagonal.
    assert 0.5 < sum(areas) / len(items) ** 2 < 0.65


def test_any_kind_of_array_and_all_alike():
    query, gallery, _, _ = clusters(5, 10, 50)
    expected = rerank(query, gallery)
    np.testing.assert_array_equal(rerank(torch.tensor(query), np.asfortranarray(gallery)), expected)
    alike = rerank(np.ones((3, 2)), np.ones((6, 2)))
    assert np.isfinite(alike).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"k1": 0}, "given 0, 6, 0.3"),
        ({"k2": 0}, "given 20, 0, 0.3"),
        ({"lambda_value": 1.5}, "given 20, 6, 1.5"),
        ({"power": 3}, "2 or 4: given 3"),
        ({"metric": "dot"}, "metric"),
    ],
)
def test_bad_numbers(options, words):
    with pytest.raises(InputError, match=words):
        rerank(np.ones((2, 3)), np.ones((4, 3)), **options)


def test_bad_distances():
    ones = np.ones((4, 4))
    with pytest.raises(InputError, match=r"\(4, 4\), \(3, 3\), \(4, 4\)"):
        rerank_distances(ones, ones[:3, :3], ones)
    with pytest.raises(InputError, match="finite"):
        rerank_distances(ones * np.nan, ones, ones)
