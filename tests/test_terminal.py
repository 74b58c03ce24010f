"""Names and paths stand on the terminal as they are, whatever they look like to rich."""

import ast
import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console

from passerby.cli.main import run
from passerby.terminal import printable_json, say, show, terminal
from passerby.training import progress
from passerby.training.progress import TrainingProgress, counting

SOURCE = Path(__file__).parents[1] / "src" / "passerby"
NAME = "[red]lift[/red] :house: '.[gallery]' 12"


@pytest.mark.parametrize("console", [terminal, Console])
def test_a_line_is_shown_as_it_is(console, capsys):
    say(console(), NAME)
    assert capsys.readouterr().out == NAME + "\n"


def test_a_table_shows_names_as_they_are(capsys):
    from rich.table import Table

    terminal().print(Table(NAME, title=NAME))
    assert capsys.readouterr().out.count(NAME) == 2


def test_an_epoch_is_shown_as_it_is():
    shown = io.StringIO()
    with TrainingProgress(1, Console(file=shown)) as bar:
        bar.step(1.0, NAME, 1)
        bar.epoch(1, NAME, {"[red]": 0.5}, 12.0)
    assert shown.getvalue().startswith(f"{NAME}  [red] 0.5")


def test_a_bar_is_labelled_as_it_is():
    shown = io.StringIO()
    with counting(NAME, Console(file=shown, force_terminal=True, width=200)) as told:
        told(1, 2)
    assert NAME in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.getvalue())


def test_without_a_terminal_a_line_tells_now_and_then(monkeypatch):
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    shown = io.StringIO()
    with counting("adding", Console(file=shown)) as told:
        for done in range(100):
            now = float(done)
            told(done, 24_000)
    lines = shown.getvalue().splitlines()
    assert lines == [f"adding: {done} of 24,000" for done in (5, 35, 65, 95)]


HOSTILE = "a\x1b[2J\x9b31m\x07\u202eb"
HARMLESS = r"a\x1b[2J\x9b31m\x07\u202eb"


def test_nothing_commands_the_terminal(capsys):
    from rich.table import Table

    say(terminal(), f"one {HOSTILE}\ntwo")
    terminal().print(Table(HOSTILE, title=HOSTILE, caption=HOSTILE))
    terminal().print(HOSTILE)
    show(f"one {HOSTILE}\ntwo")
    show(HOSTILE, errors=True)
    shown = capsys.readouterr()
    assert shown.err == HARMLESS + "\n"
    assert (shown.out.count(HARMLESS), shown.out.count(f"one {HARMLESS}\ntwo\n")) == (6, 2)
    assert all(letter.isprintable() for letter in shown.out.replace("\n", ""))


def test_json_means_what_it_meant():
    text = json.dumps({HOSTILE: ["\U000e0001", "Zoë 東京", "\ud800"]}, indent=1, ensure_ascii=False)
    shown = printable_json(text)
    assert json.loads(shown) == json.loads(text)
    assert r"\u009b31m" in shown
    assert "Zoë 東京" in shown
    assert all(letter.isprintable() for letter in shown.replace("\n", ""))


def test_what_the_parser_repeats_commands_nothing(capsys):
    with pytest.raises(SystemExit):
        run(["gallery", "statistics", "g", f"--{HOSTILE}"])
    told = capsys.readouterr().err
    assert HARMLESS in told
    assert "\x1b" not in told


def test_nobody_else_prints():
    found = []
    for file in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print":
                found.append(file.relative_to(SOURCE).as_posix())
    # The two of `main` are help and version.
    assert sorted(found) == ["cli/main.py", "cli/main.py", "terminal.py"]


def test_nobody_else_makes_a_console_or_writes_markup():
    """Every console is `terminal()`; who prints a line to a given one uses `say`."""
    found = []
    for file in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            made = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Console"
            imported = isinstance(node, ast.ImportFrom) and (node.module or "") == "rich.markup"
            if made or imported:
                found.append(file.relative_to(SOURCE).as_posix())
    assert found == []
