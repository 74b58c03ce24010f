"""`passerby reproduce METHOD`: the paper's tables beside our own."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import tyro

from passerby.cli.dataset import data_options, load_split
from passerby.cli.options import flat, parse_options, value_of
from passerby.files import write_text
from passerby.methods import METHODS
from passerby.parsing import parse_yaml
from passerby.reproduce.declared import Table
from passerby.reproduce.tables import ACROSS, FACTS, TABLES, tables_of
from passerby.terminal import show, terminal
from passerby.training.interrupt import Interrupted
from passerby.training.settings import Settings
from passerby.types import InputError, Split

if TYPE_CHECKING:
    from passerby.method import Method
    from passerby.reproduce.found import Library

RESULTS = Path("docs/results/runs")
"""Where the repository keeps the result files that its pages quote."""

PRETRAINING = ("attention_driven", "pretraining")
"""Method and what --table calls its three pre-trainings."""
SPLITS = 20
"""Of CUHK03's original protocol."""
FIRST_SPLIT = "attention_driven"
"""The method whose paper took the first of them alone."""

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
    """NAME=VALUE, METHOD:NAME=VALUE or METHOD/CONFIGURATION:NAME=VALUE: change a field of the
    recipes, e.g. epochs=60; can be given more than once. The plan names the configurations."""
    out: Path | None = None
    """Folder for runs and tables. If not given, reproduced/METHOD-DATA-PRESET."""
    found: tuple[Path, ...] = ()
    """Folders with runs or result files to use; docs/results/runs is always searched."""
    pretrained: Path | None = None
    """Folder of attention_driven's pre-trainings (--table pretraining); its runs start from
    them."""
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
    if (name, command.run.table) in FACTS:
        _write_facts(name, command)
        return
    if (name, command.run.table) == PRETRAINING:
        _pretrain(command)
        return
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
    if options.pretrained is not None and not options.pretrained.is_dir():
        raise InputError(f"--pretrained {options.pretrained}: no such folder")
    for place in options.found:
        # A mistyped one would have all of its runs trained again.
        if not place.is_dir():
            raise InputError(f"--found {place}: no such folder")
    console = terminal(errors=True)
    tables = tables_of(name, command.data.data, options.table)
    methods = methods_of(tables)

    def task(split: Split) -> Task:
        return Task(
            split,
            methods,
            options.preset,
            changes,
            command.settings,
            options.runs,
            options.pretrained,
        )

    if command.data.root is None:
        nothing = Split(command.data.data, Path(), (), (), ())
        terminal().print(outline_table(task(nothing), tables))
        return
    splits = [
        checked(load_split(data, console), skip_broken=False, console=console)
        for data in each_split(name, command.data, rest)
    ]
    folder = f"{name}-{splits[0].root.resolve().name}-{options.preset}"
    out = options.out or Path("reproduced") / folder
    libraries = [Library(task(split), out, [RESULTS, *options.found]) for split in splits]
    plans = [make_plan(library.task, tables, library) for library in libraries]
    terminal().print(plan_table([step for plan in plans for step in plan]))
    if options.plan:
        return
    if not options.fill:
        for steps, library in zip(plans, libraries, strict=True):
            try:
                carry_out(steps, library, console, part=part)
            except Interrupted as interrupted:
                raise Interrupted(
                    "interrupted: run the same command again to continue"
                ) from interrupted
            library.look()
    for table in tables:
        for file in write(table, name, libraries, out):
            show(str(file))


def each_split(name: str, data: Any, arguments: list[str]) -> list[Any]:
    """The data options of each split that is run and averaged.

    CUHK03's original protocol has 20 splits, and numbers on it are their means; the Attention
    Driven network's paper took the first. With --index it is that one.
    """
    several = data.data == "cuhk03" and data.protocol == "original" and name != FIRST_SPLIT
    if not several or value_of(arguments, "--index", ""):
        return [data]
    return [dataclasses.replace(data, index=index) for index in range(SPLITS)]


def parse(name: str, arguments: list[str]) -> Any:
    """The command line as a dataclass with the fields data, run and settings."""
    data = value_of(arguments, "--data", "market1501")
    table = value_of(arguments, "--table", "")
    needed = "--plan" not in arguments and FACTS.get((name, table), True)
    fields: list[Any] = [
        ("data", flat(data_options(data, needed=needed))),
        ("run", flat(Options), dataclasses.field(default_factory=Options)),
        ("settings", flat(Settings), dataclasses.field(default_factory=Settings)),
    ]
    command = dataclasses.make_dataclass("Reproduce", fields, frozen=True)
    described = "The paper's tables beside our own; what is finished is never done again."
    return parse_options(command, arguments, f"passerby reproduce {name}", description=described)


def _write_facts(name: str, command: Any) -> None:
    """Writes a table that needs no training, and prints it."""
    from passerby.reproduce.facts import facts_of
    from passerby.reproduce.report import csv_of, markdown_of, page

    number, split = command.run.table, Split("", Path(), (), (), ())
    if FACTS[name, number]:
        if command.data.root is None:
            raise InputError(f"table {number} counts a data set: give its place with --root DIR")
        split = load_split(command.data, terminal(errors=True))
    facts = facts_of(name, number, split)
    parts = (facts.title, facts.columns, facts.rows, facts.notes)
    out = command.run.out or Path("reproduced") / f"{name}-facts"
    stem = "-".join(part for part in (name, f"table-{number}", split.name) if part)
    texts = {".md": markdown_of(*parts), ".csv": csv_of(*parts[1:3]), ".html": page(*parts)}
    show(texts[".md"])
    for ending, text in texts.items():
        write_text(out / f"{stem}{ending}", text)
        show(str(out / f"{stem}{ending}"))


def _pretrain(command: Any) -> None:
    """Carries out the pre-trainings of the Attention Driven network."""
    from passerby.experiment import checked
    from passerby.reproduce.pretraining import pretrain
    from passerby.reproduce.wanted import Task

    options, (method, _), console = command.run, PRETRAINING, terminal(errors=True)
    if command.data.root is None:
        raise InputError("pre-training needs pictures: give their place with --root DIR")
    split = checked(load_split(command.data, console), skip_broken=False, console=console)
    changes, out = parse_changes(options.change), options.out or Path("reproduced/pretraining")
    methods = {method: METHODS[method]}
    task = Task(split, methods, options.preset, changes, command.settings)
    try:
        for folder in pretrain(task, out, console):
            show(str(folder / "model.safetensors"))
    except Interrupted as interrupted:
        raise Interrupted("interrupted: run the same command again to continue") from interrupted


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
            f"--change {unknown[0]}: no table has this configuration; "
            f"there are {', '.join(sorted(known))}"
        )


def write(table: Table, name: str, libraries: Sequence[Library], out: Path) -> list[Path]:
    """Writes a table as Markdown, CSV and HTML; prints the Markdown."""
    from passerby.reproduce.across import across_rows
    from passerby.reproduce.carry_out import device_of
    from passerby.reproduce.filled import fill
    from passerby.reproduce.report import csv_of, markdown_of, page, write_table

    library = libraries[0]
    filled = fill(table, *libraries)
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
