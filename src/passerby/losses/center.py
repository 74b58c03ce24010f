"""Center loss (Wen et al. 2016): each person's features gather around a learned center."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from passerby.losses.precision import at_least_float32
from passerby.types import InputError


def center_distance(
    features: Tensor,
    centers: Tensor,
    labels: Tensor,
    reduction: Literal["mean", "sum"] = "mean",
) -> Tensor:
    """Mean or sum over the batch of `|f_b - c_{y_b}|^2`.

    MSReID Eq. 2 is the sum over the batch, without the factor 1/2 that Wen et al. 2016, Eq. 2 has
    before it; the mean is what public programs take. Half precision is computed in float32.

    Args:
        features: (B, D).
        centers: (C, D).
        labels: (B,) int64, 0 ... C - 1.
        reduction: over the batch.

    Returns:
        Scalar.
    """
    difference = at_least_float32(features) - at_least_float32(centers)[labels]
    squared = difference.square().sum(1)
    return squared.sum() if reduction == "sum" else squared.mean()


class CenterLoss(nn.Module):
    """Center loss whose weight scales what the features see, never the steps of the centers.

    The value is `weight * L` with L = `center_distance`, without a factor 1/2. The
    gradient of the features is `weight * dL/df`, that of the centers is `dL/dc`: the authors of
    the strong baseline and of MSReID divide the weight out again before the centers' own
    optimizer steps; here autograd does it, so that loss scaling and clipping see one backward.

    Args:
        identities: C, number of training identities.
        width: D of the features.
        weight: lambda_c of MSReID Eq. 4.
        reduction: L's over the batch, for the features. The centers' gradient is always that of
            the mean: with a sum they would overshoot at the usual rates.

    Raises:
        InputError: `identities` or `width` below 1.
    """

    def __init__(
        self,
        identities: int,
        width: int,
        weight: float = 5e-4,
        reduction: Literal["mean", "sum"] = "mean",
    ) -> None:
        super().__init__()
        if identities < 1 or width < 1:
            raise InputError(
                f"the center loss needs identities, width > 0: given {identities}, {width}"
            )
        self.weight = weight
        self.reduction = reduction
        self.centers = nn.Parameter(torch.randn(identities, width))

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Features (B, D) and labels (B,) to a scalar.

        Raises:
            InputError: other shapes, or an empty batch.
        """
        if (
            features.ndim != 2
            or features.shape[1] != self.centers.shape[1]
            or labels.shape != features.shape[:1]
            or len(labels) == 0
        ):
            raise InputError(
                f"the center loss needs features (B, {self.centers.shape[1]}) and labels (B,) with "
                f"B > 0: given {tuple(features.shape)} and {tuple(labels.shape)}"
            )
        fixed, still = self.centers.detach(), features.detach()
        to_features = center_distance(features, fixed, labels, self.reduction)
        to_centers = center_distance(still, self.centers, labels)
        # The second term is worth 0 and carries the centers' gradient.
        return self.weight * to_features + (to_centers - to_centers.detach())
