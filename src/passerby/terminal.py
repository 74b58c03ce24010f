"""What people read on a terminal: text as it is, never markup, whatever names and paths hold.

All that is printed goes through here, so that no name of a person, file or entry commands the
terminal by escape sequences.
"""

from __future__ import annotations

import json
import sys
from typing import IO, Any

from rich.console import Console
from rich.text import Text


class _Console(Console):
    """Of what tables and lines are given as text it shows control characters, never sends them."""

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(printable_lines(text), **options)


def terminal(*, errors: bool = False, quiet: bool = False) -> Console:
    """A console that shows text as it is.

    Rich would take `[gallery]` for a style and `:house:` for a picture, and drop or replace them.

    Args:
        errors: on standard error, where all goes that is not the answer.
        quiet: shows nothing.
    """
    return _Console(stderr=errors, quiet=quiet, markup=False, emoji=False, highlight=False)


def say(console: Console, text: str) -> None:
    """Prints a line as it is, whatever the console makes of markup; it is not broken to a width."""
    text = printable_lines(text)
    console.print(text, markup=False, emoji=False, highlight=False, soft_wrap=True)


def show(text: str, *, errors: bool = False, end: str = "\n") -> None:
    """Prints a line at once, on standard output, where the answer goes, or on standard error."""
    stream: IO[str] = sys.stderr if errors else sys.stdout
    print(printable_lines(text), file=stream, end=end, flush=True)


def printable(text: str) -> str:
    r"""A text whose letters a terminal does nothing but show: control characters as `\x1b`.

    >>> print(printable("a\x1b[2Jb"), printable("Zoë 東京"))
    a\x1b[2Jb Zoë 東京
    """
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )


def printable_lines(text: str) -> str:
    """The same of each line; the lines stay."""
    return "\n".join(map(printable, text.split("\n")))


def printable_json(text: str) -> str:
    r"""JSON whose texts a terminal only shows: control characters as `\u009b`, which means them.

    >>> print(printable_json('{"key": "Zoë \u009b2J"}'))
    {"key": "Zoë \u009b2J"}
    """
    if printable_lines(text) == text:
        return text
    return "".join(
        letter if letter == "\n" or letter.isprintable() else json.dumps(letter)[1:-1]
        for letter in text
    )
