"""A command line as a dataclass, its help as running text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

import tyro
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, StructConstructorSpec


def parse_options(kind: Any, arguments: list[str], prog: str, **more: Any) -> Any:
    """What the arguments say, as an instance of a dataclass; each field is an option.

    Args:
        kind: the dataclass.
        arguments: the command line without the program's name.
        prog: the program's name.
        more: as `tyro.cli` takes it.

    Raises:
        SystemExit: for --help, an unknown option or a value of the wrong type; tyro explains it.
    """
    registry, inner = ConstructorRegistry(), ConstructorRegistry.get_primitive_spec
    registry.primitive_rule(_once(inner, _plain_metavar))
    registry.struct_rule(_once(ConstructorRegistry.get_struct_spec, _plain_help))
    with registry:
        return tyro.cli(kind, args=arguments, prog=prog, **more)


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
    return replace(spec, metavar=text)


def _plain_help(spec: Any) -> StructConstructorSpec | None:
    """Help without a docstring's line breaks, and without defaults that mean: not given."""
    if not isinstance(spec, StructConstructorSpec):
        return None
    hint = tyro.conf.arg(help_behavior_hint=_default)
    fields = []
    for field in spec.fields:
        hinted: Any = Annotated[field.type, hint]
        fields.append(replace(field, type=hinted, helptext=_running(field.helptext)))
    return replace(spec, fields=tuple(fields))


def _default(text: str) -> str:
    return "" if text in ("", "None", "False") else f"(default: {text})"


def _running(text: Any) -> Callable[[], str | None]:
    def made() -> str | None:
        found = text() if callable(text) else text
        return found and " ".join(found.split())

    return made
