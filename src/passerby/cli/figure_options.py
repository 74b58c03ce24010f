"""Options of the figures that need a run and its pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from passerby.embedding.shipped import SHIPPED


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What every figure of a run takes."""

    run: tyro.conf.Positional[Path] = SHIPPED
    """The run's folder; if not given passerby's own model, which needs --data and --root (`report`
    is of a run alone)."""
    out: Path | None
    """The file to write."""
    seed: int = 0
    """Fixes what is chosen at random."""
    method: str | None = None
    """path/to/file.py:METHOD, for a run of a method of one's own. Without it passerby asks before
    it runs the file that the run remembers."""
    device: str = "cpu"
    """Where to compute, e.g. cuda."""


@dataclass(frozen=True, kw_only=True)
class DrawnOptions(RunOptions):
    """The same, of a figure that is one picture."""

    out: Path
    """The .png or .svg to write."""


@dataclass(frozen=True, kw_only=True)
class ChosenOptions(RunOptions):
    """What figures of some pictures take."""

    part: Literal["query", "gallery", "train"] = "query"
    """Which pictures of the data set."""
    count: int | None = None
    """How many of them, chosen at random; all if not given."""


@dataclass(frozen=True, kw_only=True)
class MaskOptions(DrawnOptions, ChosenOptions):
    """Draw the masks of a run as heat over pictures, e.g. of feature_mask or generated_masks."""

    count: int = 12
    """How many of them, chosen at random."""
    reverse: bool = False
    """Draw the reverse of each mask too, 1 - mask: where msreid's local feature looks."""


@dataclass(frozen=True, kw_only=True)
class AttentionOptions(DrawnOptions, ChosenOptions):
    """Draw the attention maps of an attention_driven run (whole body and parts), or of msreid."""

    count: int = 6
    """How many of them, chosen at random."""


@dataclass(frozen=True, kw_only=True)
class HiddenOptions(DrawnOptions, ChosenOptions):
    """Draw pictures, masks, and the pictures as generated_masks hides them (its Figure 1)."""

    count: int = 12
    """How many of them, chosen at random."""


@dataclass(frozen=True, kw_only=True)
class OnPersonOptions(ChosenOptions):
    """Measure how much of a run's masks lies on the person, where true masks are known."""

    out: Path | None = None
    """The .json to write; RUN/on_person.json if not given, on_person.json without a RUN."""


@dataclass(frozen=True, kw_only=True)
class GradCamOptions(DrawnOptions):
    """Draw which places a score rests on (Grad-CAM), of a run of any method."""

    score: Literal["identity", "pair"] = "pair"
    """Identity: what the classifiers of training say for the person of a training picture.
    Pair: the similarity of a query with the picture that is found first for it."""
    count: int = 8
    """Pictures or pairs, chosen at random."""
    layer: str | None = None
    """Dotted name of the module whose maps are taken, e.g. trunk.layer3; the last if not given."""


@dataclass(frozen=True, kw_only=True)
class ListOptions(DrawnOptions):
    """Draw ranked lists: queries and what is found for them; of two runs side by side."""

    beside: Path | None = None
    """Another run, whose lists stand at right."""
    choice: Literal["random", "best", "worst", "gained", "lost"] = "random"
    """Which queries: any, those of highest or lowest average precision, or (of two runs) those
    where the first run's is most above or below the second's."""
    rows: int = 8
    """Queries."""
    top: int | None = None
    """Gallery pictures of each; 10 if not given, 5 of two runs."""


@dataclass(frozen=True, kw_only=True)
class EmbeddingOptions(DrawnOptions):
    """Draw the embeddings of some test people in two dimensions, by principal components."""

    people: int = 10
    """How many, chosen at random."""


@dataclass(frozen=True, kw_only=True)
class DistanceOptions(DrawnOptions):
    """Draw how far pictures of one person, and of two, are apart."""

    most: int = 500
    """Queries, chosen at random where there are more."""


@dataclass(frozen=True, kw_only=True)
class ReportOptions(RunOptions):
    """Write all of a run into one HTML page, which needs no other file and no network."""

    out: Path | None = None
    """The .html to write; RUN/report.html if not given."""
    pictures: bool = True
    """With pictures of the data set; without, nothing is computed that the run does not hold."""
    lists: int = 12
    """Ranked lists: as many queries at random, and of those with the lowest average precision."""
    beside: tuple[Path, ...] = ()
    """Other runs or result files, whose scores and CMC curves stand beside the run's own."""
