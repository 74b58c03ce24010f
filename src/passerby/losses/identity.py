"""Identity losses: which of the training persons is this?"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from passerby.losses.precision import at_least_float32
from passerby.types import InputError


def label_smoothed_cross_entropy(logits: Tensor, labels: Tensor, epsilon: float = 0.1) -> Tensor:
    """Cross entropy against softened labels, mean over the batch.

    With p = softmax(logits) and y the one-hot label,
    `-(1/B) sum_b sum_c ((1 - epsilon) y_bc + epsilon / C) log p_bc`
    (Szegedy et al. 2016, section 7; MSReID Eq. 3). Half precision is computed in float32.

    Args:
        logits: (B, C), before the softmax.
        labels: (B,) int64, 0 ... C - 1.
        epsilon: share of the label spread evenly over all C classes; 0 is plain cross entropy.

    Returns:
        Scalar.

    Raises:
        InputError: shapes other than (B, C) and (B,) with B > 0, or epsilon outside [0, 1).
    """
    if logits.ndim != 2 or labels.shape != logits.shape[:1] or len(labels) == 0:
        raise InputError(
            "cross entropy needs logits (B, C) and labels (B,) with B > 0: "
            f"given {tuple(logits.shape)} and {tuple(labels.shape)}"
        )
    if not 0 <= epsilon < 1:
        raise InputError(f"epsilon of the label smoothing must lie in [0, 1): given {epsilon}")
    return functional.cross_entropy(at_least_float32(logits), labels, label_smoothing=epsilon)
