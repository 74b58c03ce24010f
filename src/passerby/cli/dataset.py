"""`--data NAME --root DIR` and the loader's own options, for every command that reads data."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import tyro
from rich.console import Console

from passerby.data.datasets import DATASETS, load
from passerby.types import InputError, Split


def value_of(arguments: list[str], option: str, default: str) -> str:
    """What the command line gives for `--option`, before it is parsed as a whole."""
    for index, argument in enumerate(arguments):
        if argument == option and index + 1 < len(arguments):
            return arguments[index + 1]
        if argument.startswith(f"{option}="):
            return argument.partition("=")[2]
    return default


def data_options(name: str) -> Any:
    """A dataclass of the options of one data set: data, root, and its loader's own.

    Raises:
        InputError: for an unknown data set.
    """
    if name not in DATASETS:
        raise InputError(f"--data must be one of {', '.join(DATASETS)}; given {name!r}")
    loader = DATASETS[name]
    hints = get_type_hints(loader)
    known = {text.split(":")[0].strip(): text for text in (loader.__doc__ or "").splitlines()}
    own = []
    for parameter in list(inspect.signature(loader).parameters.values())[1:]:
        text = known.get(parameter.name, "").partition(":")[2].strip()
        kind = tyro.conf.arg(help=text) if text else tyro.conf.arg()
        own.append((parameter.name, _annotated(hints[parameter.name], kind), parameter.default))
    fields: list[Any] = [
        ("root", _annotated(Path, tyro.conf.arg(help="The data set's folder or file."))),
        ("data", _annotated(Literal[tuple(DATASETS)], tyro.conf.arg(help="Its kind.")), name),
    ]
    fields += [(n, kind, dataclasses.field(default=default)) for n, kind, default in own]
    return dataclasses.make_dataclass("Data", fields, frozen=True)


def load_split(options: Any, console: Console) -> Split:
    """The split that the options name; what the loader noticed is printed.

    Raises:
        InputError: from the loader.
    """
    values = {field.name: getattr(options, field.name) for field in dataclasses.fields(options)}
    split = load(values.pop("data"), values.pop("root"), **values)
    for warning in split.warnings:
        console.print(f"note: {warning}", highlight=False, soft_wrap=True)
    return split


def load_also(text: str, console: Console) -> Split:
    """A further data set for training, given as NAME:ROOT[,option=value ...].

    Raises:
        InputError: it has another form, or the data set is unknown; also from the loader.
    """
    name, colon, rest = text.partition(":")
    root, *settings = rest.split(",")
    if not (name and colon and root) or any("=" not in setting for setting in settings):
        raise InputError(
            f"a further data set is NAME:ROOT or NAME:ROOT,option=value,...: given {text!r}"
        )
    arguments = ["--data", name, "--root", root]
    for setting in settings:
        option, _, value = setting.partition("=")
        arguments += [f"--{option.replace('_', '-')}", value]
    options = tyro.cli(
        data_options(name),
        args=arguments,
        prog=f"passerby train: {text}",
        config=(tyro.conf.FlagConversionOff,),
    )
    return load_split(options, console)


def flat(kind: Any) -> Any:
    """A dataclass whose options carry no prefix; those of dataclasses within it do."""
    return Annotated[kind, tyro.conf.arg(name="")]


def _annotated(kind: Any, *marks: Any) -> Any:
    return Annotated[(kind, *marks)]
