"""FMN: global features say where the local ones are worth looking at.

Ding, Khan, Tang, Porikli: Let Features Decide for Themselves: Feature Mask Network for Person
Re-identification, arXiv 2017 (their section, equation and table numbers below).

A ResNet-50 that knows the training people (global representation network, GRN) gives one pooled
feature. From it a linear layer (mixing network, MN) paints a mask over the map that the same
network had near its beginning, and a second set of the remaining layers (locally attentive
network, LAN) learns from the masked map, told to be surer of each person than the GRN is. The
descriptor is both networks' features side by side.

Differs from the paper: the descriptors are the pooled features, of Table 1's 2048 dimensions, where
3.2 and 3.4 say the last FC layer (option `fc_width`); GRN's and LAN's trunks learn at a tenth of
the rate, 0.01 where 4.2 says 0.1, as the common baseline of that time does (option
`backbone_rate`); m' is bounded, for exp of an unbounded ReLU overflows (options `mask_limit`,
`mask_bound`).

Not stated in the paper, settled here (and the numbers that the recipe marks so):
* the mixing network learns at a tenth of the rate: at the full one its mask runs into the bound in
  a few places; option `mask_rate`;
* losses are batch means, weighted 1:1; option `rank_weight`;
* a test picture is resized whole to the input's size;
* GRN and LAN alone are compared by unit vectors (Eq. 6 with alpha 1 and 0); option `feature`;
* p_G is taken without dropout (GRN is frozen, so in eval mode), p_L with it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn, optim
from torch.nn import functional

from passerby.data.samplers import Shuffled
from passerby.losses.identity import label_smoothed_cross_entropy
from passerby.losses.precision import at_least_float32, without_autocast
from passerby.losses.rank import rank_loss
from passerby.method import Descriptor, Inputs, Method, ScheduledOptimizer, Stage, Turn
from passerby.methods.inputs import whole_picture
from passerby.methods.schedules import step_decay
from passerby.methods.trunks.resnet import ResNet
from passerby.methods.weights import initialise_trunk
from passerby.types import Augmentation, Batch, InputError

LAYERS = ("layer1", "layer2", "layer3", "layer4")

TAPS = {"pool1": 0, "res2": 1, "res3": 2, "res4": 3}
"""Taps of Table 5: how many of the trunk's layers lie before the masked map; LAN has the rest."""

BoundName = Literal["tanh", "clamp"]


@dataclass(frozen=True)
class StageRecipe:
    """The numbers of one stage (section 4.2)."""

    epochs: int = 60
    """Training epochs ("until the network converges"; how many is not stated)."""
    learning_rate: float = 0.1
    """SGD's (4.2), of what starts at random."""
    milestones: tuple[int, ...] = (20,)
    """Epochs after which the learning rate falls to a tenth (4.2)."""


@dataclass(frozen=True)
class Recipe:
    """The paper's numbers; a section number is its section, `[T5]` its Table 5."""

    BEFORE: ClassVar[Mapping[str, Any]] = {"mask_rate": 1.0, "mask_bound": "clamp"}
    """What it was in runs that do not say."""

    trunk: str = "resnet50"
    """Trunk (4.2); resnet18, resnet34, resnet50, resnet101 or thin18."""
    weights: str = "imagenet"
    """Starting weights of GRN and LAN (4.2): none, imagenet or a file."""
    tap: Literal["pool1", "res2", "res3", "res4"] = "pool1"
    """Which map of GRN is masked [T5]."""
    fc_width: int | None = None
    """Width of a last layer after each pooling; None: the pooled features, 2048 [T1]."""
    mask: Literal["own", "exchanged", "none"] = "own"
    """Each picture's own mask (3.2), or a control: that of another picture of the batch, half a
    batch on, or none at all."""
    mask_limit: float = 5.0
    """Greatest m' (not stated)."""
    mask_bound: BoundName = "tanh"
    """How it is kept (not stated): limit tanh(m' / limit), or m' cut off there."""
    height: int = 224
    """Height of the input in pixels (not stated; mask sizes of [T5])."""
    width: int = 224
    """Width of the input in pixels (likewise)."""
    resize: tuple[int, int] = (256, 256)
    """Height, width that training crops from (not stated)."""
    flip: float = 0.5
    """Probability of a left-right flip (4.2)."""
    batch: int = 64
    """Pictures in a batch (not stated)."""
    stages: tuple[StageRecipe, StageRecipe] = (StageRecipe(), StageRecipe(milestones=(35,)))
    """Of GRN alone, and of MN and LAN with GRN frozen (4.2)."""
    backbone_rate: float = 0.1
    """Learning rate of layers with starting weights, as a share of the others' (not stated; 4.2
    names one rate)."""
    mask_rate: float = 0.1
    """Learning rate of the mixing network, as a share of the stage's (not stated)."""
    momentum: float = 0.9
    """SGD's (4.2)."""
    weight_decay: float = 5e-4
    """SGD's (not stated)."""
    dropout: float = 0.5
    """Share of a feature that its classifier does not see (not stated)."""
    margin: float = 0.05
    """Of the rank loss (not stated)."""
    rank_weight: float = 1.0
    """Weight of the rank loss beside the cross entropy (not stated); 0 leaves it out."""
    feature: Literal["fmn", "grn", "lan"] = "fmn"
    """What is embedded [T1]: fmn, grn or lan; the weights are the same."""
    alpha: float = 0.5
    """Weight of GRN's half of the descriptor (3.4)."""

    @classmethod
    def for_data(cls, name: str) -> Recipe:
        """The paper uses the same numbers for every data set."""
        return cls()

    @classmethod
    def small(cls) -> Recipe:
        """For a CPU: a thin trunk from random weights, small pictures, 15 epochs a stage."""
        return cls(
            trunk="thin18",
            weights="none",
            height=128,
            width=64,
            resize=(144, 72),
            stages=(StageRecipe(15, 0.1, (11,)), StageRecipe(15, 0.1, (11,))),
            backbone_rate=1.0,
        )


def mask_size(height: int, width: int, tap: str) -> tuple[int, int]:
    """Height and width of the map at a tap for pictures of height x width (Table 5).

    >>> [mask_size(224, 224, tap) for tap in TAPS]
    [(56, 56), (56, 56), (28, 28), (14, 14)]
    """
    for _ in range(2 + max(TAPS[tap] - 1, 0)):
        height, width = (height + 1) // 2, (width + 1) // 2
    return height, width


def bounded(transitional: Tensor, limit: float, bound: BoundName) -> Tensor:
    """Values of m' from 0 to `limit`: limit tanh(m' / limit), or m' cut off there.

    Both leave small values nearly as they are. Above the limit tanh still has a gradient.
    """
    if bound == "clamp":
        return transitional.clamp(max=limit)
    return limit * torch.tanh(transitional / limit)


def transitional_mask(g: Tensor, weight: Tensor) -> Tensor:
    """Eq. 1, m' = ReLU(W^T g): features (B, D) and W^T (h w, D) -> (B, h w)."""
    return functional.relu(functional.linear(g, weight))


def feature_mask(transitional: Tensor, height: int, width: int) -> Tensor:
    """Eq. 2, m_ij = exp(m'_k) with j = floor(k / h), i = k - h j, all from 0: column by column.

    Args:
        transitional: m', (B, h w).
        height: h.
        width: w.

    Returns:
        (B, 1, h, w), 1 or more.
    """
    return torch.exp(transitional).view(-1, width, height).transpose(1, 2).unsqueeze(1)


def descriptor(g: Tensor, local: Tensor, alpha: float = 0.5) -> Tensor:
    """Eq. 6, [alpha g / |g|, (1 - alpha) l / |l|]: (B, D) and (B, E) -> (B, D + E)."""
    halves = (alpha * _unit(g), (1 - alpha) * _unit(local))
    return torch.cat(halves, 1)


def _unit(feature: Tensor) -> Tensor:
    return functional.normalize(at_least_float32(feature))


class GlobalNetwork(nn.Module):
    """GRN: the trunk, average pooling, and a last layer where one is wanted (section 3.1)."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.trunk = ResNet(recipe.trunk)
        initialise_trunk(self.trunk, recipe.trunk, recipe.weights)
        self.fc = _last_layer(self.trunk.channels, recipe.fc_width)

    def forward(self, image: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """(B, 3, H, W) -> g (B, D), and the maps before each layer by the name of their tap."""
        taps = self.trunk.taps(image)
        maps = {"pool1": taps.pool1, "res2": taps.layer1, "res3": taps.layer2, "res4": taps.layer3}
        return self.fc(taps.layer4.mean(dim=(2, 3))), maps


class MixingNetwork(nn.Module):
    """MN: a mask from the global feature, laid over every channel of a map (section 3.2).

    Args:
        width: D of the global feature.
        size: height and width of the map.
        limit: greatest m'.
        bound: how it is kept.
    """

    def __init__(self, width: int, size: tuple[int, int], limit: float, bound: BoundName) -> None:
        super().__init__()
        self.size, self.limit, self.bound = size, limit, bound
        self.transform = nn.Linear(width, size[0] * size[1], bias=False)

    def mask(self, g: Tensor) -> Tensor:
        """Eq. 1-2: (B, D) -> m (B, 1, h, w), in float32 also where the rest runs in half."""
        with without_autocast(g.device):
            transitional = transitional_mask(at_least_float32(g), self.transform.weight)
            return feature_mask(bounded(transitional, self.limit, self.bound), *self.size)

    def forward(self, f: Tensor, m: Tensor) -> Tensor:
        """Eq. 3, o_i = f_i * m for every channel: (B, c, h, w), (B, 1, h, w) -> (B, c, h, w).

        Raises:
            InputError: the map has another size, because the pictures have.
        """
        if f.shape[2:] != m.shape[2:]:
            raise InputError(
                f"the mask is {m.shape[2]} x {m.shape[3]} and the map that it weights "
                f"{f.shape[2]} x {f.shape[3]}: pictures must have the size of the recipe"
            )
        return at_least_float32(f) * m


class LocalNetwork(nn.Module):
    """LAN: a second set of the layers behind the tap, average pooling, a last layer as GRN's."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        whole = ResNet(recipe.trunk)
        initialise_trunk(whole, recipe.trunk, recipe.weights)
        remaining = LAYERS[TAPS[recipe.tap] :]
        self.layers = nn.Sequential(OrderedDict((n, getattr(whole, n)) for n in remaining))
        self.fc = _last_layer(whole.channels, recipe.fc_width)

    def forward(self, o: Tensor) -> Tensor:
        """(B, c, h, w) -> l (B, D)."""
        pooled = self.layers(o).mean(dim=(2, 3))
        local: Tensor = self.fc(pooled)
        return local


def _last_layer(channels: int, fc_width: int | None) -> nn.Module:
    return nn.Identity() if fc_width is None else nn.Linear(channels, fc_width)


@dataclass(frozen=True)
class Features:
    """What the network computes of (B, 3, 224, 224) with ResNet-50, masked at pool1."""

    g: Tensor
    """(B, 2048), GRN's feature."""
    f: Tensor
    """(B, 64, 56, 56), GRN's map at the tap."""
    m: Tensor
    """(B, 1, 56, 56), the mask, from 1 to exp(limit) (Eq. 2)."""
    o: Tensor
    """(B, 64, 56, 56), the masked map (Eq. 3)."""
    l: Tensor  # noqa: E741
    """(B, 2048), LAN's feature."""


class FeatureMaskNetwork(nn.Module):
    """GRN, MN and LAN (Figure 2).

    Raises:
        InputError: for an unknown trunk, weights that do not fit, alpha outside 0 to 1, or a limit
            that is not above 0.
    """

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        limit, bound = recipe.mask_limit, recipe.mask_bound
        if not 0 <= recipe.alpha <= 1:
            raise InputError(f"alpha must be from 0 to 1; given {recipe.alpha}")
        if bound == "tanh" and not limit > 0:
            raise InputError(f"mask_limit must be above 0 (no mask: mask none); given {limit}")
        self.tap, self.feature, self.alpha = recipe.tap, recipe.feature, recipe.alpha
        self.masked_by = recipe.mask
        self.grn = GlobalNetwork(recipe)
        self.width = recipe.fc_width or self.grn.trunk.channels
        self.lan = LocalNetwork(recipe)
        self.mixing: MixingNetwork | None = None
        if recipe.mask != "none":
            size = mask_size(recipe.height, recipe.width, recipe.tap)
            self.mixing = MixingNetwork(self.width, size, limit, bound)

    def features(self, image: Tensor) -> Features:
        """(B, 3, H, W) -> everything from g to l."""
        g, maps = self.grn(image)
        f = maps[self.tap]
        if self.mixing is None:
            return Features(g, f, torch.ones_like(f[:, :1]), f, self.lan(f))
        m = self.mixing.mask(g)
        if self.masked_by == "exchanged":
            # Half a batch on: files in order have the same person's pictures side by side.
            m = m.roll(len(m) // 2, 0)
        o = self.mixing(f, m)
        return Features(g, f, m, o, self.lan(o))

    def mask(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) -> m (B, 1, h, w): where LAN is told to look; 1 is as if there were none.

        Raises:
            InputError: there is none.
        """
        if self.mixing is None:
            raise InputError("no mask: this Feature Mask Network has mask=none")
        g, _ = self.grn(image)
        return self.mixing.mask(g)

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 2 D), the embedding; (B, D) where it is one feature alone."""
        if self.feature == "grn":
            return _unit(self.grn(image)[0])
        features = self.features(image)
        if self.feature == "lan":
            return _unit(features.l)
        return descriptor(features.g, features.l, self.alpha)


class Criterion(nn.Module):
    """What only training needs: a classifier for each network, dropout before it.

    Args:
        identities: of the training pictures.
        width: of g and l.
        recipe: its dropout, and the feature whose classifiers figures ask.
    """

    def __init__(self, identities: int, width: int, recipe: Recipe) -> None:
        super().__init__()
        self.feature = recipe.feature
        self.grn = _classifier(width, identities, recipe.dropout)
        self.lan = _classifier(width, identities, recipe.dropout)

    def identity_logits(self, features: Features) -> Tensor:
        """(B, identities), for figures of where the networks look: of both the sum."""
        logits: list[Tensor] = []
        if self.feature != "lan":
            logits.append(self.grn(features.g))
        if self.feature != "grn":
            logits.append(self.lan(features.l))
        return torch.stack(logits).sum(0)


def _classifier(width: int, identities: int, dropout: float) -> nn.Sequential:
    layer = nn.Linear(width, identities)
    nn.init.normal_(layer.weight, std=0.001)
    nn.init.zeros_(layer.bias)
    return nn.Sequential(nn.Dropout(dropout), layer)


class GlobalTurn(Turn):
    """Stage 1: cross entropy of GRN (Eq. 4)."""

    def __init__(self, recipe: Recipe, network: FeatureMaskNetwork, criterion: Criterion) -> None:
        backbone = network.grn.trunk.parameters()
        rest = [*network.grn.fc.parameters(), *criterion.grn.parameters()]
        learned = [(1.0, rest), (recipe.backbone_rate, backbone)]
        super().__init__([_sgd(recipe, recipe.stages[0], learned)])
        self.grn = network.grn
        self.classifier = criterion.grn

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """The one term."""
        g, _ = self.grn(**batch.inputs)
        return {"identity": label_smoothed_cross_entropy(self.classifier(g), batch.labels, 0.0)}


class LocalTurn(Turn):
    """Stage 2: cross entropy of LAN + rank loss (Eq. 4 and 5), GRN as stage 1 left it."""

    def __init__(self, recipe: Recipe, network: FeatureMaskNetwork, criterion: Criterion) -> None:
        learned = [
            (1.0, [*network.lan.fc.parameters(), *criterion.lan.parameters()]),
            (recipe.backbone_rate, network.lan.layers.parameters()),
        ]
        if network.mixing is not None:
            learned.append((recipe.mask_rate, network.mixing.parameters()))
        super().__init__(
            [_sgd(recipe, recipe.stages[1], learned)], frozen=[network.grn, criterion.grn]
        )
        self.network = network
        self.criterion = criterion
        self.margin = recipe.margin
        self.rank_weight = recipe.rank_weight

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """The two weighted terms."""
        features: Features = self.network.features(**batch.inputs)
        reference = self.criterion.grn(features.g)
        logits = self.criterion.lan(features.l)
        rank = rank_loss(reference, logits, batch.labels, self.margin)
        return {
            "identity": label_smoothed_cross_entropy(logits, batch.labels, 0.0),
            "rank": self.rank_weight * rank,
        }


def _sgd(
    recipe: Recipe, stage: StageRecipe, learned: Iterable[tuple[float, Iterable[nn.Parameter]]]
) -> ScheduledOptimizer:
    """SGD of parameters with their shares of the stage's learning rate."""
    rate = stage.learning_rate
    groups = [{"params": list(each), "lr": rate * share} for share, each in learned]
    sgd = optim.SGD(groups, momentum=recipe.momentum, weight_decay=recipe.weight_decay)
    return ScheduledOptimizer(sgd, step_decay(stage.milestones))


def _inputs(recipe: Recipe) -> Inputs:
    return whole_picture(recipe.height, recipe.width)


def _criterion(recipe: Recipe, network: nn.Module, identities: int) -> Criterion:
    assert isinstance(network, FeatureMaskNetwork)
    return Criterion(identities, network.width, recipe)


def _stages(recipe: Recipe, network: nn.Module, criterion: nn.Module) -> Sequence[Stage]:
    assert isinstance(network, FeatureMaskNetwork)
    assert isinstance(criterion, Criterion)
    size = (recipe.height, recipe.width)
    augmentation = Augmentation(resize=recipe.resize, flip=recipe.flip, crop=size)
    sampler = Shuffled(recipe.batch)
    first, second = recipe.stages
    global_turn = GlobalTurn(recipe, network, criterion)
    local_turn = LocalTurn(recipe, network, criterion)
    return [
        Stage("global", first.epochs, [global_turn], sampler, augmentation),
        Stage("local", second.epochs, [local_turn], sampler, augmentation),
    ]


def _descriptor(recipe: Recipe) -> Descriptor:
    masks = {"own": "mask", "exchanged": "another picture's mask", "none": "no mask"}
    masked = f"{masks[recipe.mask]} on {recipe.tap}, m' <= {recipe.mask_limit:g}"
    words = {
        "grn": "GRN: g/|g|",
        "lan": f"LAN: l/|l|, {masked}",
        "fmn": f"FMN: [alpha g/|g|, (1 - alpha) l/|l|], alpha {recipe.alpha:g}, {masked}",
    }
    return Descriptor("euclidean", words[recipe.feature])


METHOD = Method(
    name="feature_mask",
    title="Ding et al. 2017: Let Features Decide for Themselves: Feature Mask Network",
    recipe=Recipe,
    inputs=_inputs,
    network=FeatureMaskNetwork,
    criterion=_criterion,
    stages=_stages,
    descriptor=_descriptor,
)
