"""The documentation holds together: links outside of the site, contents, options, a picture."""

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OUTSIDE = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "src/passerby/model/CARD.md")
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)")


@pytest.mark.parametrize("name", OUTSIDE)
def test_its_links_lead_somewhere(name):
    page = ROOT / name
    for link in LINK.findall(page.read_text()):
        assert (page.parent / link).exists(), link


def test_every_page_is_in_the_contents():
    listed = set(re.findall(r"^[\w/*-]+$", (ROOT / "docs" / "index.md").read_text(), re.MULTILINE))
    pages = {
        str(page.relative_to(ROOT / "docs").with_suffix(""))
        for page in (ROOT / "docs").rglob("*.md") if "_build" not in page.parts
    }  # fmt: skip
    missing = {
        page for page in pages - listed - {"index"}
        if not any(Path(page).match(pattern) for pattern in listed if "*" in pattern)
    }  # fmt: skip
    assert missing == set()


def test_every_python_snippet_is_python():
    pages = [page for page in (ROOT / "docs").rglob("*.md") if "_build" not in page.parts]
    snippets = [
        (page, code) for page in [ROOT / "README.md", *pages]
        for code in re.findall(r"^```python\n(.*?)^```", page.read_text(), re.M | re.S)
    ]  # fmt: skip
    assert len(snippets) > 10
    for page, code in snippets:
        compile(code, str(page), "exec")


def test_the_picture_of_imports_is_that_of_the_contracts():
    sys.path.insert(0, str(ROOT / "tools"))
    import draw_imports

    assert draw_imports.TARGET.read_text() == draw_imports.picture()
    assert {"cli", "gallery", "types"} <= {name for row in draw_imports.layers() for name in row}


def test_options_are_those_of_the_help(monkeypatch):
    pytest.importorskip("sphinx")
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "")
    import from_the_program

    options = dict(from_the_program.options_in(from_the_program.help_of("gallery merge")))
    assert options["--into STR"].startswith("Name to keep")
    assert options["GALLERY"].startswith("The gallery: a folder, or http://")
    assert "-h, --help" not in options
    commands = dict(from_the_program.commands_in(from_the_program.help_of("gallery")))
    assert commands["undo"] == "undo a merge, split, rename, confirmation or decision"
    assert dict(from_the_program.commands_in(from_the_program.help_of(""))).keys() >= {"train"}


def test_commands_of_the_reference_are_all_there_are(monkeypatch):
    from passerby.cli.figures import FIGURES
    from passerby.cli.gallery import COMMANDS
    from passerby.cli.main import COMMANDS as ALL
    from passerby.methods import METHODS

    text = "".join(page.read_text() for page in (ROOT / "docs" / "reference").glob("*.md"))
    told = set(re.findall(r"^```{(?:options|commands)} (.*)$", text, re.MULTILINE))
    assert {f"gallery {name}" for name in COMMANDS} <= told
    assert {f"figures {name}" for name in FIGURES} <= told
    assert {f"train {name}" for name in METHODS} <= told
    assert set(ALL) <= {command.split()[0] for command in told}
