"""A method outside the package that asks for everything the loop can do.

Two networks in alternating turns (the second one paints a mask that the first must survive), two
optimizers in one turn, batches mined when an epoch starts, the person mask as a second input, and
a frozen part: the first network is frozen in the second one's turn, and its stem in all of them.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn, optim
from torch.nn import functional

from passerby.data.samplers import Shuffled
from passerby.data.transforms import resize
from passerby.method import Descriptor, Inputs, Method, ScheduledOptimizer, Stage, Turn
from passerby.types import Augmentation, InputSpec


@dataclass(frozen=True)
class StageRecipe:
    epochs: int = 2
    rate: float = 0.05


@dataclass(frozen=True)
class Recipe:
    stages: tuple[StageRecipe, StageRecipe] = field(
        default=(StageRecipe(), StageRecipe(epochs=3, rate=0.02))
    )
    batch: int = 8

    @classmethod
    def small(cls):
        return cls()

    @classmethod
    def for_data(cls, name):
        return cls()


class Embedding(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(4, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.ReLU())
        self.body = nn.Sequential(nn.Conv2d(6, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU())
        self.dropout = nn.Dropout(0.2)

    def forward(self, image, mask):
        y = self.body(self.stem(torch.cat([image, mask], 1)))
        return self.dropout(y.mean((2, 3)))


class Criterion(nn.Module):
    def __init__(self, identities):
        super().__init__()
        self.classifier = nn.Linear(8, identities)
        self.centers = nn.Parameter(torch.zeros(identities, 8))
        self.painter = nn.Sequential(nn.Conv2d(3, 1, 3, 1, 1), nn.BatchNorm2d(1), nn.Sigmoid())


class IdentityTurn(Turn):
    def __init__(self, rate, network, criterion):
        learned = [*network.parameters(), *criterion.classifier.parameters()]
        super().__init__(
            [
                ScheduledOptimizer(optim.Adam(learned, lr=rate), lambda epoch: 0.5**epoch),
                ScheduledOptimizer(optim.SGD([criterion.centers], lr=0.5), lambda epoch: 1.0),
            ],
            frozen=[network.stem],
            name="identity",
        )
        self.network, self.criterion = network, criterion

    def forward(self, batch):
        f = self.network(**batch.inputs)
        apart = (f - self.criterion.centers[batch.labels]).square().sum(1).mean()
        logits = self.criterion.classifier(f)
        return {"softmax": functional.cross_entropy(logits, batch.labels), "center": 0.01 * apart}


class PaintTurn(Turn):
    def __init__(self, network, criterion):
        learned = criterion.painter.parameters()
        sgd = optim.SGD(learned, lr=0.1, momentum=0.9)
        super().__init__(
            [ScheduledOptimizer(sgd, lambda epoch: 1.0)], frozen=[network], name="paint"
        )
        self.network, self.criterion = network, criterion

    def forward(self, batch):
        painted = self.criterion.painter(batch.inputs["image"])
        kept = self.network(batch.inputs["image"] * painted, batch.inputs["mask"])
        whole = self.network(**batch.inputs).detach()
        return {"same": functional.mse_loss(kept, whole), "small": 0.05 * painted.mean()}


def mine(start):
    """Pairs every picture with the farthest one of its person, nearest anchors first."""
    embeddings = start.embed()
    assert start.pictures(0).mask is not None
    distances = np.linalg.norm(embeddings[:, None] - embeddings[None], axis=2)
    distances[start.labels[:, None] != start.labels[None]] = -1
    partner = distances.argmax(1)
    order = np.argsort(distances.max(1), kind="stable")
    return [np.concatenate([c, partner[c]]) for c in np.array_split(order, max(len(order) // 4, 1))]


def inputs(recipe):
    def make(picture):
        small = resize(picture, 32, 16)
        mask = np.full((32, 16), 255, np.uint8) if small.mask is None else small.mask
        return {"image": small.image, "mask": mask}

    specs = {"image": InputSpec(32, 16, erase=True), "mask": InputSpec(32, 16, (0.0,), (1.0,))}
    return Inputs(specs, make, frozenset({"mask"}))


def stages(recipe, network, criterion):
    augmentation = Augmentation(resize=(32, 16), flip=0.5, pad=2, crop=(32, 16), erase=0.5)
    first, second = recipe.stages
    both = [IdentityTurn(second.rate, network, criterion), PaintTurn(network, criterion)]
    sampler = Shuffled(recipe.batch)
    return [
        Stage(
            "alone",
            first.epochs,
            [IdentityTurn(first.rate, network, criterion)],
            sampler,
            augmentation,
        ),
        Stage("together", second.epochs, both, sampler, augmentation, at_epoch_start=mine),
    ]


METHOD = Method(
    name="toy",
    title="A toy",
    recipe=Recipe,
    inputs=inputs,
    network=lambda recipe: Embedding(),
    criterion=lambda recipe, network, identities: Criterion(identities),
    stages=stages,
    descriptor=lambda recipe: Descriptor("euclidean", "the pooled map"),
)
