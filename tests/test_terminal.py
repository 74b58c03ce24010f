"""Names and paths stand on the terminal as they are, whatever they look like to rich."""

import ast
import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from passerby.terminal import say, terminal
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


def test_nobody_else_makes_a_console_or_writes_markup():
    """Every console is `terminal()`; who prints a line to a given one uses `say`."""
    found = []
    for file in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            made = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Console"
            imported = isinstance(node, ast.ImportFrom) and (node.module or "") == "rich.markup"
            if made or imported:
                found.append(file.relative_to(SOURCE).as_posix())
    assert found == ["terminal.py"]
