"""`passerby COMMAND`: finds the command, and turns errors into one line."""

from __future__ import annotations

import sys
import warnings
from importlib import import_module

COMMANDS = {
    "demo": "draw people, train a small network on some, find the others again (a few minutes)",
    "synth": "draw a data set of people, or videos of them",
    "train": "train a method on a data set",
    "adapt": "train a model further on pictures without labels",
    "evaluate": "evaluate a run, or a file of embeddings",
    "cues": "compute masks or joints of a data set's pictures",
    "embed": "compute embeddings of pictures and write them to files",
    "export": "write a model as ONNX",
    "crops": "cut the people out of a video",
    "watch": "fill a gallery from videos or live cameras",
    "reproduce": "train what a paper's tables need and fill them beside the paper's numbers",
    "gallery": "fill, search and manage a gallery of people",
    "serve": "search a gallery over HTTP and on a web page",
    "figures": "draw figures of a run, or write its report as one HTML page",
}
"""By name: what it does. Each lives in `passerby.cli.NAME`, in a function `run(arguments)`."""

HELP = """usage: passerby COMMAND ...

Person re-identification: find the same person in the pictures of other cameras.

commands:
{commands}

`passerby COMMAND --help` explains every option."""


def main() -> None:
    """Entry point of the `passerby` command; exits with 0, 1 (failure), 2 (bad input) or 130."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Runs one command line; returns the exit code."""
    if not arguments or arguments[0] in ("-h", "--help"):
        width = max(map(len, COMMANDS))
        lines = (f"  {name:<{width}}  {text}" for name, text in COMMANDS.items())
        print(HELP.format(commands="\n".join(lines)))
        return 0 if arguments else 2
    name, *rest = arguments
    if name == "--version":
        from passerby import __version__

        print(f"passerby {__version__}")
        return 0
    if name not in COMMANDS:
        return fail(f"no command {name!r}; there are {', '.join(COMMANDS)}", 2)
    return guarded(name, rest)


def guarded(name: str, arguments: list[str]) -> int:
    """Runs a command; what can go wrong by input, disk or interruption becomes one line."""
    from passerby.types import InputError

    warnings.simplefilter("ignore")
    try:
        import_module(f"passerby.cli.{name}").run(arguments)
    except InputError as error:
        return fail(str(error), 2)
    except MemoryError as error:
        return fail(f"not enough memory: {error}", 1)
    except (OSError, FloatingPointError) as error:
        return fail(str(error), 1)
    except KeyboardInterrupt as error:
        return fail(str(error) or "interrupted", 130)
    return 0


def fail(message: str, code: int) -> int:
    """Says in one line what went wrong."""
    from passerby.terminal import show

    show(f"passerby: {' '.join(message.split())}", errors=True)
    return code
