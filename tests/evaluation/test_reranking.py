import sys
from types import SimpleNamespace

import numpy as np
import pytest

from passerby.evaluation.multi_query import pooled
from passerby.evaluation.protocols import MultiQuery, SingleGalleryShot, SingleQuery
from passerby.evaluation.ranker import Ranker, Ranking, Reranking, normalised
from passerby.evaluation.sides import Sides
from passerby.evaluation.single_shot import single_shot_cmc
from passerby.ranking.matches import find_matches_by_distances
from passerby.ranking.metrics import evaluate_distances


def sides():
    random = np.random.default_rng(0)
    ids, cameras = np.repeat(np.arange(1, 6), 8), np.tile([1, 1, 2, 2], 10)
    rows = random.normal(size=(5, 6))[ids - 1] + 1.5 * random.normal(size=(40, 6))
    first = np.isin(np.arange(40) % 8, [0, 2])
    return Sides(
        rows[first], rows[~first], ids[first], ids[~first], cameras[first], cameras[~first]
    )


def scored(given, distances):
    return evaluate_distances(
        distances, given.query_ids, given.gallery_ids, given.query_cameras, given.gallery_cameras
    )


@pytest.fixture
def calls(monkeypatch):
    """A re-ranking that turns the order round, and writes down what it was given."""
    given = []

    def rerank(query, gallery, k1, k2, lambda_value):
        given.append((np.array(query), np.array(gallery), k1, k2, lambda_value))
        return np.asarray(query, float) @ np.asarray(gallery, float).T

    def find_reranked_matches(query, gallery, identities, **numbers):
        return find_matches_by_distances(rerank(query, gallery, **numbers), identities)

    module = SimpleNamespace(rerank=rerank, find_reranked_matches=find_reranked_matches)
    monkeypatch.setitem(sys.modules, "passerby.ranking.rerank", module)
    return given


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_what_re_ranking_is_given(calls, metric):
    given = sides()
    found = SingleQuery().scores(given, Ranking(metric, Reranking(7, 3, 0.1)))["step"]
    ((query, gallery, *numbers),) = calls
    assert numbers == [7, 3, 0.1]
    expected = (given.query, given.gallery)
    if metric == "cosine":
        expected = (normalised(given.query), normalised(given.gallery))
    np.testing.assert_array_equal(query, expected[0])
    np.testing.assert_array_equal(gallery, expected[1])
    assert found.mean_ap == scored(given, query.astype(float) @ gallery.T.astype(float)).mean_ap


def test_multi_query_re_ranks_the_pooled_queries(calls):
    given = sides()
    found = MultiQuery("max").scores(given, Ranking("euclidean", Reranking()))["step"]
    together, gallery = pooled(given, "max").query, pooled(given, "max").gallery
    np.testing.assert_array_equal(calls[0][0], together)
    np.testing.assert_allclose(np.linalg.norm(gallery, axis=1), 1, rtol=1e-6)
    assert found.mean_ap == scored(given, together.astype(float) @ gallery.T).mean_ap


def test_random_galleries_are_parts_of_one_re_ranking(calls):
    given = sides()
    found = SingleGalleryShot(20).scores(given, Ranking("euclidean", Reranking()))["step"]
    assert len(calls) == 2  # for the random galleries, and for the full one
    for first, second in zip(*calls, strict=True):
        np.testing.assert_array_equal(first, second)
    # The turned order of the product is the order of the Euclidean distance of -gallery, where
    # all gallery vectors have one length.
    unit = normalised(given.gallery)
    same = Sides(given.query, unit, *list(vars(given).values())[2:6])
    turned = Sides(given.query, -unit, *list(vars(given).values())[2:6])
    by_product = Ranker(same, Ranking("euclidean", Reranking()))
    by_distance = Ranker(turned, Ranking("euclidean"))
    np.testing.assert_array_equal(
        single_shot_cmc(by_product, 20, 0), single_shot_cmc(by_distance, 20, 0)
    )
    assert found.mean_ap == scored(given, given.query @ given.gallery.T).mean_ap


def test_with_the_re_ranking_that_there_is():
    module = pytest.importorskip("passerby.ranking.rerank")
    given = sides()
    together = pooled(given, "mean").query
    found = MultiQuery().scores(given, Ranking("cosine", Reranking(5, 2, 0.3)))["step"]
    distances = module.rerank(together, normalised(given.gallery), k1=5, k2=2, lambda_value=0.3)
    expected = scored(given, np.asarray(distances))
    assert found.mean_ap == pytest.approx(expected.mean_ap, abs=1e-9)
