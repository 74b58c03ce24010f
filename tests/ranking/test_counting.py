"""Every way to the ranks gives the same ones, where the distances are exact."""

import numpy as np
import pytest
import torch

from passerby.ranking import counting, product, tiles
from passerby.ranking import matches as module
from passerby.ranking.metrics import evaluate, evaluate_distances


def exact_case(seed, q=70, g=300, width=5, people=9):
    """Whole numbers, exact in float32, with many ties; one identity has no hit, one is junk."""
    random = np.random.default_rng(seed)
    query, gallery = random.integers(0, 3, (q, width)), random.integers(0, 3, (g, width))
    ids = random.integers(0, people, q), random.integers(-1, people - 1, g)
    cameras = random.integers(0, 3, q), random.integers(0, 3, g)
    return query, gallery, (*ids, *cameras)


def squares(query, gallery):
    return ((query[:, None].astype(np.float64) - gallery[None]) ** 2).sum(2)


@pytest.fixture
def counted(monkeypatch):
    monkeypatch.setattr(module, "SMALL", 0)
    # Many tiles, cut within runs of ties.
    monkeypatch.setattr(tiles, "TILE_ROWS", 16)
    monkeypatch.setattr(tiles, "_MOST_COLUMNS", 64)
    monkeypatch.setattr(counting, "_HOME_QUERIES", 7)
    monkeypatch.setattr(counting, "_HOME_COLUMNS", 32)


def same(one, other):
    np.testing.assert_array_equal(one.ap, other.ap)
    np.testing.assert_array_equal(one.first_match, other.first_match)
    np.testing.assert_array_equal(one.cmc, other.cmc)
    assert one.mean_inp == other.mean_inp


@pytest.mark.parametrize("people", [9, 2])
@pytest.mark.parametrize("metric", ["euclidean", "squared_euclidean"])
@pytest.mark.parametrize("seed", range(3))
def test_tiles_give_the_ranks_of_the_matrix(seed, metric, people, counted, monkeypatch):
    query, gallery, labels = exact_case(seed, people=people)
    by_tiles = evaluate(query, gallery, *labels, metric=metric)
    monkeypatch.setattr(module, "SMALL", 2**40)
    by_sorting = evaluate_distances(squares(query, gallery), *labels)
    assert people == 2 or len(by_sorting.unmatched)
    same(by_tiles, by_sorting)
    same(evaluate(query, gallery, *labels, metric=metric), by_sorting)


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_make_no_difference_and_are_put_back(threads, counted):
    before = torch.get_num_threads()
    query, gallery, labels = exact_case(4)
    expected = evaluate_distances(squares(query, gallery), *labels)
    try:
        torch.set_num_threads(threads)
        same(evaluate(query, gallery, *labels), expected)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_without_onednn(counted, monkeypatch):
    monkeypatch.setattr(product, "has_fast_linear", lambda: False)
    query, gallery, labels = exact_case(5)
    same(
        evaluate(query, gallery, *labels),
        evaluate_distances(squares(query, gallery), *labels),
    )


def test_tensors_alone_count_the_same(counted, monkeypatch):
    # What a GPU does, done on the processor.
    class OnProcessor(counting.TensorCounter):
        def __init__(self, *arguments):
            super().__init__(*arguments, torch.device("cpu"))

        def prepare(self, queries):
            return self

    monkeypatch.setattr(counting, "CompiledCounter", OnProcessor)
    monkeypatch.setattr(tiles, "in_parallel", lambda jobs, work, _: [work(0, job) for job in jobs])
    for people in (9, 2):
        query, gallery, labels = exact_case(6, people=people)
        same(
            evaluate(query, gallery, *labels),
            evaluate_distances(squares(query, gallery), *labels),
        )


def test_end_to_end_from_real_numbers(counted):
    random = np.random.default_rng(0)
    query, gallery = random.normal(size=(70, 16)), random.normal(size=(300, 16))
    labels = exact_case(0)[2]
    lengths = np.linalg.norm(query, axis=1)[:, None] * np.linalg.norm(gallery, axis=1)
    for metric, distances in (
        ("euclidean", squares(query, gallery)),
        ("cosine", 1 - query @ gallery.T / lengths),
    ):
        found = evaluate(query, gallery, *labels, metric=metric)
        assert found.mean_ap == pytest.approx(evaluate_distances(distances, *labels).mean_ap, 1e-5)


@pytest.mark.parametrize("spread", ["all alike", "one far away", "one at 1e18", "ties"])
@pytest.mark.parametrize("seed", range(3))
def test_many_hits_of_any_spread_have_the_ranks_of_the_matrix(spread, seed, counted, monkeypatch):
    random = np.random.default_rng(seed)
    query = np.zeros((3, 1), np.float32)
    gallery = random.permutation(400).astype(np.float32)[:, None]
    ids = np.zeros(3, int), random.integers(0, 2, 400)
    mine = np.flatnonzero(ids[1] == 0)
    if spread == "all alike":
        gallery[mine] = 7
    elif spread == "ties":
        gallery //= 40
    else:
        gallery[mine[3]] = 1e15 if spread == "one far away" else 1e18
    cameras = np.zeros(3, int), random.integers(0, 2, 400)
    by_tiles = evaluate(query, gallery, *ids, *cameras, metric="squared_euclidean")
    monkeypatch.setattr(module, "SMALL", 2**40)
    whole = ((query[:, None] - gallery[None]) ** 2).sum(2)
    same(by_tiles, evaluate_distances(whole, *ids, *cameras))
