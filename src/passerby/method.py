"""The shape of a method: what a paper's one file must say, and nothing else."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn, optim

from passerby.types import Augmentation, Batch, InputSpec, Picture, Sample, Sampler


@dataclass(frozen=True)
class Inputs:
    """The input tensors of a method and the one function that makes them."""

    specs: Mapping[str, InputSpec]
    """By input name, in the order of the network's arguments."""
    make: Callable[[Picture], dict[str, NDArray[np.uint8]]]
    """A picture (of any size) to one uint8 array (H, W, C) or (H, W) for each input."""
    cues: frozenset[str] = frozenset()
    """Which of `mask`, `joints` the function looks at; others are not loaded."""
    unusable: Callable[[Picture], Collection[str]] | None = None
    """Which of a picture's cues the function can do nothing with, so that it does without them;
    None: it uses every cue that there is."""

    def without(self, picture: Picture) -> list[str]:
        """Cues that `make` looks at and has to do without: not there, or of no use; sorted."""
        unusable = () if self.unusable is None else self.unusable(picture)
        return sorted(c for c in self.cues if getattr(picture, c) is None or c in unusable)


@dataclass(frozen=True)
class Descriptor:
    """How embeddings of a method are meant to be compared."""

    metric: str
    """`euclidean` or `cosine`."""
    feature: str
    """Which feature the embedding is, in words: stands in every result file."""


@dataclass(frozen=True)
class ScheduledOptimizer:
    """An optimizer and the factor on its learning rates, epoch by epoch."""

    optimizer: optim.Optimizer
    """Its groups' `lr` at construction are the base rates."""
    schedule: Callable[[int], float]
    """Epoch of the stage, from 0, to the factor on every group's base rate."""


class Turn(nn.Module, ABC):
    """One backward pass and the steps that follow it; every network pass lies in `forward`.

    Args:
        optimizers: all step after this turn's one backward pass.
        frozen: modules that this turn must leave as they are: their parameters take no gradient
            and their BatchNorm runs in eval mode while the turn lasts. Gradients still flow
            through them to their inputs.
        name: goes before the names of its terms in the logs, where a stage has several turns.
    """

    def __init__(
        self,
        optimizers: Sequence[ScheduledOptimizer],
        frozen: Sequence[nn.Module] = (),
        name: str = "",
    ) -> None:
        super().__init__()
        self.optimizers = tuple(optimizers)
        self.frozen = tuple(frozen)
        self.name = name

    @abstractmethod
    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Weighted loss terms by name; their sum is what the turn minimises."""


@dataclass(frozen=True)
class EpochStart:
    """What a stage may look at when an epoch starts."""

    samples: Sequence[Sample]
    """The N training pictures."""
    labels: NDArray[np.int64]
    """(N,) identity labels."""
    cameras: NDArray[np.int64]
    """(N,) camera ids."""
    seed: int
    """The run's seed."""
    epoch: int
    """Epoch of the stage, from 0."""
    key: int
    """A number of this epoch of this stage alone: keys random numbers, with the seed."""
    embed: Callable[[], NDArray[np.float32]]
    """Computes the (N, D) embeddings of the training pictures as the network now stands."""
    pictures: Callable[[int], Picture]
    """Loads one training picture with its cues, as the files hold it."""
    note: Callable[[str, float], None] = lambda name, value: None
    """Puts a number of the epoch beside its losses, in the metrics and on the screen."""


@dataclass(frozen=True)
class Stage:
    """A stretch of training with one way of drawing batches."""

    name: str
    """Names the stage in logs and files."""
    epochs: int
    """How many."""
    turns: Sequence[Turn]
    """Taken one after the other in each step, on the same batch."""
    sampler: Sampler
    """Draws the batches of an epoch."""
    augmentation: Augmentation
    """Applied to each training picture."""
    at_epoch_start: Callable[[EpochStart], Sequence[NDArray[np.int64]]] | None = None
    """Computes the epoch's batches instead of the sampler, e.g. mined triplets."""
    group: int = 1
    """Consecutive pictures of a batch that belong together (K of one identity, 3 of a triplet):
    where a batch is cut, for several processes or to save memory, it is cut between groups."""
    average: float = 0.0
    """The stage leaves the moving average of the network's weights behind, of which each step keeps
    this share; 0: the weights of the last step."""


@dataclass(frozen=True)
class Method:
    """A paper, whole. `R` stands for the method's own recipe class."""

    name: str
    """Name in code and on the command line."""
    title: str
    """Authors, title, year."""
    recipe: Any
    """The recipe class, a frozen dataclass: `recipe()` holds the paper's numbers,
    `recipe.small()` the preset for a CPU, `recipe.for_data(name)` the paper's for a data set."""
    inputs: Callable[[Any], Inputs]
    """R -> the input tensors."""
    network: Callable[[Any], nn.Module]
    """R -> the network; `forward(**inputs) -> (B, D)` is the embedding."""
    criterion: Callable[[Any, nn.Module, int], nn.Module]
    """R, network, number of identities -> what only training needs (classifiers, centers)."""
    stages: Callable[[Any, nn.Module, nn.Module], Sequence[Stage]]
    """R, network, criterion -> the stages, in order."""
    descriptor: Callable[[Any], Descriptor]
    """R -> how the embeddings are compared."""
    source: str | None = None
    """Where the code of a method of your own is, as in /path/to/file.py:VARIABLE."""
