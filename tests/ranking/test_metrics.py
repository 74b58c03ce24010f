import numpy as np
import pytest
import torch
from torchmetrics.functional.retrieval import retrieval_average_precision

from passerby.ranking import matches as module
from passerby.ranking.matches import check_identities, find_matches_by_distances
from passerby.ranking.metrics import evaluate, evaluate_distances, scores
from passerby.types import InputError


def naive_ranking(distances, query, ids, cameras):
    """One query's ranking as a list of True (match) and False, from the rules in words."""
    (query_ids, gallery_ids), (query_cameras, gallery_cameras) = ids, cameras
    items = []
    for g in range(len(gallery_ids)):
        same = gallery_ids[g] == query_ids[query]
        if gallery_ids[g] == -1:
            continue
        if same and query_cameras is not None and gallery_cameras[g] == query_cameras[query]:
            continue
        items.append((distances[query][g], g, bool(same)))
    return [match for _, _, match in sorted(items)]


def naive_precisions(ranking):
    """AP by both definitions and the inverse negative penalty, walking down the ranking."""
    total, found, step, trapezoid, old_precision = sum(ranking), 0, 0.0, 0.0, 1.0
    for position, match in enumerate(ranking, 1):
        found += match
        precision = found / position
        if match:
            step += precision / total
            trapezoid += (1 / total) * (old_precision + precision) / 2
            last = position
        old_precision = precision
    return step, trapezoid, total / last


def case(seed, kind):
    random = np.random.default_rng(seed)
    q, g = 25, 60
    distances = random.normal(size=(q, g)) ** 2
    if kind == "ties":
        distances = random.integers(0, 3, size=(q, g)).astype(np.float32)
    if kind == "all equal":
        distances = np.zeros((q, g), np.float16)
    if kind == "duplicates":
        distances[:, 30:] = distances[:, :30]
    if kind == "infinite":
        distances[distances > 1] = np.inf
    query_ids, gallery_ids = random.integers(0, 9, q), random.integers(-1, 7, g)
    cameras = (random.integers(0, 3, q), random.integers(0, 3, g))
    return distances, (query_ids, gallery_ids), (None, None) if kind == "no cameras" else cameras


KINDS = ["plain", "ties", "all equal", "no cameras", "duplicates", "infinite"]


@pytest.fixture(params=["by sorting", "by counting"])
def way(request, monkeypatch):
    """Small problems are sorted, large ones counted: the numbers are the same."""
    monkeypatch.setattr(module, "SMALL", 2**40 if request.param == "by sorting" else 0)
    return request.param


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(5))
def test_equals_a_walk_down_the_ranking(seed, kind, way):
    distances, ids, cameras = case(seed, kind)
    rankings = [naive_ranking(distances.tolist(), query, ids, cameras) for query in range(25)]
    matched = [ranking for ranking in rankings if any(ranking)]
    assert 0 < len(matched) < 25
    step = evaluate_distances(distances, *ids, *cameras, ranks=20)
    trapezoid = evaluate_distances(distances, *ids, *cameras, average_precision="trapezoid")
    expected = np.array([naive_precisions(ranking) for ranking in matched])
    has = ~np.isnan(step.ap)
    np.testing.assert_allclose(step.ap[has], expected[:, 0], atol=1e-12)
    np.testing.assert_allclose(trapezoid.ap[has], expected[:, 1], atol=1e-12)
    assert step.mean_ap == pytest.approx(expected[:, 0].mean(), abs=1e-12)
    assert trapezoid.mean_ap == pytest.approx(expected[:, 1].mean(), abs=1e-12)
    assert step.mean_inp == pytest.approx(expected[:, 2].mean(), abs=1e-12)
    cmc = [np.mean([any(ranking[:rank]) for ranking in matched]) for rank in range(1, 21)]
    np.testing.assert_allclose(step.cmc, cmc, atol=1e-12)
    assert step.unmatched.tolist() == [i for i, ranking in enumerate(rankings) if not any(ranking)]
    assert np.isnan(step.ap[step.unmatched]).all()
    assert (step.first_match[step.unmatched] == 0).all()
    assert step.first_match[has].tolist() == [ranking.index(True) + 1 for ranking in matched]
    assert (step.average_precision, trapezoid.average_precision) == ("step", "trapezoid")


@pytest.mark.parametrize("seed", range(3))
def test_step_agrees_with_torchmetrics(seed):
    distances, (query_ids, gallery_ids), _ = case(seed, "plain")
    result = evaluate_distances(distances, query_ids, gallery_ids)
    for query in set(range(25)) - set(result.unmatched.tolist()):
        ranked = gallery_ids != -1
        expected = retrieval_average_precision(
            torch.tensor(1 / (1 + distances[query][ranked])),
            torch.tensor(gallery_ids[ranked] == query_ids[query]),
        )
        assert result.ap[query] == pytest.approx(expected.item(), abs=1e-6)


def test_a_table_by_hand():
    # Ranking: miss, hit, miss, miss, hit; camera 1 is the query's own, id -1 is junk.
    distances = np.array([[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]])
    gallery_ids, cameras = [5, 3, -1, 5, 4, 4, 5], [1, 1, 2, 2, 2, 3, 3]
    arguments = (distances, [5], gallery_ids, [1], cameras)
    step = evaluate_distances(*arguments)
    assert step.cmc.tolist() == [0, 1, 1, 1, 1, 1]
    assert step.mean_ap == pytest.approx((1 / 2 + 2 / 5) / 2)
    assert step.mean_inp == pytest.approx(2 / 5)
    trapezoid = evaluate_distances(*arguments, average_precision="trapezoid")
    assert trapezoid.mean_ap == pytest.approx(((0 + 1 / 2) / 2 + (1 / 4 + 2 / 5) / 2) / 2)
    unfiltered = evaluate_distances(*arguments, same_camera_filter=False)
    assert unfiltered.first_match.tolist() == [1]
    assert unfiltered.mean_ap == pytest.approx((1 + 2 / 3 + 3 / 6) / 3)


@pytest.mark.parametrize("metric", ["euclidean", "squared_euclidean", "cosine"])
def test_embeddings_and_their_distances_agree(metric):
    random = np.random.default_rng(2)
    query, gallery = random.normal(size=(25, 8)), random.normal(size=(60, 8))
    _, ids, cameras = case(2, "plain")
    squares = ((query[:, None] - gallery[None]) ** 2).sum(2)
    lengths = np.linalg.norm(query, axis=1)[:, None] * np.linalg.norm(gallery, axis=1)
    distances = 1 - query @ gallery.T / lengths if metric == "cosine" else squares
    result = evaluate(torch.tensor(query), gallery, *ids, *cameras, metric=metric)
    expected = evaluate_distances(distances, *ids, *cameras)
    np.testing.assert_array_equal(result.first_match, expected.first_match)
    assert result.mean_ap == pytest.approx(expected.mean_ap, abs=1e-12)


def test_the_order_of_the_gallery_matters_to_ties_only():
    distances, (query_ids, gallery_ids), (query_cameras, gallery_cameras) = case(4, "plain")
    order = np.random.default_rng(0).permutation(60)
    one = evaluate_distances(distances, query_ids, gallery_ids, query_cameras, gallery_cameras)
    other = evaluate_distances(
        distances[:, order], query_ids, gallery_ids[order], query_cameras, gallery_cameras[order]
    )
    np.testing.assert_array_equal(one.ap, other.ap)
    np.testing.assert_array_equal(one.cmc, other.cmc)
    tied = np.zeros((1, 2))
    assert evaluate_distances(tied, [1], [1, 2]).first_match.tolist() == [1]
    assert evaluate_distances(tied, [1], [2, 1]).first_match.tolist() == [2]


def test_both_definitions_from_one_pass():
    distances, ids, cameras = case(0, "plain")
    matches = find_matches_by_distances(
        torch.tensor(distances), check_identities((25, 60), *ids, *cameras)
    )
    for definition in ("step", "trapezoid"):
        expected = evaluate_distances(distances, *ids, *cameras, average_precision=definition)
        assert scores(matches, definition).mean_ap == expected.mean_ap


def many_hits(seed):
    """More hits of a query than are counted one by one, and ties between all sorts of items."""
    random = np.random.default_rng(seed)
    distances = random.integers(0, 40, size=(12, 900)).astype(np.float64)
    ids = random.integers(0, 3, 12), random.integers(-1, 3, 900)
    return distances, ids, (random.integers(0, 2, 12), random.integers(0, 3, 900))


@pytest.mark.parametrize("seed", range(3))
def test_many_hits(seed, way):
    distances, ids, cameras = many_hits(seed)
    rankings = [naive_ranking(distances.tolist(), query, ids, cameras) for query in range(12)]
    assert min(map(sum, rankings)) > 64
    result = evaluate_distances(distances, *ids, *cameras)
    expected = [naive_precisions(ranking)[0] for ranking in rankings]
    np.testing.assert_allclose(result.ap, expected, atol=1e-12)


@pytest.mark.parametrize("definition", ["step", "trapezoid"])
def test_hits_beyond_the_cutoff_add_nothing(definition, way):
    distances, ids, cameras = case(1, "ties")
    cut = evaluate_distances(distances, *ids, *cameras, average_precision=definition, ap_cutoff=7)
    for query in np.flatnonzero(cut.first_match):
        ranking = naive_ranking(distances.tolist(), query, ids, cameras)
        total, old, expected, found = sum(ranking), 1.0, 0.0, 0
        for position, match in enumerate(ranking[:7], 1):
            found += match
            precision = found / position
            if match:
                expected += precision if definition == "step" else (old + precision) / 2
            old = precision
        assert cut.ap[query] == pytest.approx(expected / total, abs=1e-12)
    full = evaluate_distances(distances, *ids, *cameras, average_precision=definition)
    assert cut.mean_ap < full.mean_ap
    np.testing.assert_array_equal(cut.cmc, full.cmc)


def test_queries_without_a_match_can_count_as_misses(way):
    distances, ids, cameras = case(0, "plain")
    left_out = evaluate_distances(distances, *ids, *cameras)
    counted = evaluate_distances(distances, *ids, *cameras, count_unmatched=True)
    share = 1 - len(left_out.unmatched) / 25
    assert 0 < share < 1
    np.testing.assert_allclose(counted.cmc, left_out.cmc * share, atol=1e-12)
    assert counted.mean_ap == pytest.approx(left_out.mean_ap * share, abs=1e-12)
    assert counted.mean_inp == pytest.approx(left_out.mean_inp * share, abs=1e-12)
    np.testing.assert_array_equal(counted.unmatched, left_out.unmatched)


def test_infinite_distances_are_last_and_the_cmc_is_as_long_as_the_gallery():
    result = evaluate_distances(np.array([[np.inf, 0.5, 0.7]]), [1], [1, -1, 2])
    assert result.first_match.tolist() == [2]
    assert result.cmc.tolist() == [0, 1]


ONES = np.ones((2, 3))


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        ((ONES, [1], [1, 1, 1]), {}, "query_ids must be 2 .*given shape"),
        ((ONES, [1, 1], [1, 1]), {}, "gallery_ids must be 3"),
        ((ONES, [1, 1], [1.0, 1, 1]), {}, "gallery_ids .*float64"),
        ((ONES, [1, 1], ["a", "b", "c"]), {}, "gallery_ids"),
        ((ONES, [1, 1], [1, 1, 1], [1, 1]), {}, "both sides or none: given for the query only"),
        ((ONES, [1, 1], [1, 1, 1], None, [1, 1, 1]), {}, "given for the gallery only"),
        ((ONES, [1, 1], [1, 1, 1], [1], [2, 2, 2]), {}, "query_cameras must be 2"),
        ((ONES, [1, 1], [1, 1, 1], [1], [2, 2, 2]), {"same_camera_filter": False}, "cameras"),
        ((ONES, [1, 1], [1, 1, 1]), {"average_precision": "both"}, "step, trapezoid.*'both'"),
        ((ONES, [1, 1], [1, 1, 1]), {"ranks": 0}, "given 0"),
        ((ONES, [1, 1], [1, 1, 1]), {"ap_cutoff": 0}, "ap_cutoff.*given 0"),
        ((ONES, [1, 1], [2, 2, -1]), {}, "none of 2 has one"),
        ((ONES, [-1, -1], [-1, -1, -1]), {}, "none of 2 has one"),
        ((ONES, [1, 1], [1, 1, 1], [1, 1], [1, 1, 1]), {}, "in another camera"),
        ((ONES * np.nan, [1, 1], [1, 1, 1]), {}, "NaN"),
        ((ONES[0], [1, 1], [1, 1, 1]), {}, r"\(3,\)"),
        ((ONES[:0], [], [1, 1, 1]), {}, r"\(0, 3\)"),
    ],
)
def test_bad_input(arguments, options, words):
    with pytest.raises(InputError, match=words):
        evaluate_distances(*arguments, **options)


def test_bad_features_and_metric():
    with pytest.raises(InputError, match="metric"):
        evaluate(ONES, ONES, [1, 1], [1, 1], metric="dot")
    with pytest.raises(InputError, match="query_ids must be 2"):
        evaluate(ONES, ONES, [1], [1, 1])
