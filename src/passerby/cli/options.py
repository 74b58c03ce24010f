"""A command line as a dataclass, its help as running text."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import is_dataclass, replace
from typing import Annotated, Any

import tyro
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, StructConstructorSpec

from passerby.embedding.shipped import SHIPPED
from passerby.terminal import show
from passerby.types import InputError


def parse_options(kind: Any, arguments: list[str], prog: str, **more: Any) -> Any:
    """What the arguments say, as an instance of a dataclass; each field is an option.

    Args:
        kind: the dataclass.
        arguments: the command line without the program's name.
        prog: the program's name.
        more: as `tyro.cli` takes it.

    Raises:
        SystemExit: for --help, an unknown option or a choice that there is not; tyro explains it.
        InputError: for a value of the wrong type, or one that the options' own rules refuse.
    """
    registry, inner = ConstructorRegistry(), ConstructorRegistry.get_primitive_spec
    registry.primitive_rule(_once(inner, _plain_metavar))
    registry.struct_rule(_once(ConstructorRegistry.get_struct_spec, _plain_help))
    try:
        with registry, _shown(arguments):
            return tyro.cli(kind, args=arguments, prog=prog, **more)
    except _WrongValue as wrong:
        raise InputError(wrong.message(arguments)) from None
    except _AgainstARule as wrong:
        raise InputError(str(wrong)) from None


@contextmanager
def _shown(arguments: list[str]) -> Iterator[None]:
    """Tyro repeats arguments as they are; a file's name among them may command the terminal."""
    if all(argument.isprintable() for argument in arguments):
        yield
        return
    told = io.StringIO()
    try:
        with redirect_stderr(told):
            yield
    finally:
        if told.getvalue():
            show(told.getvalue(), errors=True, end="")


# Neither is a ValueError, which tyro would explain in a frame of many lines.
class _AgainstARule(Exception):
    """What a dataclass of options says of its values."""


class _WrongValue(Exception):
    """Text that is no value of an option."""

    def __init__(self, values: Sequence[str], kind: str) -> None:
        self.values, self.kind = list(values), kind

    def message(self, arguments: list[str]) -> str:
        """In one line, with the option that the values follow."""
        given = " ".join(self.values)
        for place, argument in enumerate(arguments):
            name, _, value = argument.partition("=")
            follow = arguments[place + 1 :][: len(self.values)]
            if name.startswith("--") and (value == given or follow == self.values):
                return f"{name} takes {self.kind}: given {given!r}"
        return f"{self.kind} is wanted: given {given!r}"


def named(name: str) -> Any:
    """What help calls an argument that has no option's name, e.g. `RUN`; to annotate it with."""
    return tyro.conf.arg(metavar=name)


def flat(kind: Any) -> Any:
    """A dataclass whose options carry no prefix; those of dataclasses within it do."""
    return Annotated[kind, tyro.conf.arg(name="")]


def value_of(arguments: list[str], option: str, default: str) -> str:
    """What the command line gives for `--option`, before it is parsed as a whole."""
    for index, argument in enumerate(arguments):
        if argument == option and index + 1 < len(arguments):
            return arguments[index + 1]
        if argument.startswith(f"{option}="):
            return argument.partition("=")[2]
    return default


def _once(found: Callable[[Any], Any], changed: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A rule for tyro: what its own rules make of a type, changed."""
    asked: list[Any] = []

    def rule(info: Any) -> Any:
        if asked:
            return None
        asked.append(info)
        try:
            return changed(found(info))
        finally:
            asked.pop()

    return rule


def _plain_metavar(spec: Any) -> PrimitiveConstructorSpec[Any] | None:
    """`{None}|{[INT [INT ...]]}` as `INT ...`: nobody types None."""
    if not isinstance(spec, PrimitiveConstructorSpec):
        return None
    text = spec.metavar.removeprefix("{None}|").replace("{None,", "{")
    if text.startswith("{["):
        text = text[1:-1]
    if text.startswith("[") and text.endswith(" ...]]"):
        text = text[1:].partition(" [")[0] + " ..."
    return replace(spec, metavar=text, instance_from_str=_told(spec.instance_from_str, text))


def _told(make: Callable[[list[str]], Any], metavar: str) -> Callable[[list[str]], Any]:
    kind = _KINDS.get(metavar, metavar)

    def made(values: list[str]) -> Any:
        try:
            return make(values)
        except (ValueError, TypeError):
            raise _WrongValue(values, kind) from None

    return made


_KINDS = {
    "FLOAT": "a number", "INT": "a whole number",
    "FLOAT ...": "numbers", "INT ...": "whole numbers",
}  # fmt: skip


def _plain_help(spec: Any) -> StructConstructorSpec | None:
    """Help without a docstring's line breaks, and without defaults that mean: not given."""
    if not isinstance(spec, StructConstructorSpec):
        return None
    hint = tyro.conf.arg(help_behavior_hint=_default)
    fields = []
    for field in spec.fields:
        hinted: Any = Annotated[field.type, hint]
        fields.append(replace(field, type=hinted, helptext=_running(field.helptext)))
    make = _checked(spec.instantiate) if is_dataclass(spec.instantiate) else spec.instantiate
    return replace(spec, fields=tuple(fields), instantiate=make)


def _checked(make: Callable[..., Any]) -> Callable[..., Any]:
    def made(*values: Any, **named: Any) -> Any:
        try:
            return make(*values, **named)
        except InputError as error:
            raise _AgainstARule(str(error)) from None

    return made


def _default(text: str) -> str:
    unsaid = ("", "None", "False", str(SHIPPED))
    return "" if text in unsaid else f"(default: {text})"


def _running(text: Any) -> Callable[[], str | None]:
    def made() -> str | None:
        found = text() if callable(text) else text
        return found and " ".join(found.split())

    return made
