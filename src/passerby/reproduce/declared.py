"""What a table of a paper needs: which trainings, how each is searched, and which line it fills."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Training:
    """A configuration of a method; one run for each seed."""

    method: str
    """Name of the method."""
    name: str
    """Names the configuration in folders and plans."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """To the recipe of the data set or the preset, by dotted names."""
    start: Training | None = None
    """Whose first stages are taken over, from the run of the same seed; None: trained whole."""
    start_stage: str = ""
    """The last stage that is taken over."""


@dataclass(frozen=True)
class Search:
    """How the test pictures are searched with a finished run."""

    name: str = "results"
    """Names the result file in the run's folder."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """To the run's recipe: another feature of the same weights."""
    stage: str | None = None
    """The network as this stage left it; None: the last one."""
    multi_query: bool = False
    """Multi-query instead of the data set's own protocol."""
    reranking: bool = False
    """k-reciprocal re-ranking with its default numbers."""
    same_camera_filter: bool = True
    """Leave pictures of the query's identity and camera out."""
    holds: str = "mean_ap_step"
    """A score that the result file must have (`Table.search`): older ones lack what came later."""


@dataclass(frozen=True)
class Line:
    """One line of a table."""

    variant: str
    """As the paper's table calls it (`published.Number.variant`)."""
    training: Training
    """What is trained."""
    search: Search = Search()
    """How it is searched."""
    note: str = ""
    """Stands behind the variant: what tells this line from another one of the same variant."""
    stated: bool = True
    """Off: the paper does not always state query mode and re-ranking of its number."""

    @property
    def label(self) -> str:
        """The line's name in our tables."""
        name = self.variant or self.training.method
        return f"{name}, {self.note}" if self.note else name


@dataclass(frozen=True)
class Table:
    """A table of a paper, or what replaces it."""

    paper: str
    """The paper whose numbers stand beside ours."""
    number: str
    """The paper's number of it, `text`, or `figure-N`."""
    title: str
    """What it shows."""
    lines: tuple[Line, ...]
    """In order."""
    metrics: tuple[str, ...] = ("rank_1", "mean_ap")
    """The columns: `rank_1`, `rank_5`, `rank_10`, `rank_20`, `mean_ap`, `mean_ap_step`."""
    average_precision: str = "step"
    """The definition of AP that our mAP takes: the paper's, as far as it can be told."""
    note: str = ""
    """What a reader of the table must know."""
    data: str = ""
    """The one data set that the paper's table is about; empty: several."""

    def search(self, line: Line) -> Search:
        """The search of a line, with the mAP that this table takes."""
        return replace(line.search, holds=f"mean_ap_{self.average_precision}")
