"""A method of one's own in every command: its file runs when it is named, or after a question."""

import io
import json
from pathlib import Path

import pytest
from PIL import Image

from passerby.cli.main import run

METHOD = f"{Path(__file__).parents[2] / 'examples' / 'own_method.py'}:METHOD"
TINY = ["--preset", "small", "--epochs", "1", "--height", "32", "--width", "16"]


@pytest.fixture(scope="module")
def runs(market, tmp_path_factory):
    """A run of a method of one's own, and one of passerby's."""
    folder = tmp_path_factory.mktemp("runs")
    for name, method, more in (
        ("own", METHOD, ["--batch", "8"]),
        ("ours", "bag_of_tricks", ["--identities", "3"]),
    ):
        train = ["train", method, "--root", str(market), "--out", str(folder / name)]
        assert run([*train, *TINY, *more, "--accelerator", "cpu", "--no-evaluate"]) == 0
    return folder


def test_the_method_goes_with_both_runs_and_with_one(runs, tmp_path):
    own, ours = str(runs / "own"), str(runs / "ours")
    for number, (first, second) in enumerate([(own, own), (own, ours)]):
        target = tmp_path / f"{number}.png"
        lists = ["figures", "lists", first, "--beside", second, "--rows", "2"]
        assert run([*lists, "--method", METHOD, "--out", str(target)]) == 0
        assert Image.open(target).width > 100


def test_a_run_remembers_the_file_and_runs_it_when_the_user_agrees(runs, capsys, monkeypatch):
    own = str(runs / "own")
    assert run(["evaluate", own]) == 2
    assert f"give --method {METHOD}" in capsys.readouterr().err
    for answer, code in (("", 2), ("n\n", 2), ("y\n", 0)):
        typed = io.StringIO(answer)
        typed.isatty = lambda: True
        monkeypatch.setattr("sys.stdin", typed)
        assert run(["evaluate", own]) == code
        assert f"the method {METHOD}: run the code in this file? [y/N]" in capsys.readouterr().err
    results = json.loads((runs / "own" / "results.json").read_text())
    assert results["run"]["method"] == "softmax"
    assert "method_file" not in results["run"]
    assert run(["evaluate", str(runs / "ours")]) == 0


def test_a_run_whose_method_moved(runs, tmp_path, capsys, monkeypatch):
    config = (runs / "own" / "config.yaml").read_text()
    moved = tmp_path / "moved"
    moved.mkdir()
    (moved / "config.yaml").write_text(config.replace("own_method.py", "gone.py"))
    monkeypatch.setattr("passerby.cli.models._agrees", lambda _: pytest.fail("asked in vain"))
    assert run(["evaluate", str(moved)]) == 2
    assert "gone.py:METHOD, but there is no such file" in capsys.readouterr().err


def test_a_method_that_the_run_is_not_of(runs, tmp_path, capsys):
    lists = ["figures", "lists", str(runs / "ours"), "--beside", str(runs / "own")]
    for command in (
        ["evaluate", str(runs / "ours"), "--method", METHOD],
        [*lists, "--method", METHOD, "--out", str(tmp_path / "lists.png")],
        ["evaluate", str(runs / "own"), "--method", "msreid"],
    ):
        assert run(command) == 2
        assert "is of the method" in capsys.readouterr().err
