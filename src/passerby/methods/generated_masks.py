"""GAM: a network learns what the extractor looks at, and hides it while the extractor trains.

Capozzi, Pinto, Cardoso, Rebelo: Optimizing Person Re-Identification using Generated Attention
Masks, CIARP 2021 (their section and equation numbers below).

A ResNet-50 with a head of 512 features (F) learns by triplets alone. A U-Net (M) then learns a
mask that is small and whole and still lets F see the same person in the masked picture: it lies on
what F looks at. Then both learn in turns: F from pictures and from pictures whose 30 % of greatest
mask values are hidden, so that it finds other evidence too; M from F as it has become.

Differs from the paper: nothing that it states. M is part of the criterion, so not of what is saved
for search.

Not stated in the paper, settled here (and the numbers that the recipe marks so):
* losses are batch means over the triplets that a batch-hard anchor gives (Eq. 1 and 2);
* masked and hidden pixels become 0 after normalisation, the mean colour (2);
* no gradient goes through hiding; each network is frozen in the other's loss, in eval mode, while
  gradients flow through F to the mask;
* hidden pictures pass F with their own batch statistics and leave F's running ones alone; option
  `hidden_statistics`;
* in the third stage F's turn comes first, and both Adams start anew (3.3);
* a test picture is resized whole to the input's size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn, optim
from torch.nn.modules.batchnorm import _BatchNorm

from passerby.data.samplers import IdentityBalanced
from passerby.losses.gather import gathered
from passerby.losses.mask import mask_contiguity, mask_identity, mask_sparsity
from passerby.losses.precision import at_least_float32, without_autocast
from passerby.losses.triplet import batch_hard_triplet
from passerby.method import Descriptor, Inputs, Method, ScheduledOptimizer, Stage, Turn
from passerby.methods.inputs import whole_picture
from passerby.methods.schedules import step_decay
from passerby.methods.trunks.resnet import ResNet
from passerby.methods.weights import initialise_trunk
from passerby.types import Augmentation, Batch, InputError


@dataclass(frozen=True)
class StageRecipe:
    """The numbers of one stage (3.3)."""

    epochs: int
    """Training epochs."""
    milestones: tuple[int, ...] = ()
    """Epochs of the stage after which the learning rates fall to a tenth (the paper names none)."""


@dataclass(frozen=True)
class Recipe:
    """The paper's numbers; a number in brackets is its section."""

    trunk: str = "resnet50"
    """Trunk (2.1); resnet18, resnet34, resnet50, resnet101 or thin18."""
    weights: str = "imagenet"
    """The trunk's starting weights (2.1): none, imagenet or a file."""
    last_stride: int = 2
    """Stride of the trunk's last layer (not stated: the original's)."""
    feature_width: int = 512
    """Width of the embedding (2.1)."""
    filters: tuple[int, ...] = (32, 64, 128, 256, 512)
    """Filters of M at each level of resolution, from the picture's own down (2.1)."""
    height: int = 224
    """Height of the input in pixels (3.2)."""
    width: int = 112
    """Width of the input in pixels (3.2)."""
    resize: tuple[int, int] = (234, 117)
    """Height, width that training crops from (3.2)."""
    flip: float = 0.5
    """Probability of a left-right flip (3.2)."""
    identities: int = 20
    """P: identities in a batch (3.3)."""
    pictures: int = 3
    """K: pictures of each (3.3)."""
    stages: tuple[StageRecipe, StageRecipe, StageRecipe] = (
        StageRecipe(50),
        StageRecipe(25),
        StageRecipe(100),
    )
    """Of F alone, of M alone, and of both in turns (3.3)."""
    extractor_rate: float = 2e-4
    """Learning rate of F's Adam (3.3)."""
    generator_rate: float = 1e-3
    """Learning rate of M's Adam: its default (3.3)."""
    margin: float | None = 0.3
    """m of the triplet loss (not stated); None: the soft margin."""
    hidden_share: float = 0.3
    """Share of a picture's pixels that is hidden (2)."""
    lambda_1: float = 0.90
    """Weight of the triplet loss of whole pictures, beside that of hidden ones (3.3)."""
    lambda_2: float = 0.95
    """Weight of M's identity loss, beside sparsity and contiguity (3.3)."""
    hidden_statistics: bool = False
    """Whether hidden pictures enter the running statistics of F's BatchNorm (not stated)."""

    @classmethod
    def for_data(cls, name: str) -> Recipe:
        """The paper uses the same numbers for every data set."""
        return cls()

    @classmethod
    def small(cls) -> Recipe:
        """For a CPU: thin networks from random weights, small pictures, 12 + 4 + 6 epochs."""
        return cls(
            trunk="thin18",
            weights="none",
            # The paper's U-Net has 19 times the thin trunk's multiply-adds, this one 1.2 times.
            filters=(8, 16, 32, 64, 128),
            height=128,
            width=64,
            resize=(134, 67),
            stages=(StageRecipe(12, (9,)), StageRecipe(4, (3,)), StageRecipe(6, (4,))),
            # The paper's lower rate spares its starting weights; here are none.
            extractor_rate=1e-3,
        )


def hidden_pixels(masks: Tensor, share: float = 0.3) -> Tensor:
    """Which pixels are hidden: the share of each picture where its mask is greatest (section 2).

    Exactly round(share H W) of them; of equal values the first, row by row.

    Args:
        masks: (B, 1, H, W).
        share: from 0 to 1.

    Returns:
        (B, 1, H, W) bool.

    Raises:
        InputError: masks of another shape, or a share outside [0, 1].

    >>> hidden_pixels(torch.tensor([[[[0.9, 0.1], [0.5, 0.5]]]]), 0.5).int().tolist()
    [[[[1, 0], [1, 0]]]]
    """
    if masks.ndim != 4 or masks.shape[1] != 1 or not 0 <= share <= 1:
        raise InputError(
            "hiding needs masks (B, 1, H, W) and a share from 0 to 1: "
            f"given {tuple(masks.shape)} and {share}"
        )
    values = at_least_float32(masks.detach()).flatten(1)
    total = values.shape[1]
    count = round(share * total)
    if count == 0:
        return torch.zeros_like(masks, dtype=torch.bool)
    # The least value that is hidden: quicker to find than an order of all.
    edge = values.kthvalue(total - count + 1, dim=1, keepdim=True).values
    above, level = values > edge, values == edge
    room = count - above.sum(1, keepdim=True, dtype=torch.int32)
    first = level.cumsum(1, dtype=torch.int32) <= room
    return (above | (level & first)).view_as(masks)


def hide(images: Tensor, masks: Tensor, share: float = 0.3) -> Tensor:
    """Pictures (B, C, H, W) with the hidden pixels of their masks (B, 1, H, W) at 0."""
    return images.masked_fill(hidden_pixels(masks, share), 0.0)


def convolution(channels_in: int, channels_out: int) -> nn.Sequential:
    """3x3 convolution, BatchNorm, ReLU: the U-Net's only layer but for sampling and its end."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, 1, 1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )


def two_convolutions(channels_in: int, channels_out: int) -> nn.Sequential:
    """What each side of the U-Net has at a level but for the lowest, where it has one."""
    return nn.Sequential(
        convolution(channels_in, channels_out), convolution(channels_out, channels_out)
    )


class MaskGenerator(nn.Module):
    """M: a U-Net with 9 convolutions on either side (section 2.1), 7.76 M parameters.

    Args:
        filters: at each level of resolution, from the picture's own down.
    """

    def __init__(self, filters: Sequence[int] = (32, 64, 128, 256, 512)) -> None:
        super().__init__()
        *upper, lowest = filters
        down, up = list(pairwise((3, *upper))), list(pairwise(reversed(filters)))
        self.encoder = nn.ModuleList(two_convolutions(a, b) for a, b in down)
        self.pool = nn.MaxPool2d(2)
        self.lowest = nn.Sequential(
            convolution(upper[-1] if upper else 3, lowest), convolution(lowest, lowest)
        )
        self.up = nn.ModuleList(nn.ConvTranspose2d(a, b, 2, 2) for a, b in up)
        self.decoder = nn.ModuleList(two_convolutions(2 * b, b) for _, b in up)
        self.last = nn.Conv2d(filters[0], 1, 1)

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) -> M(a), (B, 1, H, W), 0 to 1; H and W multiples of `least_multiple`."""
        skipped = []
        x = image
        for level in self.encoder:
            x = level(x)
            skipped.append(x)
            x = self.pool(x)
        x = self.lowest(x)
        for rise, level in zip(self.up, self.decoder, strict=True):
            x = level(torch.cat([skipped.pop(), rise(x)], 1))
        # In half precision too many values would be equal, and hidden by their place alone.
        with without_autocast(x.device):
            return torch.sigmoid(self.last(at_least_float32(x)))


def least_multiple(filters: Sequence[int]) -> int:
    """What a U-Net of so many levels divides height and width by on its way down."""
    return int(2 ** (len(filters) - 1))


@contextmanager
def own_statistics(network: nn.Module) -> Iterator[None]:
    """Meanwhile BatchNorm in training mode normalises each batch but remembers nothing of it."""
    norms = [m for m in network.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True


@dataclass(frozen=True)
class Features:
    """What the network computes of (B, 3, H, W); C = 2048 for ResNet-50."""

    pooled: Tensor
    """(B, C), the trunk's pooled map."""
    f: Tensor
    """F(a), (B, 512), the embedding: not negative."""


class FeatureExtractor(nn.Module):
    """F: the trunk, average pooling, 1x1 convolution, BatchNorm, ReLU (section 2.1)."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.trunk = ResNet(recipe.trunk, last_stride=recipe.last_stride)
        self.head = nn.Sequential(
            nn.Conv2d(self.trunk.channels, recipe.feature_width, 1, bias=False),
            nn.BatchNorm2d(recipe.feature_width),
            nn.ReLU(inplace=True),
        )
        initialise_trunk(self.trunk, recipe.trunk, recipe.weights)

    def features(self, image: Tensor) -> Features:
        """(B, 3, H, W) -> the features on both sides of the head."""
        pooled = self.trunk(image).mean(dim=(2, 3), keepdim=True)
        return Features(pooled.flatten(1), self.head(pooled).flatten(1))

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) -> F(a), (B, 512), the embedding."""
        return self.features(image).f


class Criterion(nn.Module):
    """What only training needs: M. It also draws masks and hidden pictures of a finished run.

    Args:
        filters: of M.
        hidden_share: of a picture.
    """

    def __init__(self, filters: Sequence[int], hidden_share: float) -> None:
        super().__init__()
        self.generator = MaskGenerator(filters)
        self.hidden_share = hidden_share

    def mask(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) -> M(a), (B, 1, H, W)."""
        mask: Tensor = self.generator(image)
        return mask

    def hidden_pixels(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) -> which pixels are hidden, (B, 1, H, W) bool."""
        return hidden_pixels(self.mask(image), self.hidden_share)


class ExtractorTurn(Turn):
    """Stage 1: triplet loss of whole pictures (Eq. 1)."""

    def __init__(self, recipe: Recipe, stage: StageRecipe, network: FeatureExtractor) -> None:
        super().__init__([_adam(network, recipe.extractor_rate, stage)])
        self.network = network
        self.margin = recipe.margin

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """The one term."""
        return {"triplet": _triplet(self.network(**batch.inputs), batch, self.margin)}


class JointExtractorTurn(Turn):
    """Stage 3: triplet losses of whole pictures and of hidden ones (Eq. 2), M frozen."""

    def __init__(
        self, recipe: Recipe, stage: StageRecipe, network: FeatureExtractor, criterion: Criterion
    ) -> None:
        adam = _adam(network, recipe.extractor_rate, stage)
        super().__init__([adam], frozen=[criterion.generator], name="extractor")
        self.network = network
        self.criterion = criterion
        self.margin = recipe.margin
        self.lambda_1 = recipe.lambda_1
        self.hidden_share = recipe.hidden_share
        self.hidden_statistics = recipe.hidden_statistics

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """The two weighted terms."""
        image = batch.inputs["image"]
        with torch.no_grad():
            hidden_image = hide(image, self.criterion.generator(image), self.hidden_share)
        whole = _triplet(self.network(image), batch, self.margin)
        if self.hidden_statistics:
            f = self.network(hidden_image)
        else:
            with own_statistics(self.network):
                f = self.network(hidden_image)
        hidden = _triplet(f, batch, self.margin)
        return {
            "triplet": self.lambda_1 * whole,
            "triplet_hidden": (1 - self.lambda_1) * hidden,
        }


class GeneratorTurn(Turn):
    """Stages 2 and 3: identity, sparsity and contiguity of the masks (Eq. 3 to 6), F frozen."""

    def __init__(
        self, recipe: Recipe, stage: StageRecipe, network: FeatureExtractor, criterion: Criterion
    ) -> None:
        adam = _adam(criterion.generator, recipe.generator_rate, stage)
        super().__init__([adam], frozen=[network], name="generator")
        self.network = network
        self.generator = criterion.generator
        self.lambda_2 = recipe.lambda_2

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """The three weighted terms."""
        image = batch.inputs["image"]
        with torch.no_grad():
            f = self.network(image)
        mask = self.generator(image)
        rest = 1 - self.lambda_2
        return {
            "identity": self.lambda_2 * mask_identity(f, self.network(mask * image)),
            "sparsity": rest * mask_sparsity(mask),
            "contiguity": rest * mask_contiguity(mask),
        }


def _triplet(f: Tensor, batch: Batch, margin: float | None) -> Tensor:
    return batch_hard_triplet(gathered(f), gathered(batch.labels), margin)


def _adam(network: nn.Module, rate: float, stage: StageRecipe) -> ScheduledOptimizer:
    adam = optim.Adam(network.parameters(), lr=rate)
    return ScheduledOptimizer(adam, step_decay(stage.milestones))


def _inputs(recipe: Recipe) -> Inputs:
    return whole_picture(recipe.height, recipe.width)


def _criterion(recipe: Recipe, network: nn.Module, identities: int) -> Criterion:
    if not recipe.filters or min(recipe.filters) < 1:
        raise InputError(f"filters must be numbers of at least 1; given {recipe.filters}")
    multiple = least_multiple(recipe.filters)
    if recipe.height % multiple or recipe.width % multiple:
        raise InputError(
            f"a mask generator of {len(recipe.filters)} levels needs height and width that are "
            f"multiples of {multiple}; given {recipe.height} x {recipe.width}"
        )
    for name in ("hidden_share", "lambda_1", "lambda_2"):
        value = getattr(recipe, name)
        if not 0 <= value <= 1:
            raise InputError(f"{name} must be from 0 to 1; given {value}")
    return Criterion(recipe.filters, recipe.hidden_share)


def _stages(recipe: Recipe, network: nn.Module, criterion: nn.Module) -> Sequence[Stage]:
    assert isinstance(network, FeatureExtractor)
    assert isinstance(criterion, Criterion)
    size = (recipe.height, recipe.width)
    augmentation = Augmentation(resize=recipe.resize, flip=recipe.flip, crop=size)
    sampler = IdentityBalanced(recipe.identities, recipe.pictures)
    first, second, third = recipe.stages

    def stage(name: str, numbers: StageRecipe, *turns: Turn) -> Stage:
        return Stage(name, numbers.epochs, turns, sampler, augmentation, group=recipe.pictures)

    return [
        stage("extractor", first, ExtractorTurn(recipe, first, network)),
        stage("generator", second, GeneratorTurn(recipe, second, network, criterion)),
        stage(
            "joint",
            third,
            JointExtractorTurn(recipe, third, network, criterion),
            GeneratorTurn(recipe, third, network, criterion),
        ),
    ]


def _descriptor(recipe: Recipe) -> Descriptor:
    return Descriptor("euclidean", f"F(a), {recipe.feature_width} after BatchNorm and ReLU")


METHOD = Method(
    name="generated_masks",
    title="Capozzi et al. 2021: Optimizing Person Re-Identification using Generated Attention "
    "Masks",
    recipe=Recipe,
    inputs=_inputs,
    network=FeatureExtractor,
    criterion=_criterion,
    stages=_stages,
    descriptor=_descriptor,
)
