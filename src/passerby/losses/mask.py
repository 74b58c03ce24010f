"""What a generated mask must do (Capozzi et al. 2021): keep the feature, be small, be whole."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from passerby.losses.precision import at_least_float32
from passerby.types import InputError


def mask_identity(features: Tensor, masked: Tensor) -> Tensor:
    """How far features move when their pictures are masked: mean squared error, batch mean.

    `(1/B) sum_b (1/D) sum_d (features_bd - masked_bd)^2` (GAM Eq. 3). Half precision is computed
    in float32.

    Args:
        features: F(a), (B, D).
        masked: F(M(a) a), (B, D).

    Returns:
        Scalar.

    Raises:
        InputError: shapes that differ or are not (B, D) with B, D > 0.
    """
    if features.ndim != 2 or features.shape != masked.shape or features.numel() == 0:
        raise InputError(
            "features of pictures and of masked pictures must both be (B, D) with B, D > 0: "
            f"given {tuple(features.shape)} and {tuple(masked.shape)}"
        )
    return functional.mse_loss(at_least_float32(masked), at_least_float32(features))


def mask_sparsity(masks: Tensor) -> Tensor:
    """Mean value of the masks: `(1/B) sum_b mean(M(a_b))` (GAM Eq. 4), in float32 at least.

    Args:
        masks: M(a), (B, 1, h, w), 0 to 1.

    Returns:
        Scalar.

    Raises:
        InputError: another shape, or an empty one.
    """
    return _checked(masks).mean()


def mask_contiguity(masks: Tensor) -> Tensor:
    """Total variation of the masks for each pixel: how much neighbours differ, batch mean.

    `(1/B) sum_b (1/(h w)) sum_ij (|m_i+1,j - m_ij| + |m_i,j+1 - m_ij|)` (GAM Eq. 5) over all pairs
    of neighbours; a pair across the border is none. Half precision is computed in float32.

    Args:
        masks: M(a), (B, 1, h, w), 0 to 1.

    Returns:
        Scalar.

    Raises:
        InputError: another shape, or an empty one.
    """
    m = _checked(masks)
    vertical = (m[:, :, 1:] - m[:, :, :-1]).abs().sum()
    horizontal = (m[:, :, :, 1:] - m[:, :, :, :-1]).abs().sum()
    return (vertical + horizontal) / m.numel()


def _checked(masks: Tensor) -> Tensor:
    if masks.ndim != 4 or masks.shape[1] != 1 or masks.numel() == 0:
        raise InputError(f"masks must be (B, 1, h, w) with B, h, w > 0: given {tuple(masks.shape)}")
    return at_least_float32(masks)
