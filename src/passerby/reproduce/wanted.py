"""What is to be run: configurations with their recipes and seeds, and the results due from each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from passerby.data.training_data import TrainingData, training_data
from passerby.experiment import Preset, make_recipe
from passerby.method import Inputs, Method
from passerby.recipes import override, to_plain
from passerby.reproduce.declared import Search, Table, Training
from passerby.training.provenance import data_fingerprint, numeric_settings
from passerby.training.settings import Settings
from passerby.types import InputError, Split


@dataclass(frozen=True)
class Task:
    """What all runs of one command share."""

    split: Split
    """Trained and evaluated on."""
    methods: Mapping[str, Method]
    """By name."""
    preset: Preset = "paper"
    """Which recipes are taken."""
    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Further changes to the recipes by dotted name, of every method under "", of one under its
    name, of one configuration under METHOD/CONFIGURATION; the narrower goes before."""
    settings: Settings = Settings()
    """Seed of the first run, workers, precision and the like."""
    runs: int = 1
    """Runs of each configuration, with seeds counted on from the first."""
    pretrained: Path | None = None
    """Folder of `pretraining.pretrain`, whose networks attention_driven starts from."""

    @property
    def seeds(self) -> range:
        """Of the runs."""
        return range(self.settings.seed, self.settings.seed + self.runs)

    @property
    def training(self) -> dict[str, Any]:
        """The settings that numbers depend on, whatever the number of processes."""
        return comparable(numeric_settings(self.settings, 1))


@dataclass(frozen=True)
class Wanted:
    """A run: a configuration with its recipe and seed."""

    training: Training
    """Its declaration."""
    recipe: Any
    """The method's recipe."""
    seed: int
    """Its seed."""
    start: Wanted | None = None
    """The run whose first stages it takes over."""

    def searched(self, search: Search) -> Any:
        """The recipe as the search changes it."""
        return override(self.recipe, search.changes)

    def key(self, data: str, training: Mapping[str, Any]) -> str:
        """Ten hex digits that stand for the run on the pictures of that fingerprint."""
        start = None if self.start is None else self.start.key(data, training)
        parts = [self.training.method, to_plain(self.recipe), self.seed, data, training, start]
        text = json.dumps([*parts, self.training.start_stage], sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=5).hexdigest()


def comparable(training: Mapping[str, Any]) -> dict[str, Any]:
    """A run's numeric settings without the number of processes and torch.compile."""
    return {k: v for k, v in training.items() if k not in ("processes", "compile")}


def training_fingerprint(split: Split) -> str:
    """Stands for the training pictures, as runs on them have it."""
    # What a method makes of the pictures does not enter the fingerprint.
    data: TrainingData = training_data(split.train, Inputs({}, lambda picture: {}))
    return data_fingerprint(data)


def wanted(task: Task, training: Training, seed: int) -> Wanted:
    """A configuration with its recipe.

    Raises:
        InputError: the table and the user change the same field, or as `make_recipe`.
    """
    method = task.methods[training.method]
    scopes = ("", training.method, f"{training.method}/{training.name}")
    more = {k: v for scope in scopes for k, v in task.changes.get(scope, {}).items()}
    both = sorted(set(more) & set(training.changes))
    if both:
        raise InputError(f"{training.name} fixes {', '.join(both)}: --change cannot alter it")
    changes = {**training.changes, **more}
    recipe = make_recipe(method, task.split.name, task.preset, changes)
    if task.pretrained is not None and hasattr(recipe, "pretrain"):
        weights = task.pretrained / recipe.attention / "model.safetensors"
        recipe = override(recipe, {"weights": str(weights)})
    start = None if training.start is None else wanted(task, training.start, seed)
    return Wanted(training, recipe, seed, start)


def all_wanted(task: Task, tables: Sequence[Table]) -> list[tuple[Wanted, tuple[Search, ...]]]:
    """Every run that the tables need, once, with the searches due from it; starts come first."""
    searches: dict[tuple[str, str], list[Search]] = {}
    order: dict[tuple[str, str], Training] = {}
    for training, search in _cells(tables):
        key = (training.method, training.name)
        order.setdefault(key, training)
        found = searches.setdefault(key, [])
        if search is not None and search not in found:
            found.append(search)
    return [
        (wanted(task, training, seed), tuple(searches[key]))
        for seed in task.seeds
        for key, training in order.items()
    ]


def _cells(tables: Sequence[Table]) -> Iterator[tuple[Training, Search | None]]:
    for table, line in ((own, line) for own in tables for line in own.lines):
        start = line.training.start
        while start is not None:
            yield start, None
            start = start.start
        yield line.training, table.search(line)


def seeded(settings: Settings, seed: int) -> Settings:
    """The settings with another seed."""
    return replace(settings, seed=seed)
