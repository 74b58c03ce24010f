"""Options of the figures that need a run and its pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from passerby.cli.options import named
from passerby.embedding.shipped import SHIPPED


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What every figure of a run takes."""

    run: Annotated[tyro.conf.Positional[Path], named("[RUN]")] = SHIPPED
    """Folder of the run. If not given, the model that comes with passerby; it needs --data and
    --root (`report` takes a run only)."""
    out: Path | None
    """File to write."""
    seed: int = 0
    """Random seed."""
    method: str | None = None
    """Method of your own, path/to/file.py:METHOD, for a run that was trained with it. If not given,
    passerby asks before it runs the file that the run names."""
    device: str = "cpu"
    """Device to compute on, e.g. cuda."""


@dataclass(frozen=True, kw_only=True)
class DrawnOptions(RunOptions):
    """The same, of a figure that is one picture."""

    out: Path
    """Draw to this .png or .svg."""


@dataclass(frozen=True, kw_only=True)
class ChangedOptions(DrawnOptions):
    """The same, of a run or of another feature of its weights."""

    change: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """NAME=VALUE: change a field of the run's recipe, e.g. feature=grn; can be given more than
    once."""


@dataclass(frozen=True, kw_only=True)
class ChosenOptions(RunOptions):
    """What figures of some pictures take."""

    part: Literal["query", "gallery", "train"] = "query"
    """Part of the data set."""
    count: int | None = None
    """Number of pictures, chosen at random. If not given, all."""


@dataclass(frozen=True, kw_only=True)
class MaskOptions(DrawnOptions, ChosenOptions):
    """Draw the masks of a run as heat over pictures, e.g. of feature_mask or generated_masks."""

    count: int = 12
    """Number of pictures, chosen at random."""
    reverse: bool = False
    """Also draw the reverse of each mask, 1 - mask: where msreid's local feature looks."""
    after: Literal["conv1", "pool1"] = "pool1"
    """Draw mask_pooling's mask after conv1, or after pool1 (Figure 5 of its paper)."""


@dataclass(frozen=True, kw_only=True)
class AttentionOptions(DrawnOptions, ChosenOptions):
    """Draw the attention maps of an attention_driven run (whole body and parts), or of msreid."""

    count: int = 6
    """Number of pictures, chosen at random."""


@dataclass(frozen=True, kw_only=True)
class HiddenOptions(DrawnOptions, ChosenOptions):
    """Draw pictures, masks, and the pictures as generated_masks hides them (its Figure 1)."""

    count: int = 12
    """Number of pictures, chosen at random."""


@dataclass(frozen=True, kw_only=True)
class OnPersonOptions(ChosenOptions):
    """Measure how much of a run's masks lies on the person, where true masks are known."""

    out: Path | None = None
    """Write to this .json. If not given, RUN/on_person.json, or on_person.json without a RUN."""


@dataclass(frozen=True, kw_only=True)
class GradCamOptions(ChangedOptions):
    """Draw which places a score rests on (Grad-CAM), of a run of any method, or of several."""

    score: Literal["identity", "pair"] = "pair"
    """identity: what the training's classifiers say for the person of a training picture. pair: the
    similarity of a query and the first picture found for it."""
    count: int = 8
    """Number of pictures or pairs, chosen at random."""
    layer: str | None = None
    """Dotted name of the module whose maps to take, e.g. trunk.layer3. If not given, the last
    one."""
    beside: tuple[Path, ...] = ()
    """Other runs: draw their maps of the same pictures below. Pairs are those of the first run."""
    columns: int | None = None
    """Number of cells in a row. If not given, one row for each picture, or 4 cells for a single
    run."""


@dataclass(frozen=True, kw_only=True)
class ListOptions(ChangedOptions):
    """Draw ranked lists: queries and what is found for them; of two runs side by side."""

    beside: Path | None = None
    """Another run, whose lists are drawn on the right; with --beside-change it can be the same
    run."""
    beside_change: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """NAME=VALUE: like --change, for the run on the right."""
    choice: Literal["random", "best", "worst", "gained", "lost"] = "random"
    """Which queries: random ones, those with the highest or lowest average precision, or (of two
    runs) those where the first run's is furthest above or below the second's."""
    rows: int = 8
    """Number of queries."""
    top: int | None = None
    """Number of gallery pictures for each. If not given, 10; 5 with two runs."""


@dataclass(frozen=True, kw_only=True)
class EmbeddingOptions(DrawnOptions):
    """Draw the embeddings of some test people in two dimensions, by principal components."""

    people: int = 10
    """Number of people, chosen at random."""


@dataclass(frozen=True, kw_only=True)
class DistanceOptions(DrawnOptions):
    """Draw how far pictures of one person, and of two, are apart."""

    most: int = 500
    """Number of queries, chosen at random if there are more."""


@dataclass(frozen=True, kw_only=True)
class ReportOptions(RunOptions):
    """Write all of a run into one HTML page, which needs no other file and no network."""

    out: Path | None = None
    """Write to this .html. If not given, RUN/report.html."""
    pictures: bool = True
    """Show pictures of the data set. Without them, nothing is computed that the run does not
    contain."""
    lists: int = 12
    """Number of ranked lists: this many random queries, and this many with the lowest average
    precision."""
    beside: tuple[Path, ...] = ()
    """Other runs or result files to compare with: scores and CMC curves."""
