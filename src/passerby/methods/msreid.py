"""MSReID: a mask that the network makes itself parts what two features look at.

Kim, Kim: Mask Separated Feature Learning for Person Re-Identification (their section, equation
and figure numbers below).

A ResNet-50 with soft attention after each layer (A) gives a global feature from its last map and a
local one (L) from the map before. A small branch on the last map paints a mask (M), with
identities as its only teacher: the global feature is pooled under the mask, the local one under
its reverse, so that the two learn different places. Both stand side by side in the descriptor.

Differs from the paper: triplet and center loss are batch means, as in all public programs (option
`reduction`); the mask lies on the reduced maps, as in Figure 2 and the authors' program (section
3.3 has it before the reduction: option `mask_before_reduction`); no ReLU stands before the
attention's sigmoid, though Figure 3's caption names one after each convolution (option
`attention_relu`). Mixed precision (4.2) is a setting of the run.

Not stated in the paper, settled here (and the numbers that the recipe marks so):
* attention maps start flat, at 1/2 everywhere (Figure 3): a random map behind each layer would
  multiply trained features four times; option `attention_start`;
* the weighted average over channels (3.2) starts at equal weights;
* GAP and GMP (3.4) are added;
* each feature has its own centers (3.5), or one table: option `shared_centers`;
* the centers move at their own rate, whatever the loss weighs: option `center_rate`;
* smaller trunks get thinner branches: see `MSReID`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, cast

import torch
from torch import Tensor, nn, optim
from torch.nn import functional

from passerby.data.samplers import IdentityBalanced
from passerby.losses.center import CenterLoss
from passerby.losses.gather import gathered
from passerby.losses.identity import label_smoothed_cross_entropy
from passerby.losses.precision import at_least_float32, without_autocast
from passerby.losses.triplet import batch_hard_triplet
from passerby.method import Descriptor, Inputs, Method, ScheduledOptimizer, Stage, Turn
from passerby.methods.inputs import padded_crop, whole_picture
from passerby.methods.layers import bnneck, identity_classifier
from passerby.methods.schedules import constant, step_decay, warm_up
from passerby.methods.trunks.resnet import ResNet
from passerby.methods.weights import initialise_trunk
from passerby.types import Batch, InputError

Pooling = Literal["learned", "mean"]


@dataclass(frozen=True)
class Recipe:
    """The paper's numbers; a section number is its section."""

    BEFORE: ClassVar[Mapping[str, Any]] = {"attention_start": "random"}
    """What it was in runs that do not say."""

    trunk: str = "resnet50"
    """Trunk (3.1); resnet18, resnet34, resnet50, resnet101 or thin18."""
    weights: str = "imagenet"
    """The trunk's starting weights (not stated): none, imagenet or a file."""
    last_stride: int = 1
    """Stride of the trunk's last layer (3.1)."""
    attention: bool = True
    """A: soft attention after layer1 ... layer4 (3.2)."""
    local: bool = True
    """L: the local feature, from layer3 (3.3)."""
    mask: bool = True
    """M: the mask over the features (3.3)."""
    spatial_pooling: Pooling = "learned"
    """How the attention averages channels: learned weights (3.2), or HA-CNN's mean."""
    attention_relu: bool = False
    """A ReLU before the attention's sigmoid too, as HA-CNN has and Figure 3's caption can be read:
    it names one after each convolution."""
    attention_start: Literal["flat", "random"] = "flat"
    """How attention maps start (not stated): flat, or random, as BatchNorm's usual scale has it."""
    mask_before_reduction: bool = False
    """The mask lies on the trunk's maps (3.3) instead of on the reduced ones (Figure 2)."""
    feature_width: int | None = None
    """Width of each feature; None: three quarters of layer4's channels, 1536 (3.4)."""
    height: int = 256
    """Height of the input in pixels (4.2)."""
    width: int = 128
    """Width of the input in pixels (4.2)."""
    flip: float = 0.5
    """Probability of a left-right flip (4.2; how often is not stated)."""
    pad: int = 10
    """Pixels of black border before the random crop (4.2; how many is not stated)."""
    erase: float = 0.5
    """Probability of random erasing (4.2; this and its shape are not stated)."""
    erase_area: tuple[float, float] = (0.02, 0.4)
    """Least and greatest share that is erased."""
    erase_ratio: tuple[float, float] = (0.3, 3.3)
    """Least and greatest aspect of what is erased."""
    erase_fill: float = 0.0
    """What is written there, after normalisation: 0 is the mean colour."""
    identities: int = 32
    """P: identities in a batch (4.2)."""
    pictures: int = 3
    """K: pictures of each (4.2)."""
    epochs: int = 180
    """Training epochs (4.2)."""
    learning_rate: float = 1.5e-3
    """Adam's (4.2)."""
    weight_decay: float = 5e-4
    """Adam's (not stated)."""
    warm_up: int = 10
    """Epochs over which the learning rate rises linearly (4.2)."""
    warm_up_start: float = 0.1
    """Where it starts, as a share: 1.5e-4 (4.2)."""
    milestones: tuple[int, ...] = (60, 120)
    """Epochs after which the learning rate falls to a tenth (4.2)."""
    smoothing: float = 0.1
    """Epsilon of the label smoothing (4.2)."""
    margin: float = 0.3
    """m of the triplet loss (4.2)."""
    center_weight: float = 5e-4
    """lambda_c: weight of the center loss (4.2)."""
    center_rate: float = 0.5
    """Learning rate of the centers' SGD (not stated)."""
    shared_centers: bool = False
    """One table of centers for both features, as in the authors' program."""
    reduction: Literal["mean", "sum"] = "mean"
    """Triplet and center loss over the batch: its mean, or the sum of Eq. 1 and 2."""
    feature: Literal["before", "after"] = "before"
    """Side of the necks that pictures are compared on (not stated)."""

    @classmethod
    def for_data(cls, name: str) -> Recipe:
        """Margin 1.2 for CUHK03 (4.2; the paper's is the new protocol), else 0.3."""
        return cls(margin=1.2) if name == "cuhk03" else cls()

    @classmethod
    def small(cls) -> Recipe:
        """For a CPU: a thin trunk from random weights, small pictures, 20 epochs."""
        return cls(
            trunk="thin18",
            weights="none",
            height=128,
            width=64,
            pad=5,
            epochs=20,
            warm_up=2,
            milestones=(12, 17),
        )


def pooled(x: Tensor) -> Tensor:
    """GAP + GMP (3.4): (B, D, h, w) -> (B, D)."""
    return x.mean(dim=(2, 3)) + x.amax(dim=(2, 3))


def descriptor(features: Sequence[Tensor], *, unit: bool) -> Tensor:
    """The features side by side (3.4), each first brought to length 1 where `unit`.

    Args:
        features: (B, D) each.
        unit: features after the neck are compared so.

    Returns:
        (B, sum of the D).
    """
    if unit:
        features = [functional.normalize(at_least_float32(feature)) for feature in features]
    return torch.cat(list(features), 1)


class SpatialAttention(nn.Module):
    """Where to look (Figure 3, red): (B, C, h, w) -> (B, 1, h, w).

    Args:
        channels: C.
        pooling: `learned` is the paper's weighted average over channels, a linear layer without
            bias; `mean` the plain average of HA-CNN.
    """

    def __init__(self, channels: int, pooling: Pooling) -> None:
        super().__init__()
        self.average = None
        if pooling == "learned":
            self.average = nn.Conv2d(channels, 1, 1, bias=False)
            nn.init.constant_(self.average.weight, 1 / channels)
        self.conv1 = nn.Conv2d(1, 1, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(1)
        self.conv2 = nn.Conv2d(1, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, 1, h, w), 0 or more."""
        y = x.mean(1, keepdim=True) if self.average is None else self.average(x)
        y = functional.relu(self.bn1(self.conv1(y)))
        y = functional.interpolate(y, x.shape[2:], mode="bilinear", align_corners=True)
        return functional.relu(self.bn2(self.conv2(y)))


class ChannelAttention(nn.Module):
    """What to look for (Figure 3, green): squeeze and excitation, C -> C/16 -> C.

    Its 1x1 convolutions act on pooled vectors: they are linear layers.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = max(channels // 16, 1)
        self.conv1 = nn.Linear(channels, squeezed, bias=False)
        self.bn1 = nn.BatchNorm1d(squeezed)
        self.conv2 = nn.Linear(squeezed, channels, bias=False)
        self.bn2 = nn.BatchNorm1d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C), 0 or more."""
        y = functional.relu(self.bn1(self.conv1(x.mean(dim=(2, 3)))))
        return functional.relu(self.bn2(self.conv2(y)))


def joined(s: Tensor, c: Tensor, w: Tensor) -> Tensor:
    """W (S C) as Figure 3 draws it: S (B, 1, h, w), C (B, C), W (D, C) -> (B, D, h, w)."""
    return functional.conv2d(s * c[:, :, None, None], w[:, :, None, None])


def quickly_joined(s: Tensor, mixed: Tensor) -> Tensor:
    """`joined` of S (B, 1, h, w) and W C (B, D): S has one channel, so that W (S C) = S (W C).

    W works on vectors, not on maps, which costs h w times less.
    """
    # Multiplied as (B, h, w, D), the order in memory of everything around it.
    return (s.permute(0, 2, 3, 1) * mixed[:, None, None]).permute(0, 3, 1, 2)


class SoftAttention(nn.Module):
    """Soft attention (3.2, Figure 3; HA-CNN's but for the learned average).

    The map is sigmoid(BN(W (S C))) with the 1x1 convolution W on the product of S (B, 1, h, w) and
    C (B, C), see `joined`. S and C are computed in float32: BatchNorm divides them by how much
    averages differ, which half precision would round away.

    Not stated in the paper, settled here: every map starts flat, for the last BatchNorm's scale
    starts at 0. The map is then 1/2 everywhere; with the ReLU, which passes no gradient at 0,
    BatchNorm's bias starts at 1 and the map at 0.73.

    Args:
        channels: C.
        recipe: its fields of the attention.
    """

    def __init__(self, channels: int, recipe: Recipe) -> None:
        super().__init__()
        self.spatial = SpatialAttention(channels, recipe.spatial_pooling)
        self.channel = ChannelAttention(channels)
        self.join = nn.Linear(channels, channels, bias=False)
        self.bn = nn.BatchNorm2d(channels)
        self.relu = recipe.attention_relu
        if recipe.attention_start == "flat":
            nn.init.zeros_(self.bn.weight)
            nn.init.constant_(self.bn.bias, 1.0 if self.relu else 0.0)

    def map(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C, h, w), from 0 to 1."""
        with without_autocast(x.device):
            precise = at_least_float32(x)
            s, mixed = self.spatial(precise), self.join(self.channel(precise))
        y = self.bn(quickly_joined(s.to(x.dtype), mixed.to(x.dtype)))
        return torch.sigmoid(functional.relu(y) if self.relu else y)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> the features under the map, of the same shape."""
        return x * self.map(x)


class BottleneckBlock(nn.Module):
    """1x1, 3x3, 1x1 convolutions and a 1x1 shortcut, stride 1 (3.3, 3.4).

    Args:
        channels_in: C.
        width: channels of the 3x3.
        channels_out: D.
        sigmoid: the last activation, which is else a ReLU.
    """

    def __init__(
        self, channels_in: int, width: int, channels_out: int, *, sigmoid: bool = False
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, channels_out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels_out)
        self.shortcut = nn.Conv2d(channels_in, channels_out, 1, bias=False)
        self.bn_shortcut = nn.BatchNorm2d(channels_out)
        self.sigmoid = sigmoid

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, D, h, w)."""
        y = functional.relu(self.bn1(self.conv1(x)))
        y = functional.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y)) + self.bn_shortcut(self.shortcut(x))
        return torch.sigmoid(y) if self.sigmoid else functional.relu(y)


@dataclass(frozen=True)
class Features:
    """What the network computes of (B, 3, 256, 128) with ResNet-50."""

    mask: Tensor | None
    """(B, 1, 16, 8), from 0 to 1: the global mask; 1 - mask is the local one. None: M is off."""
    f: dict[str, Tensor]
    """(B, 1536) by branch (`global`, and `local` where L is on): triplet and center loss."""
    after_neck: dict[str, Tensor]
    """(B, 1536) by branch, after its BNNeck: identity loss."""


class MSReID(nn.Module):
    """Trunk, soft attention, mask, global and local branch (Figure 2).

    The blocks' 3x3 convolutions have a quarter of the channels that come in, and a feature has
    three quarters of layer4's channels: for ResNet-50 the paper's 512, 256 and 1536, for `thin18`
    64, 32 and 192.

    Raises:
        InputError: unknown trunk, weights that do not fit, a last stride that parts the masks.
    """

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        stride = recipe.last_stride
        if stride != 1 and recipe.local and recipe.mask:
            raise InputError(f"MSReID's two masks need last_stride 1; given {stride}")
        self.trunk = ResNet(recipe.trunk, last_stride=stride)
        c4 = self.trunk.channels
        c3 = c4 // 2
        self.attention = nn.ModuleList(
            SoftAttention(channels, recipe)
            for channels in ((c4 // 8, c4 // 4, c3, c4) if recipe.attention else ())
        )
        self.width = c4 * 3 // 4 if recipe.feature_width is None else recipe.feature_width
        blocks = {"global": BottleneckBlock(c4, c4 // 4, self.width)}
        if recipe.local:
            blocks["local"] = BottleneckBlock(c3, c3 // 4, self.width)
        self.reduce = nn.ModuleDict(blocks)
        self.masking = BottleneckBlock(c4, c4 // 4, 1, sigmoid=True) if recipe.mask else None
        self.necks = nn.ModuleDict({branch: bnneck(self.width) for branch in blocks})
        self.mask_before_reduction = recipe.mask_before_reduction
        self.feature = recipe.feature
        initialise_trunk(self.trunk, recipe.trunk, recipe.weights)

    def layers(self, image: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """(B, 3, H, W) -> each layer's map, before its attention and after it."""
        trunk = self.trunk
        x = trunk.stem(image)
        for index, layer in enumerate((trunk.layer1, trunk.layer2, trunk.layer3, trunk.layer4)):
            before = layer(x)
            x = self.attention[index](before) if self.attention else before
            yield before, x

    def maps(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) -> layer3's and layer4's maps, after their attention."""
        _, _, layer3, layer4 = (after for _, after in self.layers(image))
        return layer3, layer4

    def attention_maps(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 1, 4, H/4, W/4), the means over the channels of the four maps.

        Those behind layer2 ... layer4 are stretched to the size of the first.

        Raises:
            InputError: A is off.
        """
        if not self.attention:
            raise InputError("no attention maps: this MSReID has attention=False")
        maps = []
        for attention, (before, _) in zip(self.attention, self.layers(image), strict=True):
            m = cast(SoftAttention, attention).map(before)
            maps.append(at_least_float32(m).mean(dim=1, keepdim=True))
        size = maps[0].shape[2:]
        grown = [functional.interpolate(m, size, mode="bilinear") for m in maps]
        return torch.stack(grown, 2)

    def mask(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) -> the global mask (B, 1, H/16, W/16); the local one is 1 - mask.

        Raises:
            InputError: M is off.
        """
        if self.masking is None:
            raise InputError("no mask: this MSReID has mask=False")
        mask: Tensor = self.masking(self.maps(image)[1])
        return mask

    def features(self, image: Tensor) -> Features:
        """(B, 3, H, W) -> the mask and both features, on both sides of their necks."""
        layer3, layer4 = self.maps(image)
        mask = None if self.masking is None else self.masking(layer4)
        f = {"global": self._feature("global", layer4, mask)}
        if "local" in self.reduce:
            f["local"] = self._feature("local", layer3, None if mask is None else 1 - mask)
        return Features(mask, f, {branch: self.necks[branch](f[branch]) for branch in f})

    def _feature(self, branch: str, x: Tensor, mask: Tensor | None) -> Tensor:
        reduce = self.reduce[branch]
        if mask is None:
            return pooled(reduce(x))
        return pooled(reduce(x * mask) if self.mask_before_reduction else reduce(x) * mask)

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) -> [f_global, f_local] (B, 3072), the embedding; without L (B, 1536)."""
        found = self.features(image)
        if self.feature == "after":
            return descriptor(list(found.after_neck.values()), unit=True)
        return descriptor(list(found.f.values()), unit=False)


class Criterion(nn.Module):
    """What only training needs: for each feature a classifier and the centers c."""

    def __init__(
        self, identities: int, width: int, branches: Sequence[str], recipe: Recipe
    ) -> None:
        super().__init__()
        tables = ("shared",) if recipe.shared_centers else tuple(branches)
        self.classifiers = nn.ModuleDict(
            {branch: identity_classifier(width, identities) for branch in branches}
        )
        self.centers = nn.ModuleDict(
            {
                table: CenterLoss(identities, width, recipe.center_weight, recipe.reduction)
                for table in tables
            }
        )

    def center(self, branch: str) -> nn.Module:
        """The center loss of a branch."""
        return self.centers["shared" if "shared" in self.centers else branch]

    def identity_logits(self, features: Features) -> Tensor:
        """(B, identities), the sum over the features, for figures of where the network looks."""
        logits = [classify(features.after_neck[b]) for b, classify in self.classifiers.items()]
        return torch.stack(logits).sum(0)


class MSReIDTurn(Turn):
    """L = L_cls + L_triplet + lambda_c L_center (Eq. 4), for each feature."""

    def __init__(self, recipe: Recipe, network: MSReID, criterion: Criterion) -> None:
        weights = [*network.parameters(), *criterion.classifiers.parameters()]
        adam = optim.Adam(weights, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
        sgd = optim.SGD(criterion.centers.parameters(), lr=recipe.center_rate)
        decay = step_decay(recipe.milestones)
        rate = warm_up(recipe.warm_up, decay, recipe.warm_up_start)
        super().__init__([ScheduledOptimizer(adam, rate), ScheduledOptimizer(sgd, constant)])
        self.network = network
        self.criterion = criterion
        self.recipe = recipe

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """The three weighted terms of each feature."""
        recipe, terms = self.recipe, {}
        found: Features = self.network.features(**batch.inputs)
        labels = gathered(batch.labels)
        for branch, own in found.f.items():
            f = gathered(own)
            logits = self.criterion.classifiers[branch](found.after_neck[branch])
            identity = label_smoothed_cross_entropy(logits, batch.labels, recipe.smoothing)
            terms[f"{branch}_identity"] = identity
            terms[f"{branch}_triplet"] = batch_hard_triplet(
                f, labels, recipe.margin, recipe.reduction
            )
            terms[f"{branch}_center"] = self.criterion.center(branch)(f, labels)
        return terms


def _inputs(recipe: Recipe) -> Inputs:
    return whole_picture(recipe.height, recipe.width, erase=True)


def _criterion(recipe: Recipe, network: nn.Module, identities: int) -> Criterion:
    assert isinstance(network, MSReID)
    return Criterion(identities, network.width, list(network.necks), recipe)


def _stages(recipe: Recipe, network: nn.Module, criterion: nn.Module) -> Sequence[Stage]:
    assert isinstance(network, MSReID)
    assert isinstance(criterion, Criterion)
    augmentation = padded_crop(recipe)
    turn = MSReIDTurn(recipe, network, criterion)
    sampler = IdentityBalanced(recipe.identities, recipe.pictures)
    return [Stage("train", recipe.epochs, [turn], sampler, augmentation, group=recipe.pictures)]


def _descriptor(recipe: Recipe) -> Descriptor:
    which = "[f_global, f_local]" if recipe.local else "f_global"
    unit = ", each L2-normalised" if recipe.feature == "after" else ""
    return Descriptor("euclidean", f"{which} {recipe.feature} the BNNeck{unit}")


METHOD = Method(
    name="msreid",
    title="Kim, Kim: Mask Separated Feature Learning for Person Re-Identification",
    recipe=Recipe,
    inputs=_inputs,
    network=MSReID,
    criterion=_criterion,
    stages=_stages,
    descriptor=_descriptor,
)
