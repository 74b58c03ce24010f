"""Batch-hard triplet loss (Hermans, Beyer, Leibe 2017, "In Defense of the Triplet Loss")."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from passerby.losses.precision import at_least_float32
from passerby.types import InputError


def hardest_pairs(embeddings: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """For each anchor of the batch the farthest positive and the nearest negative (Euclidean).

    An anchor is left out when the batch holds no other picture of its person, or no other person.
    Equal distances: the first in the batch.

    Args:
        embeddings: (B, D).
        labels: (B,) identity of each.

    Returns:
        anchors, positives, negatives: (A,) int64 positions in the batch, A <= B.

    Raises:
        InputError: shapes other than (B, D) and (B,).
    """
    if embeddings.ndim != 2 or labels.shape != embeddings.shape[:1]:
        raise InputError(
            "the triplet loss needs embeddings (B, D) and labels (B,): "
            f"given {tuple(embeddings.shape)} and {tuple(labels.shape)}"
        )
    x = at_least_float32(embeddings.detach())
    # Differences, not |x|^2 + |y|^2 - 2xy: autocast leaves them alone, and near pairs stay exact.
    distances = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")
    same = labels[:, None] == labels[None, :]
    positive = same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    anchors = (positive.any(1) & ~same.all(1)).nonzero().flatten()
    far = distances[anchors].masked_fill(~positive[anchors], -torch.inf)
    near = distances[anchors].masked_fill(same[anchors], torch.inf)
    if len(anchors) == 0:
        return anchors, anchors, anchors
    return anchors, far.argmax(1), near.argmin(1)


def batch_hard_triplet(
    embeddings: Tensor,
    labels: Tensor,
    margin: float | None = 0.3,
    reduction: Literal["mean", "sum"] = "mean",
) -> Tensor:
    """Batch-hard triplet loss, mean or sum over the anchors that have a positive and a negative.

    `(1/A) sum_a max(0, margin + max_p D(a, p) - min_n D(a, n))` with the Euclidean distance D
    (Hermans et al. 2017, Eq. 5; MSReID Eq. 1 writes the sum), p another picture of a's person and
    n a picture of another one. Where D = 0 its gradient is taken as 0. Half precision is computed
    in float32.

    Args:
        embeddings: (B, D).
        labels: (B,) identity of each.
        margin: None is the soft margin `log(1 + exp(max_p D - min_n D))` (ibid., section 2).
        reduction: over these anchors.

    Returns:
        Scalar; 0 (with zero gradients) when no anchor has both a positive and a negative.

    Raises:
        InputError: shapes other than (B, D) and (B,).
    """
    x = at_least_float32(embeddings)
    anchors, positives, negatives = hardest_pairs(embeddings, labels)
    if len(anchors) == 0:
        return (x * 0).sum()
    to_positive = torch.linalg.vector_norm(x[anchors] - x[positives], dim=1)
    to_negative = torch.linalg.vector_norm(x[anchors] - x[negatives], dim=1)
    gap = to_positive - to_negative
    terms = functional.softplus(gap) if margin is None else functional.relu(margin + gap)
    return terms.sum() if reduction == "sum" else terms.mean()
