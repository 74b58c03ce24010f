"""Starting weights of a ResNet whose stem takes a person's mask (MPM-LTL, section III-C).

A plain trunk's weights are made to fit. For a convolved mask (ablation 2), conv1 takes a fourth
channel whose kernel is the mean of the colours'. For a mask beside the first maps, the kernel of
conv1 with the smallest scale gives its place to the mask, whose weights in layer1 start at random.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from passerby.methods.trunks.resnet import ResNet
from passerby.methods.weights import read_tensors


def changed_alike(weights: str, conv1: tuple[int, ...]) -> dict[str, Tensor] | None:
    """A file's tensors, where its conv1 already has this shape."""
    if weights in ("none", "imagenet"):
        return None
    tensors = read_tensors(Path(weights))
    found = (tuple(t.shape) for name, t in tensors.items() if name.endswith("conv1.weight"))
    return tensors if conv1 in found else None


@torch.no_grad()
def convolve_fourth_channel(trunk: ResNet) -> None:
    """Ablation (2): conv1 takes the mask too, its kernels starting as the mean of the colours'."""
    old = trunk.conv1.weight
    trunk.conv1 = nn.Conv2d(4, old.shape[0], 7, 2, 3, bias=False)
    trunk.conv1.weight.copy_(torch.cat([old, old.mean(1, keepdim=True)], 1))


@torch.no_grad()
def make_room(trunk: ResNet) -> None:
    """Drops the kernel of conv1 with the smallest BatchNorm scale; the mask's channel comes last.

    What reads the stem's channels is put in the new order, and layer1's weights of the last one,
    which were the dropped kernel's, start anew.
    """
    conv1, bn1 = trunk.conv1, trunk.bn1
    assert isinstance(bn1, nn.BatchNorm2d)
    width = conv1.out_channels
    dropped = int(bn1.weight.abs().argmin())
    kept = [channel for channel in range(width) if channel != dropped]
    trunk.conv1 = nn.Conv2d(3, width - 1, 7, 2, 3, bias=False)
    trunk.conv1.weight.copy_(conv1.weight[kept])
    trunk.bn1 = nn.BatchNorm2d(width - 1)
    for name, value in trunk.bn1.state_dict().items():
        old = bn1.state_dict()[name]
        value.copy_(old[kept] if value.ndim else old)
    first: Any = trunk.layer1[0]
    readers = [first.conv1]
    if first.downsample is not None:
        readers.append(first.downsample[0])
    for reader in readers:
        reader.weight.copy_(reader.weight[:, [*kept, dropped]])
        nn.init.kaiming_normal_(reader.weight[:, -1:], mode="fan_out", nonlinearity="relu")
    if first.downsample is None:
        _reorder_stream(trunk, [*kept, dropped])


def _reorder_stream(trunk: ResNet, order: list[int]) -> None:
    """Puts the channels that shortcuts carry through layer1 in another order, to layer2's door."""
    blocks: Any = trunk.layer1
    for index, block in enumerate(blocks):
        block.conv2.weight.copy_(block.conv2.weight[order])
        for value in block.bn2.state_dict().values():
            if value.ndim:
                value.copy_(value[order])
        if index > 0:
            block.conv1.weight.copy_(block.conv1.weight[:, order])
    first: Any = trunk.layer2[0]
    for reader in (first.conv1, first.downsample[0]):
        reader.weight.copy_(reader.weight[:, order])
