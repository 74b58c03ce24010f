"""A branch of the Attention Driven network: the base network (3.1) with intra-attention (3.3).

Section, equation, table and figure numbers are those of Yang et al. 2019: `attention_driven`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from passerby.losses.precision import at_least_float32, without_autocast

if TYPE_CHECKING:
    from passerby.methods.attention_driven import Recipe

Maps = list[Tensor]

STRIDES = (1, 2, 2, 1)
"""Of B1 ... B4; the last down-sampling of ResNet is left out (3.1)."""

POOLS = (2, 1, 1)
"""How often the attention of B2, B3, B4 halves the map (3.3)."""


# 3.1. The base network.


def convolution(
    channels_in: int, channels: int, size: int = 1, stride: int = 1, *, bias: bool
) -> nn.Conv2d:
    """Of that size and stride; He's weights where BatchNorm follows, else Glorot's and a bias."""
    layer = nn.Conv2d(channels_in, channels, size, stride, size // 2, bias=bias)
    if layer.bias is None:
        nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    else:
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
    return layer


class Unit(nn.Module):
    """Residual unit [T1]: 1x1 (with the stride), 3x3, 1x1 convolutions and a shortcut."""

    def __init__(self, channels_in: int, middle: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = convolution(channels_in, middle, 1, stride, bias=False)
        self.bn1 = nn.BatchNorm2d(middle)
        self.conv2 = convolution(middle, middle, 3, bias=False)
        self.bn2 = nn.BatchNorm2d(middle)
        self.conv3 = convolution(middle, channels, bias=False)
        self.bn3 = nn.BatchNorm2d(channels)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels:
            self.shortcut = nn.Sequential(
                convolution(channels_in, channels, 1, stride, bias=False),
                nn.BatchNorm2d(channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels_in, H, W) -> (B, channels, H / stride, W / stride)."""
        y = functional.relu(self.bn1(self.conv1(x)), inplace=True)
        y = functional.relu(self.bn2(self.conv2(y)), inplace=True)
        return functional.relu(self.bn3(self.conv3(y)) + self.shortcut(x), inplace=True)


# 3.3. Intra-attention.


def attention(s: Tensor, c: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The map m = sigmoid(conv1x1(S * C)) of one view (3.3, behind Eq. 6): its definition.

    Args:
        s: S, (B, 1, h, w).
        c: C, (B, c, 1, 1).
        weight: of the 1x1 convolution, (c, c, 1, 1).
        bias: (c,).

    Returns:
        (B, c, h, w) from 0 to 1.
    """
    return torch.sigmoid(functional.conv2d(s * c, weight, bias))


def quick_attention(s: Tensor, c: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """`attention` of g views side by side, computed as S * (W C), which is the same.

    Args:
        s: S of each view, (B, g, h, w).
        c: C, (B, g c, 1, 1).
        weight: of the 1x1 convolutions, (g c, c, 1, 1).
        bias: (g c,).

    Returns:
        (B, g c, h, w) from 0 to 1.
    """
    batch, groups, height, width = s.shape
    mixed = functional.conv2d(c, weight, groups=groups).view(batch, groups, -1)
    # S of one view meets W C of that view alone: (B, h w, g) x (B, g, g c), block by block. The
    # product has its channels last in memory, as the map that it weights.
    blocks = torch.diag_embed(mixed.transpose(1, 2)).permute(0, 2, 3, 1).flatten(2)
    product = torch.baddbmm(bias.to(s.dtype), s.flatten(2).transpose(1, 2), blocks.to(s.dtype))
    return torch.sigmoid(product.view(batch, height, width, -1).permute(0, 3, 1, 2))


class IntraAttention(nn.Module):
    """M of Eq. 4: encoder, decoder, spatial and channel attention (Figure 5).

    Args:
        recipe: its fields of the attention.
        i: of the block, 2 to 4.
        channels_in: of the block's input v.
        channels: of the block's output, c.
    """

    def __init__(self, recipe: Recipe, i: int, channels_in: int, channels: int) -> None:
        super().__init__()
        self.entry = Unit(channels_in, max(channels // 4, 1), channels, STRIDES[i - 1])
        # The recipe's widths are those of the whole body behind a conv1 of 32 channels.
        middle = max(round(recipe.attention_middle[i - 2] * (channels >> i) / 32), 1)
        # Named so that weights of units behind their poolings, as they once were, do not fit.
        self.before_pooling = nn.ModuleList(
            Unit(channels, middle, channels) for _ in range(POOLS[i - 2])
        )
        self.upsampling = recipe.upsampling
        self.spatial: nn.Sequential | None = None
        self.channel: nn.Sequential | None = None
        if recipe.attention == "decomposed":
            self.spatial = _normed(channels, 1, recipe.attention_norm)
            self.channel = _normed(channels, channels, recipe.attention_norm)
        self.join = convolution(channels, channels, bias=True)
        # Near 1/2: with usual weights half of the maps' values start near 0 or 1, and stay there.
        nn.init.normal_(self.join.weight, std=0.001)

    def scores(self, v: Tensor) -> Tensor:
        """A of Eq. 6: the decoder's map, of the size of the block's output."""
        a: Tensor = self.entry(v)
        encoded: Maps = []
        for unit in self.before_pooling:
            encoded.append(unit(a))
            a = functional.max_pool2d(encoded[-1], 2, ceil_mode=True)
        for same_size in reversed(encoded):
            a = same_size + functional.interpolate(a, same_size.shape[2:], mode=self.upsampling)
        return a

    def forward(self, v: Tensor) -> Tensor:
        """The map m (B, c, H / stride, W / stride) of v (B, channels_in, H, W), from 0 to 1."""
        a = self.scores(v)
        if self.spatial is None or self.channel is None:
            return torch.sigmoid(self.join(a))
        s = self.spatial(a)
        # BatchNorm divides C by how much averages differ, which half precision would round away.
        with without_autocast(a.device):
            c = self.channel(at_least_float32(a).mean(dim=(2, 3), keepdim=True))
        assert self.join.bias is not None
        return quick_attention(s, c, self.join.weight, self.join.bias)


def _normed(channels_in: int, channels: int, norm: bool) -> nn.Sequential:
    layer = convolution(channels_in, channels, bias=True)
    if not norm:
        return nn.Sequential(layer)
    layer.bias = None
    return nn.Sequential(layer, nn.BatchNorm2d(channels))


class Block(nn.Module):
    """B_i: three residual units, and from B2 on an attention over their output (Figure 5).

    Args:
        recipe: says which attention.
        i: 1 to 4.
        channels_in: of its input v.
        middle: channels inside its units; what it gives has twice as many.
    """

    def __init__(self, recipe: Recipe, i: int, channels_in: int, middle: int) -> None:
        super().__init__()
        channels = 2 * middle
        self.units = nn.Sequential(
            Unit(channels_in, middle, channels, STRIDES[i - 1]),
            Unit(channels, middle, channels),
            Unit(channels, middle, channels),
        )
        self.attention: IntraAttention | None = None
        if i > 1 and recipe.attention != "none":
            self.attention = IntraAttention(recipe, i, channels_in, channels)

    def forward(self, v: Tensor) -> tuple[Tensor, Tensor | None]:
        """v_i -> v_(i+1) = (1 + m_i) * a_i (Eq. 3, 4 and 7), and m_i."""
        a: Tensor = self.units(v)
        if self.attention is None:
            return a, None
        m = self.attention(v)
        return torch.addcmul(a, a, m), m


class Branch(nn.Module):
    """A column of Table 1 behind conv1, for one view of the body.

    Args:
        recipe: channels of conv1, and the attention.
        middle: channels inside conv2x; conv3x ... conv5x have 2, 4, 8 times as many.
        pool_stride: 2 for the whole body, `part_pool_stride` of the recipe for parts.
        features: width of the FC that reduces.
    """

    def __init__(
        self, recipe: Recipe, middle: int, pool_stride: int | tuple[int, int], features: int
    ) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(recipe.channels)
        self.pool = nn.MaxPool2d(3, pool_stride, 1)
        inputs = (recipe.channels, 2 * middle, 4 * middle, 8 * middle)
        self.blocks = nn.ModuleList(
            Block(recipe, i, channels, middle << (i - 1)) for i, channels in enumerate(inputs, 1)
        )
        self.reduce = convolution(16 * middle, features, bias=True)

    def forward(self, x: Tensor) -> tuple[Tensor, Maps]:
        """conv1's map (B, c, H/2, W/2) of a view -> its E (B, features), and m_2, m_3, m_4."""
        v, maps = self.pool(functional.relu(self.bn1(x), inplace=True)), []
        for block in self.blocks:
            v, m = block(v)
            if m is not None:
                maps.append(m)
        return self.reduce(v.mean(dim=(2, 3), keepdim=True)).flatten(1), maps


def side_by_side(branches: Sequence[Branch]) -> Branch:
    """Branches of one shape as one network in groups, between which nothing passes.

    It takes and gives the views' channels one view's after the other's, and computes what the
    branches would compute one by one, in fewer and larger products. The first branch is changed.
    """
    count, together = len(branches), branches[0]
    for module, *others in zip(*(branch.modules() for branch in branches), strict=True):
        if isinstance(module, nn.Conv2d):
            module.groups = count
            module.in_channels, module.out_channels = (
                count * module.in_channels,
                count * module.out_channels,
            )
        elif isinstance(module, nn.BatchNorm2d):
            module.num_features *= count
        tensors = {**module._parameters, **module._buffers}
        for name, own in tensors.items():
            if own is None or own.ndim == 0:
                continue
            joined = torch.cat([own.data, *(getattr(other, name).data for other in others)])
            setattr(module, name, nn.Parameter(joined) if name in module._parameters else joined)
    return together
