"""Help as a reader wants it: `INT ...` for several, no default where none is given."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
import tyro

from passerby.cli.main import run
from passerby.cli.options import parse_options
from passerby.embedding.shipped import SHIPPED
from passerby.types import InputError

HELPS = [
    "demo", "synth", "train msreid", "evaluate", "evaluate --mean-of", "embed", "export", "serve",
    "cues masks", "cues joints", "reproduce msreid", "gallery add", "gallery search",
    "gallery remove", "gallery calibrate", "gallery import", "figures lists", "figures report",
]  # fmt: skip


@dataclass(frozen=True)
class Options:
    """Some."""

    place: tyro.conf.Positional[Path]
    """Where."""
    numbers: tuple[int, ...] | None = None
    """Several numbers, whose text is longer than a line of the file, and goes
    on in the next one."""
    names: tuple[str, ...] = ("a", "b c")
    """Several names."""
    pair: tuple[float, float] = (0.5, 2.0)
    """Two."""
    kind: Literal["one", "two"] | None = None
    """Which."""
    limit: float | None = 0.25
    """How much."""
    quick: tyro.conf.FlagCreatePairsOff[bool] = False
    """Hurry."""


def helped(capsys, call):
    with pytest.raises(SystemExit) as ended:
        call()
    assert ended.value.code == 0
    return " ".join(re.sub(r"[│╭╮╰╯─]", " ", capsys.readouterr().out).split())


def test_what_the_help_says(capsys):
    shown = helped(capsys, lambda: parse_options(Options, ["--help"], "test"))
    for words in (
        "--numbers INT ... Several numbers, whose text is longer than a line of the file, and goes "
        "on in the next one. --names",
        "--names STR ... Several names. (default: a 'b c')",
        "--pair FLOAT FLOAT Two. (default: 0.5 2.0)",
        "--kind {one,two} Which. --limit FLOAT How much. (default: 0.25) --quick Hurry.",
        "PATH Where. (required)",
    ):
        assert words in shown


def test_what_is_typed(capsys):
    typed = ["x", "--numbers", "1", "2", "--names", "c", "--kind", "two", "--pair", "1", "2"]
    found = parse_options(Options, typed, "test")
    assert found == Options(Path("x"), (1, 2), ("c",), (1.0, 2.0), "two")
    assert parse_options(Options, ["x", "--quick"], "test") == Options(Path("x"), quick=True)
    with pytest.raises(InputError, match=r"^--numbers takes whole numbers: given '1 many'$"):
        parse_options(Options, ["x", "--numbers", "1", "many"], "test")
    with pytest.raises(InputError, match=r"^--limit takes a number: given 'x'$"):
        parse_options(Options, ["x", "--limit", "x"], "test")
    with pytest.raises(SystemExit):
        parse_options(Options, ["x", "--kind", "three"], "test")
    assert "three" in capsys.readouterr().err


@pytest.mark.parametrize("command", HELPS)
def test_no_help_speaks_of_none(command, capsys):
    shown = helped(capsys, lambda: run([*command.split(), "--help"]))
    unwanted = ("{None", "(default: None)", "(default: )", "[INT [", "[STR [", "[PATH [PATH")
    for words in (*unwanted, str(SHIPPED)):
        assert words not in shown
