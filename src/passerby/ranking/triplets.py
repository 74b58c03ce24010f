"""Triplets of a training set: drawn at random, or the hardest by features and masks."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from passerby.ranking.features import Array, Features
from passerby.ranking.identities import Labels, whole_numbers
from passerby.ranking.mining import NONE, hardest
from passerby.ranking.product import in_parallel
from passerby.types import JUNK_ID, InputError

PackedMasks = NDArray[np.uint64]
"""(N, W) masks of N pictures, 64 pixels a word; see `packed_masks`."""

BLOCK_BYTES = 4 * 2**20
"""About what the candidates of a block of anchors take, as masks or as features."""


def packed_masks(masks: NDArray[np.generic]) -> PackedMasks:
    """Masks (N, H, W), person where they are not 0, as 64 pixels a word.

    >>> packed_masks(np.array([[[1, 0, 255]], [[0, 0, 0]]])).shape
    (2, 1)

    Raises:
        InputError: anything but (N, H, W).
    """
    if masks.ndim != 3:
        raise InputError(f"masks to pack have the shape (N, H, W): given {masks.shape}")
    bits = np.packbits((masks != 0).reshape(len(masks), -1), axis=1)
    missing = -bits.shape[1] % 8
    return np.pad(bits, ((0, 0), (0, missing))).view(np.uint64)


def random_triplets(
    ids: Labels, random: np.random.Generator, anchors: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """One positive and one negative for each anchor, each drawn evenly from all there are.

    Positives are the other pictures of the anchor's identity, negatives all pictures of others.
    Pictures with id -1 have none and are none.

    Args:
        ids: (N,) identities.
        random: where the draws come from.
        anchors: indices of the anchors; None: every picture.

    Returns:
        (T, 3) anchor, positive, negative, in the anchors' order; anchors without both are left out.

    Raises:
        InputError: ids that are not whole numbers.
    """
    labels = whole_numbers("ids", ids, len(ids))
    chosen = np.arange(len(labels)) if anchors is None else anchors
    by_id = np.argsort(labels, kind="stable")
    by_id = by_id[labels[by_id] != JUNK_ID]
    ordered = labels[by_id]
    firsts = np.searchsorted(ordered, labels[chosen], "left")
    own = np.searchsorted(ordered, labels[chosen], "right") - firsts
    draws = random.random((2, len(chosen)))  # drawn for all, so that one has no say in another's
    good = (own > 1) & (own < len(ordered))
    chosen, firsts, own, draws = chosen[good], firsts[good], own[good], draws[:, good]
    places = np.empty(len(labels), np.int64)
    places[by_id] = np.arange(len(by_id))
    positive = firsts + (draws[0] * (own - 1)).astype(np.int64)
    positive += positive >= places[chosen]
    negative = (draws[1] * (len(ordered) - own)).astype(np.int64)
    negative += np.where(negative >= firsts, own, 0)
    return np.stack([chosen, by_id[positive], by_id[negative]], axis=1)


def mask_guided_triplets(
    features: Array,
    ids: Labels,
    cameras: Labels,
    masks: PackedMasks,
    anchors: NDArray[np.int64] | None = None,
    *,
    candidates: int = 10,
    kept: int = 5,
    metric: str = "euclidean",
) -> NDArray[np.int64]:
    """Mask-guided TriHard (Zheng et al., MPM-LTL, Algorithm 1).

    For each anchor the farthest positives (same identity, other camera) and the nearest negatives
    (other identity, same camera); of each those whose masks share most pixels with the anchor's;
    of their pairs the one with the least |d(a, n) - d(a, p)|. Ties: the farther positive, the
    nearer negative, and where those are equal too, the lower index.

    Args:
        features: (N, D), on a processor.
        ids: (N,) identities; pictures with id -1 have no candidates and are none.
        cameras: (N,).
        masks: (N, W), see `packed_masks`.
        anchors: indices of the anchors; None: every picture.
        candidates: how many farthest positives and nearest negatives (10 each).
        kept: how many of each are left by their masks (5 each).
        metric: `euclidean`, `squared_euclidean` or `cosine`, of the candidates' order and of d.

    Returns:
        (T, 3) anchor, positive, negative, in the anchors' order; anchors without both are left
        out.

    Raises:
        InputError: as `ranking.mining.hardest`; masks of another number; `kept` below 1.
    """
    far, near = hardest(features, ids, cameras, candidates, candidates, metric)
    if kept < 1 or masks.ndim != 2 or len(masks) != len(far):
        raise InputError(
            f"mask-guided selection keeps at least 1 and takes {len(far)} packed masks: "
            f"given {kept} and masks {masks.shape}"
        )
    chosen = np.arange(len(far)) if anchors is None else anchors
    chosen = chosen[(far[chosen, 0] != NONE) & (near[chosen, 0] != NONE)]
    rows = Features("training", [features])
    found = np.empty((len(chosen), 3), np.int64)
    each = 2 * candidates * 4 * max(2 * masks.shape[1], rows.width)
    step = max(1, BLOCK_BYTES // each)

    def work(_: int, start: int) -> None:
        here = chosen[start : start + step]
        positives = _most_shared(masks, here, far[here], kept)
        negatives = _most_shared(masks, here, near[here], kept)
        to_positive = _pair_distances(rows, here, positives, metric)
        to_negative = _pair_distances(rows, here, negatives, metric)
        gaps = np.abs(to_negative[:, None, :] - to_positive[:, :, None])
        gaps[np.broadcast_to(positives[:, :, None] == NONE, gaps.shape)] = np.inf
        gaps[np.broadcast_to(negatives[:, None, :] == NONE, gaps.shape)] = np.inf
        p, n = np.divmod(gaps.reshape(len(here), -1).argmin(1), negatives.shape[1])
        line = np.arange(len(here))
        found[start : start + step] = np.stack([here, positives[line, p], negatives[line, n]], 1)

    in_parallel(range(0, len(chosen), step), work)
    return found


def _most_shared(
    masks: PackedMasks, anchors: NDArray[np.int64], others: NDArray[np.int64], kept: int
) -> NDArray[np.int64]:
    """Of each anchor's candidates (m, k) the `kept` with the largest intersection, in order."""
    both = masks[anchors, None] & masks[np.maximum(others, 0)]
    shared = np.bitwise_count(both).sum(2, dtype=np.int64)
    shared[others == NONE] = -1
    places = np.argsort(-shared, axis=1, kind="stable")[:, :kept]
    return np.take_along_axis(others, np.sort(places, axis=1), 1)


def _pair_distances(
    rows: Features, anchors: NDArray[np.int64], others: NDArray[np.int64], metric: str
) -> NDArray[np.float32]:
    """(m, k) distances of each anchor to its own others; whatever stands for NONE."""
    a = rows.take(anchors)[:, None]
    b = rows.take(np.maximum(others, 0).reshape(-1)).view(*others.shape, -1)
    if metric == "cosine":
        return (1 - torch.cosine_similarity(a, b, dim=2)).numpy()
    squares = (b - a).square_().sum(2)
    return (squares if metric == "squared_euclidean" else squares.sqrt_()).numpy()
