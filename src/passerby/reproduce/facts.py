"""Tables without a training: what the data sets hold, what the networks cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from passerby.method import Method
from passerby.methods import METHODS
from passerby.recipes import override
from passerby.reproduce.across import multiply_adds
from passerby.reproduce.filled import place_of
from passerby.reproduce.published import published
from passerby.reproduce.tables.attention_driven import ALIGNED
from passerby.types import JUNK_ID, Split

ADN = "attention_driven"
COUNTS = {
    "identities": "identities",
    "train_identities": "identities for training",
    "test_identities": "identities for the test",
    "cameras": "cameras",
    "images": "pictures",
}
"""What the papers count, in our words."""


@dataclass(frozen=True)
class Facts:
    """A table of facts as text."""

    title: str
    """What it shows."""
    columns: tuple[str, ...]
    """Their names."""
    rows: tuple[tuple[str, ...], ...]
    """A cell for each column."""
    notes: tuple[str, ...]
    """What they stand on."""


def counted(split: Split) -> Mapping[str, int]:
    """A data set in numbers, by the names of `COUNTS`, and `without_queries`."""
    sides = (split.train, split.query, split.gallery)
    people = [{s.person_id for s in side if s.person_id > 0} for side in (split.train, split.query)]
    real = [s for side in sides for s in side if s.person_id != JUNK_ID]
    images = sum(map(len, sides))
    return {
        "identities": len(people[0] | people[1]),
        "train_identities": len(people[0]),
        "test_identities": len(people[1]),
        "cameras": len({sample.camera_id for sample in real}),
        "images": images,
        "without_queries": images - len(split.query),
    }


def statistics(paper: str, split: Split) -> Facts:
    """Table 2 of a paper: its data set beside the one at hand."""
    own, place = counted(split), place_of(split)
    printed = {
        n.metric: n.printed
        for n in published(paper)
        if place is not None
        and n.table == "2"
        and (n.data, n.boxes, n.protocol) == (place.data, place.boxes, place.protocol)
    }
    rows = [(words, printed.get(name, ""), f"{own[name]}") for name, words in COUNTS.items()]
    rows.append(("pictures, queries left out", "", f"{own['without_queries']}"))
    note = "Junk and distractors are pictures too; Market-1501's papers leave its queries out."
    columns = ("", "paper", "here")
    return Facts(f"{paper}, Table 2: {split.name}", columns, tuple(rows), (note,))


def costs(paper: str) -> Facts:
    """ADN's Table 12: parameters and multiply-adds, at the paper's size."""
    printed = {(n.method, n.variant, n.metric): n.value for n in published(paper)
               if n.table == "12"}  # fmt: skip
    method = METHODS[paper]
    changes: dict[str, Mapping[str, str]] = {"Basemodel": ALIGNED, "Full model": {}}
    rows = []
    for who, variant in dict.fromkeys((name, kind) for name, kind, _ in printed):
        paper_size = printed[who, variant, "parameters"] / 1e6
        paper_work = printed[who, variant, "flops"] / 1e9
        ours = ("", "")
        if who == paper:
            size, work = _cost(method, override(method.recipe(), changes[variant]))
            ours = (f"{size / 1e6:.2f}", f"{work / 1e9:.2f}")
        name = variant or who
        rows.append((name, f"{paper_size:.1f}", ours[0], f"{paper_work:.2f}", ours[1]))
    columns = ("", "parameters (M): paper", "parameters (M): ours",
               "multiply-adds (G): paper", "multiply-adds (G): ours")  # fmt: skip
    note = "Without classifiers; convolutions and matrix products of one person's five pictures."
    return Facts(f"{paper}, Table 12", columns, tuple(rows), (note,))


def _cost(method: Method, recipe: Any) -> tuple[int, int]:
    """Parameters and multiply-adds, without memory or time for the numbers themselves."""
    with torch.device("meta"):
        network = method.network(recipe).eval()
        specs = method.inputs(recipe).specs.items()
        one = {name: torch.empty(1, len(s.mean), s.height, s.width) for name, s in specs}
    return sum(tensor.numel() for tensor in network.parameters()), multiply_adds(network, one)


def facts_of(paper: str, number: str, split: Split) -> Facts:
    """The table of that number, one of `reproduce.tables.FACTS`."""
    return statistics(paper, split) if number == "2" else costs(paper)
