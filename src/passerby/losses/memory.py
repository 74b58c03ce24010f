"""Contrast with a memory: which of the means of groups of pictures does a picture belong to?

Features and the rows of memories have length 1: their products are cosines.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from passerby.losses.identity import label_smoothed_cross_entropy
from passerby.losses.precision import at_least_float32, without_autocast
from passerby.types import InputError


def cosines(features: Tensor, memory: Tensor) -> Tensor:
    """(B, D) features and (K, D) memory to (B, K) products, in float32 at least."""
    with without_autocast(features.device):
        return at_least_float32(features) @ at_least_float32(memory).T


def cluster_contrast(cosine: Tensor, labels: Tensor, temperature: float = 0.05) -> Tensor:
    """Mean over the batch of `-log(exp(q . phi_y / t) / sum_k exp(q . phi_k / t))`.

    Dai et al. 2021, section 3.2 (ClusterNCE).

    Args:
        cosine: (B, K), of features q and cluster means phi.
        labels: (B,) int64, each one's cluster y.
        temperature: t.

    Raises:
        InputError: shapes that do not fit, or an empty batch.
    """
    return label_smoothed_cross_entropy(cosine / temperature, labels, 0)


def intra_camera(
    cosine: Tensor, proxies: Tensor, camera_of_proxy: Tensor, temperature: float = 0.07
) -> Tensor:
    """Which proxy of its own camera is each picture's? The sum over cameras of their means.

    Wang et al. 2021 (CAP), intra-camera contrastive learning: with the proxies P_c of camera c
    and N_c of its pictures in the batch,
    `-sum_c (1 / N_c) sum_{i in c} log(exp(f_i . K_j / t) / sum_{k in P_c} exp(f_i . K_k / t))`.

    Args:
        cosine: (B, K), of features f and proxies K.
        proxies: (B,) int64, each one's own proxy j; -1: it has none, and does not count.
        camera_of_proxy: (K,) int64.
        temperature: t.

    Returns:
        Scalar; 0 where no picture counts.
    """
    counts = proxies >= 0
    cosine, proxies = cosine[counts], proxies[counts]
    if len(proxies) == 0:
        return cosine.sum()
    own = camera_of_proxy[proxies]
    others = camera_of_proxy[None] != own[:, None]
    logits = (cosine / temperature).masked_fill(others, -torch.inf)
    losses = functional.cross_entropy(logits, proxies, reduction="none")
    pictures = (own[None] == own[:, None]).sum(1)
    return (losses / pictures).sum()


def inter_camera(
    cosine: Tensor,
    proxies: Tensor,
    camera_of_proxy: Tensor,
    cluster_of_proxy: Tensor,
    temperature: float = 0.07,
    hard: int = 50,
) -> Tensor:
    """Is each picture near its cluster's proxies in other cameras? Mean over those that have any.

    Wang et al. 2021 (CAP), inter-camera contrastive learning: with the proxies P of the picture's
    cluster in other cameras, the `hard` proxies Q of other clusters that are nearest to it, in any
    camera, and s_k = exp(f . K_k / t), `-(1 / |P|) sum_{p in P} log(s_p / (sum_P s + sum_Q s))`.

    Args:
        cosine: as `intra_camera`.
        proxies: likewise.
        camera_of_proxy: likewise.
        cluster_of_proxy: (K,) int64.
        temperature: t.
        hard: |Q|; all, where there are fewer.

    Returns:
        Scalar; 0 where no picture counts.
    """
    mine = proxies.clamp(min=0)
    same = cluster_of_proxy[None] == cluster_of_proxy[mine][:, None]
    positive = same & (camera_of_proxy[None] != camera_of_proxy[mine][:, None])
    counts = (proxies >= 0) & positive.any(1)
    if not counts.any():
        return cosine.sum() * 0
    logits, same, positive = cosine[counts] / temperature, same[counts], positive[counts]
    negative = logits.masked_fill(same, -torch.inf)
    nearest = negative.topk(min(hard, negative.shape[1]), dim=1).values
    total = torch.cat([logits.masked_fill(~positive, -torch.inf), nearest], 1).logsumexp(1)
    log_shares = (logits - total[:, None]).masked_fill(~positive, 0)
    return -(log_shares.sum(1) / positive.sum(1)).mean()


@torch.no_grad()
def updated(memory: Tensor, features: Tensor, rows: Tensor, keep: float) -> Tensor:
    """The memory after the batch: `phi <- m phi + (1 - m) q`, length 1, picture after picture.

    Dai et al. 2021, section 3.2; Wang et al. 2021, the same for proxies. The length is made 1
    after each picture, as in both authors' programs.

    Args:
        memory: (K, D), left as it is.
        features: (B, D).
        rows: (B,) int64, which row each belongs to; -1: none.
        keep: m.

    Raises:
        InputError: `keep` outside 0 ... 1.
    """
    if not 0 <= keep <= 1:
        raise InputError(f"the share that a memory keeps must be from 0 to 1: given {keep}")
    memory = memory.clone()
    for feature, row in zip(at_least_float32(features), rows.tolist(), strict=True):
        if row >= 0:
            mixed = keep * memory[row] + (1 - keep) * feature
            memory[row] = functional.normalize(mixed, dim=0)
    return memory
