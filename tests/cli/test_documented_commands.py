"""Every `passerby ...` line of the documentation is a command line that parses."""

import re
import shlex
from importlib import import_module
from pathlib import Path

import pytest
import tyro

ROOT = Path(__file__).parents[2]
ELSEWHERE = {"results", "tutorials"}  # `test_tutorials.py` runs those of the tutorials.
DOCS = [page for page in (ROOT / "docs").rglob("*.md") if not ELSEWHERE & {*page.parts}]
PAGES = [ROOT / "README.md", *sorted(DOCS)]
FENCE = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)


def documented():
    for page in PAGES:
        for block in FENCE.findall(page.read_text()):
            for line in block.splitlines():
                if re.match(r"(torchrun .* -m )?passerby ", line):
                    yield page.name, line.partition("#")[0].strip()


class Parsed(Exception):
    pass


@pytest.mark.parametrize(("page", "line"), documented())
def test_it_parses(page, line, monkeypatch):
    real = tyro.cli

    def parse(*arguments, **options):
        real(*arguments, **options)
        raise Parsed

    monkeypatch.setattr(tyro, "cli", parse)
    name, *rest = shlex.split(line.partition("passerby ")[2])
    with pytest.raises(Parsed):
        import_module(f"passerby.cli.{name}").run(rest)


def test_there_are_such_lines():
    assert len(list(documented())) > 15
