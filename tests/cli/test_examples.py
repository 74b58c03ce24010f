"""The examples run."""

import runpy
import sys
from pathlib import Path

from passerby.cli.main import run

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_a_method_of_ones_own_and_the_search_with_it(market, tmp_path, monkeypatch, capsys):
    method, out = f"{EXAMPLES / 'own_method.py'}:METHOD", tmp_path / "run"
    tiny = ["--preset", "small", "--epochs", "1", "--height", "32", "--width", "16"]
    place = ["--root", str(market), "--out", str(out), "--accelerator", "cpu"]
    assert run(["train", method, *place, *tiny]) == 0
    assert run(["evaluate", str(out), "--root", str(market), "--method", method]) == 0


def test_finding_a_person(market, tmp_path, monkeypatch, capsys):
    out = tmp_path / "run"
    tiny = ["--preset", "small", "--epochs", "1", "--identities", "3", "--height", "32"]
    place = ["--root", str(market), "--out", str(out), "--accelerator", "cpu", "--no-evaluate"]
    assert run(["train", "bag_of_tricks", *place, *tiny]) == 0
    query = next((market / "query").glob("*.jpg"))
    gallery = market / "bounding_box_test"
    monkeypatch.setattr(sys, "argv", ["find", str(out), str(query), str(gallery)])
    capsys.readouterr()
    runpy.run_path(str(EXAMPLES / "find_a_person.py"), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    distances = [float(line.split()[0]) for line in lines]
    assert len(lines) == 10
    assert distances == sorted(distances)
