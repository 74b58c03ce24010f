"""`passerby reproduce` as a user types it."""

import json

import pytest

from passerby.cli.main import run
from passerby.reproduce import across

SMALL = ["--preset", "small", "--runs", "1", "--accelerator", "cpu"]
TINY = [
    argument
    for change in ("epochs=1", "identities=3", "pictures=2", "height=32", "width=16", "erase=0.0")
    for argument in ("--change", change)
]


def command(market, out, *more):
    return ["reproduce", "bag_of_tricks", "--root", str(market), "--out", str(out), *SMALL, *more]


def test_plan_run_and_table(market, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(command(market, out, *TINY, "--plan")) == 0
    assert "bag_of_tricks whole" in capsys.readouterr().out
    assert not out.exists()
    assert run(command(market, out, *TINY)) == 0
    shown = capsys.readouterr().out
    (result,) = out.rglob("results.json")
    rank_1 = json.loads(result.read_text())["scores"]["rank_1"]
    assert f"| bag_of_tricks | 94.5 | {100 * rank_1:.2f} |" in shown
    assert "epochs = 1" in shown
    stamp = result.stat().st_mtime_ns
    assert run(command(market, out, *TINY)) == 0
    assert result.stat().st_mtime_ns == stamp
    names = sorted(file.name for file in out.iterdir() if file.is_file())
    stem = "bag_of_tricks-table-1-market1501"
    assert names == [f"{stem}.csv", f"{stem}.html", f"{stem}.md"]


def test_all_methods_in_one_table(market, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(across, "_speed", lambda *given: 321.4)
    arguments = ["reproduce", "all", "--root", str(market), "--out", str(tmp_path), *SMALL]
    assert run([*arguments, "--fill", "--table", "all"]) == 2
    assert "has no tables of its own" in capsys.readouterr().err
    assert run([*arguments, "--fill"]) == 0
    shown = capsys.readouterr().out
    lines = [line.split("|") for line in shown.splitlines() if line.startswith("| ")]
    numbers = {cells[1].strip(): [float(text) for text in cells[2:6]] for cells in lines[2:]}
    assert len(numbers) == 6
    assert all(found[0] > 0 and found[1] > 0 for found in numbers.values())
    assert {found[3] for found in numbers.values()} == {321}
    # thin18: half the width of ResNet-18, whose trunk has 11.18 M parameters.
    assert 2.7 < numbers["bag_of_tricks"][0] < 2.9
    assert numbers["bag_of_tricks"][2] == 256


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["reproduce"], "name a method first"),
        (["reproduce", "pcb", "--root", "x"], "there are tables of bag_of_tricks, "),
        (["reproduce", "msreid", "--root", "x", "--table", "9"], "has the tables 1, figure-5"),
        (["reproduce", "msreid", "--root", "x", "--part", "3/2"], "--part must be I/N"),
        (["reproduce", "msreid", "--root", "x", "--runs", "0"], "runs must be 1 or more"),
        (["reproduce", "msreid", "--root", "x", "--found", "gone"], "--found gone: no such folder"),
        (["reproduce", "msreid", "--root", "x", "--change", "epochs"], "takes NAME=VALUE"),
        (["reproduce", "msreid", "--root", "x", "--change", "pcb:epochs=1"], "takes NAME=VALUE"),
        (
            ["reproduce", "msreid", "--root", "x", "--change", "msreid/BLM:epochs=1"],
            "no table has this configuration; there are bag_of_tricks/whole, msreid/A, ",
        ),
    ],
)
def test_what_is_refused(arguments, words, capsys):
    assert run(arguments) == 2
    assert words in capsys.readouterr().err


def test_the_plan_needs_no_data(capsys):
    assert run(["reproduce", "msreid", "--plan", "--runs", "3", "--change", "epochs=60"]) == 0
    shown = [line.split() for line in capsys.readouterr().out.splitlines() if "│" in line]
    found = {" ".join(cells[1:3]): (cells[4], cells[6]) for cells in shown}
    assert found["msreid ALM"] == ("3", "60")
    assert found["bag_of_tricks whole"] == ("3", "60")
    with pytest.raises(SystemExit):
        run(["reproduce", "msreid"])
    assert "--root" in capsys.readouterr().err
