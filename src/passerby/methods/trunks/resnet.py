"""ResNet (He et al. 2016), plain and with IBN, under the names that public checkpoints use.

Pan, Luo, Shi, Tang: Two at Once: Enhancing Learning and Generalization Capacities via IBN-Net,
ECCV 2018. IBN-a normalises half of the channels of each unit's first convolution by the picture's
own statistics (layers 1 to 3); IBN-b does so after the stem's convolution and after the addition
of the last unit of layers 1 and 2.

Names: torchvision's, and for IBN those of github.com/XingangPan/IBN-Net.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from passerby.types import InputError

IBN = Literal["", "a", "b"]
"""Which instance normalisation; empty: none."""


class InstanceBatchNorm(nn.Module):
    """Instance normalisation of the first half of the channels, BatchNorm of the rest.

    (B, C, H, W) -> (B, C, H, W) (Pan et al. 2018, Figure 3a).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.own = channels // 2
        self.IN = nn.InstanceNorm2d(self.own, affine=True)
        self.BN = nn.BatchNorm2d(channels - self.own)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        return torch.cat((self.IN(x[:, : self.own]), self.BN(x[:, self.own :])), 1)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al. 2016, Figure 5 left).

    Args:
        channels_in: of the map that comes in.
        width: channels of the map that goes out.
        stride: of the first convolution.
        ibn: `a`: half of the first normalisation is the picture's own; `b`: one follows the sum.
    """

    expansion = 1

    def __init__(self, channels_in: int, width: int, stride: int = 1, ibn: IBN = "") -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, width, 3, stride, 1, bias=False)
        self.bn1 = _first_norm(width, ibn)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.IN = nn.InstanceNorm2d(width, affine=True) if ibn == "b" else None
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(channels_in, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels_in, H, W) -> (B, width, H / stride, W / stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y)) + shortcut
        out: Tensor = self.relu(y if self.IN is None else self.IN(y))
        return out


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions and a shortcut; the stride is on the 3x3, as torchvision's.

    Args: as `BasicBlock`'s, but that 4 `width` channels go out.
    """

    expansion = 4

    def __init__(self, channels_in: int, width: int, stride: int = 1, ibn: IBN = "") -> None:
        super().__init__()
        channels_out = width * self.expansion
        self.conv1 = nn.Conv2d(channels_in, width, 1, bias=False)
        self.bn1 = _first_norm(width, ibn)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, channels_out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels_out)
        self.IN = nn.InstanceNorm2d(channels_out, affine=True) if ibn == "b" else None
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(channels_in, channels_out, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels_in, H, W) -> (B, 4 width, H / stride, W / stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y)) + shortcut
        out: Tensor = self.relu(y if self.IN is None else self.IN(y))
        return out


def _first_norm(width: int, ibn: IBN) -> nn.Module:
    return InstanceBatchNorm(width) if ibn == "a" else nn.BatchNorm2d(width)


def _shortcut(channels_in: int, channels_out: int, stride: int) -> nn.Sequential | None:
    if stride == 1 and channels_in == channels_out:
        return None
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 1, stride, bias=False), nn.BatchNorm2d(channels_out)
    )


@dataclass(frozen=True)
class Taps:
    """What the trunk computes on its way, for an input (B, 3, H, W) and a last stride of 1."""

    pool1: Tensor
    """(B, w, H/4, W/4), after the stem's max pool; w = 64 but for thin trunks."""
    layer1: Tensor
    """(B, e w, H/4, W/4); e = 1 for basic blocks, 4 for bottlenecks (res2 in some papers)."""
    layer2: Tensor
    """(B, 2 e w, H/8, W/8)."""
    layer3: Tensor
    """(B, 4 e w, H/16, W/16)."""
    layer4: Tensor
    """(B, 8 e w, H/16, W/16), or H/32, W/32 with a last stride of 2."""


@dataclass(frozen=True)
class TrunkShape:
    """Which ResNet."""

    block: Callable[[int, int, int, IBN], nn.Module]
    """The residual unit."""
    expansion: int
    """Channels that a unit gives out / its width."""
    units: tuple[int, int, int, int]
    """Residual units in layer1 ... layer4."""
    width: int = 64
    """Channels of the stem; the layers' widths are 1, 2, 4, 8 times it."""
    ibn: IBN = ""
    """Which instance normalisation."""


_IBNS: tuple[IBN, IBN] = ("a", "b")
_PLAIN = {
    "resnet18": TrunkShape(BasicBlock, 1, (2, 2, 2, 2)),
    "resnet34": TrunkShape(BasicBlock, 1, (3, 4, 6, 3)),
    "resnet50": TrunkShape(Bottleneck, 4, (3, 4, 6, 3)),
    "resnet101": TrunkShape(Bottleneck, 4, (3, 4, 23, 3)),
    "thin16": TrunkShape(BasicBlock, 1, (2, 2, 2, 1), width=32),
    "thin18": TrunkShape(BasicBlock, 1, (2, 2, 2, 2), width=32),
}

RESNETS = _PLAIN | {
    f"{name}_ibn_{ibn}": replace(shape, ibn=ibn) for name, shape in _PLAIN.items() for ibn in _IBNS
}
"""By name: plain, `_ibn_a`, `_ibn_b`. `thin18` is ResNet-18 with half the channels, for CPUs;
`thin16` has one unit less in layer4, and 1.6 instead of 2.8 million parameters."""


class ResNet(nn.Module):
    """The trunk.

    Args:
        name: a key of `RESNETS`.
        last_stride: stride of layer4; 1 keeps H/16 x W/16 (Luo et al. 2019), 2 is the original.
        classes: adds the pooled classification layer `fc`; None: a trunk alone.

    Raises:
        InputError: for a name that is not in `RESNETS` or a stride that is neither 1 nor 2.
    """

    def __init__(self, name: str, *, last_stride: int = 2, classes: int | None = None) -> None:
        super().__init__()
        if name not in RESNETS:
            raise InputError(
                f"this method looks into a ResNet's layers: trunk must be one of "
                f"{', '.join(RESNETS)}; given {name!r}"
            )
        if last_stride not in (1, 2):
            raise InputError(f"last_stride must be 1 or 2; given {last_stride}")
        shape = RESNETS[name]
        width = shape.width
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1: nn.Module = nn.BatchNorm2d(width)
        if shape.ibn == "b":
            self.bn1 = nn.InstanceNorm2d(width, affine=True)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        units = shape.units
        of_third: IBN = "a" if shape.ibn == "a" else ""
        self.layer1, channels = _layer(shape, width, width, units[0], 1, shape.ibn)
        self.layer2, channels = _layer(shape, channels, 2 * width, units[1], 2, shape.ibn)
        self.layer3, channels = _layer(shape, channels, 4 * width, units[2], 2, of_third)
        self.layer4, channels = _layer(shape, channels, 8 * width, units[3], last_stride, "")
        self.channels = channels
        self.fc = None if classes is None else nn.Linear(channels, classes)
        self.apply(_initialise)

    def stem(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, w, H/4, W/4), after the max pool."""
        pool1: Tensor = self.maxpool(self.relu(self.bn1(self.conv1(image))))
        return pool1

    def taps(self, image: Tensor) -> Taps:
        """(B, 3, H, W) -> the feature maps after the stem and each layer."""
        pool1 = self.stem(image)
        layer1 = self.layer1(pool1)
        layer2 = self.layer2(layer1)
        layer3 = self.layer3(layer2)
        return Taps(pool1, layer1, layer2, layer3, self.layer4(layer3))

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) -> layer4's map (B, channels, H/16, W/16), or H/32 with last stride 2."""
        return self.taps(image).layer4

    def classify(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, classes) logits.

        Raises:
            InputError: when the trunk was made without `classes`.
        """
        if self.fc is None:
            raise InputError("classify needs a trunk made with classes=N; this one has none")
        logits: Tensor = self.fc(
            torch.flatten(nn.functional.adaptive_avg_pool2d(self(image), 1), 1)
        )
        return logits


def _layer(
    shape: TrunkShape, channels: int, width: int, units: int, stride: int, ibn: IBN
) -> tuple[nn.Sequential, int]:
    blocks = []
    for index in range(units):
        own: IBN = "" if ibn == "b" and index < units - 1 else ibn
        blocks.append(shape.block(channels, width, stride if index == 0 else 1, own))
        channels = width * shape.expansion
    return nn.Sequential(*blocks), channels


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
