"""Layers that more than one paper uses."""

from __future__ import annotations

from torch import nn


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
