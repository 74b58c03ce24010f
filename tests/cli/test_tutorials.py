"""The tutorials run from their first line to their last, on a few small pictures."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from made_up import draw_person
from passerby.cli.main import run

PAGES = Path(__file__).parents[2] / "docs" / "tutorials"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SMALLER = {
    "--train-identities": "4", "--test-identities": "3", "--distractors": "2", "--junk": "1",
    "--people": "2", "--minutes": "0.2",
}  # fmt: skip
MORE = {
    "synth people": "--cameras 2 --pictures-per-identity 6 --workers 1",
    "synth videos": "--visits 1 --width 320 --height 180",
    "train": "--epochs 1 --height 32 --width 16 --identities 2",
}


def smaller(command):
    """The command line with fewer people, of smaller pictures, for a shorter time."""
    words = shlex.split(command)
    for at, word in enumerate(words[:-1]):
        words[at + 1] = SMALLER.get(word, words[at + 1])
    more = next((more for start, more in MORE.items() if command.startswith(start)), "")
    return [*words, *more.split()]


def follow(page, folder, monkeypatch):
    """Does what a reader of the page does."""
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    names = {"__name__": page}
    for language, text in BLOCK.findall((PAGES / page).read_text()):
        if language == "python":
            if file := re.match(r"# (\w+\.py)\n", text):
                Path(file[1]).write_text(text)
            else:
                exec(compile(text, page, "exec"), names)
        elif language == "sh":
            assert all(line.startswith("pip install ") for line in text.splitlines())
        elif not language:
            for line in text.splitlines():
                assert line.startswith("passerby ")
                assert run(smaller(line.removeprefix("passerby "))) == 0, line


@pytest.fixture
def served(monkeypatch):
    """Instead of serving until it is stopped: what the page would show."""
    testclient = pytest.importorskip("starlette.testclient")
    from passerby.serving import app, server

    shown = []

    def serve(service, tokens, address, limits, certificate, ready):
        made = app.create_app(service, tokens, address, limits)
        with testclient.TestClient(made, base_url="http://127.0.0.1:8000") as client:
            entries = client.get("/v1/entries").json()["entries"]
            picture = client.get("/v1/entries/picture", params={"key": entries[0]["key"]})
            shown.append((len(entries), picture.status_code))

    monkeypatch.setattr(server, "serve", serve)
    return shown


def test_my_folder(tmp_path, monkeypatch, served, capsys):
    rng = np.random.default_rng(0)
    for person in ("anna", "bob", "carl", "dana", "emma", "finn", "gina", "hugo", "ines"):
        folder, colour = tmp_path / "my_people" / person, rng.integers(0, 256, 3)
        folder.mkdir(parents=True)
        for camera in ("entrance", "lift"):
            for number in range(1, 5):
                picture = Image.fromarray(draw_person(rng, colour)[0])
                picture.save(folder / f"{camera}_{number:02}.jpg")
    follow("my_folder.md", tmp_path, monkeypatch)
    assert served == [(50, 200)]
    [first, *_] = re.findall(r"^(0\.\d+)  (bob|\w+)  ", capsys.readouterr().out, re.MULTILINE)
    assert first[1] == "bob"


@pytest.mark.slow
def test_my_videos(tmp_path, monkeypatch, served):
    pytest.importorskip("av")
    pytest.importorskip("trackers")
    follow("my_videos.md", tmp_path, monkeypatch)
    [(entries, picture)] = served
    assert entries >= 2
    assert picture == 200


@pytest.mark.slow
def test_my_data_set(tmp_path, monkeypatch):
    follow("my_data_set.md", tmp_path, monkeypatch)
    for file in ("runs/mine/results.json", "curves.png", "report.html", "seeds.png"):
        assert (tmp_path / file).is_file()


@pytest.mark.slow
def test_my_method(tmp_path, monkeypatch):
    follow("my_method.md", tmp_path, monkeypatch)
    assert (tmp_path / "runs/triplets/results-re-ranked.json").is_file()
    assert (tmp_path / "lists.png").is_file()


def test_every_tutorial_is_followed():
    tested = {name.removeprefix("test_") for name in globals() if name.startswith("test_my_")}
    assert {page.stem for page in PAGES.glob("*.md")} == tested
