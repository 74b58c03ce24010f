"""What must happen to the scores when the data change in ways whose effect is known."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from passerby.ranking import matches as module
from passerby.ranking.metrics import evaluate, evaluate_distances
from passerby.ranking.nearest import nearest
from passerby.ranking.rerank import rerank

QUICK = settings(max_examples=30, deadline=None)


@st.composite
def searches(draw):
    """Features without ties, ids with junk, cameras; at least one query has a hit."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    q, g = draw(st.integers(1, 8)), draw(st.integers(2, 40))
    people = draw(st.integers(1, 6))
    query, gallery = random.normal(size=(q, 5)), random.normal(size=(g, 5))
    query_ids, gallery_ids = random.integers(0, people, q), random.integers(-1, people, g)
    query_ids[0] = gallery_ids[0] = 0
    query_cameras, gallery_cameras = random.integers(0, 3, q), random.integers(0, 3, g)
    query_cameras[0], gallery_cameras[0] = 0, 1
    counting = draw(st.booleans())
    return query, gallery, (query_ids, gallery_ids, query_cameras, gallery_cameras), counting


def scored(function, *arguments, counting, **options):
    kept, module.SMALL = module.SMALL, 0 if counting else 2**40
    try:
        return function(*arguments, **options)
    finally:
        module.SMALL = kept


def same(one, other):
    np.testing.assert_allclose(one.ap, other.ap, atol=1e-12)
    np.testing.assert_array_equal(one.first_match, other.first_match)


@QUICK
@given(searches(), st.randoms(use_true_random=False))
def test_a_permuted_gallery_changes_nothing(search, random):
    query, gallery, (query_ids, gallery_ids, query_cameras, gallery_cameras), counting = search
    order = list(range(len(gallery)))
    random.shuffle(order)
    distances = ((query[:, None] - gallery) ** 2).sum(2)
    one = scored(
        evaluate_distances, distances, query_ids, gallery_ids, query_cameras, gallery_cameras,
        counting=counting,
    )  # fmt: skip
    other = scored(
        evaluate_distances, distances[:, order], query_ids, gallery_ids[order], query_cameras,
        gallery_cameras[order], counting=counting,
    )  # fmt: skip
    same(one, other)


@QUICK
@given(searches(), st.integers(-20, 20))
def test_scaled_features_change_nothing(search, exponent):
    query, gallery, labels, counting = search
    scale = 2.0**exponent  # exact in any precision
    for metric in ("euclidean", "cosine"):
        same(
            scored(evaluate, query, gallery, *labels, metric=metric, counting=counting),
            scored(
                evaluate, query * scale, gallery * scale, *labels, metric=metric, counting=counting
            ),
        )
    numbers = (3, 2, 0.3)
    np.testing.assert_allclose(
        rerank(query * scale, gallery * scale, *numbers), rerank(query, gallery, *numbers),
        atol=1e-6,
    )  # fmt: skip


@QUICK
@given(searches(), st.integers(1, 5))
def test_far_distractors_change_nothing_and_near_ones_do(search, count):
    query, gallery, labels, counting = search
    query_ids, gallery_ids, query_cameras, gallery_cameras = labels
    distances = ((query[:, None] - gallery) ** 2).sum(2)
    more = (
        query_ids,
        np.append(gallery_ids, np.full(count, 1000)),
        query_cameras,
        np.append(gallery_cameras, np.zeros(count, int)),
    )
    plain = scored(evaluate_distances, distances, *labels, counting=counting)
    far = np.hstack([distances, np.full((len(query), count), 1e9)])
    same(plain, scored(evaluate_distances, far, *more, counting=counting))
    near = scored(
        evaluate_distances,
        np.hstack([distances, np.full((len(query), count), -1.0)]),
        *more,
        counting=counting,
    )
    matched = plain.first_match > 0
    np.testing.assert_array_equal(near.first_match[matched], plain.first_match[matched] + count)


@QUICK
@given(searches())
def test_an_item_finds_itself_first(search):
    _, gallery, _, _ = search
    indices, _ = nearest(gallery, gallery, 1)
    assert indices[:, 0].tolist() == list(range(len(gallery)))
