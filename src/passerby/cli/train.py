"""`passerby train METHOD`."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import tyro

from passerby.cli.dataset import data_options, load_also, load_split
from passerby.cli.options import flat, parse_options, value_of
from passerby.data.join import join
from passerby.evaluation.results import results_table
from passerby.methods import METHODS, import_method
from passerby.terminal import show, terminal
from passerby.training.settings import Settings
from passerby.types import InputError

if TYPE_CHECKING:
    from passerby.method import Method

USAGE = """usage: passerby train METHOD --data NAME --root DIR [options]

METHOD is one of {methods}, or path/to/file.py:METHOD for one of your own.
`passerby train METHOD --help` explains every option."""


@dataclass(frozen=True)
class Options:
    """Where the run goes and what it does."""

    preset: Literal["paper", "small", "transfer"] = "paper"
    """The paper's recipe, a small one for a CPU, or one for unseen cameras (bag_of_tricks only).
    Each of its numbers is an option below."""
    out: Path | None = None
    """Folder of the run. If not given, runs/METHOD-DATA-SEED."""
    resume: bool = False
    """Continue from the run's last checkpoint."""
    init_from: Path | None = None
    """Earlier run (or RUN/stages/NAME.safetensors) of the same method and training pictures whose
    finished stages to reuse."""
    also: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Also train on this data set: NAME:ROOT, or NAME:ROOT,option=value,... May be given several
    times. The evaluation stays that of --data."""
    evaluate: bool = True
    """Evaluate at the end and write results.json."""
    skip_broken: bool = False
    """Skip broken pictures, and count them, instead of stopping."""


def run(arguments: list[str]) -> None:
    """Runs the command."""
    if not arguments or arguments[0].startswith("-"):
        show(USAGE.format(methods=", ".join(METHODS)))
        if not arguments or arguments[0] not in ("-h", "--help"):
            raise InputError("name a method first: passerby train METHOD")
        return
    name, *rest = arguments
    method = import_method(name)
    command = parse(method, rest)
    from passerby.experiment import check_ranked, evaluate_run, train
    from passerby.training.processes import is_first_process

    console = terminal(errors=True)
    options: Options = command.run
    split = load_split(command.data, console)
    split = join([split, *(load_also(text, console) for text in options.also)])
    if options.evaluate:
        check_ranked(split, ": --no-evaluate trains alone")
    out = options.out or Path("runs") / f"{method.name}-{split.name}-{command.settings.seed}"
    model = train(
        method,
        split,
        out,
        recipe=command.recipe,
        settings=command.settings,
        resume=options.resume,
        init_from=options.init_from,
        evaluate=False,
        skip_broken=options.skip_broken,
        console=console,
    )
    if not is_first_process():
        return
    if options.evaluate:
        workers, skip = command.settings.workers, options.skip_broken
        found = evaluate_run(model, split, out, workers=workers, skip_broken=skip, console=console)
        terminal().print(results_table(found))
    show(f"run: {out}")


def parse(method: Method, arguments: list[str]) -> Any:
    """The command line as a dataclass with the fields data, run, settings, recipe."""
    from passerby.experiment import Preset, make_recipe

    data = value_of(arguments, "--data", "market1501")
    preset = value_of(arguments, "--preset", "paper")
    # What is no preset at all is told by the parser, with all the others.
    known: Any = preset if preset in get_args(Preset) else "paper"
    recipe = make_recipe(method, data, known)
    fields: list[Any] = [
        ("data", flat(data_options(data))),
        ("run", flat(Options), dataclasses.field(default_factory=Options)),
        ("settings", flat(Settings), dataclasses.field(default_factory=Settings)),
        ("recipe", flat(type(recipe)), dataclasses.field(default_factory=lambda: recipe)),
    ]
    command = dataclasses.make_dataclass("Train", fields, frozen=True)
    return parse_options(
        command, arguments, f"passerby train {method.name}", description=method.title
    )
