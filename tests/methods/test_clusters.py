import sys

import numpy as np
import pytest

from passerby.methods.clusters import (
    OUTLIER,
    Clustering,
    clusters,
    dbscan,
    renumbered,
    with_tracks,
    without_cameras,
)
from passerby.ranking.jaccard import jaccard_within
from passerby.ranking.profiles import unit
from passerby.types import InputError

HOW = Clustering(0.5, 4, 10, 3)


def people(seed, persons=12, pictures=10, cameras=2, noise=0.25, move=0.0, width=16):
    """Embeddings, persons and cameras; each camera moves everybody its own way."""
    random = np.random.default_rng(seed)
    centers = unit(random.normal(size=(persons, width)).astype(np.float32))
    moves = move * unit(random.normal(size=(cameras, width)).astype(np.float32))
    who, camera = (x.reshape(-1) for x in np.indices((persons, pictures)))
    camera = camera % cameras
    noise = noise * random.normal(size=(len(who), width)) / np.sqrt(width)
    return (centers[who] + moves[camera] + noise).astype(np.float32), who, camera


def naive_dbscan(distances, limit, least):
    """The original's loop: grow each cluster from its cores; borders go to the first that comes."""
    near = [np.flatnonzero(row <= limit) for row in distances]
    labels, cluster = np.full(len(distances), OUTLIER), -1
    for item in range(len(distances)):
        if labels[item] != OUTLIER or len(near[item]) < least:
            continue
        cluster += 1
        stack = [item]
        while stack:
            one = stack.pop()
            if labels[one] != OUTLIER:
                continue
            labels[one] = cluster
            if len(near[one]) >= least:
                stack += [other for other in near[one] if labels[other] == OUTLIER]
    return labels


@pytest.mark.parametrize("limit", [0.3, 0.5, 0.7])
def test_dbscan_against_a_loop_on_the_whole_matrix(limit):
    x, _, _ = people(0, noise=0.8)
    pairs = jaccard_within(x, limit, 10, 3)
    whole = np.ones((len(x), len(x)), np.float32)
    for item in range(len(x)):
        here = slice(pairs.starts[item], pairs.starts[item + 1])
        whole[item, pairs.columns[here]] = pairs.distances[here]
    found = dbscan(pairs, limit, 4)
    expected = naive_dbscan(whole, limit, 4)
    core = (whole <= limit).sum(1) >= 4
    np.testing.assert_array_equal(found == OUTLIER, expected == OUTLIER)
    # A border picture may belong to either of two clusters.
    np.testing.assert_array_equal(renumbered(found)[core], renumbered(expected)[core])
    assert found.max() + 1 > 1


def test_people_become_clusters():
    x, who, _ = people(1)
    found = clusters(x, np.arange(len(x)), HOW)
    assert found.max() + 1 == 12
    assert all(len(set(found[who == person])) == 1 for person in range(12))
    assert (clusters(x[:1], np.zeros(1, np.int64), HOW) == OUTLIER).all()


def test_pictures_of_a_track_have_one_label_that_of_most():
    labels = np.array([0, 0, 1, 1, OUTLIER, OUTLIER, OUTLIER, 2, 2, OUTLIER])
    tracks = np.array([7, 7, 7, 8, 8, 5, 5, 4, 9, 3])
    # 7: twice 0, once 1. 8: 1. 5: two outliers, too few. 3: an outlier.
    expected = [0, 0, 0, 1, 1, OUTLIER, OUTLIER, 2, 2, OUTLIER]
    np.testing.assert_array_equal(with_tracks(labels, tracks, 3), expected)
    # Two are enough; what is nobody's own stays apart from other clusters.
    expected = [1, 1, 1, 2, 2, 0, 0, 3, 3, OUTLIER]
    found = with_tracks(labels, tracks, 2)
    np.testing.assert_array_equal(found == OUTLIER, np.array(expected) == OUTLIER)
    groups = {(a, b) for a, b in zip(found.tolist(), expected, strict=True)}
    assert len(groups) == len({a for a, _ in groups}) == len({b for _, b in groups})
    # Of two labels with as many pictures the first.
    np.testing.assert_array_equal(
        with_tracks(np.array([1, 0, 1]), np.array([0, 0, 1]), 4), [0, 0, 1]
    )
    nothing = np.full(4, OUTLIER)
    np.testing.assert_array_equal(with_tracks(nothing, np.arange(4), 1), nothing)


def test_a_track_of_outliers_is_a_person():
    x, who, _ = people(2, persons=6, noise=3.0)
    alone = clusters(x, np.arange(len(x)), HOW)
    found = clusters(x, who, HOW)
    assert (alone == OUTLIER).any()
    assert (found != OUTLIER).all()
    assert all(len(set(found[who == person])) == 1 for person in range(6))


def test_what_cameras_move_is_taken_out_and_then_people_meet():
    x, who, cameras = people(3, persons=20, move=1.5)
    tracks = np.arange(len(x))
    apart = clusters(x, tracks, HOW)
    assert not any(len(set(cameras[apart == c])) > 1 for c in range(apart.max() + 1))
    moved, share = without_cameras(x, cameras, tracks, HOW, 1.0)
    assert share > 0.8
    found = clusters(moved, tracks, HOW)
    joined = [len(set(cameras[found == c])) > 1 for c in range(found.max() + 1)]
    assert np.mean(joined) > 0.8
    assert all(len(set(who[found == c])) == 1 for c in range(found.max() + 1))


def test_without_known_or_different_cameras_nothing_moves():
    x, _, cameras = people(4)
    tracks, rows = np.arange(len(x)), unit(x)
    for known in (np.full(len(x), -1), np.zeros(len(x), np.int64)):
        moved, share = without_cameras(x, known, tracks, HOW, 1.0)
        np.testing.assert_array_equal(moved, rows)
        assert share == 0
    # Pictures of unknown cameras stay as they are.
    some = np.where(np.arange(len(x)) < 20, -1, cameras)
    pushed = x + np.where(some[:, None] == 1, 1.0, 0).astype(np.float32)
    moved, share = without_cameras(pushed, some, tracks, HOW, 1.0)
    assert share > 0
    np.testing.assert_allclose(moved[:20], unit(pushed)[:20], atol=1e-6)


def test_without_scikit_learn_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    with pytest.raises(InputError, match=r"clusters need scikit-learn: run pip install"):
        dbscan(jaccard_within(people(5)[0], 0.5, 10, 3), 0.5, 4)
