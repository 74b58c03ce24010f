"""`--data NAME --root DIR` and the loader's own options, for every command that reads data."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints

import tyro
from rich.console import Console

from passerby.cli.options import parse_options, value_of
from passerby.data.datasets import DATASETS, load
from passerby.terminal import say
from passerby.training.provenance import source_of
from passerby.types import InputError, Source, Split


def data_options(name: str, *, needed: bool = True) -> Any:
    """A dataclass of the options of one data set: data, root, and its loader's own.

    Args:
        name: of the data set.
        needed: whether the command cannot do without the root.

    Raises:
        InputError: for an unknown data set.
    """
    own = _own_options(name, {})
    text = tyro.conf.arg(help="Folder (or file) of the data set.")
    root: Any = ("root", _annotated(Path, text))
    if not needed:
        root = ("root", _annotated(Path | None, text), dataclasses.field(default=None))
    return dataclasses.make_dataclass("Data", [root, _kind(name), *own], frozen=True)


def run_data_options(arguments: list[str]) -> Any:
    """The same for a command that takes a run: all that is not given is as the run has it.

    Args:
        arguments: the command line; the run is found in it before it is parsed as a whole.

    Raises:
        InputError: for an unknown data set, or a run whose configuration cannot be read.
    """
    run = _run_in(arguments)
    source = (source_of(run) if run else None) or Source("market1501", None)
    known = source.data if source.data in DATASETS else "market1501"
    name = value_of(arguments, "--data", known)
    same = name == source.data
    own = _own_options(name, source.options if same else {})
    text = tyro.conf.arg(help="The data set's folder or file; if not given that of the run.")
    default = dataclasses.field(default=source.root if same else None)
    root = ("root", _annotated(Path | None, text), default)
    kind = _kind(name, "Kind of data set. If not given, that of the run.")
    return dataclasses.make_dataclass("Data", [root, kind, *own], frozen=True)


def load_run_split(options: Any, run: Path, console: Console) -> Split:
    """The split that options from `run_data_options` name.

    Raises:
        InputError: no such run, or no --root is given, and the run does not know it or it is gone;
            also from the loader.
    """
    if not run.exists():
        raise InputError(f"{run}: no such run")
    source = source_of(run)
    if options.root is None:
        trained = f"was trained on {source.data}" if source else "does not name its data set"
        raise InputError(
            f"--root DIR is missing: where are the {options.data} pictures? {run} {trained}"
            + (", and does not say where that is" if source and source.data == options.data else "")
        )
    if source is not None and options.root == source.root and not options.root.exists():
        raise InputError(
            f"{run} was trained on {source.data} in {source.root}, which no longer exists: "
            "give its new place with --root DIR"
        )
    if not options.root.exists():
        # The synthetic set would be drawn there, which is not what a finished run is asked for.
        raise InputError(f"{options.root}: no such folder")
    return load_split(options, console)


def load_split(options: Any, console: Console, *, notes: bool = True) -> Split:
    """The split that the options name.

    Args:
        options: of `data_options`.
        console: told what was noticed.
        notes: say what the loader noticed.

    Raises:
        InputError: from the loader.
    """
    values = {field.name: getattr(options, field.name) for field in dataclasses.fields(options)}
    if options.data == "synthetic":
        from passerby.drawing.write import DONE

        if not (options.root / DONE).is_file():
            told = f"note: {options.root}: holds no finished set, people are drawn there first"
            say(console, told)
    split = load(values.pop("data"), values.pop("root"), **values)
    for warning in split.warnings if notes else ():
        say(console, f"note: {warning}")
    return split


def load_also(text: str, console: Console) -> Split:
    """A further data set for training, given as NAME:ROOT[,option=value ...].

    Raises:
        InputError: it has another form, or the data set is unknown; also from the loader.
    """
    name, colon, rest = text.partition(":")
    root, *settings = rest.split(",")
    if not (name and colon and root) or any("=" not in setting for setting in settings):
        raise InputError(f"--also takes NAME:ROOT or NAME:ROOT,option=value,...: given {text!r}")
    arguments = ["--data", name, "--root", root]
    for setting in settings:
        option, _, value = setting.partition("=")
        arguments += [f"--{option.replace('_', '-')}", value]
    options = parse_options(
        data_options(name),
        arguments,
        f"passerby train: {text}",
        config=(tyro.conf.FlagConversionOff,),
    )
    return load_split(options, console)


def _own_options(name: str, chosen: Mapping[str, Any]) -> list[Any]:
    """Fields for the options of a data set's loader; `chosen` are other defaults."""
    if name not in DATASETS:
        raise InputError(f"--data must be one of {', '.join(DATASETS)}; given {name!r}")
    loader = DATASETS[name]
    hints = get_type_hints(loader)
    known = {text.split(":")[0].strip(): text for text in (loader.__doc__ or "").splitlines()}
    own = []
    for parameter in list(inspect.signature(loader).parameters.values())[1:]:
        text = known.get(parameter.name, "").partition(":")[2].strip()
        mark = tyro.conf.arg(help=text) if text else tyro.conf.arg()
        hint = hints[parameter.name]
        default = chosen.get(parameter.name, parameter.default)
        if isinstance(default, str) and Path in get_args(hint) and str not in get_args(hint):
            default = Path(default)
        own.append((parameter.name, _annotated(hint, mark), dataclasses.field(default=default)))
    return own


def _kind(name: str, text: str = "Kind of data set.") -> Any:
    return "data", _annotated(Literal[tuple(DATASETS)], tyro.conf.arg(help=text)), name


def _run_in(arguments: list[str]) -> Path | None:
    """The first folder of a run on the command line, whatever stands before it."""
    for before, argument in zip(["", *arguments], arguments, strict=False):
        folder = Path(argument)
        if (
            before not in ("--root", "--distractors", "--beside")
            and (folder / "config.yaml").is_file()
        ):
            return folder
    return None


def _annotated(kind: Any, *marks: Any) -> Any:
    return Annotated[(kind, *marks)]
