"""Filled tables as Markdown, CSV and HTML, each with what its numbers stand on."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from html import escape
from itertools import groupby
from pathlib import Path

from passerby.files import write_text
from passerby.methods import METHODS
from passerby.reproduce.filled import Cell, FilledTable, missing_lines
from passerby.reproduce.published import PAPERS

NAMES = {
    "rank_1": "rank-1", "rank_5": "rank-5", "rank_10": "rank-10", "rank_20": "rank-20",
    "mean_ap": "mAP", "mean_ap_step": "mAP, all ranks",
}  # fmt: skip

STYLE = """
:root { color-scheme: light dark; font: 16px/1.45 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 80rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; }
div { overflow-x: auto; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { padding: .3rem .6rem; text-align: left; border-bottom: 1px solid #8886; }
td { white-space: nowrap; font-variant-numeric: tabular-nums; }
"""


def write_table(filled: FilledTable, name: str, folder: Path) -> list[Path]:
    """Writes `NAME-table-NUMBER-DATA.md`, `.csv` and `.html`; returns their paths.

    Raises:
        OSError: from the operating system.
    """
    number, data = filled.table.number, filled.data.partition(" ")[0]
    parts = (name, f"table-{number}" if number.isdigit() else number, data)
    stem = "-".join(dict.fromkeys(parts))
    texts = {".md": markdown(filled), ".csv": as_csv(filled), ".html": html(filled)}
    for ending, text in texts.items():
        write_text(folder / f"{stem}{ending}", text)
    return [folder / f"{stem}{ending}" for ending in texts]


def title(filled: FilledTable) -> str:
    """What the table is."""
    number = filled.table.number
    name = f"Table {number}" if number.isdigit() else number.replace("-", " ").capitalize()
    paper = f"{filled.table.paper}, " if filled.table.paper in PAPERS else ""
    return f"{paper}{name}: {filled.table.title}"


def grid(filled: FilledTable) -> tuple[list[str], list[list[str]]]:
    """The columns and the lines as text; columns of the paper's and of differences where any is."""
    columns, texts = [""], [[line.line.label] for line in filled.lines]
    for place, metric in enumerate(filled.table.metrics):
        cells = [shown(line.cells[place]) for line in filled.lines]
        for part, name in enumerate(("paper", "ours", "difference")):
            if name == "ours" or any(cell[part] for cell in cells):
                columns.append(f"{NAMES[metric]}: {name}")
                texts = [[*row, cell[part]] for row, cell in zip(texts, cells, strict=True)]
    runs = [f"{len(line.results)}/{filled.runs}" for line in filled.lines]
    return [*columns, "runs"], [[*row, n] for row, n in zip(texts, runs, strict=True)]


def shown(cell: Cell) -> list[str]:
    """A cell as paper, ours and difference."""
    paper = "" if cell.paper is None else cell.paper.printed
    if cell.mean is None:
        return [paper, "", ""]
    ours = f"{cell.mean:.2f}"
    if cell.deviation is not None:
        ours += f" ± {cell.deviation:.2f} (best {max(cell.ours):.2f})"
    difference = "" if cell.difference is None else f"{cell.difference:+.2f}"
    return [paper, ours, difference]


def caption(filled: FilledTable) -> list[str]:
    """What the numbers stand on, sentence by sentence."""
    spread = "mean ± standard deviation over the seeds (best)" if filled.runs > 1 else "one run"
    lines = [
        f"Ours: {filled.data}, {filled.protocols}; {filled.preset}; {spread}; per cent.",
        f"AP by {filled.table.average_precision}; last epoch.",
    ]
    if filled.paper_data:
        same = "" if filled.comparable else ": other pictures than ours, so without difference"
        lines.append(f"Paper: {METHODS[filled.table.paper].title}; {filled.paper_data}{same}.")
    features: dict[str, list[str]] = {}
    for line in filled.lines:
        if line.feature:
            features.setdefault(line.feature, []).append(line.line.label)
    if len(features) == 1:
        lines.append(f"Feature: {next(iter(features))}.")
    else:
        lines += [f"Feature of {_listed(who)}: {what}." for what, who in features.items()]
    off = [one.line.label for one in filled.lines if not one.line.search.same_camera_filter]
    if off:
        lines.append(f"Same-camera filter off: {_listed(off)}.")
    if filled.table.note:
        lines.append(filled.table.note)
    missing = missing_lines(filled)
    if missing:
        lines.append(f"Runs still missing: {_listed(missing)}.")
    return lines


def markdown(filled: FilledTable) -> str:
    """The table as Markdown."""
    return markdown_of(title(filled), *grid(filled), caption(filled))


def markdown_of(
    name: str, columns: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str]
) -> str:
    """A Markdown page with one table."""
    aligned = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    bar = chr(92) + "|"
    lines = [f"| {' | '.join(cell.replace('|', bar) for cell in row)} |" for row in aligned]
    return "\n".join([f"# {name}", "", *lines, "", *(f"* {note}" for note in notes), ""])


def html(filled: FilledTable) -> str:
    """The table as one HTML file that needs no other."""
    return page(title(filled), *grid(filled), caption(filled))


def page(
    name: str, columns: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str]
) -> str:
    """A page with one table."""
    head = headings(columns)
    lines = ["".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows]
    table = "\n".join(f"<tr>{line}</tr>" for line in lines)
    items = "\n".join(f"<li>{escape(note)}</li>" for note in notes)
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(name)}</title>\n<style>{STYLE}</style>\n<h1>{escape(name)}</h1>\n"
        f"<div><table>\n{head}\n{table}\n</table></div>\n<ul>\n{items}\n</ul>\n</html>\n"
    )


def headings(columns: Sequence[str]) -> str:
    """Two rows: what several columns `WHAT: PART` share, and the parts."""
    if not any(": " in column for column in columns):
        return f"<tr>{''.join(f'<th>{escape(column)}</th>' for column in columns)}</tr>"
    above, below = "", ""
    for what, group in groupby(columns, lambda column: column.partition(": ")[0]):
        parts = [part for column in group if (part := column.partition(": ")[2])]
        span = f'colspan="{len(parts)}"' if parts else 'rowspan="2"'
        above += f"<th {span}>{escape(what)}</th>"
        below += "".join(f"<th>{escape(part)}</th>" for part in parts)
    return f"<tr>{above}</tr>\n<tr>{below}</tr>"


def csv_of(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of text as CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([columns, *rows])
    return text.getvalue()


def as_csv(filled: FilledTable) -> str:
    """A row for each number: what the other two forms show and what they leave out."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ("table", "line", "metric", "average_precision", "paper", "mean", "deviation", "least",
         "best", "difference", "runs", "data", "protocol", "recipes", "feature", "files")
    )  # fmt: skip
    for line in filled.lines:
        files = ";".join(_shown_path(found.path) for found in line.results)
        for cell in line.cells:
            ap = filled.table.average_precision if cell.metric == "mean_ap" else ""
            ends = (min(cell.ours), max(cell.ours)) if cell.ours else (None, None)
            numbers = (cell.mean, cell.deviation, *ends, cell.difference)
            writer.writerow(
                (filled.table.number, line.line.label, cell.metric, ap,
                 "" if cell.paper is None else cell.paper.printed,
                 *("" if n is None else f"{n:.4f}" for n in numbers),
                 len(cell.ours), filled.data, line.protocol, filled.preset, line.feature, files)
            )  # fmt: skip
    return text.getvalue()


def _listed(names: Sequence[str], most: int = 6) -> str:
    more = f"; and {len(names) - most} more" if len(names) > most else ""
    return "; ".join(names[:most]) + more


def _shown_path(file: Path) -> str:
    here = Path.cwd()
    return file.relative_to(here).as_posix() if file.is_relative_to(here) else str(file)
