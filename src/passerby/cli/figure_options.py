"""Options of the figures that need a run and its pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro


@dataclass(frozen=True)
class MaskOptions:
    """Draw the masks of a run as heat over pictures, e.g. of feature_mask or generated_masks."""

    run: tyro.conf.Positional[Path]
    """The run's folder."""
    out: Path
    """The .png or .svg to write."""
    part: Literal["query", "gallery", "train"] = "query"
    """Which pictures of the data set."""
    count: int = 12
    """How many of them, chosen at random."""
    seed: int = 0
    """Fixes the choice."""
    reverse: bool = False
    """Draw the reverse of each mask too, 1 - mask: where msreid's local feature looks."""
    method: str | None = None
    """path/to/file.py:METHOD, for a run of a method of one's own."""
    device: str = "cpu"
    """Where to compute, e.g. cuda."""


@dataclass(frozen=True)
class AttentionOptions:
    """Draw the attention maps of an attention_driven run (whole body and parts), or of msreid."""

    run: tyro.conf.Positional[Path]
    """The run's folder."""
    out: Path
    """The .png or .svg to write."""
    part: Literal["query", "gallery", "train"] = "query"
    """Which pictures of the data set."""
    count: int = 6
    """How many of them, chosen at random."""
    seed: int = 0
    """Fixes the choice."""
    method: str | None = None
    """path/to/file.py:METHOD, for a run of a method of one's own."""
    device: str = "cpu"
    """Where to compute, e.g. cuda."""


@dataclass(frozen=True)
class HiddenOptions:
    """Draw pictures, masks, and the pictures as generated_masks hides them (its Figure 1)."""

    run: tyro.conf.Positional[Path]
    """The run's folder."""
    out: Path
    """The .png or .svg to write."""
    part: Literal["query", "gallery", "train"] = "query"
    """Which pictures of the data set."""
    count: int = 12
    """How many of them, chosen at random."""
    seed: int = 0
    """Fixes the choice."""
    method: str | None = None
    """path/to/file.py:METHOD, for a run of a method of one's own."""
    device: str = "cpu"
    """Where to compute, e.g. cuda."""


@dataclass(frozen=True)
class OnPersonOptions:
    """Measure how much of a run's masks lies on the person, where true masks are known."""

    run: tyro.conf.Positional[Path]
    """The run's folder."""
    out: Path | None = None
    """The .json to write; RUN/on_person.json if not given."""
    part: Literal["query", "gallery", "train"] = "query"
    """Which pictures of the data set."""
    count: int | None = None
    """How many of them, chosen at random; all if not given."""
    seed: int = 0
    """Fixes the choice."""
    method: str | None = None
    """path/to/file.py:METHOD, for a run of a method of one's own."""
    device: str = "cpu"
    """Where to compute, e.g. cuda."""


@dataclass(frozen=True)
class GradCamOptions:
    """Draw which places a score rests on (Grad-CAM), of a run of any method."""

    run: tyro.conf.Positional[Path]
    """The run's folder."""
    out: Path
    """The .png or .svg to write."""
    score: Literal["identity", "pair"] = "pair"
    """Identity: what the classifiers of training say for the person of a training picture.
    Pair: the similarity of a query with the picture that is found first for it."""
    count: int = 8
    """Pictures or pairs, chosen at random."""
    seed: int = 0
    """Fixes the choice."""
    layer: str | None = None
    """Dotted name of the module whose maps are taken, e.g. trunk.layer3; the last if not given."""
    method: str | None = None
    """path/to/file.py:METHOD, for a run of a method of one's own."""
    device: str = "cpu"
    """Where to compute, e.g. cuda."""


@dataclass(frozen=True)
class ListOptions:
    """Draw ranked lists: queries and what is found for them; of two runs side by side."""

    run: tyro.conf.Positional[Path]
    """The run's folder."""
    out: Path
    """The .png or .svg to write."""
    beside: Path | None = None
    """Another run, whose lists stand at right."""
    choice: Literal["random", "best", "worst", "gained", "lost"] = "random"
    """Which queries: any, those of highest or lowest average precision, or (of two runs) those
    where the first run's is most above or below the second's."""
    rows: int = 8
    """Queries."""
    top: int | None = None
    """Gallery pictures of each; 10 if not given, 5 of two runs."""
    seed: int = 0
    """Fixes the choice."""
    method: str | None = None
    """path/to/file.py:METHOD, for runs of a method of one's own."""
    device: str = "cpu"
    """Where to compute, e.g. cuda."""


@dataclass(frozen=True)
class EmbeddingOptions:
    """Draw the embeddings of some test people in two dimensions, by principal components."""

    run: tyro.conf.Positional[Path]
    """The run's folder."""
    out: Path
    """The .png or .svg to write."""
    people: int = 10
    """How many, chosen at random."""
    seed: int = 0
    """Fixes the choice."""
    method: str | None = None
    """path/to/file.py:METHOD, for a run of a method of one's own."""
    device: str = "cpu"
    """Where to compute, e.g. cuda."""


@dataclass(frozen=True)
class DistanceOptions:
    """Draw how far pictures of one person, and of two, are apart."""

    run: tyro.conf.Positional[Path]
    """The run's folder."""
    out: Path
    """The .png or .svg to write."""
    most: int = 500
    """Queries, chosen at random where there are more."""
    seed: int = 0
    """Fixes the choice."""
    method: str | None = None
    """path/to/file.py:METHOD, for a run of a method of one's own."""
    device: str = "cpu"
    """Where to compute, e.g. cuda."""


@dataclass(frozen=True)
class ReportOptions:
    """Write all of a run into one HTML page, which needs no other file and no network."""

    run: tyro.conf.Positional[Path]
    """The run's folder."""
    out: Path | None = None
    """The .html to write; RUN/report.html if not given."""
    pictures: bool = True
    """With pictures of the data set; without, nothing is computed that the run does not hold."""
    lists: int = 12
    """Ranked lists: as many queries at random, and of those with the lowest average precision."""
    seed: int = 0
    """Fixes the choice."""
    method: str | None = None
    """path/to/file.py:METHOD, for a run of a method of one's own."""
    device: str = "cpu"
    """Where to compute, e.g. cuda."""
