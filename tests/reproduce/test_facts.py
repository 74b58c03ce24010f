"""Tables that need no training."""

from pathlib import Path

import pytest

from passerby.cli.main import run
from passerby.methods import METHODS
from passerby.reproduce import pretraining
from passerby.reproduce.facts import counted, facts_of
from passerby.reproduce.tables import FACTS
from passerby.reproduce.tables.attention_driven import BASELINE, INTRA_INTER, PLAIN
from passerby.reproduce.wanted import Task, wanted
from passerby.types import Sample, Split


def people(folder, *pairs):
    names = [f"{folder}/{number}.jpg" for number in range(len(pairs))]
    return tuple(Sample(Path(n), n, *pair) for n, pair in zip(names, pairs, strict=True))


def split(name="market1501"):
    return Split(
        name, Path(), people("train", (1, 1), (1, 2), (2, 1)),
        people("query", (3, 1), (4, 3)),
        people("gallery", (3, 2), (4, 2), (0, 4), (-1, 5), (4, 1)),
    )  # fmt: skip


def test_a_data_set_in_numbers():
    assert counted(split()) == {
        "identities": 4, "train_identities": 2, "test_identities": 2, "cameras": 4, "images": 10,
        "without_queries": 8,
    }  # fmt: skip


@pytest.mark.parametrize(("paper", "images"), [("msreid", "32271"), ("attention_driven", "32668")])
def test_the_papers_table_2_stands_beside(paper, images):
    rows = {row[0]: row[1:] for row in facts_of(paper, "2", split()).rows}
    assert rows["pictures"] == (images, "10")
    assert rows["identities for training"] == ("751", "2")
    assert rows["cameras"] == ("6", "4")
    assert {row[1] for row in facts_of(paper, "2", split("synthetic")).rows} == {""}


def test_table_12_has_the_papers_size_with_nothing_fitted():
    rows = {row[0]: row[1:] for row in facts_of("attention_driven", "12", split()).rows}
    assert rows["Full model"] == ("10.4", "10.43", "2.69", "2.45")
    assert rows["Basemodel"] == ("6.8", "7.27", "2.26", "2.01")
    assert rows["ResNet50"] == ("23.5", "", "5.58", "")


def test_on_the_command_line(market, tmp_path, capsys):
    assert set(FACTS) == {("msreid", "2"), ("attention_driven", "2"), ("attention_driven", "12")}
    command = ["reproduce", "msreid", "--table", "2", "--out", str(tmp_path)]
    assert run([*command, "--root", str(market)]) == 0
    assert (tmp_path / "msreid-table-2-market1501.md").read_text() in capsys.readouterr().out
    assert (tmp_path / "msreid-table-2-market1501.csv").is_file()


def test_three_pretrainings_are_one_command(market, tmp_path, monkeypatch, capsys):
    """Each with its attention; a finished one is not trained again; the tables start from them."""
    trained = []

    def train(method, split, out, *, recipe, resume, evaluate, **more):
        trained.append((out.name, recipe.attention, recipe.pretrain, recipe.channels))
        out.mkdir(parents=True)
        (out / "config.json").touch()
        assert (resume, evaluate) == (True, False)

    monkeypatch.setattr(pretraining, "train", train)
    command = ["reproduce", "attention_driven", "--table", "pretraining", "--root", str(market)]
    command += ["--preset", "small", "--change", "channels=4", "--out", str(tmp_path)]
    assert run(command) == run(command) == 0
    kinds = ["decomposed", "plain", "none"]
    assert trained == [(kind, kind, True, 4) for kind in kinds]
    assert "plain/model.safetensors" in capsys.readouterr().out
    task = Task(split(), {"attention_driven": METHODS["attention_driven"]}, pretrained=tmp_path)
    for training, kind in ((BASELINE, "none"), (PLAIN, "plain"), (INTRA_INTER, "decomposed")):
        recipe = wanted(task, training, 0).recipe
        assert recipe.weights == str(tmp_path / kind / "model.safetensors")
    assert run([*command[:2], "--root", str(market), "--pretrained", str(tmp_path / "no")]) == 2
    assert "no such folder" in capsys.readouterr().err
