"""`passerby reproduce METHOD`: the paper's tables beside our own."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import tyro

from passerby.cli.dataset import data_options, flat, load_split, value_of
from passerby.cli.options import parse_options
from passerby.files import write_text
from passerby.methods import METHODS
from passerby.parsing import parse_yaml
from passerby.reproduce.declared import Table
from passerby.reproduce.tables import ACROSS, TABLES, tables_of
from passerby.terminal import show, terminal
from passerby.training.interrupt import Interrupted
from passerby.training.settings import Settings
from passerby.types import InputError, Split

if TYPE_CHECKING:
    from passerby.method import Method
    from passerby.reproduce.found import Library

RESULTS = Path("docs/results/runs")
"""Where the repository keeps the result files that its pages quote."""

USAGE = """usage: passerby reproduce METHOD --data NAME --root DIR [options]

METHOD is one of {methods}, or {across}: one table of them together.
`passerby reproduce METHOD --help` explains every option."""


@dataclass(frozen=True)
class Options:
    """Which tables, and what is done for them."""

    table: str | None = None
    """Table to fill, e.g. 1 or figure-5. If not given, all that fit the data set."""
    runs: int = 8
    """Number of runs of each configuration, with seeds from --seed on."""
    plan: tyro.conf.FlagCreatePairsOff[bool] = False
    """Show the plan and stop. Without --root, show all runs that the tables need."""
    fill: tyro.conf.FlagCreatePairsOff[bool] = False
    """Fill the tables from existing results; train and evaluate nothing."""
    preset: Literal["paper", "small"] = "paper"
    """The papers' recipes, or small ones for a CPU."""
    change: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """NAME=VALUE, METHOD:NAME=VALUE or METHOD/CONFIGURATION:NAME=VALUE: a field of the recipes that
    is another, e.g. epochs=60; may be given again. The plan names the configurations."""
    out: Path | None = None
    """Folder for runs and tables. If not given, reproduced/METHOD-DATA-PRESET."""
    found: tuple[Path, ...] = ()
    """Folders with runs or result files that may be used; docs/results/runs is always looked at."""
    part: str = "1/1"
    """I/N: carry out part I of N, to share the plan between GPUs or machines; then fill the tables
    with --fill."""


def run(arguments: list[str]) -> None:
    """Runs the command."""
    if not arguments or arguments[0].startswith("-"):
        show(USAGE.format(methods=", ".join(TABLES), across=ACROSS))
        if not arguments or arguments[0] not in ("-h", "--help"):
            raise InputError("name a method first: passerby reproduce METHOD")
        return
    name, *rest = arguments
    command = parse(name, rest)
    from passerby.experiment import checked
    from passerby.reproduce.carry_out import carry_out, parse_part
    from passerby.reproduce.found import Library
    from passerby.reproduce.plan import make_plan, outline_table, plan_table
    from passerby.reproduce.wanted import Task

    options: Options = command.run
    part, changes = parse_part(options.part), parse_changes(options.change)
    tables_of(name, command.data.data, options.table)
    check_configurations(changes, tables_of(name, command.data.data, None))
    if options.runs < 1:
        raise InputError(f"runs must be 1 or more; given {options.runs}")
    for place in options.found:
        # A mistyped one would have all of its runs trained again.
        if not place.is_dir():
            raise InputError(f"--found {place}: no such folder")
    console = terminal(errors=True)
    if command.data.root is None:
        split = Split(command.data.data, Path(), (), (), ())
    else:
        split = checked(load_split(command.data, console), skip_broken=False, console=console)
    tables = tables_of(name, split.name, options.table)
    task = Task(
        split,
        methods_of(tables),
        options.preset,
        changes,
        command.settings,
        options.runs,
    )
    if command.data.root is None:
        terminal().print(outline_table(task, tables))
        return
    folder = f"{name}-{split.root.resolve().name}-{options.preset}"
    out = options.out or Path("reproduced") / folder
    library = Library(task, out, [RESULTS, *options.found])
    steps = make_plan(task, tables, library)
    terminal().print(plan_table(steps))
    if options.plan:
        return
    if not options.fill:
        try:
            carry_out(steps, library, console, part=part)
        except Interrupted as interrupted:
            raise Interrupted("interrupted: the same command goes on") from interrupted
        library.look()
    for table in tables:
        for file in write(table, name, library, out):
            show(str(file))


def parse(name: str, arguments: list[str]) -> Any:
    """The command line as a dataclass with the fields data, run and settings."""
    data = value_of(arguments, "--data", "market1501")
    fields: list[Any] = [
        ("data", flat(data_options(data, needed="--plan" not in arguments))),
        ("run", flat(Options), dataclasses.field(default_factory=Options)),
        ("settings", flat(Settings), dataclasses.field(default_factory=Settings)),
    ]
    command = dataclasses.make_dataclass("Reproduce", fields, frozen=True)
    described = "The paper's tables beside our own; what is finished is never done again."
    return parse_options(command, arguments, f"passerby reproduce {name}", description=described)


def methods_of(tables: Sequence[Table]) -> dict[str, Method]:
    """The methods that the tables name."""
    names = {line.training.method for table in tables for line in table.lines}
    return {name: METHODS[name] for name in sorted(names)}


def parse_changes(given: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
    """`[METHOD[/CONFIGURATION]:]NAME=VALUE` by scope ("": every method) and name; values are YAML.

    Raises:
        InputError: one has no `=`, names no method of ours, or its value cannot be read.
    """
    changes: dict[str, dict[str, Any]] = {}
    for change in given:
        name, sign, value = change.partition("=")
        scope, _, field = name.rpartition(":")
        if not sign or not field or scope.partition("/")[0] not in ("", *METHODS):
            raise InputError(
                f"--change takes NAME=VALUE, METHOD:NAME=VALUE or METHOD/CONFIGURATION:NAME=VALUE "
                f"with METHOD one of {', '.join(METHODS)}; given {change!r}"
            )
        try:
            changes.setdefault(scope, {})[field] = parse_yaml(value)
        except ValueError as error:
            raise InputError(f"--change {change}: its value cannot be read") from error
    return changes


def check_configurations(changes: Mapping[str, Any], tables: Sequence[Table]) -> None:
    """Refuses changes of configurations that no table has.

    Raises:
        InputError: it names the configurations that there are.
    """
    runs = [line.training for table in tables for line in table.lines]
    runs += [run.start for run in runs if run.start is not None]
    known = {f"{run.method}/{run.name}" for run in runs}
    unknown = sorted(scope for scope in changes if "/" in scope and scope not in known)
    if unknown:
        raise InputError(
            f"--change {unknown[0]}: no table here has that configuration; "
            f"there are {', '.join(sorted(known))}"
        )


def write(table: Table, name: str, library: Library, out: Path) -> list[Path]:
    """Writes a table as Markdown, CSV and HTML; prints the Markdown."""
    from passerby.reproduce.across import across_rows
    from passerby.reproduce.carry_out import device_of
    from passerby.reproduce.filled import fill
    from passerby.reproduce.report import csv_of, markdown_of, page, write_table

    filled = fill(table, library)
    files = write_table(filled, name, out)
    if table.number != ACROSS:
        show(files[0].read_text(encoding="utf-8"))
        return files
    columns, rows, notes = across_rows(filled, library, device_of(library.task.settings))
    title = f"All methods on {filled.data}, {filled.protocols}"
    text = markdown_of(title, columns, rows, notes)
    write_text(files[0], text)
    write_text(files[1], csv_of(columns, rows))
    write_text(files[2], page(title, columns, rows, notes))
    show(text)
    return files
