r"""A method of one's own: a trunk that learns who is who by cross entropy, and nothing else.

passerby train examples/own_method.py:METHOD --data synthetic --root people --preset small
passerby evaluate runs/softmax-synthetic-0 --method examples/own_method.py:METHOD \
    --data synthetic --root people
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn, optim

from passerby.data.samplers import Shuffled
from passerby.data.transforms import resize
from passerby.losses.identity import label_smoothed_cross_entropy
from passerby.method import Descriptor, Inputs, Method, ScheduledOptimizer, Stage, Turn
from passerby.methods.schedules import step_decay
from passerby.methods.trunks.resnet import ResNet
from passerby.types import Augmentation, Batch, InputSpec, Picture


class Softmax(nn.Module):
    """The network: its forward pass is the embedding."""

    def __init__(self, trunk: str) -> None:
        super().__init__()
        self.trunk = ResNet(trunk, last_stride=1)

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, D)."""
        return self.trunk(image).mean(dim=(2, 3))


@dataclass(frozen=True)
class Recipe:
    """The numbers; each is an option of the command line."""

    trunk: str = "resnet50"
    """A name in `passerby.methods.trunks.resnet.RESNETS`."""
    height: int = 256
    """Of the input, in pixels."""
    width: int = 128
    """Of the input, in pixels."""
    batch: int = 64
    """Pictures in a batch."""
    epochs: int = 60
    """Training epochs."""
    learning_rate: float = 3.5e-4
    """Adam's."""

    @classmethod
    def for_data(cls, name: str) -> Recipe:
        """The same for every data set."""
        return cls()

    @classmethod
    def small(cls) -> Recipe:
        """For a CPU."""
        return cls(trunk="thin18", height=128, width=64, epochs=15, learning_rate=1e-3)


class SoftmaxTurn(Turn):
    """One backward pass of the cross entropy, one step of Adam."""

    def __init__(self, recipe: Recipe, network: nn.Module, classifier: nn.Module) -> None:
        learned = [*network.parameters(), *classifier.parameters()]
        adam = optim.Adam(learned, lr=recipe.learning_rate, weight_decay=5e-4)
        super().__init__([ScheduledOptimizer(adam, step_decay((recipe.epochs * 2 // 3,)))])
        self.network = network
        self.classifier = classifier

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """The one term."""
        logits = self.classifier(self.network(**batch.inputs))
        return {"identity": label_smoothed_cross_entropy(logits, batch.labels)}


def inputs(recipe: Recipe) -> Inputs:
    """How a picture becomes the network's input, in training and afterwards."""

    def make(picture: Picture) -> dict[str, np.ndarray]:
        return {"image": resize(picture, recipe.height, recipe.width).image}

    return Inputs({"image": InputSpec(recipe.height, recipe.width)}, make)


def stages(recipe: Recipe, network: nn.Module, criterion: nn.Module) -> list[Stage]:
    """One stage of one turn."""
    size = (recipe.height, recipe.width)
    augmentation = Augmentation(resize=size, flip=0.5, pad=recipe.height // 25, crop=size)
    turn = SoftmaxTurn(recipe, network, criterion)
    return [Stage("train", recipe.epochs, [turn], Shuffled(recipe.batch), augmentation)]


METHOD = Method(
    name="softmax",
    title="Cross entropy alone",
    recipe=Recipe,
    inputs=inputs,
    network=lambda recipe: Softmax(recipe.trunk),
    criterion=lambda recipe, network, identities: nn.Linear(network.trunk.channels, identities),
    stages=stages,
    descriptor=lambda recipe: Descriptor("cosine", "the pooled map"),
)
