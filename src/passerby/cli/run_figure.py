"""The command line of a figure that takes a run and its data set."""

from __future__ import annotations

import dataclasses
from typing import Any

from passerby.cli.dataset import run_data_options
from passerby.cli.options import flat, parse_options


def parse(kind: Any, arguments: list[str], name: str) -> Any:
    """The command line as a dataclass of the figure's options and the data set's."""
    data = flat(run_data_options(arguments))
    fields: list[Any] = [("figure", flat(kind)), ("data", data)]
    figure = dataclasses.make_dataclass("Figure", fields, frozen=True)
    return parse_options(figure, arguments, f"passerby figures {name}", description=kind.__doc__)
