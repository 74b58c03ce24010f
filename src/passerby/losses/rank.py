"""Rank loss (Ding et al. 2017): be more certain of the right person than a reference is."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from passerby.losses.precision import at_least_float32
from passerby.types import InputError


def true_probability(logits: Tensor, labels: Tensor) -> Tensor:
    """The softmax probability p_t of each picture's own identity.

    Half precision is computed in float32.

    Args:
        logits: (B, C), before the softmax.
        labels: (B,) int64, 0 ... C - 1.

    Returns:
        (B,), each from 0 to 1.

    Raises:
        InputError: shapes other than (B, C) and (B,) with B > 0.
    """
    if logits.ndim != 2 or labels.shape != logits.shape[:1] or len(labels) == 0:
        raise InputError(
            "a probability of the true identity needs logits (B, C) and labels (B,) with B > 0: "
            f"given {tuple(logits.shape)} and {tuple(labels.shape)}"
        )
    log_p = functional.log_softmax(at_least_float32(logits), dim=1)
    return torch.exp(log_p.gather(1, labels[:, None])[:, 0])


def rank_loss(reference: Tensor, logits: Tensor, labels: Tensor, margin: float = 0.05) -> Tensor:
    """How far `logits` falls short of the reference's certainty plus a margin, batch mean.

    `(1/B) sum_b max(0, p_b^G - p_b^L + margin)` with p = `true_probability` (FMN Eq. 5, written
    there for one picture). The reference takes no gradient. A reference near 1 cannot be exceeded
    by the margin: the loss is then about 1 + margin - p^L and never 0.

    Args:
        reference: (B, C) logits of the network that is to be exceeded (the paper's GRN).
        logits: (B, C) logits of the network that learns (the paper's LAN).
        labels: (B,) int64, 0 ... C - 1.
        margin: by how much; the paper does not state it.

    Returns:
        Scalar.

    Raises:
        InputError: shapes other than (B, C), (B, C) and (B,) with B > 0.
    """
    if reference.shape != logits.shape:
        raise InputError(
            "the rank loss compares logits of one shape: "
            f"given {tuple(reference.shape)} and {tuple(logits.shape)}"
        )
    p_global = true_probability(reference.detach(), labels)
    p_local = true_probability(logits, labels)
    return functional.relu(p_global - p_local + margin).mean()
