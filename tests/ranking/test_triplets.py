import math

import numpy as np
import pytest

from passerby.ranking.triplets import mask_guided_triplets, packed_masks, random_triplets
from passerby.types import InputError


def algorithm_1(features, ids, cameras, masks, candidates, kept):
    """Algorithm 1, line by line, for every anchor; the order is our rule for ties."""
    triplets = []
    everyone = range(len(ids))
    for a in everyone:
        P = [p for p in everyone if ids[p] == ids[a] and cameras[p] != cameras[a]]
        N = [n for n in everyone if ids[n] != ids[a] and cameras[n] == cameras[a]]
        d = [math.dist(features[a], features[i]) for i in everyone]
        P = sorted(P, key=lambda p: (-d[p], p))[:candidates]
        N = sorted(N, key=lambda n: (d[n], n))[:candidates]
        m = [
            sum(int(x) * int(y) for x, y in zip(masks[a].flat, masks[i].flat, strict=True))
            for i in everyone
        ]
        # Those left stay in order of distance: Python's sort is stable.
        P = [p for p in P if p in sorted(P, key=lambda p: -m[p])[:kept]]
        N = [n for n in N if n in sorted(N, key=lambda n: -m[n])[:kept]]
        if not P or not N:
            continue
        p, n = min(((p, n) for p in P for n in N), key=lambda pair: abs(d[pair[1]] - d[pair[0]]))
        triplets.append([a, p, n])
    return triplets


def small_set(seed, count=70, size=(9, 7)):
    """Whole numbers, so that distances are exact, with many ties; masks of several people."""
    random = np.random.default_rng(seed)
    features = random.integers(0, 4, (count, 6)).astype(np.float32)
    ids, cameras = random.integers(0, 6, count), random.integers(0, 3, count)
    ids[0], cameras[0] = 50, 0  # no positive
    ids[1], cameras[1] = ids[2], 40  # no negative
    masks = (random.random((count, *size)) < random.random((count, 1, 1))).astype(np.uint8)
    masks[3] = 0
    return features, ids, cameras, masks


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("candidates", "kept"), [(10, 5), (3, 2), (4, 9), (1, 1)])
def test_algorithm_1_line_by_line(seed, candidates, kept):
    features, ids, cameras, masks = small_set(seed)
    expected = algorithm_1(features.tolist(), ids, cameras, masks, candidates, kept)
    found = mask_guided_triplets(
        features, ids, cameras, packed_masks(masks), candidates=candidates, kept=kept
    )
    assert found.tolist() == expected
    assert not {0, 1} & set(found[:, 0])
    assert 40 < len(found) <= 68


def test_the_masks_decide():
    """Without them (none shared by any) the pair is another one for some anchor."""
    features, ids, cameras, masks = small_set(0)
    packed = packed_masks(masks)
    with_masks = mask_guided_triplets(features, ids, cameras, packed)
    without = mask_guided_triplets(features, ids, cameras, np.zeros_like(packed))
    assert (with_masks != without).any()


def test_chosen_anchors_in_their_order():
    features, ids, cameras, masks = small_set(1)
    whole = {row[0]: row for row in mask_guided_triplets(
        features, ids, cameras, packed_masks(masks)).tolist()}  # fmt: skip
    anchors = np.array([30, 0, 7, 64])
    found = mask_guided_triplets(features, ids, cameras, packed_masks(masks), anchors)
    assert found.tolist() == [whole[a] for a in (30, 7, 64)]


def test_blocks_do_not_show(monkeypatch):
    features, ids, cameras, masks = small_set(2)
    whole = mask_guided_triplets(features, ids, cameras, packed_masks(masks))
    monkeypatch.setattr("passerby.ranking.triplets.BLOCK_BYTES", 1)
    one_by_one = mask_guided_triplets(features, ids, cameras, packed_masks(masks))
    np.testing.assert_array_equal(whole, one_by_one)


def test_cosine_distances_are_those_of_unit_vectors():
    features, ids, cameras, masks = small_set(3)
    features += np.random.default_rng(0).random(features.shape, np.float32) + 0.1
    units = features / np.linalg.norm(features, axis=1, keepdims=True)
    by_cosine = mask_guided_triplets(
        features, ids, cameras, packed_masks(masks), kept=10, metric="cosine"
    )
    squared = mask_guided_triplets(
        units, ids, cameras, packed_masks(masks), kept=10, metric="squared_euclidean"
    )
    np.testing.assert_array_equal(by_cosine, squared)


def test_packed_masks_hold_every_pixel():
    masks = np.random.default_rng(0).integers(0, 2, (5, 13, 11)) * 255
    packed = packed_masks(masks)
    assert packed.shape == (5, 3)
    shared = np.bitwise_count(packed[:, None] & packed).sum(2)
    np.testing.assert_array_equal(shared, np.einsum("aij,bij->ab", masks > 0, masks > 0, dtype=int))


def test_random_triplets_keep_the_rules():
    ids = np.array([7, -1, 3, 3, 7, 3, -1, 9])
    found = random_triplets(ids, np.random.default_rng(0))
    assert found[:, 0].tolist() == [0, 2, 3, 4, 5]  # 9 is alone, -1 is nobody
    for a, p, n in found:
        assert p != a
        assert ids[p] == ids[a]
        assert ids[n] not in (ids[a], -1)
    again = random_triplets(ids, np.random.default_rng(0))
    np.testing.assert_array_equal(found, again)


def test_random_triplets_are_drawn_evenly():
    ids = np.array([0, 0, 0, 1, 1, 2])
    random = np.random.default_rng(1)
    counts = np.zeros((2, 6))
    for _ in range(3000):
        ((_, p, n),) = random_triplets(ids, random, np.array([1]))
        counts[0, p] += 1
        counts[1, n] += 1
    np.testing.assert_allclose(counts[0], [1500, 0, 1500, 0, 0, 0], atol=150)
    np.testing.assert_allclose(counts[1], [0, 0, 0, 1000, 1000, 1000], atol=150)


def test_nobody_to_tell_apart():
    assert random_triplets(np.zeros(5, int), np.random.default_rng(0)).shape == (0, 3)
    masks = packed_masks(np.ones((4, 2, 2)))
    found = mask_guided_triplets(np.ones((4, 2)), [1, 1, 2, 2], [1, 1, 2, 2], masks)
    assert found.shape == (0, 3)


def test_bad_input():
    features, ids, cameras, masks = small_set(0)
    with pytest.raises(InputError, match=r"takes 70 packed masks: given 5 and masks \(69, 1\)"):
        mask_guided_triplets(features, ids, cameras, packed_masks(masks[1:]))
    with pytest.raises(InputError, match="at least 1 .* given 0"):
        mask_guided_triplets(features, ids, cameras, packed_masks(masks), kept=0)
    with pytest.raises(InputError, match=r"\(N, H, W\): given \(9, 7\)"):
        packed_masks(masks[0])
