"""Trunks: networks from pictures (B, 3, H, W) to maps (B, channels, h, w)."""

from __future__ import annotations

from passerby.methods.trunks.osnet import OSNETS, OSNet
from passerby.methods.trunks.resnet import RESNETS, ResNet
from passerby.types import InputError

Trunk = ResNet | OSNet
"""Has `channels` and `forward`: (B, 3, H, W) -> (B, channels, h, w)."""

TRUNKS = (*RESNETS, *OSNETS)
"""The names of all."""


def make_trunk(name: str, *, last_stride: int = 1) -> Trunk:
    """The trunk of that name, with random weights.

    Args:
        name: one of `TRUNKS`.
        last_stride: of a ResNet's last layer, 1 or 2; an OSNet has none, its maps are H/16 x W/16.

    Raises:
        InputError: for an unknown name, or a last stride other than 1 for an OSNet.
    """
    if name in OSNETS:
        if last_stride != 1:
            raise InputError(f"{name} has no last stride: it must be 1; given {last_stride}")
        return OSNet(name)
    if name in RESNETS:
        return ResNet(name, last_stride=last_stride)
    raise InputError(f"trunk must be one of {', '.join(TRUNKS)}; given {name!r}")
