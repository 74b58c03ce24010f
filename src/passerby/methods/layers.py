"""Layers that more than one paper uses."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from passerby.losses.precision import at_least_float32


def bnneck(width: int) -> nn.BatchNorm1d:
    """BatchNorm on (B, width) features, its bias frozen at 0 (Luo et al. 2019, section 3.5)."""
    neck = nn.BatchNorm1d(width)
    neck.bias.requires_grad_(False)
    return neck


def identity_classifier(width: int, identities: int) -> nn.Linear:
    """(B, width) -> (B, identities) without bias, as the BNNeck wants it; weights of std 0.001."""
    classifier = nn.Linear(width, identities, bias=False)
    nn.init.normal_(classifier.weight, std=0.001)
    return classifier


class GeneralisedMean(nn.Module):
    """Pools maps (B, C, H, W) to (B, C): the p-th root of the mean of the p-th powers.

    Radenović, Tolias, Chum: Fine-tuning CNN Image Retrieval with No Human Annotation, TPAMI 2019,
    Eq. 3: 1 is the average, more weighs high values more. One p for all channels, learned.

    Args:
        p: where it starts (ibid., section 5.2).
        least: smaller values count as this one.
    """

    def __init__(self, p: float = 3.0, least: float = 1e-6) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.tensor([p]))
        self.least = least

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C), at least float32."""
        powers = at_least_float32(maps).clamp(min=self.least).pow(self.p)
        return powers.mean(dim=(2, 3)).pow(1 / self.p)


def mean_with_mirror(embed: Callable[[Tensor], Tensor], image: Tensor) -> Tensor:
    """The mean of the embeddings (B, D) of pictures (B, 3, H, W) and of their mirror images."""
    return (embed(image) + embed(image.flip(3))) / 2
