"""What people read on a terminal: text as it is, never markup, whatever names and paths hold."""

from __future__ import annotations

from rich.console import Console


def terminal(*, errors: bool = False, quiet: bool = False) -> Console:
    """A console that shows text as it is.

    Rich would take `[gallery]` for a style and `:house:` for a picture, and drop or replace them.

    Args:
        errors: on standard error, where all goes that is not the answer.
        quiet: shows nothing.
    """
    return Console(stderr=errors, quiet=quiet, markup=False, emoji=False, highlight=False)


def say(console: Console, text: str) -> None:
    """Prints a line as it is, whatever the console makes of markup; it is not broken to a width."""
    text = "\n".join(map(printable, text.split("\n")))
    console.print(text, markup=False, emoji=False, highlight=False, soft_wrap=True)


def printable(text: str) -> str:
    r"""A text whose letters a terminal does nothing but show: control characters as `\x1b`.

    >>> print(printable("a\x1b[2Jb"), printable("Zoë 東京"))
    a\x1b[2Jb Zoë 東京
    """
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )
