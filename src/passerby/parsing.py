"""JSON, YAML and numbers that others wrote: what is damaged, or does harm, is a `ValueError`."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from passerby.types import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def parse_json(text: str | bytes) -> Any:
    """What the JSON says.

    Raises:
        ValueError: it is none, or nested too deeply.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def read_json(file: Path) -> Any:
    """What a JSON file says.

    Raises:
        InputError: it is none, or nested too deeply.
    """
    try:
        return parse_json(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{file}: damaged JSON: {error}") from error


def parse_yaml(text: str) -> Any:
    """What the YAML says: plain values, no tags of Python, no aliases.

    A few lines of aliases of aliases stand for billions of values.

    Raises:
        ValueError: it is none, has aliases, or is nested too deeply.
    """
    import yaml

    class Loader(yaml.SafeLoader):
        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise yaml.YAMLError("aliases (*name) are not read")
            return super().compose_node(parent, index)

    try:
        return yaml.load(text, Loader)  # noqa: S506
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
    except RecursionError:
        raise ValueError("nested too deeply") from None


def yaml_text(values: Mapping[str, Any]) -> str:
    """Values as `parse_yaml` reads them, in their order."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    return yaml.dump(dict(values), Dumper=Dumper, sort_keys=False, allow_unicode=True)


def number(value: Any, name: str) -> float:
    """A number that a caller gave, infinity included: text is none, though it may look like one.

    Raises:
        InputError: it is none; one line that says so by the name.
    """
    from numbers import Real

    if not isinstance(value, Real) or isinstance(value, bool) or math.isnan(value):
        raise InputError(f"{name} must be a number: given {value!r}")
    return float(value)
