"""Two networks without BatchNorm, in turns, as two processes must train them like one.

A generator of masks and an embedding network that is frozen in the generator's turn (as in
Generated Attention Masks), triplets over the gathered batch, and mining at an epoch's start.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn, optim
from torch.nn import functional

from passerby.data.samplers import IdentityBalanced, Shuffled
from passerby.data.transforms import resize
from passerby.losses.gather import gathered
from passerby.losses.triplet import batch_hard_triplet
from passerby.method import Descriptor, Inputs, Method, ScheduledOptimizer, Stage, Turn
from passerby.types import Augmentation, InputSpec


@dataclass(frozen=True)
class Recipe:
    epochs: int = 2

    @classmethod
    def for_data(cls, name):
        return cls()


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1), nn.GroupNorm(2, 8), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1)
        )

    def forward(self, image):
        return self.body(image).mean((2, 3))


class Criterion(nn.Module):
    def __init__(self, identities):
        super().__init__()
        self.classifier = nn.Linear(8, identities)
        self.generator = nn.Sequential(nn.Conv2d(3, 4, 3, 1, 1), nn.ReLU(), nn.Conv2d(4, 1, 1))


class Identity(Turn):
    def __init__(self, network, criterion, triplet):
        learned = [*network.parameters(), *criterion.classifier.parameters()]
        sgd = optim.SGD(learned, lr=0.05, momentum=0.9)
        super().__init__([ScheduledOptimizer(sgd, lambda epoch: 1.0)], name="identity")
        self.network, self.criterion, self.triplet = network, criterion, triplet

    def forward(self, batch):
        f = self.network(**batch.inputs)
        terms = {"softmax": functional.cross_entropy(self.criterion.classifier(f), batch.labels)}
        if self.triplet:
            terms["triplet"] = batch_hard_triplet(gathered(f), gathered(batch.labels), 0.3)
        return terms


class Generate(Turn):
    def __init__(self, network, criterion):
        sgd = optim.SGD(criterion.generator.parameters(), lr=0.5)
        super().__init__([ScheduledOptimizer(sgd, lambda epoch: 1.0)], [network], "mask")
        self.network, self.criterion = network, criterion

    def forward(self, batch):
        image = batch.inputs["image"]
        mask = torch.sigmoid(self.criterion.generator(image))
        same = functional.mse_loss(self.network(image * mask), self.network(image))
        return {"same": same, "small": 0.05 * mask.mean()}


def mine(start):
    order = np.argsort(start.embed()[:, 0], kind="stable")
    return [np.sort(chosen) for chosen in np.split(order, range(8, len(order), 8))]


def inputs(recipe):
    def make(picture):
        return {"image": resize(picture, 24, 12).image}

    return Inputs({"image": InputSpec(24, 12, erase=True)}, make)


def stages(recipe, network, criterion):
    augmentation = Augmentation(resize=(24, 12), flip=0.5, pad=2, crop=(24, 12), erase=0.5)
    return [
        Stage(
            "first", recipe.epochs, [Identity(network, criterion, False)], Shuffled(8), augmentation
        ),
        Stage(
            "both",
            recipe.epochs,
            [Identity(network, criterion, True), Generate(network, criterion)],
            IdentityBalanced(2, 4),
            augmentation,
        ),
        Stage(
            "mined",
            1,
            [Identity(network, criterion, True)],
            Shuffled(8),
            augmentation,
            at_epoch_start=mine,
        ),
    ]


METHOD = Method(
    name="pair",
    title="A pair of networks",
    recipe=Recipe,
    inputs=inputs,
    network=lambda recipe: Network(),
    criterion=lambda recipe, network, identities: Criterion(identities),
    stages=stages,
    descriptor=lambda recipe: Descriptor("euclidean", "the pooled map"),
)
