"""Triplet and identity losses over the parts of a body (MPM-LTL, its section III-E).

Zheng, Cai, Wang, Deng, Chen, Zhu: A Mask-Pooling Model With Local-Level Triplet Loss for Person
Re-Identification, IEEE Access 2020. Means over a batch, where its Eq. 3 to 5 are sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from passerby.losses.identity import label_smoothed_cross_entropy
from passerby.losses.precision import at_least_float32

MetricName = Literal["euclidean", "cosine"]


def distance(x: Tensor, y: Tensor, metric: MetricName = "euclidean") -> Tensor:
    """Euclidean |x - y|, or 1 - cosine, over the last axis: (..., D) twice -> (...)."""
    if metric == "cosine":
        return 1 - torch.cosine_similarity(x, y, dim=-1)
    d: Tensor = torch.linalg.vector_norm(x - y, dim=-1)
    return d


def triplet_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float,
    metric: MetricName = "euclidean",
) -> Tensor:
    """Eq. 1, (d_ap - d_an + margin)_+, mean over triplets.

    Args:
        anchor: (..., D), as the other two; half precision is computed in float32.
        positive: of the anchor's identity.
        negative: of another identity.
        margin: alpha.
        metric: of d.

    Returns:
        Scalar; 0 (with zero gradients) of no triplets. Where d = 0 its gradient is taken as 0.
    """
    a, p, n = (at_least_float32(x) for x in (anchor, positive, negative))
    if len(a) == 0:
        return (a * 0).sum()
    return functional.relu(distance(a, p, metric) - distance(a, n, metric) + margin).mean()


def global_level_triplet_loss(
    h_a: Tensor, h_p: Tensor, h_n: Tensor, margin: float, metric: MetricName = "euclidean"
) -> Tensor:
    """Eq. 1 of the whole descriptors, the parts side by side: three times (T, k, D) -> scalar."""
    return triplet_loss(h_a.flatten(1), h_p.flatten(1), h_n.flatten(1), margin, metric)


def local_level_triplet_loss(
    h_a: Tensor, h_p: Tensor, h_n: Tensor, margin: float, metric: MetricName = "euclidean"
) -> Tensor:
    """Eq. 2, the mean over the k parts of Eq. 1 of each part: three times (T, k, D) -> scalar."""
    return triplet_loss(h_a, h_p, h_n, margin, metric)


def identity_loss(logits: Sequence[Tensor], labels: Tensor) -> Tensor:
    """Eq. 3 and 4, the mean over the k parts, and over anchors, positives and negatives.

    Args:
        logits: of each part, (B, identities).
        labels: (B,), anchors, positives and negatives in whatever order.
    """
    losses = [label_smoothed_cross_entropy(part, labels, 0.0) for part in logits]
    return torch.stack(losses).mean()
