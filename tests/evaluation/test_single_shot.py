from itertools import product

import numpy as np
import pytest

from passerby.evaluation.protocols import SingleGalleryShot, SingleQuery
from passerby.evaluation.ranker import Ranker, Ranking
from passerby.evaluation.sides import Sides
from passerby.evaluation.single_shot import random_gallery, single_shot_cmc
from passerby.types import InputError

PLAIN = Ranking("euclidean")


def sides(people, cameras, places, query=None):
    """Pictures on a line; every one is a query too, unless `query` gives positions."""
    x = np.array(places, float)[:, None]
    ids, cams = np.array(people), np.array(cameras)
    rows = np.arange(len(x)) if query is None else np.array(query)
    return Sides(x[rows], x, ids[rows], ids, cams[rows], cams)


def expected_cmc(given, ranks):
    """The mean over every gallery that can be drawn, all equally likely; from the definition."""
    total, count = np.zeros(ranks), 0
    for q in range(len(given.query)):
        pictures = {}
        for g in range(len(given.gallery)):
            if given.gallery_cameras[g] != given.query_cameras[q] and given.gallery_ids[g] != -1:
                pictures.setdefault(given.gallery_ids[g], []).append(g)
        if given.query_ids[q] not in pictures:
            continue
        curves = []
        for gallery in product(*pictures.values()):
            order = sorted(gallery, key=lambda g: (abs(given.gallery[g] - given.query[q])[0], g))
            rank = [given.gallery_ids[g] for g in order].index(given.query_ids[q])
            curves.append([k >= rank for k in range(ranks)])
        total += np.mean(curves, axis=0)
        count += 1
    return total / count


def test_without_a_choice_every_gallery_is_the_same():
    # Three people, one picture in each of two cameras, at these places on a line:
    # person   1  2  3
    # camera 1 0  4  9
    # camera 2 1  5  2
    given = sides([1, 2, 3, 1, 2, 3], [1, 1, 1, 2, 2, 2], [0, 4, 9, 1, 5, 2])
    # From camera 1: 0 finds 1, 2, 5 (person 1 at rank 1); 4 finds 5, 2, 1 (person 2 at rank 1);
    # 9 finds 5, 2, 1 (person 3 at rank 2). From camera 2: 1 finds 0, 4, 9 (person 1: rank 1);
    # 5 finds 4, then 9 (4 away), 0 (person 2: rank 1); 2 finds 0 and 4 (2 away), 9 (person 3: 3).
    by_hand = [4 / 6, 5 / 6, 1.0]
    for galleries in (1, 5):
        cmc = single_shot_cmc(Ranker(given, PLAIN), galleries, seed=0)
        np.testing.assert_allclose(cmc, by_hand)
    np.testing.assert_allclose(expected_cmc(given, 3), by_hand)


@pytest.mark.parametrize("seed", range(3))
def test_many_galleries_come_near_the_mean_over_all(seed):
    random = np.random.default_rng(seed)
    people = [*np.repeat([1, 2, 3], 4), -1, -1, 8]
    cameras = [*np.tile([1, 1, 2, 2], 3), 1, 2, 2]
    given = sides(people, cameras, random.normal(size=len(people)), query=[*range(12)])
    cmc = single_shot_cmc(Ranker(given, PLAIN), 400, seed=seed)
    exact = expected_cmc(given, 4)
    assert len(cmc) == 4
    # 12 queries of 400 galleries each: the standard deviation of a share is below 0.5 / sqrt(400).
    np.testing.assert_allclose(cmc, exact, atol=4 * 0.5 / 20)
    assert 0 < exact[0] < 1


def test_galleries_by_the_seed_alone():
    random = np.random.default_rng(0)
    given = sides(np.repeat(range(1, 9), 6), np.tile([1, 2], 24), random.normal(size=48))
    ranker = Ranker(given, PLAIN)
    first = single_shot_cmc(ranker, 3, seed=1)
    np.testing.assert_array_equal(first, single_shot_cmc(ranker, 3, seed=1))
    assert (first != single_shot_cmc(ranker, 3, seed=2)).any()
    # Gallery n + 1 is what the mean of n + 1 has more than the mean of n: whole hits, of a curve.
    sums = [single_shot_cmc(ranker, n, seed=1) * n * len(given.query) for n in range(1, 13)]
    curves = np.diff(sums, axis=0)
    np.testing.assert_allclose(curves, np.round(curves), atol=1e-9)
    assert (np.diff(curves, axis=1, prepend=0) >= -1e-9).all()
    np.testing.assert_allclose(curves[:, -1], len(given.query))


def test_a_gallery_has_one_picture_of_each_person():
    ids = np.array([5, 3, 5, 3, 9, 5, 3])
    candidates = np.array([0, 1, 2, 3, 4, 5])
    drawn = [
        tuple(random_gallery(ids, candidates, np.random.default_rng(seed)).tolist())
        for seed in range(2000)
    ]
    possible = [tuple(sorted(g)) for g in product([0, 2, 5], [1, 3], [4])]
    counts = {gallery: drawn.count(gallery) for gallery in possible}
    assert sum(counts.values()) == 2000
    assert min(counts.values()) > 2000 / 6 - 5 * (2000 * 5 / 36) ** 0.5


def test_a_query_with_no_picture_by_another_camera_is_left_out():
    given = sides([1, 1, 2, 2, 3], [1, 2, 1, 2, 1], [0, 1, 5, 6, 9])
    assert single_shot_cmc(Ranker(given, PLAIN), 2, 0)[0] == pytest.approx(1.0)
    found = SingleGalleryShot(2).scores(given, PLAIN)
    assert found["step"].unmatched.tolist() == [4]


def test_the_rest_is_over_the_full_gallery():
    random = np.random.default_rng(3)
    given = sides(np.repeat(range(1, 5), 6), np.tile([1, 2], 12), random.normal(size=24))
    found, full = SingleGalleryShot(7, 1).scores(given, PLAIN), SingleQuery().scores(given, PLAIN)
    for definition in ("step", "trapezoid"):
        assert found[definition].mean_ap == full[definition].mean_ap
        expected = single_shot_cmc(Ranker(given, PLAIN), 7, 1)
        np.testing.assert_array_equal(found[definition].cmc, expected)
    assert (found["step"].cmc[:4] != full["step"].cmc[:4]).any()


def test_bad_input():
    given = sides([1, 2], [1, 1], [0, 1])
    with pytest.raises(InputError, match="at least one gallery: given 0"):
        single_shot_cmc(Ranker(given, PLAIN), 0, 0)
    with pytest.raises(InputError, match="in another camera: none has one"):
        single_shot_cmc(Ranker(given, PLAIN), 2, 0)
    blind = Sides(given.query, given.gallery, given.query_ids, given.gallery_ids)
    with pytest.raises(InputError, match="needs the cameras"):
        single_shot_cmc(Ranker(blind, PLAIN), 2, 0)
