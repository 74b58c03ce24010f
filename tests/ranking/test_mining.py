import numpy as np
import pytest

from passerby.ranking.mining import NONE, hardest
from passerby.types import InputError


@pytest.mark.parametrize("seed", range(3))
def test_equals_a_look_at_every_pair(seed):
    random = np.random.default_rng(seed)
    count = 90
    features = random.integers(0, 3, (count, 5))  # exact, with many ties
    ids, cameras = random.integers(-1, 7, count), random.integers(0, 3, count)
    ids[0], cameras[0] = 100, 50  # alone: no positive, no negative
    squares = ((features[:, None] - features) ** 2).sum(2)
    far, near = hardest(features, ids, cameras, 4, 30)
    for item in range(count):
        positives, negatives = [], []
        for other in range(count):
            if -1 in (ids[item], ids[other]):
                continue
            if ids[item] == ids[other] and cameras[item] != cameras[other]:
                positives.append((-squares[item, other], other))
            if ids[item] != ids[other] and cameras[item] == cameras[other]:
                negatives.append((squares[item, other], other))
        for found, pairs in ((far[item], positives), (near[item], negatives)):
            expected = [other for _, other in sorted(pairs)][: len(found)]
            assert found.tolist() == expected + [NONE] * (len(found) - len(expected))
    assert (far == NONE).any()
    assert (near == NONE).any()


def test_numbers_below_one():
    with pytest.raises(InputError, match="given 0, 10"):
        hardest(np.ones((3, 2)), [1, 2, 3], [1, 1, 1], positives=0)
