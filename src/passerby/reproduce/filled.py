"""A table filled: the paper's numbers, ours over the runs, and the difference."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from passerby.reproduce.declared import Line, Table
from passerby.reproduce.found import Found, Library
from passerby.reproduce.published import PAPERS, Number, Place, find_value, published
from passerby.reproduce.wanted import Task, wanted
from passerby.types import Split

PAPERS_DATA = ("market1501", "dukemtmc", "cuhk03")
"""Data sets that the papers report on; the first is shown where ours is none of them."""


@dataclass(frozen=True)
class Cell:
    """One number of a line: the paper's, and ours of every run. Per cent."""

    metric: str
    """Its name."""
    paper: Number | None
    """The paper's; None: it has none."""
    ours: tuple[float, ...]
    """Ours by seed, of the runs that exist."""
    comparable: bool
    """Whether both were measured on the same data set."""

    @property
    def mean(self) -> float | None:
        """Over the runs."""
        return statistics.fmean(self.ours) if self.ours else None

    @property
    def deviation(self) -> float | None:
        """Standard deviation over the runs (n - 1); None below two."""
        return statistics.stdev(self.ours) if len(self.ours) > 1 else None

    @property
    def difference(self) -> float | None:
        """Our mean less the paper's number; None where they cannot be compared."""
        if self.mean is None or self.paper is None or not self.comparable:
            return None
        return self.mean - self.paper.value


@dataclass(frozen=True)
class FilledLine:
    """A line with its cells and what they were measured from."""

    line: Line
    """Its declaration."""
    cells: tuple[Cell, ...]
    """In the order of the table's metrics."""
    results: tuple[Found, ...]
    """The result files, by seed."""
    protocol: str
    """How our pictures are searched."""

    @property
    def feature(self) -> str:
        """Which feature the embeddings are and how they are compared; empty without a result."""
        if not self.results:
            return ""
        says = self.results[0].says
        return f"{says['feature']} ({says['metric']})"


@dataclass(frozen=True)
class FilledTable:
    """A table with all that it must be read with."""

    table: Table
    """Its declaration."""
    lines: tuple[FilledLine, ...]
    """In order."""
    data: str
    """Ours: data set, folder, variant."""
    paper_data: str
    """The data set of the paper's numbers; empty: it has none."""
    comparable: bool
    """Whether these are the same."""
    preset: str
    """The recipes that our runs took, with what the user changed."""
    runs: int
    """Runs wanted of each line."""

    @property
    def protocols(self) -> str:
        """Of the lines, each once."""
        return " and ".join(dict.fromkeys(line.protocol for line in self.lines))


def fill(table: Table, library: Library, *others: Library) -> FilledTable:
    """The table with the results that exist.

    Args:
        table: its declaration.
        library: what exists.
        others: of further splits of the same data set: means are over all splits and seeds.
    """
    libraries, split = (library, *others), library.task.split
    own = place_of(split)
    comparable = own is not None and not counts_differ(split)
    place = own if comparable and own else Place(PAPERS_DATA[0])
    if table.data and not comparable:
        place = Place(table.data)
    lines = tuple(_fill_line(line, table, place, comparable, libraries) for line in table.lines)
    shown = any(cell.paper for line in lines for cell in line.cells)
    variant = f", {split.variant}" if split.variant else ""
    if others:
        variant = f"{variant.rpartition(', ')[0]}, mean of {len(libraries)} splits"
    return FilledTable(
        table,
        lines,
        f"{split.name} ({split.root.resolve().name}{variant})",
        " ".join((place.data, place.boxes, place.protocol)).replace("  ", " ") if shown else "",
        comparable,
        _preset(table, library.task),
        library.task.runs * len(libraries),
    )


def place_of(split: Split) -> Place | None:
    """Where the papers have their numbers of this data set; None: they do not know it."""
    if split.name not in PAPERS_DATA:
        return None
    if split.name != "cuhk03":
        return Place(split.name)
    boxes = next((word for word in ("labeled", "detected") if word in split.variant), "")
    return Place(split.name, boxes, "original" if "original" in split.variant else "new")


def counts_differ(split: Split) -> bool:
    """Whether the loader found other pictures than the published ones."""
    return any("counts differ from" in warning for warning in split.warnings)


def _fill_line(
    line: Line,
    table: Table,
    place: Place,
    comparable: bool,
    libraries: Sequence[Library],
) -> FilledLine:
    library = libraries[0]
    found = [
        own.result(wanted(own.task, line.training, seed), table.search(line))
        for own in libraries
        for seed in own.task.seeds
    ]
    results = tuple(result for result in found if result is not None)
    cells = tuple(
        Cell(
            metric,
            paper_number(table, line, place, metric),
            tuple(_score(result, metric, table.average_precision) for result in results),
            comparable,
        )
        for metric in table.metrics
    )
    protocol = "multi-query" if line.search.multi_query else library.task.split.protocol
    return FilledLine(line, cells, results, protocol)


def paper_number(table: Table, line: Line, place: Place, metric: str) -> Number | None:
    """The paper's number beside a cell of ours."""
    if table.paper not in PAPERS:
        return None
    mode = "multi" if line.search.multi_query else "single"
    reranking = "k-reciprocal" if line.search.reranking else "none"
    modes = [(mode, reranking)] + [("not stated", "not stated")] * (not line.stated)
    numbers, method = published(table.paper), line.training.method
    for searched in modes:
        where = Place(place.data, place.boxes, place.protocol, *searched)
        found = find_value(numbers, table.number, method, line.variant, where, metric)
        if found is not None:
            return found
    return None


def _score(found: Found, metric: str, average_precision: str) -> float:
    name = f"mean_ap_{average_precision}" if metric == "mean_ap" else metric
    return 100 * float(found.says["scores"][name])


def _preset(table: Table, task: Task) -> str:
    own = {f"{run.method}/{run.name}" for run in (line.training for line in table.lines)}
    scopes = {"", *(name.partition("/")[0] for name in own), *own}
    changes = [
        f"{scope}: {told}" if scope else told
        for scope, changed in task.changes.items()
        if scope in scopes and (told := ", ".join(f"{n} = {v}" for n, v in changed.items()))
    ]
    return "; ".join([f"{task.preset} recipes", *changes])


def missing_lines(filled: FilledTable) -> Sequence[str]:
    """What lacks runs, line by line."""
    return [
        f"{line.line.label}: {filled.runs - len(line.results)} of {filled.runs}"
        for line in filled.lines
        if len(line.results) < filled.runs
    ]
