"""The same network, faster: BatchNorm folded into convolutions, channels last, fused, bfloat16.

What is rebuilt is the ResNet of every method: its stem and its residual units, and convolutions
that a BatchNorm follows in an `nn.Sequential` (OSNet is made of those). All else stays as it is.
On a CPU each convolution runs with its ReLU (and with the addition of the shortcut) as one oneDNN
primitive on weights that are laid out for it once, a 1x1 convolution as a product of matrices; and
as many pictures are computed at once as its caches hold.

Tolerance, tested: float32 within 1e-5 of the largest number of an embedding; bfloat16 a cosine of
at least 0.999 with the float32 embedding.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import convert_conv2d_weight_memory_format, fuse_conv_bn_eval

from passerby.extract import device_of
from passerby.methods.trunks.resnet import BasicBlock, Bottleneck, ResNet
from passerby.types import InputError, Precision

ROWS = 4096
"""Rows for which the weights of products are laid out; other numbers work too."""

PIXELS = 2**18
"""Of the pictures that a CPU computes at once, 8 of 256 x 128: their maps stay in its caches."""


def has_bfloat16(device: str | torch.device) -> bool:
    """Whether the device computes in bfloat16 faster than in float32."""
    if torch.device(device).type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return torch.device(device).type == "cpu" and bool(torch.cpu._is_avx512_bf16_supported())


def chosen_precision(precision: Precision, device: str | torch.device) -> torch.dtype:
    """The number type that a precision means on this device.

    Raises:
        InputError: bfloat16 on a device without it.
    """
    able = has_bfloat16(device)
    if precision == "bfloat16" and not able:
        raise InputError(f"this {torch.device(device).type} does not compute in bfloat16")
    return torch.bfloat16 if able and precision != "float32" else torch.float32


def in_parts(compute: Callable[[dict[str, Tensor]], Tensor], inputs: dict[str, Tensor]) -> Tensor:
    """(B, D) of (B, C, H, W) each, on a CPU as many at once as its caches hold."""
    first = next(iter(inputs.values()))
    at_once = len(first)
    if first.device.type == "cpu":
        pixels = sum(tensor.shape[2] * tensor.shape[3] for tensor in inputs.values())
        at_once = max(1, PIXELS // pixels)
    parts = [
        compute({name: tensor[start : start + at_once] for name, tensor in inputs.items()})
        for start in range(0, len(first), at_once)
    ]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


class Optimised(nn.Module):
    """A copy of a network for embedding alone; its inputs and its embedding are float32.

    Args:
        network: in eval mode, left as it is.
        dtype: float32 or bfloat16.
    """

    def __init__(self, network: nn.Module, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.dtype = dtype
        device = device_of(network)
        # Folded weights are no parameters: this says where they are.
        self.register_buffer("place", torch.empty(0, device=device), persistent=False)
        with torch.no_grad():
            onednn: Any = torch.backends.mkldnn
            fused = device.type == "cpu" and onednn.is_available()
            self.network = _rebuilt(copy.deepcopy(network).eval(), fused, dtype)
        convert_conv2d_weight_memory_format(self.network, torch.channels_last)
        self.requires_grad_(False)

    def forward(self, **inputs: Tensor) -> Tensor:
        """(B, C, H, W) each -> (B, D)."""
        return in_parts(self._embedded, inputs)

    def _embedded(self, inputs: dict[str, Tensor]) -> Tensor:
        device = next(iter(inputs.values())).device.type
        inputs = {
            name: tensor.to(memory_format=torch.channels_last) for name, tensor in inputs.items()
        }
        with torch.autocast(device, self.dtype, enabled=self.dtype != torch.float32):
            embedding: Tensor = self.network(**inputs)
        return embedding.float()


class FoldedConvolution(nn.Module):
    """Convolution, BatchNorm and, if wanted, an addition and a ReLU as one.

    Args:
        convolution: with the BatchNorm's numbers in it already.
        relu: whether a ReLU follows.
        fused: use oneDNN's primitives (on a CPU that has them).
        dtype: of weights and output.
    """

    def __init__(self, convolution: nn.Conv2d, relu: bool, fused: bool, dtype: torch.dtype) -> None:
        super().__init__()
        self.relu = relu
        self.dtype = dtype
        # oneDNN's primitives want the padding in numbers.
        self.fused = fused and not isinstance(convolution.padding, str)
        self.stride, self.dilation = convolution.stride, convolution.dilation
        self.padding: Any = convolution.padding
        self.groups = convolution.groups
        weight = convolution.weight.detach().to(dtype)
        weight = weight.contiguous(memory_format=torch.channels_last)
        assert convolution.bias is not None
        self.bias = convolution.bias.detach().to(dtype)
        self.weight = weight
        if self.fused:
            self.weight = torch.ops.mkldnn._reorder_convolution_weight(
                weight, self.padding, self.stride, self.dilation, self.groups
            )

    def forward(self, x: Tensor, add: Tensor | None = None) -> Tensor:
        """(B, C, H, W) -> (B, C', H', W'), after adding `add` and the ReLU."""
        x = x.to(self.dtype)
        if not self.fused:
            y = functional.conv2d(
                x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups
            )
            y = y if add is None else y.add_(add)
            return y.relu_() if self.relu else y
        shape = (self.padding, self.stride, self.dilation, self.groups)
        relu = "relu" if self.relu else None
        found: Tensor
        if add is None:
            found = torch.ops.mkldnn._convolution_pointwise(
                x, self.weight, self.bias, *shape, relu or "none", [], ""
            )
        else:
            found = torch.ops.mkldnn._convolution_pointwise.binary(
                x, add, self.weight, self.bias, *shape, "add", None, relu, [], ""
            )
        return found


class FoldedProduct(nn.Module):
    """A 1x1 convolution as a product of matrices: oneDNN has it up to 3.8 times as fast.

    Args:
        convolution: 1x1 with stride 1, with the BatchNorm's numbers in it already.
        relu: whether a ReLU follows.
        dtype: of weights and output.
    """

    def __init__(self, convolution: nn.Conv2d, relu: bool, dtype: torch.dtype) -> None:
        super().__init__()
        self.relu = relu
        self.dtype = dtype
        assert convolution.bias is not None
        self.bias = convolution.bias.detach().to(dtype)
        weight = convolution.weight.detach()[:, :, 0, 0].to(dtype).contiguous()
        self.weight = torch.ops.mkldnn._reorder_linear_weight(weight, ROWS)

    def forward(self, x: Tensor, add: Tensor | None = None) -> Tensor:
        """As `FoldedConvolution`; maps have their channels last in memory."""
        count, _, height, width = x.shape
        rows = _as_rows(x.to(self.dtype))
        if add is None:
            follows = "relu" if self.relu else "none"
            found = torch.ops.mkldnn._linear_pointwise(
                rows, self.weight, self.bias, follows, [], ""
            )
        else:
            found = torch.ops.mkldnn._linear_pointwise.binary(
                rows, _as_rows(add), self.weight, self.bias, "add"
            )
            found = found.relu_() if self.relu else found
        y: Tensor = found.reshape(count, height, width, -1).permute(0, 3, 1, 2)
        return y


def _as_rows(maps: Tensor) -> Tensor:
    """(B, C, H, W) to (B H W, C): a view where channels are last in memory."""
    return maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1])


def _is_product(convolution: nn.Conv2d, adds: bool) -> bool:
    """Whether a product of matrices is the faster way, measured on an AMD EPYC with AVX-512."""
    plain = (convolution.kernel_size, convolution.stride) == ((1, 1), (1, 1))
    plain &= convolution.padding in (0, (0, 0)) and convolution.groups == 1
    # The product adds, but its ReLU is another pass over the map: cheap where maps are small.
    return plain and (not adds or convolution.out_channels >= 1024)


Folded = FoldedConvolution | FoldedProduct


class FoldedUnit(nn.Module):
    """A residual unit: convolutions with ReLU, the last with the addition of the shortcut."""

    def __init__(self, convolutions: Sequence[Folded], shortcut: nn.Module | None) -> None:
        super().__init__()
        self.first = nn.Sequential(*convolutions[:-1])
        self.last = convolutions[-1]
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """As the unit that it was made of."""
        shortcut = x if self.shortcut is None else self.shortcut(x)
        y: Tensor = self.last(self.first(x), shortcut.to(self.last.dtype))
        return y


def _rebuilt(module: nn.Module, fused: bool, dtype: torch.dtype) -> nn.Module:
    """The module with what is known in it rebuilt, in place."""

    def folded(convolution: Any, norm: Any, relu: bool, adds: bool = False) -> Folded:
        together = fuse_conv_bn_eval(convolution, norm)
        if fused and _is_product(together, adds):
            return FoldedProduct(together, relu, dtype)
        return FoldedConvolution(together, relu, fused, dtype)

    if isinstance(module, BasicBlock | Bottleneck) and _has_batch_norms(module):
        count = 3 if isinstance(module, Bottleneck) else 2
        parts = [
            folded(getattr(module, f"conv{n}"), getattr(module, f"bn{n}"), True, n == count)
            for n in range(1, count + 1)
        ]
        down = module.downsample
        return FoldedUnit(parts, None if down is None else folded(down[0], down[1], relu=False))
    if isinstance(module, ResNet) and type(module.bn1) is nn.BatchNorm2d:
        with_relu = isinstance(module.relu, nn.ReLU)
        stem: Any = folded(module.conv1, module.bn1, with_relu)
        module.conv1, module.bn1, module.relu = stem, nn.Identity(), nn.Identity()  # type: ignore[assignment]
    if isinstance(module, nn.Sequential):
        _fold_sequence(module, folded)
    for name, child in list(module.named_children()):
        setattr(module, name, _rebuilt(child, fused, dtype))
    return module


def _has_batch_norms(unit: BasicBlock | Bottleneck) -> bool:
    """Whether all that it normalises with can be folded: instance normalisation cannot."""
    return unit.IN is None and type(unit.bn1) is nn.BatchNorm2d


def _fold_sequence(sequence: nn.Sequential, folded: Any) -> None:
    """Convolution, BatchNorm (, ReLU) in a row become one; names stay, gaps are identities."""
    for place in range(len(sequence) - 1):
        convolution, norm = sequence[place], sequence[place + 1]
        if type(convolution) is not nn.Conv2d or type(norm) is not nn.BatchNorm2d:
            continue
        if convolution.padding_mode != "zeros":
            continue
        with_relu = place + 2 < len(sequence) and type(sequence[place + 2]) is nn.ReLU
        sequence[place] = folded(convolution, norm, with_relu)
        sequence[place + 1] = nn.Identity()
        if with_relu:
            sequence[place + 2] = nn.Identity()
