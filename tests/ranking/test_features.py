"""Arrays of any type, order and place are ranked alike."""

import numpy as np
import pytest
import torch

from passerby.ranking import matches
from passerby.ranking import nearest as nearest_module
from passerby.ranking.features import Features
from passerby.ranking.metrics import evaluate
from passerby.ranking.nearest import nearest
from passerby.types import InputError


def exact(seed=0, q=40, g=200, width=6):
    random = np.random.default_rng(seed)
    return (
        random.integers(0, 4, (q, width)).astype(np.float32),
        random.integers(0, 4, (g, width)).astype(np.float32),
        (random.integers(0, 9, q), random.integers(-1, 9, g)),
    )


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


FORMS = {
    "as it is": lambda x: x,
    "columns first": np.asfortranarray,
    "every other row of more": lambda x: np.repeat(x, 2, axis=0)[::2],
    "backwards twice": lambda x: x[::-1].copy()[::-1],
    "read-only": read_only,
    "float16": lambda x: x.astype(np.float16),
    "float64": lambda x: x.astype(np.float64),
    "int8": lambda x: x.astype(np.int8),
    "uint16": lambda x: x.astype(np.uint16),
    "big-endian": lambda x: x.astype(">f4"),
    "bfloat16": lambda x: torch.tensor(x).bfloat16(),
    "transposed tensor": lambda x: torch.tensor(x.T.copy()).T,
    "with gradient": lambda x: torch.tensor(x, requires_grad=True),
}


@pytest.mark.parametrize("large", [True, False])
@pytest.mark.parametrize("form", FORMS)
def test_forms(form, large, monkeypatch, recwarn):
    monkeypatch.setattr(matches, "SMALL", 0 if large else 2**40)
    monkeypatch.setattr(nearest_module, "SMALL", 0 if large else 2**40)
    query, gallery, ids = exact()
    q, g = FORMS[form](query), FORMS[form](gallery)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = evaluate(q, g, *ids)
        indices, values = nearest(q, g, 5)
    np.testing.assert_array_equal(found.ap, evaluate(query, gallery, *ids).ap)
    expected = nearest(query, gallery, 5)
    np.testing.assert_array_equal(indices, expected[0])
    np.testing.assert_array_equal(values, expected[1])
    assert not recwarn.list


@pytest.mark.parametrize("few", [1, 3, 40])
def test_memory_mapped(tmp_path, few, monkeypatch):
    monkeypatch.setattr(matches, "SMALL", 0)
    monkeypatch.setattr(nearest_module, "SMALL", 0)
    query, gallery, ids = exact()
    np.save(tmp_path / "gallery.npy", gallery)
    mapped = np.load(tmp_path / "gallery.npy", mmap_mode="r")
    for function in (
        lambda g: evaluate(query[:few], g, ids[0][:few], ids[1]).ap,
        lambda g: nearest(query[:few], g, 7)[0],
    ):
        np.testing.assert_array_equal(function(mapped), function(gallery))


def test_several_arrays_count_as_one():
    parts = [np.arange(6.0).reshape(3, 2), torch.arange(10, 18).view(4, 2), np.ones((1, 2))]
    whole = np.concatenate([np.asarray(part, np.float32) for part in parts])
    features = Features("both", parts)
    assert features.shape == (8, 2)
    for start in range(8):
        for stop in range(start + 1, 9):
            np.testing.assert_array_equal(features.block(start, stop), whole[start:stop])
    rows = np.array([7, 0, 3, 3, 6])
    np.testing.assert_array_equal(features.take(rows), whole[rows])
    np.testing.assert_array_equal(features.of_rows(rows).block(1, 4), whole[rows][1:4])


@pytest.mark.parametrize("few", [1, 3, 40])
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_bad_rows_are_found_on_the_way(few, metric, monkeypatch):
    monkeypatch.setattr(matches, "SMALL", 0)
    monkeypatch.setattr(nearest_module, "SMALL", 0)
    query, gallery, ids = exact()
    query, gallery = query[:few] + 1, gallery + 1
    gallery[[50, 61]] = np.nan if metric == "euclidean" else 0
    for function in (
        lambda: evaluate(query, gallery, ids[0][:few], ids[1], metric=metric),
        lambda: nearest(query, gallery, 5, metric),
    ):
        with pytest.raises(InputError, match="gallery features .* 2 of 200 .* first row 50"):
            function()


def test_the_routine_of_products_is_exact_enough():
    from passerby.ranking.product import RightSide

    random = np.random.default_rng(0)
    left, right = random.normal(size=(70, 300)), random.normal(size=(90, 300))
    bias = random.normal(size=90)
    for rows, lefts in ((1, 1), (70, 1), (70, 2), (13, 2)):
        side = RightSide(torch.tensor(right).float(), torch.tensor(bias).float(), lefts, 70)
        found = side.times(torch.tensor(left[:rows]).float())
        np.testing.assert_allclose(found, left[:rows] @ right.T + bias, atol=1e-4)


def test_an_error_in_one_worker_reaches_the_caller():
    from passerby.ranking.product import in_parallel

    done = []

    def work(worker, job):
        if job == 3:
            raise KeyError("three")
        done.append(job)

    with pytest.raises(KeyError, match="three"):
        in_parallel(range(10000), work)
    assert len(done) < 9999


def test_threads_stay_those_of_their_caller_and_survive_a_fork():
    import os
    import threading

    import torch

    from passerby.ranking.product import in_parallel

    def names():
        found = set()
        in_parallel(range(50), lambda worker, job: found.add(threading.current_thread().name))
        return found

    kept = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        first, before = names(), threading.active_count()
        for _ in range(20):
            names()
        assert threading.active_count() == before
        assert all("passerby-ranking" in name for name in first)
        child = os.fork()
        if child == 0:
            os._exit(0 if names() else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        torch.set_num_threads(kept)
