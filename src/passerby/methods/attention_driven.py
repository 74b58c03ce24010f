"""ADN: attention within five views of the body, and between them.

Yang, Yan, Lu, Jia, Xie, Gao: Attention Driven Person Re-identification, Pattern Recognition 2019
(their section, equation and table numbers below; "Figure" likewise).

Joints give an aligned whole body and four parts: head, upper body, upper and lower leg. Each has a
slim residual network of its own behind a common first layer, whose blocks 2-4 weight their features
by an attention that is a spatial map times a weight for each channel (intra-attention). The parts'
features are weighted by how much each is worth (inter-attention) and stand beside the whole body's.

Differs from the paper: by default ImageNet's mean is subtracted, as a data set's own is known only
after reading it; bytes are not divided (options `mean`, `centre`).

Not stated in the paper, settled here (and the numbers that the recipe marks so):
* S and C are normalised by BatchNorm (3.3): else they grow until half of the channels stand at 0
  and half at 1 everywhere; option `attention_norm`;
* attention maps start near 1/2 (3.3);
* widths inside the attention: a quarter of the block's, as in the base network's units; option
  `attention_middle`;
* S and C are 1x1 convolutions, up-sampling takes the nearest neighbour (3.3); option `upsampling`;
* the encoder map that is added at each size is the residual unit's, before its pooling (3.3);
* no activation after the FC that reduces, and a BatchNorm of its own for each view behind the
  shared conv1 [T1];
* "the same weight" of E_g and E_l (3.4): each becomes a unit vector in the embedding, not in
  training;
* without a fused loss (concatenation) the branches' losses count fully, not lambda times (3.5).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn, optim
from torch.nn import functional

from passerby.cues.parts import REGION_NAMES, Outside
from passerby.data.samplers import Shuffled
from passerby.losses.identity import label_smoothed_cross_entropy
from passerby.losses.precision import at_least_float32
from passerby.method import Descriptor, Method, ScheduledOptimizer, Stage, Turn
from passerby.methods.attention_branches import Branch, Maps, convolution, side_by_side
from passerby.methods.regions import five_views
from passerby.methods.schedules import step_decay
from passerby.methods.weights import initialise_network
from passerby.types import Augmentation, Batch, InputError

PARTS = REGION_NAMES[1:]


@dataclass(frozen=True)
class Recipe:
    """The paper's numbers; a section number is its section, `[T1]` its Table 1.

    Table 6: Baseline = regions strips, attention none, fusion concatenation; Aligned = attention
    none, fusion concatenation; Intra = fusion concatenation; Inter = attention none.
    """

    BEFORE: ClassVar[Mapping[str, Any]] = {"attention_norm": False}
    """What it was in runs that do not say."""

    regions: Literal["joints", "strips"] = "joints"
    """Parts by the joints, or horizontal strips of the picture whatever the joints are [T6]."""
    beta: float = 5 / 48
    """Overlap of neighbouring regions as a share of H (about 1/10 in 3.2; 3/48 is best [T11])."""
    confidence: float = 0.1
    """Joints below it are estimated by a canonical pose (not stated)."""
    outside: Outside = "pad"
    """Regions that leave the picture: padded with the mean colour, or clipped (not stated)."""
    height: int = 384
    """Height of the whole body in pixels (4.1)."""
    width: int = 192
    """Width of the whole body in pixels (4.1)."""
    part_height: int = 96
    """Height of a part in pixels (4.1)."""
    part_width: int = 192
    """Width of a part in pixels (4.1)."""
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    """Subtracted from each channel, on the scale 0-1 (4.1; here ImageNet's)."""
    centre: Literal["data", "picture"] = "data"
    """Subtract `mean`, or each input's own means."""
    channels: int = 32
    """Of conv1; all other channels go with it [T1]."""
    part_pool_stride: tuple[int, int] = (1, 2)
    """Vertical and horizontal stride of the parts' max pool ("S-1x2" [T1])."""
    attention: Literal["decomposed", "plain", "none"] = "decomposed"
    """Intra-attention: decomposed (3.3), plain (without decomposition [T8]) or none [T6]."""
    attention_middle: tuple[int, int, int] = (32, 64, 128)
    """Channels inside the attention's units of B2, B3, B4 (not stated: a quarter of the block's;
    with [T1]'s stride the numbers of [T12] come out)."""
    attention_norm: bool = True
    """BatchNorm on S and on C (not stated; without it the maps saturate)."""
    upsampling: Literal["nearest", "bilinear"] = "nearest"
    """Of the attention's decoder (not stated)."""
    global_features: int = 256
    """Width of E_g [T1]."""
    part_features: int = 128
    """Width of each E_i [T1]."""
    fusion: Literal["inter", "fc", "concatenation"] = "inter"
    """inter (3.4), fc, or concatenation at test time alone [T9]."""
    weigh_global: bool = False
    """A learned weight for E_g too (3.4)."""
    intra_weight: float = 0.5
    """Lambda: weight of the branches' losses beside the fused one (Eq. 11) [T10]."""
    feature: Literal["all", "whole", "parts", "head", "upper_body", "upper_leg", "lower_leg"] = (
        "all"
    )
    """What is embedded [T7]: all, whole, parts, or one part; the weights are the same."""
    weights: str = "none"
    """Starting weights: none, or the model.safetensors of a pre-training run."""
    pretrain: bool = False
    """Pre-training on pictures of anything (4.1): strips, and the next two settings."""
    pretrain_epochs: int = 9
    """Epochs of the pre-training (4.1)."""
    pretrain_milestones: tuple[int, ...] = (3, 6)
    """Epochs of the pre-training after which the learning rate falls to a tenth (4.1)."""
    epochs: int = 100
    """Training epochs (4.1)."""
    milestones: tuple[int, ...] = (40, 80)
    """Epochs after which the learning rate falls to a tenth (4.1)."""
    learning_rate: float = 0.01
    """SGD's (4.1)."""
    momentum: float = 0.9
    """SGD's (not stated)."""
    weight_decay: float = 5e-4
    """SGD's (not stated)."""
    batch: int = 32
    """Pictures in a batch (4.1)."""
    dropout: float = 0.5
    """Before each classifier (4.1)."""
    flip: float = 0.0
    """Probability of a left-right flip (not stated: none)."""

    def __post_init__(self) -> None:
        if not (self.beta >= 0 and self.intra_weight >= 0):
            raise InputError(
                f"beta and intra_weight must be at least 0; given {self.beta}, {self.intra_weight}"
            )
        shares = (self.confidence, *self.mean)
        if not (min(shares) >= 0 and max(shares) <= 1 and 0 <= self.dropout < 1):
            raise InputError(
                "confidence and mean must be from 0 to 1, dropout at least 0 and below 1; given "
                f"{self.confidence}, {self.mean}, {self.dropout}"
            )
        sizes = (self.height, self.width, self.part_height, self.part_width)
        widths = (self.global_features, self.part_features, *self.attention_middle)
        if min(*sizes, *widths) < 1:
            raise InputError(
                f"heights, widths and numbers of features must be at least 1; given {sizes}, "
                f"{widths}"
            )

    @classmethod
    def for_data(cls, name: str) -> Recipe:
        """The best lambda and beta of Tables 10 and 11 for the paper's data sets."""
        best = {"market1501": 0.1, "dukemtmc": 0.1, "cuhk03": 0.2}
        return cls(beta=3 / 48, intra_weight=best[name]) if name in best else cls()

    @classmethod
    def small(cls) -> Recipe:
        """For a CPU: half the size, a quarter of the channels, 12 epochs, flips."""
        return cls(
            height=192,
            width=96,
            part_height=48,
            part_width=96,
            channels=8,
            epochs=12,
            milestones=(8, 11),
            learning_rate=0.02,
            flip=0.5,
        )


# 3.1 and 3.3, base network and intra-attention: `attention_branches`. 3.2, regions: `regions`.
# 3.4. Inter-attention.


def inter_attention(e: Sequence[Tensor], mu: Tensor) -> Tensor:
    """Eq. 9, E_l = [(mu_i + 1) E_i]: features (B, D) each and mu (B, n) -> (B, n D)."""
    return torch.cat([(1 + mu[:, i : i + 1]) * feature for i, feature in enumerate(e)], 1)


def _unit(feature: Tensor) -> Tensor:
    return functional.normalize(at_least_float32(feature))


def _linear(width: int, features: int) -> nn.Linear:
    layer = nn.Linear(width, features)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


@dataclass(frozen=True)
class Features:
    """What the network computes."""

    e_g: Tensor
    """(B, 256), E_g of the whole body."""
    e: tuple[Tensor, ...]
    """E_1 ... E_4 of the parts, (B, 128) each."""
    mu: Tensor | None
    """(B, 4), the weights of the parts (Eq. 8); None: no inter-attention."""
    mu_g: Tensor | None
    """(B, 1), a learned weight of E_g; None: it has none (the paper's choice)."""
    e_l: Tensor
    """(B, 512), the fused part feature (Eq. 9)."""
    fused: Tensor
    """(B, 768), what the fused loss sees: [E_g, E_l], or an FC of it."""
    maps: tuple[Maps, Maps]
    """m_2, m_3, m_4 of the whole body, each (B, c, h, w), and of the parts, (B, 4 c, h, w) with one
    part's channels after the other's; empty without intra-attention."""


class AttentionDrivenNetwork(nn.Module):
    """Five branches behind one conv1, and their fusion (Figure 3)."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        channels, stride = recipe.channels, recipe.part_pool_stride
        if min(stride) < 1 or max(stride) > 2:
            raise InputError(f"part_pool_stride must be 1 or 2 each way; given {stride}")
        if channels < 2 or channels % 2:
            raise InputError(f"channels must be even and at least 2; given {channels}")
        if recipe.weigh_global and recipe.fusion != "inter":
            raise InputError(f"weigh_global needs fusion inter; given {recipe.fusion}")
        self.fusion, self.centre, self.feature = recipe.fusion, recipe.centre, recipe.feature
        self.conv1 = convolution(3, channels, 3, 2, bias=False)
        e_g, e_i = recipe.global_features, recipe.part_features
        self.whole = Branch(recipe, channels, 2, e_g)
        self.parts = side_by_side([Branch(recipe, channels // 2, stride, e_i) for _ in PARTS])
        self.global_features, self.part_features = e_g, e_i
        self.fused_features = e_g + 4 * e_i
        if self.fusion == "inter":
            self.weights = nn.ModuleDict({name: _linear(e_i, 1) for name in PARTS})
        self.global_weight = _linear(e_g, 1) if recipe.weigh_global else None
        if self.fusion == "fc":
            self.fc = _linear(self.fused_features, self.fused_features)
        may_lack = ("weights.", "fc.", "global_weight.")
        initialise_network(self, recipe.weights, may_lack)

    def _first(self, *views: Tensor) -> Tensor:
        """What all views share: conv1, its maps (B, c, H/2, W/2) one view's after the other's."""
        if self.centre == "picture":
            views = tuple(view - view.mean(dim=(2, 3), keepdim=True) for view in views)
        return torch.cat([self.conv1(view) for view in views], 1)

    def features(
        self,
        whole: Tensor,
        head: Tensor,
        upper_body: Tensor,
        upper_leg: Tensor,
        lower_leg: Tensor,
    ) -> Features:
        """(B, 3, 384, 192) and four of (B, 3, 96, 192) -> everything from E_g to the fused one."""
        e_g, global_maps = self.whole(self._first(whole))
        side, part_maps = self.parts(self._first(head, upper_body, upper_leg, lower_leg))
        e = side.chunk(len(PARTS), 1)
        mu = mu_g = None
        e_l = torch.cat(e, 1)
        weighted = e_g
        if self.fusion == "inter":
            each = [self.weights[n](f) for n, f in zip(PARTS, e, strict=True)]
            mu = torch.sigmoid(torch.cat(each, 1))
            e_l = inter_attention(e, mu)
        if self.global_weight is not None:
            mu_g = torch.sigmoid(self.global_weight(e_g))
            weighted = inter_attention([e_g], mu_g)
        fused = torch.cat([weighted, e_l], 1)
        if self.fusion == "fc":
            fused = self.fc(fused)
        return Features(e_g, e, mu, mu_g, e_l, fused, (global_maps, part_maps))

    def forward(
        self,
        whole: Tensor,
        head: Tensor,
        upper_body: Tensor,
        upper_leg: Tensor,
        lower_leg: Tensor,
    ) -> Tensor:
        """The five inputs -> (B, 768), the embedding; narrower where it is a part of it.

        Unit vectors side by side: [E_g / |E_g|, E_l / |E_l|]; the first times 1 + its weight where
        that is learned; one unit vector where an FC fuses, and for a part of it.
        """
        if self.feature == "whole":
            return _unit(self.whole(self._first(whole))[0])
        if self.feature in PARTS:
            side, _ = self.parts(self._first(head, upper_body, upper_leg, lower_leg))
            return _unit(side.chunk(len(PARTS), 1)[PARTS.index(self.feature)])
        f = self.features(whole, head, upper_body, upper_leg, lower_leg)
        if self.feature == "parts":
            return _unit(f.e_l)
        if self.fusion == "fc":
            return _unit(f.fused)
        e_g = _unit(f.e_g)
        if f.mu_g is not None:
            e_g = e_g * (1 + at_least_float32(f.mu_g))
        return torch.cat([e_g, _unit(f.e_l)], 1)

    def attention_maps(self, **pictures: Tensor) -> Tensor:
        """The five inputs -> (B, 2, 3, h, w), the means over the channels of m_2, m_3, m_4.

        First those of the whole body, then those of the parts one below the other (Figure 7), all
        stretched to the size of the parts' m_2.

        Raises:
            InputError: the network has no intra-attention.
        """
        whole, parts = self.features(**pictures).maps
        if not whole:
            raise InputError("no attention maps: this network has no intra-attention")
        height, width = parts[0].shape[2:]
        rows = []
        for maps, groups in ((whole, 1), (parts, 4)):
            stretched = []
            for m in maps:
                means = at_least_float32(m).reshape(len(m), groups, -1, *m.shape[2:]).mean(dim=2)
                size = (4 * height // groups, width)
                grown = functional.interpolate(means, size, mode="bilinear")
                stretched.append(grown.flatten(1, 2))
            rows.append(torch.stack(stretched, 1))
        return torch.stack(rows, 1)


# 3.5. Losses.


class Criterion(nn.Module):
    """What only training needs: a classifier for each branch and for the fused feature."""

    def __init__(self, identities: int, network: AttentionDrivenNetwork, dropout: float) -> None:
        super().__init__()
        widths = {"whole": network.global_features}
        widths |= dict.fromkeys(PARTS, network.part_features)
        if network.fusion != "concatenation":
            widths["fused"] = network.fused_features
        self.classifiers = nn.ModuleDict(
            {
                name: nn.Sequential(nn.Dropout(dropout), _linear(width, identities))
                for name, width in widths.items()
            }
        )

    def logits(self, features: Features) -> dict[str, Tensor]:
        """By classifier, (B, identities)."""
        seen = dict(zip(REGION_NAMES, (features.e_g, *features.e), strict=True))
        seen["fused"] = features.fused
        return {name: classifier(seen[name]) for name, classifier in self.classifiers.items()}

    def identity_logits(self, features: Features) -> Tensor:
        """(B, identities), the sum over the classifiers, for figures of where the network looks."""
        return torch.stack(list(self.logits(features).values())).sum(0)


class AttentionDrivenTurn(Turn):
    """L = lambda sum_j l_intra + l_inter (Eq. 11)."""

    def __init__(
        self, recipe: Recipe, network: AttentionDrivenNetwork, criterion: Criterion
    ) -> None:
        sgd = optim.SGD(
            [*network.parameters(), *criterion.parameters()],
            lr=recipe.learning_rate,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
        )
        milestones = recipe.pretrain_milestones if recipe.pretrain else recipe.milestones
        super().__init__([ScheduledOptimizer(sgd, step_decay(milestones))])
        self.network = network
        self.criterion = criterion
        self.intra_weight = 1.0 if network.fusion == "concatenation" else recipe.intra_weight

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """The weighted terms: one for each branch, and `fused` where there is fusion."""
        f: Features = self.network.features(**batch.inputs)
        terms = {}
        for name, logits in self.criterion.logits(f).items():
            weight = 1.0 if name == "fused" else self.intra_weight
            loss = label_smoothed_cross_entropy(logits, batch.labels, 0.0)
            terms[name] = weight * loss
        return terms


def _criterion(recipe: Recipe, network: nn.Module, identities: int) -> Criterion:
    assert isinstance(network, AttentionDrivenNetwork)
    return Criterion(identities, network, recipe.dropout)


def _stages(recipe: Recipe, network: nn.Module, criterion: nn.Module) -> Sequence[Stage]:
    assert isinstance(network, AttentionDrivenNetwork)
    assert isinstance(criterion, Criterion)
    epochs = recipe.pretrain_epochs if recipe.pretrain else recipe.epochs
    turn = AttentionDrivenTurn(recipe, network, criterion)
    augmentation = Augmentation(flip=recipe.flip)
    return [Stage("train", epochs, [turn], Shuffled(recipe.batch), augmentation)]


def _descriptor(recipe: Recipe) -> Descriptor:
    words = {
        "inter": "[E_g/|E_g|, E_l/|E_l|], inter-attention",
        "fc": "FC of [E_g, E_1 ... E_4], unit length",
        "concatenation": "[E_g/|E_g|, E_l/|E_l|], E_l = [E_1 ... E_4]",
    }
    name = words[recipe.fusion] if recipe.feature == "all" else f"{recipe.feature} alone"
    regions = "strips" if recipe.pretrain else recipe.regions
    return Descriptor("euclidean", f"{name}; regions by {regions}, attention {recipe.attention}")


METHOD = Method(
    name="attention_driven",
    title="Yang et al. 2019: Attention Driven Person Re-identification",
    recipe=Recipe,
    inputs=five_views,
    network=AttentionDrivenNetwork,
    criterion=_criterion,
    stages=_stages,
    descriptor=_descriptor,
)
