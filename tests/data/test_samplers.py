import numpy as np
import pytest

from passerby.data.samplers import IdentityBalanced, Passes, Shuffled
from passerby.types import InputError


def labels_of(*counts):
    """Labels with `counts[i]` pictures of identity i, in a scrambled order."""
    labels = np.repeat(np.arange(len(counts)), counts)
    return np.random.default_rng(5).permutation(labels)


def same(first, second):
    return len(first) == len(second) and all(map(np.array_equal, first, second))


@pytest.mark.parametrize(
    ("count", "size", "drop_last", "sizes"),
    [
        (10, 4, False, [4, 4, 2]),
        (12, 4, False, [4, 4, 4]),
        (9, 4, False, [4, 5]),  # a last batch of one joins the one before
        (5, 4, False, [5]),
        (1, 4, False, [1]),
        (3, 1, False, [1, 1, 1]),
        (11, 4, True, [4, 4]),
        (9, 4, True, [4, 4]),
        (8, 4, True, [4, 4]),
        (4, 4, True, [4]),
    ],
)
def test_shuffled_sizes_and_coverage(count, size, drop_last, sizes):
    batches = Shuffled(size, drop_last).batches(np.zeros(count, np.int64), seed=1, epoch=0)
    assert [len(batch) for batch in batches] == sizes
    drawn = np.concatenate(batches)
    assert len(set(drawn.tolist())) == len(drawn) == sum(sizes)
    assert set(drawn.tolist()) <= set(range(count))


@pytest.mark.parametrize("sampler", [Shuffled(4), IdentityBalanced(3, 2)])
def test_batches_depend_on_seed_and_epoch_alone(sampler):
    labels = labels_of(4, 6, 5, 8, 3)
    np.random.seed(1)
    first = sampler.batches(labels, seed=1, epoch=2)
    np.random.seed(2)
    assert same(first, sampler.batches(labels, seed=1, epoch=2))
    assert not same(first, sampler.batches(labels, seed=2, epoch=2))
    assert not same(first, sampler.batches(labels, seed=1, epoch=3))


@pytest.mark.parametrize(
    ("sampler", "count", "words"),
    [
        (Shuffled(4), 0, "0 training pictures"),
        (Shuffled(4, drop_last=True), 3, "3 training pictures, batch_size 4"),
        (IdentityBalanced(3, 2), 2, "3 identities, the training data have 2"),
    ],
)
def test_too_few_pictures_or_identities(sampler, count, words):
    with pytest.raises(InputError, match=words):
        sampler.batches(np.arange(count), seed=0, epoch=0)


@pytest.mark.parametrize(
    "make",
    [lambda: Shuffled(0), lambda: IdentityBalanced(0, 4), lambda: IdentityBalanced(4, 0)],
)
def test_sizes_are_at_least_one(make):
    with pytest.raises(InputError, match="at least 1"):
        make()


def test_balanced_batches_hold_p_identities_of_k_pictures_side_by_side():
    labels = labels_of(4, 9, 1, 2, 12, 7, 5)
    for epoch in range(20):
        for batch in IdentityBalanced(3, 4).batches(labels, seed=0, epoch=epoch):
            rows = labels[batch].reshape(3, 4)
            assert (rows == rows[:, :1]).all()
            assert len(set(rows[:, 0].tolist())) == 3


def test_balanced_uses_chunks_of_k_and_drops_leftovers():
    counts = (4, 9, 1, 2, 12, 7, 5)
    labels = labels_of(*counts)
    most = [max(count // 4, 1) for count in counts]
    seen = np.zeros((0, len(labels)), np.int64)
    for epoch in range(60):
        batches = IdentityBalanced(2, 4).batches(labels, seed=0, epoch=epoch)
        drawn = np.bincount(np.concatenate(batches), minlength=len(labels))
        seen = np.vstack([seen, drawn])
        chunks = np.bincount(
            [labels[batch[i]] for batch in batches for i in (0, 4)], minlength=len(counts)
        )
        assert (chunks <= most).all()
        # It goes on until fewer than P identities have chunks left.
        assert np.count_nonzero(chunks < most) < 2
        # Enough pictures: none twice in an epoch.
        assert drawn[np.array(counts)[labels] >= 4].max() == 1
    # No picture is always the one left over.
    assert (seen.sum(axis=0) > 0).all()


def test_identity_with_fewer_than_k_pictures_shows_each_once_before_again():
    labels = labels_of(1, 2, 3, 8, 8)
    draws = []
    for epoch in range(40):
        for batch in IdentityBalanced(4, 4).batches(labels, seed=3, epoch=epoch):
            for row in batch.reshape(4, 4):
                count = np.count_nonzero(labels == labels[row[0]])
                if count < 4:
                    assert set(row[:count].tolist()) == set(
                        np.flatnonzero(labels == labels[row[0]])
                    )
                    if count == 2:
                        draws.append(row[2:].tolist())
    assert len({tuple(draw) for draw in draws}) == 4  # with replacement: aa, ab, ba, bb


def test_every_identity_is_equally_likely_in_the_first_batch():
    labels = labels_of(*[4] * 8)
    first = [
        labels[IdentityBalanced(2, 4).batches(labels, seed=0, epoch=epoch)[0][::4]]
        for epoch in range(800)
    ]
    counts = np.bincount(np.concatenate(first))
    # 1600 draws over 8 identities: 200 each, standard deviation sqrt(1600 / 8 * 7 / 8) = 13.2.
    assert np.abs(counts - 200).max() < 4.5 * 13.2


def test_passes_are_the_samplers_epochs_in_turn():
    labels = np.repeat(np.arange(5), 4)
    each = Shuffled(8)
    three = Passes(each, 3).batches(labels, seed=1, epoch=2)
    expected = [b for e in (6, 7, 8) for b in each.batches(labels, seed=1, epoch=e)]
    assert [b.tolist() for b in three] == [b.tolist() for b in expected]
    once = Passes(each, 1).batches(labels, seed=1, epoch=2)
    expected = each.batches(labels, seed=1, epoch=2)
    assert [b.tolist() for b in once] == [b.tolist() for b in expected]
    assert len(Passes(each, 1.4).batches(labels, seed=1, epoch=0)) == 3 + 1
    assert len(Passes(each, 0.01).batches(labels, seed=1, epoch=0)) == 1
    with pytest.raises(InputError, match="passes must be above 0; given 0"):
        Passes(each, 0)
