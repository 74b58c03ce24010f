"""OSNet, plain, with IBN and AIN, under the names that public checkpoints use.

Zhou, Yang, Cavallaro, Xiang: Omni-Scale Feature Learning for Person Re-Identification, ICCV 2019;
Learning Generalisable Omni-Scale Representations for Person Re-Identification, TPAMI 2021 (AIN).

A unit looks at four scales: streams of one to four light 3x3 convolutions, weighed channel by
channel by one gate that they share. IBN: instance normalisation after the stem's convolution and
after the sums of the first layer; AIN: after the stem's and inside those units' branches where the
paper's search put it.

Names: those of github.com/KaiyangZhou/deep-person-reid.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from passerby.types import InputError

Kind = Literal["plain", "ibn", "ain"]
REDUCTION = 16
"""Channels of a gate's input / channels of its hidden layer."""


@dataclass(frozen=True)
class OSNetShape:
    """Which OSNet."""

    kind: Kind
    """Where instance normalisation stands."""
    widths: tuple[int, int, int, int]
    """Channels of the stem and of conv2, conv3, conv4."""


_WIDTHS = {"x0_25": 0.25, "x0_5": 0.5, "x0_75": 0.75, "x1_0": 1.0}
_PREFIXES: dict[Kind, str] = {"plain": "osnet_", "ibn": "osnet_ibn_", "ain": "osnet_ain_"}
OSNETS = {
    f"{prefix}{size}": OSNetShape(
        kind, (int(64 * part), int(256 * part), int(384 * part), int(512 * part))
    )
    for kind, prefix in _PREFIXES.items()
    for size, part in _WIDTHS.items()
}
"""By name, e.g. `osnet_x0_25`, `osnet_ibn_x1_0`, `osnet_ain_x1_0`."""


def _layer(convolutions: dict[str, nn.Module], norm: nn.Module | None, relu: bool) -> nn.Sequential:
    """Convolutions, a normalisation and a ReLU in a row, each under its public name."""
    parts = OrderedDict(convolutions)
    if norm is not None:
        parts["bn"] = norm
    if relu:
        parts["relu"] = nn.ReLU(inplace=True)
    return nn.Sequential(parts)


def _pointwise(channels_in: int, channels_out: int, *, relu: bool, norm: bool = True) -> nn.Module:
    convolution = nn.Conv2d(channels_in, channels_out, 1, bias=False)
    return _layer({"conv": convolution}, nn.BatchNorm2d(channels_out) if norm else None, relu)


def _light(channels: int) -> nn.Module:
    """Lite 3x3: a pointwise and a depthwise convolution (Zhou et al. 2019, Figure 3b)."""
    pointwise = nn.Conv2d(channels, channels, 1, bias=False)
    depthwise = nn.Conv2d(channels, channels, 3, 1, 1, groups=channels, bias=False)
    return _layer({"conv1": pointwise, "conv2": depthwise}, nn.BatchNorm2d(channels), relu=True)


class Gate(nn.Module):
    """One factor 0 to 1 for each channel, from the map's mean (Zhou et al. 2019, Eq. 3)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // REDUCTION, 1)
        self.fc2 = nn.Conv2d(channels // REDUCTION, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W), weighed."""
        hidden = functional.relu(self.fc1(x.mean(dim=(2, 3), keepdim=True)))
        weighed: Tensor = x * self.fc2(hidden).sigmoid()
        return weighed


class _Streams(nn.Module):
    """The four streams, by the names of the plain network: the first is one layer alone."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv2a = _light(channels)
        self.conv2b = nn.Sequential(*(_light(channels) for _ in range(2)))
        self.conv2c = nn.Sequential(*(_light(channels) for _ in range(3)))
        self.conv2d = nn.Sequential(*(_light(channels) for _ in range(4)))


class Unit(nn.Module):
    """A residual unit of four scales (Zhou et al. 2019, Figure 4).

    Args:
        channels_in: of the map that comes in.
        channels_out: of the map that goes out.
        kind: whose names its streams bear: AIN's are others.
        instance: instance normalisation, of the sum (IBN) or of the branch (AIN).
    """

    def __init__(self, channels_in: int, channels_out: int, kind: Kind, instance: bool) -> None:
        super().__init__()
        middle = channels_out // 4
        self.ain = kind == "ain"
        self.conv1 = _pointwise(channels_in, middle, relu=True)
        if self.ain:
            streams = ([_light(middle) for _ in range(depth)] for depth in (1, 2, 3, 4))
            self.conv2 = nn.ModuleList(
                nn.Sequential(OrderedDict(layers=nn.Sequential(*stream))) for stream in streams
            )
        else:
            for name, stream in _Streams(middle).named_children():
                self.add_module(name, stream)
        self.gate = Gate(middle)
        # AIN's branch has its instance normalisation in place of this BatchNorm.
        inside = self.ain and instance
        self.conv3 = _pointwise(middle, channels_out, relu=False, norm=not inside)
        self.downsample = None
        if channels_in != channels_out:
            self.downsample = _pointwise(channels_in, channels_out, relu=False)
        self.IN = nn.InstanceNorm2d(channels_out, affine=True) if instance else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels_in, H, W) -> (B, channels_out, H, W)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.conv1(x)
        scales = [self.gate(stream(y)) for stream in self.streams]
        branch = self.conv3(scales[0] + scales[1] + scales[2] + scales[3])
        if self.IN is None:
            total = branch + shortcut
        else:
            total = self.IN(branch) + shortcut if self.ain else self.IN(branch + shortcut)
        return functional.relu(total)

    @property
    def streams(self) -> list[nn.Module]:
        """The four, the shallowest first."""
        if self.ain:
            return list(self.conv2)
        return [self.get_submodule(f"conv2{scale}") for scale in "abcd"]


_INSTANCE: dict[Kind, tuple[tuple[bool, bool], ...]] = {
    "plain": ((False, False), (False, False), (False, False)),
    "ibn": ((True, True), (False, False), (False, False)),
    "ain": ((True, True), (False, True), (True, False)),
}
"""Which units of conv2, conv3, conv4 have instance normalisation."""


class OSNet(nn.Module):
    """The trunk.

    Args:
        name: a key of `OSNETS`.

    Raises:
        InputError: for a name that is not in `OSNETS`.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        if name not in OSNETS:
            raise InputError(f"an OSNet must be one of {', '.join(OSNETS)}; given {name!r}")
        kind, widths = OSNETS[name].kind, OSNETS[name].widths
        stem = nn.Conv2d(3, widths[0], 7, 2, 3, bias=False)
        norm: nn.Module = nn.BatchNorm2d(widths[0])
        if kind != "plain":
            norm = nn.InstanceNorm2d(widths[0], affine=True)
        self.conv1 = _layer({"conv": stem}, norm, relu=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        for number in (2, 3, 4):
            channels_in, channels = widths[number - 2 : number]
            first, second = _INSTANCE[kind][number - 2]
            units: list[nn.Module] = [
                Unit(channels_in, channels, kind, first),
                Unit(channels, channels, kind, second),
            ]
            if number < 4:
                smaller = nn.Sequential(
                    _pointwise(channels, channels, relu=True), nn.AvgPool2d(2, 2)
                )
                if kind == "ain":
                    self.add_module(f"pool{number}", smaller)
                else:
                    units.append(smaller)
            self.add_module(f"conv{number}", nn.Sequential(*units))
        self.conv5 = _pointwise(widths[3], widths[3], relu=True)
        self.channels = widths[3]
        self.apply(_initialise)

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, channels, H/16, W/16)."""
        x: Tensor = self.maxpool(self.conv1(image))
        for number in (2, 3, 4):
            x = self.get_submodule(f"conv{number}")(x)
            if f"pool{number}" in self._modules:
                x = self.get_submodule(f"pool{number}")(x)
        last: Tensor = self.conv5(x)
        return last


def fully_connected(channels: int, width: int = 512) -> nn.Sequential:
    """OSNet's `fc`: (B, channels) pooled -> (B, width), the embedding of its program."""
    linear = nn.Linear(channels, width)
    nn.init.normal_(linear.weight, 0, 0.01)
    nn.init.zeros_(linear.bias)
    return nn.Sequential(linear, nn.BatchNorm1d(width), nn.ReLU(inplace=True))


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
