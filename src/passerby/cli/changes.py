"""`--change NAME=VALUE`: fields of a run's recipe that are another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from passerby.parsing import parse_yaml
from passerby.types import InputError


def parse_changes(given: Sequence[str]) -> dict[str, Any]:
    """`NAME=VALUE`, values as YAML has them, to a mapping.

    Raises:
        InputError: one has no `=`, or its value cannot be read.
    """
    changes = {}
    for change in given:
        name, sign, value = change.partition("=")
        try:
            changes[name] = parse_yaml(value)
        except ValueError as error:
            raise InputError(f"--change {change}: its value cannot be read") from error
        if not sign or not name:
            raise InputError(f"--change takes NAME=VALUE; given {change!r}")
    return changes
