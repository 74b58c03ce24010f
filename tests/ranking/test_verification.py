import numpy as np
import pytest

from passerby.ranking import matches
from passerby.ranking.verification import verify, verify_distances
from passerby.types import InputError


def case(seed, kind="plain"):
    random = np.random.default_rng(seed)
    distances = random.normal(1, 0.4, size=(40, 300)).astype(np.float32)
    query_ids, gallery_ids = random.integers(-1, 9, 40), random.integers(-1, 9, 300)
    distances -= 0.5 * (query_ids[:, None] == gallery_ids)
    if kind == "ties":
        distances = np.round(distances, 1)
    return distances, query_ids, gallery_ids, random.integers(0, 3, 40), random.integers(0, 3, 300)


def naive_pairs(distances, query_ids, gallery_ids, query_cameras, gallery_cameras):
    genuine, impostor = [], []
    for q in range(len(query_ids)):
        for g in range(len(gallery_ids)):
            if query_ids[q] == -1 or gallery_ids[g] == -1:
                continue
            if query_cameras is not None and query_cameras[q] == gallery_cameras[g]:
                continue
            (genuine if query_ids[q] == gallery_ids[g] else impostor).append(distances[q, g])
    return np.array(genuine), np.array(impostor)


@pytest.mark.parametrize("cameras", [True, False])
@pytest.mark.parametrize("kind", ["plain", "ties"])
@pytest.mark.parametrize("seed", range(3))
def test_equals_a_look_at_every_pair(seed, kind, cameras, monkeypatch):
    monkeypatch.setattr(matches, "ROW_BLOCK_BYTES", 8 * 300 * 7)
    distances, query_ids, gallery_ids, *both = case(seed, kind)
    both = both if cameras else [None, None]
    found = verify_distances(distances, query_ids, gallery_ids, *both)
    genuine, impostor = naive_pairs(distances, query_ids, gallery_ids, *both)
    assert (found.genuine, found.impostor) == (len(genuine), len(impostor))
    for place in np.linspace(0, len(found.thresholds) - 1, 60).astype(int):
        threshold = found.thresholds[place]
        assert found.false_match_rates[place] == pytest.approx((impostor < threshold).mean())
        assert found.true_match_rates[place] == pytest.approx((genuine < threshold).mean())
    assert found.false_match_rates[0] == found.true_match_rates[0] == 0
    assert found.false_match_rates[-1] == found.true_match_rates[-1] == 1
    for point in found.points:
        if len(impostor) * point.false_match_rate < 10:
            assert point.threshold is None
            assert point.false_non_match_rate is None
            continue
        threshold = np.float32(point.threshold)
        assert (impostor < threshold).mean() <= point.false_match_rate
        higher = np.nextafter(threshold, np.float32(np.inf))
        assert (impostor < higher).mean() > point.false_match_rate
        assert point.false_non_match_rate == pytest.approx((genuine >= threshold).mean())
    assert [point.threshold is None for point in found.points] == [False] * 2 + [True] * 3


def test_embeddings_and_their_distances_agree():
    random = np.random.default_rng(0)
    query, gallery = random.integers(0, 4, (40, 6)), random.integers(0, 4, (300, 6))
    labels = case(0)[1:]
    squares = ((query[:, None] - gallery[None]) ** 2).sum(2)
    found = verify(query, gallery, *labels, metric="squared_euclidean")
    assert found.points == verify_distances(squares, *labels).points
    np.testing.assert_array_equal(
        found.false_match_rates, verify_distances(squares, *labels).false_match_rates
    )


def test_needs_both_kinds_of_pairs():
    with pytest.raises(InputError, match="given 0 and 4"):
        verify_distances(np.ones((2, 2)), [1, 2], [3, 4])
    with pytest.raises(InputError, match="given 2 and 0"):
        verify_distances(np.ones((1, 2)), [1], [1, 1])
