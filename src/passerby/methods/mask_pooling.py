"""MPM-LTL: person masks pooled beside the picture, and a triplet loss for each part of the body.

Zheng, Cai, Wang, Deng, Chen, Zhu: A Mask-Pooling Model With Local-Level Triplet Loss for Person
Re-Identification, IEEE Access 2020 (their section, equation and table numbers below).

The person's mask goes through the stem beside the picture, not convolved but pooled: a place is
person where the share of person pixels under it exceeds a threshold. The last map is cut into
parts, each with a feature and a classifier of its own, and a triplet loss compares triplets part
by part. The triplets are mined anew before each epoch, with the masks' help: pairs that show
different parts of a body are left out.

Differs from the paper: losses are means over a batch (Eq. 3 to 5 are sums). ImageNet's weights are
those of a plain ResNet (the paper trained the changed one on ImageNet): see
`methods.stem_weights`. Stage 3 sees as many pictures without a triplet loss as with one.

Not stated in the paper, settled here (and the numbers that the recipe marks so):
* pixels outside the picture do not count in a share (III-C);
* a convolved mask channel's kernel starts as the mean of the colours', and a mask is resized
  bilinearly by two, twice, as conv1 and pool1 do (IV-C);
* BatchNorm and ReLU follow the parts' 1x1 convolutions; option `norm`;
* descriptors have the length that they have; option `unit_length`;
* a random triplet may come from any camera, and batch-hard triplets are those of the whole
  descriptors in batches of P x K (Figure 9);
* a picture without a mask takes no part in Algorithm 1 (III-E), and is all person elsewhere;
* distances are Euclidean in mining, loss and search; option `metric`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn, optim
from torch.nn import functional

from passerby.data.samplers import IdentityBalanced, Passes, Shuffled
from passerby.losses.gather import gathered
from passerby.losses.local_triplet import (
    MetricName,
    global_level_triplet_loss,
    identity_loss,
    local_level_triplet_loss,
)
from passerby.losses.precision import at_least_float32
from passerby.losses.triplet import hardest_pairs
from passerby.method import Descriptor, Method, ScheduledOptimizer, Stage, Turn
from passerby.methods.mask_triplets import TripletSelection, picture_and_mask
from passerby.methods.schedules import step_decay
from passerby.methods.stem_weights import changed_alike, convolve_fourth_channel, make_room
from passerby.methods.trunks.resnet import RESNETS, ResNet
from passerby.methods.weights import initialise_trunk, load_trunk
from passerby.types import Augmentation, Batch, InputError, Sampler

GRIDS = {1: (1, 1), 3: (3, 1), 6: (6, 1), 12: (6, 2), 18: (6, 3)}
"""Parts (Figure 6): how many from top to bottom, and from left to right."""


@dataclass(frozen=True)
class StageRecipe:
    """The numbers of one stage (IV-B.1). A learning rate of 0: that part is left as it is."""

    epochs: int
    """Training epochs."""
    backbone_rate: float
    """Learning rate of the trunk."""
    rest_rate: float
    """Learning rate of the parts' 1x1 convolutions."""
    classifier_rate: float
    """Learning rate of the classifiers."""
    milestones: tuple[int, ...] = ()
    """Epochs after which the rates fall to a tenth."""


@dataclass(frozen=True)
class Recipe:
    """The paper's numbers; a section number is its section, `[T1]` its Table 1."""

    trunk: str = "resnet50"
    """Trunk (III-C); resnet18, resnet34, resnet50, resnet101 or thin18."""
    weights: str = "imagenet"
    """The trunk's starting weights: none, imagenet or a file."""
    mask: Literal["none", "channel", "resized", "pooled"] = "pooled"
    """How the mask goes in [T1]: not at all (1), as a channel that is convolved (2), resized
    bilinearly (3) or by mask pooling (4 to 7)."""
    threshold: float = 0.5
    """Of the mask pooling (IV-B.2): 0.4 for Market-1501, 0.5 for the others."""
    parts: Literal[1, 3, 6, 12, 18] = 6
    """k (IV-B.2, Figure 6): 3, 6, 12 (6 x 2) or 18 (6 x 3); 1 is the undivided map."""
    part_width: int = 256
    """Numbers that describe a part (IV-B.2)."""
    norm: bool = True
    """BatchNorm and ReLU after the parts' 1x1 convolutions (not stated)."""
    unit_length: bool = False
    """Each part's descriptor is brought to length 1 where it is compared: in mining, in the triplet
    loss and in the search (not stated). The classifiers see it as it is."""
    height: int = 384
    """Height of the input in pixels (IV-B.2)."""
    width: int = 128
    """Width of the input in pixels (IV-B.2)."""
    flip: float = 0.5
    """Probability of a left-right flip (not stated)."""
    triplet: Literal["none", "global", "local"] = "local"
    """Triplet loss of stage 3 [T1]: none (1-4), of whole descriptors (5), of each part (6, 7)."""
    selection: Literal["random", "batch_hard", "mask_guided"] = "mask_guided"
    """Its triplets (III-E, Figure 9): random, the hardest in a batch, or by Algorithm 1."""
    margin: float = 0.5
    """Alpha of the triplet loss (IV-B.2)."""
    candidates: int = 10
    """Farthest positives and nearest negatives that Algorithm 1 looks at (III-E)."""
    kept: int = 5
    """How many of each are left by their masks (III-E)."""
    anchors: float = 1.0
    """Share of the training pictures that are anchors in an epoch, drawn anew for each; 1: all, as
    in Algorithm 1. A triplet is three pictures, so an epoch of stage 3 takes 3 x anchors as many as
    one of stage 1; without a triplet loss it takes as many."""
    batch: int = 64
    """Pictures in a batch of stages 1 and 2 (IV-B.1)."""
    triplets: int = 64
    """Triplets in a batch of stage 3 (not stated; each of the three branches then takes 64)."""
    identities: int = 16
    """P: identities in a batch of batch-hard triplets (not stated)."""
    pictures: int = 4
    """K: pictures of each (not stated)."""
    stages: tuple[StageRecipe, StageRecipe, StageRecipe] = (
        StageRecipe(60, 0.01, 0.1, 0.1, (40,)),
        StageRecipe(20, 0.0, 0.0, 0.001),
        StageRecipe(20, 0.001, 0.01, 0.001),
    )
    """Identity loss alone; only the classifiers; everything, with triplets (IV-B.1)."""
    momentum: float = 0.9
    """SGD's (not stated)."""
    weight_decay: float = 5e-4
    """SGD's (not stated)."""
    metric: MetricName = "euclidean"
    """Distance between embeddings (III-E): in mining, in the triplet loss and in the search."""

    def __post_init__(self) -> None:
        if self.triplet != "none" and self.selection == "mask_guided" and self.mask == "none":
            raise InputError(
                "selection mask_guided needs masks: with mask none, choose selection random or "
                "batch_hard, or triplet none"
            )
        if not 0 < self.anchors <= 1:
            raise InputError(f"anchors must be a share above 0 and at most 1; given {self.anchors}")
        if min(self.batch, self.triplets) < 1:
            given = f"{self.batch}, {self.triplets}"
            raise InputError(f"batch and triplets must be at least 1; given {given}")
        if min(self.candidates, self.kept) < 1 or not self.margin >= 0:
            given = f"{self.candidates}, {self.kept}, {self.margin}"
            raise InputError(
                "candidates and kept must be at least 1, the margin must be at least 0; given "
                f"{given}"
            )
        if not 0 <= self.threshold <= 1:
            raise InputError(f"threshold must be from 0 to 1; given {self.threshold}")
        if min(self.height, self.width, self.part_width) < 1:
            given = f"{self.height}, {self.width}, {self.part_width}"
            raise InputError(f"height, width and part_width must be at least 1; given {given}")

    @classmethod
    def for_data(cls, name: str) -> Recipe:
        """The paper's threshold for the data set (IV-B.2, Figure 7)."""
        return cls(threshold=0.4) if name == "market1501" else cls()

    @classmethod
    def small(cls) -> Recipe:
        """For a CPU: a thin trunk from random weights, 192 x 64, 18 epochs.

        A third of the pictures are anchors in an epoch, so that an epoch of stage 3 takes as many
        pictures as one of stage 1.
        """
        return cls(
            trunk="thin18",
            weights="none",
            height=192,
            width=64,
            anchors=1 / 3,
            triplets=21,
            stages=(
                StageRecipe(11, 0.05, 0.1, 0.1, (8,)),
                StageRecipe(2, 0.0, 0.0, 0.01),
                StageRecipe(5, 0.005, 0.01, 0.01),
            ),
        )


def mask_pool(mask: Tensor, kernel: int, stride: int, padding: int, threshold: float) -> Tensor:
    """Mask pooling (III-C, Figure 4): 1 where more than a share `threshold` of a window is person.

    Pixels outside the picture are not counted: where a window reaches over the border, the share
    is that of its pixels inside.

    Args:
        mask: (B, 1, H, W); person where it is greater than 1/2.
        kernel: height and width of the window.
        stride: from window to window.
        padding: how far the first window reaches over the border.
        threshold: 0 to 1; 0 takes any person pixel, 1 takes none (no share exceeds it).

    Returns:
        (B, 1, h, w) float32 of 0 and 1, of the size that a convolution of these numbers gives.
    """
    # Without the channel's axis: of one channel torch cannot tell which memory format it has.
    person = (mask > 0.5).float().squeeze(1)
    # Sums of whole numbers are exact and the one division is correctly rounded, so that a share
    # that equals the threshold does not exceed it.
    sums, counts = (
        functional.avg_pool2d(x, kernel, stride, padding, divisor_override=1)
        for x in (person, torch.ones_like(person[:1]))
    )
    return (sums / counts > threshold).float().unsqueeze(1)


class MaskedTrunk(ResNet):
    """The ResNet with a mask beside its first maps (III-C), or without one.

    Weights in a file are those of a plain trunk, or of one changed alike.

    Raises:
        InputError: for an unknown trunk, or weights that do not fit.
    """

    def __init__(self, recipe: Recipe) -> None:
        name, mask, weights = recipe.trunk, recipe.mask, recipe.weights
        super().__init__(name, last_stride=1)
        if RESNETS[name].ibn == "b":
            raise InputError(f"mask_pooling changes the stem, which {name} normalises otherwise")
        self.mask_as, self.threshold = mask, recipe.threshold
        width = self.conv1.out_channels
        shapes = {"none": (width, 3, 7, 7), "channel": (width, 4, 7, 7)}
        changed = changed_alike(weights, shapes.get(mask, (width - 1, 3, 7, 7)))
        if changed is None:
            initialise_trunk(self, name, weights)
        if mask == "channel":
            convolve_fourth_channel(self)
        elif mask != "none":
            make_room(self)
        if changed is not None:
            load_trunk(self, changed, weights)

    def mask(self, mask: Tensor) -> Tensor:
        """(B, 1, H, W) -> (B, 1, H/4, W/4), the channel that stands beside pool1's."""
        first = self.first_mask(mask)
        if self.mask_as == "pooled":
            return mask_pool(first, 3, 2, 1, self.threshold)
        return _half(first)

    def first_mask(self, mask: Tensor) -> Tensor:
        """(B, 1, H, W) -> (B, 1, H/2, W/2), the channel beside conv1's (Figure 5, line d)."""
        if self.mask_as == "pooled":
            return mask_pool(mask, 7, 2, 3, self.threshold)
        return _half(mask)

    def forward(self, image: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, 3, H, W), (B, 1, H, W) -> T (B, channels, H/16, W/16)."""
        if self.mask_as == "channel":
            assert mask is not None
            image = torch.cat([image, mask], 1)
        x = self.maxpool(self.relu(self.bn1(self.conv1(image))))
        if self.mask_as in ("resized", "pooled"):
            assert mask is not None
            pooled = self.mask(mask).to(x.dtype)
            # With channels last in memory, as x has them; else x would be laid out anew.
            x = torch.cat([x, pooled.squeeze(1).unsqueeze(-1).permute(0, 3, 1, 2)], 1)
        t: Tensor = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return t


def _half(mask: Tensor) -> Tensor:
    size = [(side + 1) // 2 for side in mask.shape[2:]]
    return functional.interpolate(mask, size, mode="bilinear", align_corners=False)


@dataclass(frozen=True)
class Features:
    """What the network computes of (B, 3, 384, 128) with ResNet-50 and six parts (Figure 3)."""

    t: Tensor
    """(B, 2048, 24, 8), the last map."""
    g: Tensor
    """(B, 6, 2048), its mean over each part."""
    h: Tensor
    """(B, 6, 256), the final feature descriptors."""


class MaskPoolingModel(nn.Module):
    """MPM: trunk with mask, parts, a 1x1 convolution for each part (Figure 3).

    Raises:
        InputError: see `MaskedTrunk`.
    """

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.unit_length = recipe.unit_length
        self.trunk = MaskedTrunk(recipe)
        self.grid = GRIDS[recipe.parts]
        self.reduce = nn.ModuleList(
            _reduction(self.trunk.channels, recipe.part_width, recipe.norm)
            for _ in range(recipe.parts)
        )

    def features(self, image: Tensor, mask: Tensor | None = None) -> Features:
        """(B, 3, H, W), (B, 1, H, W) -> T, G and H."""
        t = self.trunk(image, mask)
        g = functional.adaptive_avg_pool2d(t, self.grid).flatten(2)
        h = [part(g[:, :, i, None, None]).flatten(1) for i, part in enumerate(self.reduce)]
        return Features(t, g.transpose(1, 2), torch.stack(h, 1))

    def mask(self, image: Tensor, mask: Tensor | None = None) -> Tensor:
        """The mask as layer1 is given it, (B, 1, H/4, W/4).

        Raises:
            InputError: layer1 is given none.
        """
        return self.trunk.mask(self._given(mask))

    def first_mask(self, image: Tensor, mask: Tensor | None = None) -> Tensor:
        """The mask beside conv1's maps, (B, 1, H/2, W/2).

        Raises:
            InputError: there is none.
        """
        return self.trunk.first_mask(self._given(mask))

    def _given(self, mask: Tensor | None) -> Tensor:
        if mask is None or self.trunk.mask_as == "channel":
            raise InputError(f"mask={self.trunk.mask_as} has no mask beside the features")
        return mask

    def forward(self, image: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, 3, H, W), (B, 1, H, W) -> (B, k width), the embedding: H, part after part."""
        return self.compared(self.features(image, mask).h).flatten(1)

    def compared(self, h: Tensor) -> Tensor:
        """H (B, k, width) as pictures are compared by it: with `unit_length`, of unit vectors."""
        return functional.normalize(at_least_float32(h), dim=-1) if self.unit_length else h


def _reduction(channels: int, width: int, norm: bool) -> nn.Sequential:
    conv = nn.Conv2d(channels, width, 1, bias=not norm)
    return nn.Sequential(conv, *([nn.BatchNorm2d(width), nn.ReLU()] if norm else []))


class Criterion(nn.Module):
    """What only training needs: a classifier for each part (III-A)."""

    def __init__(self, identities: int, parts: int, width: int) -> None:
        super().__init__()
        self.classifiers = nn.ModuleList(_classifier(width, identities) for _ in range(parts))

    def forward(self, h: Tensor) -> list[Tensor]:
        """(B, k, width) -> k times (B, identities)."""
        return [layer(h[:, i]) for i, layer in enumerate(self.classifiers)]

    def identity_logits(self, features: Features) -> Tensor:
        """(B, identities), the sum over the parts, for figures of where the network looks."""
        return torch.stack(self(features.h)).sum(0)


def _classifier(width: int, identities: int) -> nn.Linear:
    layer = nn.Linear(width, identities)
    nn.init.normal_(layer.weight, std=0.001)
    nn.init.zeros_(layer.bias)
    return layer


class IdentityTurn(Turn):
    """Stages 1 and 2: L_id (Eq. 4)."""

    def __init__(
        self, recipe: Recipe, stage: StageRecipe, network: MaskPoolingModel, criterion: Criterion
    ) -> None:
        learned = [
            (network.trunk, stage.backbone_rate),
            (network.reduce, stage.rest_rate),
            (criterion, stage.classifier_rate),
        ]
        frozen = [module for module, rate in learned if rate == 0]
        super().__init__([_sgd(recipe, stage, learned)], frozen)
        self.network = network
        self.criterion = criterion

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """The one term."""
        h = self.network.features(**batch.inputs).h
        return {"identity": identity_loss(self.criterion(h), batch.labels)}


class TripletTurn(IdentityTurn):
    """Stage 3: L = L_id + L_triplet (Eq. 5).

    A batch is anchor, positive, negative, anchor, ..., or P x K pictures where the triplets are the
    batch's hardest.
    """

    def __init__(
        self, recipe: Recipe, stage: StageRecipe, network: MaskPoolingModel, criterion: Criterion
    ) -> None:
        super().__init__(recipe, stage, network, criterion)
        self.loss = (
            local_level_triplet_loss if recipe.triplet == "local" else global_level_triplet_loss
        )
        self.margin = recipe.margin
        self.metric: MetricName = recipe.metric
        self.batch_hard = recipe.selection == "batch_hard"

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """The two terms."""
        h = self.network.features(**batch.inputs).h
        identity = identity_loss(self.criterion(h), batch.labels)
        compared = self.network.compared(h)
        if self.batch_hard:
            compared = gathered(compared)
            whole = compared.flatten(1)
            if self.metric == "cosine":  # of unit vectors, the Euclidean order is the cosine's
                whole = functional.normalize(whole)
            a, p, n = hardest_pairs(whole, gathered(batch.labels))
            triplets = compared[a], compared[p], compared[n]
        else:
            triplets = compared[0::3], compared[1::3], compared[2::3]
        triplet = self.loss(*triplets, self.margin, self.metric)
        return {"identity": identity, "triplet": triplet}


def _sgd(
    recipe: Recipe, stage: StageRecipe, learned: Iterable[tuple[nn.Module, float]]
) -> ScheduledOptimizer:
    groups = [{"params": list(m.parameters()), "lr": rate} for m, rate in learned if rate > 0]
    if not groups:
        raise InputError(f"a stage needs a learning rate above 0; given {stage}")
    sgd = optim.SGD(groups, momentum=recipe.momentum, weight_decay=recipe.weight_decay)
    return ScheduledOptimizer(sgd, step_decay(stage.milestones))


def _criterion(recipe: Recipe, network: nn.Module, identities: int) -> Criterion:
    return Criterion(identities, recipe.parts, recipe.part_width)


def _stages(recipe: Recipe, network: nn.Module, criterion: nn.Module) -> Sequence[Stage]:
    assert isinstance(network, MaskPoolingModel)
    assert isinstance(criterion, Criterion)
    augmentation = Augmentation(resize=(recipe.height, recipe.width), flip=recipe.flip)
    names = ("identity", "classifiers", "triplet" if recipe.triplet != "none" else "fine")
    stages = []
    for name, numbers in zip(names, recipe.stages, strict=True):
        kind = TripletTurn if name == "triplet" else IdentityTurn
        turn = kind(recipe, numbers, network, criterion)
        sampler: Sampler = Shuffled(recipe.batch)
        mined, group = None, 1
        if name == "triplet" and recipe.selection == "batch_hard":
            sampler, group = IdentityBalanced(recipe.identities, recipe.pictures), recipe.pictures
        elif name == "triplet":
            mined, group = TripletSelection(recipe), 3
        if name in ("fine", "triplet"):
            sampler = Passes(sampler, 3 * recipe.anchors)
        stages.append(Stage(name, numbers.epochs, [turn], sampler, augmentation, mined, group))
    return stages


def _descriptor(recipe: Recipe) -> Descriptor:
    words = {
        "none": "no mask",
        "channel": "mask as a convolved channel",
        "resized": "mask resized",
        "pooled": f"mask pooled over {recipe.threshold:g}",
    }
    unit = ", each of length 1" if recipe.unit_length else ""
    return Descriptor(
        recipe.metric, f"H: {recipe.parts} x {recipe.part_width}{unit}, {words[recipe.mask]}"
    )


METHOD = Method(
    name="mask_pooling",
    title="Zheng et al. 2020: A Mask-Pooling Model With Local-Level Triplet Loss",
    recipe=Recipe,
    inputs=picture_and_mask,
    network=MaskPoolingModel,
    criterion=_criterion,
    stages=_stages,
    descriptor=_descriptor,
)
