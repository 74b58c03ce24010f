"""BagOfTricks: the strong baseline that the papers build on and compare with.

Luo, Gu, Liao, Lai, Jiang: Bag of Tricks and a Strong Baseline for Deep Person Re-identification,
CVPR Workshops 2019 (their section and table numbers below).

A ResNet-50 whose last stride is 1 gives one pooled feature. A BatchNorm "neck" parts the space of
the triplet and center losses (before it) from that of the identity loss (after it), and pictures
are compared after it. Everything else is training: warm-up, random erasing, label smoothing.

Differs from the paper: losses are batch means, and the center loss has no factor 1/2 while its
centers move at their own rate, whatever its weight (both as in the authors' program). The recipe
also takes what later baselines use: another trunk, generalised-mean pooling, the soft margin, a
triplet loss of directions after the neck (before it, hard data pull all features together),
AdamW with a cosine schedule, no center loss, the moving average of the weights, changes of the
camera, and the mean with the mirror image's embedding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor, nn, optim
from torch.nn.functional import normalize

from passerby.data.camera import UNSEEN_CAMERAS
from passerby.data.samplers import IdentityBalanced
from passerby.losses.center import CenterLoss
from passerby.losses.gather import gathered
from passerby.losses.identity import label_smoothed_cross_entropy
from passerby.losses.triplet import batch_hard_triplet
from passerby.method import Descriptor, Inputs, Method, ScheduledOptimizer, Stage, Turn
from passerby.methods.inputs import padded_crop, whole_picture
from passerby.methods.layers import (
    GeneralisedMean,
    bnneck,
    identity_classifier,
    mean_with_mirror,
)
from passerby.methods.schedules import constant, cosine, step_decay, warm_up
from passerby.methods.trunks import make_trunk
from passerby.methods.weights import initialise_trunk
from passerby.types import Batch, CameraChanges


@dataclass(frozen=True)
class Recipe:
    """The paper's numbers; `[T1]` is its Table 1, a section number its section."""

    trunk: str = "resnet50"
    """Trunk: resnet18, resnet34, resnet50, resnet101, thin18 or thin16, each also with _ibn_a or
    _ibn_b; osnet_x0_25, osnet_x0_5, osnet_x0_75 or osnet_x1_0, also as osnet_ibn_... and
    osnet_ain_..."""
    weights: str = "imagenet"
    """The trunk's starting weights: none, imagenet, passerby (the model that comes with it), a run
    or a file."""
    last_stride: int = 1
    """Stride of the trunk's last layer (3.4); OSNet takes 1 alone."""
    pooling: Literal["average", "gem"] = "average"
    """How maps become one feature: their average, or the generalised mean with a learned power."""
    height: int = 256
    """Height of the input in pixels (2)."""
    width: int = 128
    """Width of the input in pixels (2)."""
    flip: float = 0.5
    """Probability of a left-right flip (2)."""
    pad: int = 10
    """Pixels of black border before the random crop (2)."""
    camera: CameraChanges = field(default_factory=CameraChanges)
    """What of another camera a training picture is given (not the paper's)."""
    erase: float = 0.5
    """Probability of random erasing (3.2)."""
    erase_area: tuple[float, float] = (0.02, 0.4)
    """Least and greatest share that is erased (3.2)."""
    erase_ratio: tuple[float, float] = (0.3, 3.33)
    """Least and greatest aspect of what is erased (3.2)."""
    erase_fill: float = 0.0
    """What is written there, after normalisation: 0 is the mean colour (not stated; the authors'
    program writes the mean's own values, 0.4 to 0.5)."""
    identities: int = 16
    """P: identities in a batch (2)."""
    pictures: int = 4
    """K: pictures of each (2)."""
    epochs: int = 120
    """Training epochs (2)."""
    optimizer: Literal["adam", "adamw"] = "adam"
    """Adam (2), or AdamW, whose weight decay does not depend on the gradients."""
    learning_rate: float = 3.5e-4
    """The optimizer's (2)."""
    weight_decay: float = 5e-4
    """The optimizer's (the authors' program)."""
    schedule: Literal["steps", "cosine"] = "steps"
    """How the learning rate falls: at the milestones, or from epoch to epoch as half a cosine."""
    warm_up: int = 10
    """Epochs over which the learning rate rises linearly from a tenth (3.1)."""
    milestones: tuple[int, ...] = (40, 70)
    """Epochs after which the learning rate falls to a tenth (2); not with the cosine."""
    smoothing: float = 0.1
    """Epsilon of the label smoothing (3.3)."""
    margin: float | None = 0.3
    """Of the triplet loss (2); None: the soft margin (Hermans et al. 2017)."""
    triplet_side: Literal["before", "after"] = "before"
    """Side of the neck that the triplet loss looks at (3.5); after it, vectors of length 1."""
    center_weight: float = 5e-4
    """Beta: weight of the center loss (3.6); 0: there is none."""
    center_rate: float = 0.5
    """Learning rate of the centers (the authors' program)."""
    average: float = 0.0
    """Share of the weights' moving average that each step keeps, e.g. 0.999; the run ends with the
    average. 0: with the last step's weights."""
    feature: Literal["after", "before"] = "after"
    """Side of the neck that pictures are compared on (3.5)."""
    mirror: bool = False
    """The embedding is the mean of the picture's and of its mirror image's (not the paper's)."""
    metric: Literal["cosine", "euclidean"] = "cosine"
    """Distance between embeddings (3.5)."""

    @classmethod
    def for_data(cls, name: str) -> Recipe:
        """The paper uses the same numbers for every data set."""
        return cls()

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
            learning_rate=1e-3,
            warm_up=2,
            milestones=(12, 17),
        )

    @classmethod
    def transfer(cls) -> Recipe:
        """For cameras that it has never seen; from random weights, on a CPU."""
        return cls(
            trunk="thin16_ibn_a",
            weights="none",
            pooling="gem",
            height=128,
            width=64,
            pad=0,
            camera=UNSEEN_CAMERAS,
            erase=0.0,
            epochs=24,
            optimizer="adamw",
            learning_rate=1.5e-3,
            weight_decay=0.01,
            schedule="cosine",
            warm_up=1,
            triplet_side="after",
            center_weight=0.0,
            average=0.999,
            mirror=True,
        )


@dataclass(frozen=True)
class Features:
    """What the network computes of (B, 3, H, W); D = 2048 for ResNet-50."""

    f_t: Tensor
    """(B, D), pooled, before the neck: triplet and center loss (section 3.5)."""
    f_i: Tensor
    """(B, D), after the neck: identity loss."""


class BagOfTricks(nn.Module):
    """Trunk, global pooling, BNNeck (section 3)."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.trunk = make_trunk(recipe.trunk, last_stride=recipe.last_stride)
        self.pool = GeneralisedMean() if recipe.pooling == "gem" else None
        self.neck = bnneck(self.trunk.channels)
        self.feature = recipe.feature
        self.mirror = recipe.mirror
        initialise_trunk(self.trunk, recipe.trunk, recipe.weights)

    def features(self, image: Tensor) -> Features:
        """(B, 3, H, W) -> the features on both sides of the neck."""
        maps = self.trunk(image)
        f_t = maps.mean(dim=(2, 3)) if self.pool is None else self.pool(maps)
        return Features(f_t, self.neck(f_t))

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, D), the embedding."""
        return mean_with_mirror(self._embed, image) if self.mirror else self._embed(image)

    def _embed(self, image: Tensor) -> Tensor:
        features = self.features(image)
        return features.f_i if self.feature == "after" else features.f_t


class Criterion(nn.Module):
    """What only training needs: the classifier W and the centers c."""

    def __init__(self, identities: int, width: int, center_weight: float) -> None:
        super().__init__()
        self.classifier = identity_classifier(width, identities)
        self.center = None
        if center_weight > 0:
            self.center = CenterLoss(identities, width, weight=center_weight)

    def identity_logits(self, features: Features) -> Tensor:
        """(B, identities), for figures of where the network looks to tell them apart."""
        logits: Tensor = self.classifier(features.f_i)
        return logits


class BagOfTricksTurn(Turn):
    """L = L_ID + L_Triplet + beta L_C (3.6)."""

    def __init__(self, recipe: Recipe, network: BagOfTricks, criterion: Criterion) -> None:
        weights = [*network.parameters(), *criterion.classifier.parameters()]
        kind = optim.AdamW if recipe.optimizer == "adamw" else optim.Adam
        adam = kind(weights, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
        optimizers = [ScheduledOptimizer(adam, warm_up(recipe.warm_up, _decay(recipe)))]
        if criterion.center is not None:
            sgd = optim.SGD(criterion.center.parameters(), lr=recipe.center_rate)
            optimizers.append(ScheduledOptimizer(sgd, constant))
        super().__init__(optimizers)
        self.network = network
        self.criterion = criterion
        self.smoothing = recipe.smoothing
        self.margin = recipe.margin
        self.triplet_side = recipe.triplet_side

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """The weighted terms."""
        f: Features = self.network.features(**batch.inputs)
        logits = self.criterion.classifier(f.f_i)
        compared = f.f_t if self.triplet_side == "before" else normalize(f.f_i, dim=1)
        terms = {
            "identity": label_smoothed_cross_entropy(logits, batch.labels, self.smoothing),
            "triplet": batch_hard_triplet(gathered(compared), gathered(batch.labels), self.margin),
        }
        if self.criterion.center is not None:
            terms["center"] = self.criterion.center(f.f_t, batch.labels)
        return terms


def _decay(recipe: Recipe) -> Callable[[int], float]:
    return cosine(recipe.epochs) if recipe.schedule == "cosine" else step_decay(recipe.milestones)


def _inputs(recipe: Recipe) -> Inputs:
    return whole_picture(recipe.height, recipe.width, erase=True)


def _criterion(recipe: Recipe, network: nn.Module, identities: int) -> Criterion:
    assert isinstance(network, BagOfTricks)
    return Criterion(identities, network.trunk.channels, recipe.center_weight)


def _stages(recipe: Recipe, network: nn.Module, criterion: nn.Module) -> Sequence[Stage]:
    assert isinstance(network, BagOfTricks)
    assert isinstance(criterion, Criterion)
    turn = BagOfTricksTurn(recipe, network, criterion)
    sampler = IdentityBalanced(recipe.identities, recipe.pictures)
    return [
        Stage(
            "train",
            recipe.epochs,
            [turn],
            sampler,
            padded_crop(recipe),
            average=recipe.average,
            group=recipe.pictures,
        )
    ]


def _descriptor(recipe: Recipe) -> Descriptor:
    mirror = ", mean with the mirror image's" if recipe.mirror else ""
    return Descriptor(recipe.metric, f"{recipe.feature} the BNNeck{mirror}")


METHOD = Method(
    name="bag_of_tricks",
    title="Luo et al. 2019: Bag of Tricks and a Strong Baseline for Person Re-identification",
    recipe=Recipe,
    inputs=_inputs,
    network=BagOfTricks,
    criterion=_criterion,
    stages=_stages,
    descriptor=_descriptor,
)
