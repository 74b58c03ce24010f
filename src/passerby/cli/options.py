"""A command line as a dataclass, its help as running text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import docstring_parser
import tyro


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
    with _running_text():
        return tyro.cli(kind, args=arguments, prog=prog, **more)


@contextmanager
def _running_text() -> Iterator[None]:
    """Without it tyro keeps line breaks before indented lines, as a docstring's are.

    It has no setting for that; here what it reads of a field's docstring has none.
    """
    real = docstring_parser.parse_from_object

    def parse(found: Any, *style: Any) -> Any:
        parsed = real(found, *style)
        for field in parsed.params:
            field.description = field.description and " ".join(field.description.split())
        return parsed

    docstring_parser.parse_from_object = parse  # type: ignore[assignment]
    try:
        yield
    finally:
        docstring_parser.parse_from_object = real
