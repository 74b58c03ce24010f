"""Runs that fill a table: interrupted, gone on with, found again, never repeated."""

import csv
import io
import json
import shutil
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from passerby.cli.reproduce import each_split, parse
from passerby.data.datasets import load
from passerby.methods import METHODS
from passerby.reproduce import carry_out as carrying
from passerby.reproduce.declared import Line, Search, Table, Training
from passerby.reproduce.filled import Cell, fill
from passerby.reproduce.found import Found, Library
from passerby.reproduce.plan import clock, expected_seconds, make_plan, stage_epochs
from passerby.reproduce.published import Number
from passerby.reproduce.report import as_csv, html, markdown, shown, write_table
from passerby.reproduce.wanted import Task, wanted
from passerby.training import loop
from passerby.training.interrupt import Interrupted
from passerby.training.settings import Settings
from passerby.types import InputError

sys.path.insert(0, str(Path(__file__).parents[1] / "training"))
from toy_method import METHOD  # noqa: E402

WHOLE = Training("toy", "whole")
SLOW = Training("toy", "slow", {"stages.1.rate": 0.001}, WHOLE, "alone")
RERANKED = Search("re-ranked", reranking=True)
ALONE = Search("alone", stage="alone")
MULTI = Search("multi-query", multi_query=True)
TABLE = Table(
    "",
    "1",
    "Toys",
    (Line("slow", SLOW), Line("whole", WHOLE, RERANKED), Line("after stage 1", WHOLE, ALONE)),
)
QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def task(market):
    settings = Settings(accelerator="cpu")
    return Task(load("market1501", market), {"toy": METHOD}, "small", settings=settings, runs=2)


@pytest.fixture(scope="module")
def finished(task, tmp_path_factory):
    """Both runs of both configurations, trained and evaluated."""
    out = tmp_path_factory.mktemp("reproduced")
    go(task, out)
    return out


def library_of(task, out, *folders):
    return Library(task, out, folders)


def go(task, out, *folders):
    library = library_of(task, out, *folders)
    carrying.carry_out(make_plan(task, (TABLE,), library), library, QUIET)
    return library_of(task, out, *folders)


def states(task, library):
    steps = make_plan(task, (TABLE,), library)
    return {(s.run.training.name, s.run.seed): s.state for s in steps}


def scores(library):
    """Scores by run and search."""
    return {
        (found.path.parent.name, found.path.name): found.says["scores"] for found in library.results
    }


def test_interrupted_anywhere_nothing_is_repeated(task, finished, tmp_path, monkeypatch):
    epochs, evaluated, begun = Counter(), Counter(), []
    real_end, real_evaluate, real_train = loop.end_epoch, carrying.evaluate_run, carrying.train

    def train(method, split, folder, **more):
        begun.append(folder.name)
        return real_train(method, split, folder, **more)

    def end_epoch(run, standing, turns):
        stage = run.stages[standing.position.stage].name
        epochs[run.record.folder.name, stage, standing.position.epoch] += 1
        real_end(run, standing, turns)
        if sum(epochs.values()) in (1, 4, 9):
            raise Interrupted("as asked")

    def evaluate_run(model, split, run, **more):
        found = real_evaluate(model, split, run, **more)
        evaluated[more["results"]] += 1
        if sum(evaluated.values()) in (1, 3):
            raise KeyboardInterrupt
        return found

    monkeypatch.setattr(carrying, "train", train)
    monkeypatch.setattr(carrying, "evaluate_run", evaluate_run)
    monkeypatch.setattr(loop, "end_epoch", end_epoch)
    seen = []
    for _ in range(20):
        try:
            library = go(task, tmp_path)
            break
        except KeyboardInterrupt:
            seen.append(Counter(states(task, library_of(task, tmp_path)).values()))
    assert len(seen) == 5
    assert seen[0] == {"to resume": 1, "to train": 3}
    # Four runs of 2 + 3 epochs; the two that start from another one train 3 alone.
    assert set(epochs.values()) == {1}
    assert len(epochs) == 2 * (5 + 3)
    assert set(evaluated.values()) == {1}
    assert len(evaluated) == 2 * 3
    assert scores(library) == scores(library_of(task, finished))
    before = len(begun)
    go(task, tmp_path)
    assert len(begun) == before


def test_runs_that_share_a_stage_share_it(task, finished):
    library = library_of(task, finished)
    slow = wanted(task, SLOW, 1)
    says = library.result(slow, Search()).says["run"]
    assert says["init_from"]["stage"] == "alone"
    assert says["init_from"]["run"] == str(library.home(wanted(task, WHOLE, 1)))
    whole, late = (
        library.stage(wanted(task, WHOLE, 1), "alone"),
        library.stage(slow, "alone"),
    )
    assert whole.read_bytes() == late.read_bytes()


def test_results_alone_are_enough(task, finished, tmp_path):
    """As under docs/results/runs: no weights, no configuration."""
    for file in finished.rglob("*.json"):
        if file.name != "config.json":
            (tmp_path / file.parent.name).mkdir(exist_ok=True)
            shutil.copy(file, tmp_path / file.parent.name)
    library = library_of(task, tmp_path / "none", tmp_path)
    assert set(states(task, library).values()) == {"done"}


def test_runs_of_somebody_are_used_and_left_alone(task, finished, tmp_path):
    theirs = tmp_path / "theirs"
    shutil.copytree(finished, theirs)
    for file in theirs.rglob("re-ranked.json"):
        file.unlink()
    before = sorted(theirs.rglob("*"))
    ours = tmp_path / "ours"
    found = states(task, library_of(task, ours, theirs))
    assert found == {
        ("whole", 0): "to evaluate", ("whole", 1): "to evaluate",
        ("slow", 0): "done", ("slow", 1): "done",
    }  # fmt: skip
    library = go(task, ours, theirs)
    assert set(states(task, library).values()) == {"done"}
    assert sorted(theirs.rglob("*")) == before
    assert len(list(ours.rglob("re-ranked.json"))) == 2


def changed(says, path, value):
    """A copy with the value at that path another one."""
    copy = json.loads(json.dumps(says))
    place = copy
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return copy


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("data",), "dukemtmc"),
        (("variant",), "V2"),
        (("protocol",), "multi-query"),
        (("settings",), {"pooling": "max"}),
        (("same_camera_filter",), False),
        (("reranking",), {"k1": 20, "k2": 6, "lambda_value": 0.3}),
        (("scores",), {"mean_ap_trapezoid": 0.5}),
        (("counts", "queries"), 7),
        (("cues", "source"), "other masks"),
        (("counts", "gallery_ranked"), 25),
        (("run", "method"), "bag_of_tricks"),
        (("run", "seed"), 5),
        (("run", "data"), "00"),
        (("run", "stage"), "alone"),
        (("run", "training", "precision"), "bf16"),
        (("run", "recipe", "batch"), 9),
        (("run", "recipe", "stages", 1, "rate"), 0.5),
        (("run", "recipe", "unheard"), 1),
        (("run", "init_from", "recipe", "batch"), 9),
    ],
)
def test_other_results_are_not_taken(task, finished, tmp_path, path, value):
    run = wanted(task, SLOW, 0)
    original = library_of(task, finished).result(run, Search())
    (tmp_path / "same.json").write_text(json.dumps(original.says))
    assert library_of(task, tmp_path).result(run, Search()) is not None
    (tmp_path / "same.json").write_text(json.dumps(changed(original.says, path, value)))
    assert library_of(task, tmp_path).result(run, Search()) is None


def test_a_result_from_before_a_definition_of_ap_is_made_anew_once(task, finished, tmp_path):
    theirs = shutil.copytree(finished, tmp_path / "theirs")
    for file in theirs.rglob("*.json"):
        says = json.loads(file.read_text())
        if "scores" in says:
            del says["scores"]["mean_ap_step_50"]
            file.write_text(json.dumps(says))
    cut = Search(holds="mean_ap_step_50")
    table = Table("toy", "1", "t", (Line("slow", SLOW),), average_precision="step_50")
    library = library_of(task, tmp_path / "ours", theirs)
    steps = make_plan(task, (table,), library)
    due = [(step.state, step.missing) for step in steps if step.run.training is SLOW]
    assert due == [("to evaluate", (cut,))] * 2
    carrying.carry_out(steps, library, QUIET)
    filled = fill(table, library_of(task, theirs, tmp_path / "ours"))
    assert len(filled.lines[0].cells[1].ours) == 2


def test_searches_that_write_one_file_are_one_evaluation(task, finished, tmp_path, monkeypatch):
    theirs = shutil.copytree(finished, tmp_path / "theirs")
    for file in theirs.rglob("results.json"):
        file.unlink()
    tables = [
        Table("toy", name, "t", (Line("one", WHOLE),), average_precision=name)
        for name in ("step", "step_50")
    ]
    evaluated = []
    library = library_of(task, tmp_path / "ours", theirs)
    monkeypatch.setattr(
        carrying, "evaluate_run", lambda *_, results, **more: evaluated.append(results)
    )
    carrying.carry_out(make_plan(task, tables, library), library, QUIET)
    assert len(set(evaluated)) == len(evaluated) == 2


def test_number_of_processes_does_not_matter(task, finished, tmp_path):
    run = wanted(task, SLOW, 0)
    original = library_of(task, finished).result(run, Search())
    says = changed(original.says, ("run", "training", "processes"), 4)
    (tmp_path / "same.json").write_text(json.dumps(says))
    assert library_of(task, tmp_path).result(run, Search()) is not None


def test_parts_together_are_the_plan(task, tmp_path, monkeypatch):
    library = library_of(task, tmp_path)
    steps = make_plan(task, (TABLE,), library)
    taken = []
    for part in ((1, 2), (2, 2)):
        mine = [s.run for s in steps if carrying._is_mine(s.run, steps, part)]
        assert len({run.seed for run in mine}) == 1
        taken += [(run.training.name, run.seed) for run in mine]
    assert sorted(taken) == [("slow", 0), ("slow", 1), ("whole", 0), ("whole", 1)]
    assert carrying.parse_part("2/3") == (2, 3)
    for bad in ("0/2", "3/2", "1", "a/b"):
        with pytest.raises(InputError, match="--part must be I/N"):
            carrying.parse_part(bad)


def test_expected_time_by_a_recorded_speed(task, finished, tmp_path):
    """2 epochs at 10 pictures a second (the median), 3 at 5."""
    run = shutil.copytree(
        library_of(task, finished).home(wanted(task, WHOLE, 0)), tmp_path / "known"
    )
    rows = ["stage,epoch,step,name,value"]
    rows += [
        f"alone,{epoch},4,images_per_second,{speed}" for epoch, speed in enumerate((4, 10, 90))
    ]
    rows += ["alone,0,4,loss,3", "together,0,4,images_per_second,5"]
    (run / "metrics.csv").write_text("\n".join(rows) + "\n")
    library = library_of(task, tmp_path / "new", tmp_path)
    pictures = len(task.split.train)
    other = wanted(task, Training("toy", "other", {"batch": 4}), 7)
    assert expected_seconds(other, library) == pytest.approx(2 * pictures / 10 + 3 * pictures / 5)
    assert expected_seconds(wanted(task, SLOW, 7), library) == pytest.approx(3 * pictures / 5)
    assert expected_seconds(other, library_of(task, tmp_path / "new")) is None
    assert stage_epochs({"epochs": 7}) == [7]
    assert (clock(59 * 60), clock(7261)) == ("59 min", "2 h 01 min")


def test_filled_table(task, finished, tmp_path):
    library = library_of(task, finished)
    filled = fill(TABLE, library)
    firsts = [
        100 * json.loads(file.read_text())["scores"]["rank_1"]
        for seed in (0, 1)
        for file in [library.home(wanted(task, SLOW, seed)) / "results.json"]
    ]
    cell = filled.lines[0].cells[0]
    assert cell.ours == pytest.approx(tuple(firsts))
    assert cell.mean == pytest.approx(np.mean(firsts))
    assert cell.deviation == pytest.approx(np.std(firsts, ddof=1))
    text = markdown(filled)
    assert f"| slow | {np.mean(firsts):.2f} ± {np.std(firsts, ddof=1):.2f} (best" in text
    assert "AP by step" in text
    assert "the pooled map (euclidean)" in text
    assert "missing" not in text
    rows = list(csv.DictReader(io.StringIO(as_csv(filled))))
    assert len(rows) == 3 * 2
    assert float(rows[0]["mean"]) == pytest.approx(np.mean(firsts), abs=1e-4)
    assert float(rows[0]["least"]) == pytest.approx(min(firsts), abs=1e-4)
    assert (rows[0]["runs"], rows[1]["average_precision"]) == ("2", "step")
    assert (rows[0]["data"].partition(" ")[0], rows[0]["protocol"]) == (
        "market1501",
        "single-query",
    )
    files = [Path(file) for file in rows[0]["files"].split(";")]
    assert [json.loads(file.read_text())["scores"]["rank_1"] * 100 for file in files] == firsts
    page = html(filled)
    assert page.count("<tr>") == 5
    assert "http" not in page
    files = write_table(filled, "toys", tmp_path)
    assert [file.name for file in files] == [
        f"toys-table-1-market1501{e}" for e in (".md", ".csv", ".html")
    ]


def test_missing_runs_are_said(task, tmp_path):
    filled = fill(TABLE, library_of(task, tmp_path))
    assert "Runs still missing: slow: 2 of 2; whole: 2 of 2; after stage 1: 2 of 2." in markdown(
        filled
    )


def number(printed):
    return Number("1", "m", "v", "market1501", "", "standard", "single", "none", "", "r", printed)


def test_difference_needs_the_same_pictures():
    same = Cell("rank_1", number("80.5"), (80.0, 82.0, 84.0), True)
    assert (same.mean, same.deviation, same.difference) == (82.0, 2.0, 1.5)
    assert shown(same) == ["80.5", "82.00 ± 2.00 (best 84.00)", "+1.50"]
    assert shown(Cell("rank_1", number("80.5"), (80.0,), False)) == ["80.5", "80.00", ""]
    assert shown(Cell("rank_1", None, (), True)) == ["", "", ""]


def test_the_market_layout_alone_is_not_market(task):
    """Its counts differ: the paper's numbers stand beside ours, without a difference."""
    table = Table("msreid", "1", "t", (Line("ALM", Training("msreid", "ALM")),))
    own = Task(task.split, {"msreid": METHODS["msreid"]}, "small", runs=1)
    filled = fill(table, Library(own, Path("nowhere")))
    assert not filled.comparable
    assert filled.lines[0].cells[0].paper.printed == "95.8"
    assert filled.paper_data == "market1501 standard"


def test_lines_of_other_query_modes_say_so(task, tmp_path):
    several = replace(TABLE, lines=(Line("one", WHOLE), Line("several", WHOLE, MULTI)))
    filled = fill(several, library_of(task, tmp_path))
    assert "), single-query and multi-query; small recipes" in markdown(filled)
    rows = list(csv.DictReader(io.StringIO(as_csv(filled))))
    assert [row["protocol"] for row in rows[::2]] == ["single-query", "multi-query"]


def test_what_the_table_says_is_not_changed(task):
    other = replace(task, changes={"": {"stages.1.rate": 0.1}})
    with pytest.raises(InputError, match="slow fixes stages.1.rate"):
        wanted(other, SLOW, 0)


def test_the_narrower_change_goes_before(task):
    epochs = "stages.0.epochs"
    scopes = {"": {"batch": 6, epochs: 7}, "toy": {epochs: 8}, "toy/slow": {"batch": 2}}
    asked = replace(task, changes=scopes)
    slow, whole = (wanted(asked, training, 0).recipe for training in (SLOW, WHOLE))
    assert (slow.batch, slow.stages[0].epochs) == (2, 8)
    assert (whole.batch, whole.stages[0].epochs) == (6, 8)


def test_a_mean_over_splits(task):
    """CUHK03's original protocol: every split's runs count, and the caption says how many."""

    class Finished:
        def __init__(self, number):
            variant = f"original protocol, labeled, split {number}"
            self.task = replace(task, split=replace(task.split, variant=variant))
            self.rank_1 = 0.5 + number / 10

        def result(self, run, search):
            scores = {"rank_1": self.rank_1 + run.seed / 100, "mean_ap_step": 0.3}
            return Found(Path("x"), {"scores": scores, "feature": "f", "metric": "cosine"})

    filled = fill(replace(TABLE, lines=TABLE.lines[:1]), *map(Finished, range(3)))
    cell = filled.lines[0].cells[0]
    assert cell.ours == pytest.approx((50, 51, 60, 61, 70, 71))
    assert "original protocol, labeled, mean of 3 splits" in filled.data
    assert filled.runs == 6


def test_which_splits_are_averaged():
    def indices(method, *more):
        arguments = ["--data", "cuhk03", "--root", "x", *more]
        data = parse(method, arguments).data
        return [each.index for each in each_split(method, data, arguments)]

    original = ["--protocol", "original"]
    assert indices("mask_pooling", *original) == list(range(20))
    assert indices("mask_pooling", *original, "--index", "0") == [0]
    assert indices("mask_pooling", *original, "--index=3") == [3]
    assert indices("attention_driven", *original) == [0]
    assert indices("mask_pooling") == [0]
