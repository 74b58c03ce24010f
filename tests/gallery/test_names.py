"""Anna and Bert stay two people, whatever they are added, moved and looked for by."""

import io
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))

from engines import ENGINES, make

from passerby.cli.main import run
from passerby.data.datasets import load
from passerby.embedding.embedder import Embedder
from passerby.gallery.filters import Filter
from passerby.gallery.gallery import Gallery
from passerby.gallery.pictures import add_samples
from passerby.methods import find_method
from passerby.recipes import override
from passerby.types import InputError

COLOURS = {
    "Anna": (200, 20, 20),
    "Bert": (20, 20, 200),
    "0004": (20, 200, 20),
    "Carl": (90, 90, 200),
}


def draw(file, person, seed):
    rng = np.random.default_rng(seed)
    pixels = np.full((32, 16, 3), COLOURS[person]) + rng.normal(0, 9, (32, 16, 3))
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file)


def folder_of(root, person, cameras):
    """`root/<person>/<camera>_0.png`, one for each camera."""
    for seed, camera in enumerate(cameras):
        draw(root / person / f"{camera}_0.png", person, seed)
    return root


def manifest_of(root, person, cameras):
    lines = ["file_name,person_id,camera_id,split"]
    for seed, camera in enumerate(cameras):
        draw(root / f"{person}-{seed}.png", person, seed)
        lines.append(f"{person}-{seed}.png,{person},{camera},gallery")
    (root / "manifest.csv").write_text("\n".join(lines) + "\n")
    return root


SOURCES = {"folder": folder_of, "manifest": manifest_of}


class Colour:
    """Embeds a picture as its mean colour."""

    class descriptor:  # noqa: N801
        metric = "euclidean"

    fingerprint = "model-a"

    def embed_samples(self, samples):
        return np.array(
            [np.asarray(Image.open(sample.file)).mean((0, 1)) for sample in samples], np.float32
        )


@pytest.fixture(params=ENGINES)
def engine(request):
    if request.param == "milvus":
        pytest.importorskip("pymilvus")
    return request.param


def known(gallery):
    return sorted((entry.person, entry.camera) for entry in gallery.entries())


@pytest.mark.parametrize("source", SOURCES)
def test_two_additions_keep_two_people(engine, source, tmp_path):
    """Each source alone would number its one person 0, and its first camera 0."""
    gallery = make(engine, tmp_path)
    for person, cameras in (("Anna", ["car park", "lift"]), ("Bert", ["lift"]), ("0004", ["01"])):
        split = load(source, SOURCES[source](tmp_path / person, person, cameras))
        add_samples(gallery, Colour(), [*split.train, *split.gallery])
    everybody = [("0004", "01"), ("Anna", "car park"), ("Anna", "lift"), ("Bert", "lift")]
    assert known(gallery) == everybody
    assert gallery.statistics().cameras == {"01": 1, "car park": 1, "lift": 2}
    query = np.array([COLOURS["Bert"]], np.float32)
    [answer] = gallery.search(query, 9, Filter(persons=["Anna"], cameras=["lift"]))
    assert [(hit.entry.person, hit.entry.camera) for hit in answer.hits] == [("Anna", "lift")]
    [answer] = gallery.search(query, 1, query_cameras=["lift"])
    assert answer.hits[0].entry.camera != "lift"
    gallery.export(tmp_path / "exported")
    (tmp_path / "copy").mkdir()
    copy = make(engine, tmp_path / "copy")
    copy.import_files([tmp_path / "exported"])
    assert known(copy) == everybody
    assert gallery.remove(Filter(persons=["Bert"])) == 1
    assert known(gallery) == everybody[:3]
    assert gallery.remove(Filter(persons=["4"])) == 0  # is not 0004


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A network that was not trained."""
    method = find_method("bag_of_tricks")
    recipe = override(method.recipe.small(), {"height": 32, "width": 16})
    folder = tmp_path_factory.mktemp("model")
    Embedder(method, recipe, method.network(recipe)).save(folder)
    return str(folder)


def told(capsys, *arguments, code=0):
    assert run(list(map(str, arguments))) == code
    found = capsys.readouterr()
    return found.out if code == 0 else found.err


@pytest.mark.parametrize("source", SOURCES)
def test_on_the_command_line(source, model, tmp_path, capsys):
    place = tmp_path / "g"
    for person, cameras in (("Anna", ["entrance", "lift"]), ("Bert", ["lift"])):
        root = SOURCES[source](tmp_path / person, person, cameras)
        data = ["--data", source, "--root", root, "--model", model]
        assert "added: " in told(capsys, "gallery", "add", place, *data)
    picture = next((tmp_path / "Bert").rglob("*.png"))
    search = ["gallery", "search", place, picture, "--model", model, "--json"]
    [found] = json.loads(told(capsys, *search, "--persons", "Anna"))
    assert [hit["entry"]["person"] for hit in found["hits"]] == ["Anna", "Anna"]
    [found] = json.loads(told(capsys, *search, "--cameras", "entrance"))
    assert [hit["entry"]["camera"] for hit in found["hits"]] == ["entrance"]
    assert "entrance: 1, lift: 2" in told(capsys, "gallery", "statistics", place)


def test_embedded_files_carry_the_names(model, tmp_path, capsys):
    for person, cameras in (("Anna", ["entrance"]), ("Bert", ["lift"])):
        manifest = manifest_of(tmp_path / person, person, cameras) / "manifest.csv"
        out = tmp_path / f"{person}-embeddings"
        told(capsys, "embed", model, manifest, "--out", out)
        told(capsys, "gallery", "import", tmp_path / "g", out)
    assert known(Gallery.open(tmp_path / "g")) == [("Anna", "entrance"), ("Bert", "lift")]


def add(capsys, place, model, root, *more, code=0):
    assert run(["gallery", "add", str(place), "--model", model, "--root", str(root), *more]) == code
    return capsys.readouterr()


def test_pictures_of_which_nothing_is_known(model, tmp_path, capsys):
    for number in range(3):
        draw(tmp_path / "flat" / f"{number}.png", "Anna", number)
    place, flat = tmp_path / "g", tmp_path / "flat"
    told = add(capsys, place, model, flat, "--data", "folder")
    assert "added: 3 " in told.out
    assert "their people stay unnamed" in told.err
    (flat / "list.csv").write_text("file_name,camera\n0.png,lift\n1.png,\n")
    more = ("--data", "manifest", "--file", "list.csv", "--namespace", "site-a")
    assert "added: 2 " in add(capsys, place, model, flat, *more).out
    found = {entry.key: (entry.person, entry.camera) for entry in Gallery.open(place).entries()}
    assert found == {
        "0.png": (None, None), "1.png": (None, None), "2.png": (None, None),
        "site-a/0.png": (None, "site-a/lift"), "site-a/1.png": (None, None),
    }  # fmt: skip
    assert "embeddings" in told_by(capsys, "embed", model, flat, "--out", tmp_path / "out")


def told_by(capsys, *arguments):
    assert run(list(map(str, arguments))) == 0
    return capsys.readouterr().out


def test_two_sources_of_numbers(model, tmp_path, capsys):
    """0004 of one site is not 0004 of the other; that their numbers meet is said once."""
    for number, site in enumerate(("one", "two", "three")):
        draw(tmp_path / site / "0004" / "lift_0.png", "0004", number)
    data = ("--data", "folder")
    place = tmp_path / "g"
    assert "bare numbers" not in add(capsys, place, model, tmp_path / "one", *data).err
    assert "bare numbers" not in add(capsys, place, model, tmp_path / "one", *data).err
    told = add(capsys, place, model, tmp_path / "two", *data)
    [line] = [line for line in told.err.splitlines() if "bare numbers" in line]
    assert str(tmp_path / "one") in line
    assert "--namespace NAME keeps them apart" in line
    # The same name, but another picture: it is not passed over in silence.
    assert "1 pictures were not added: the gallery already has other pictures" in told.err
    assert "added: 0 " in told.out
    told = add(capsys, place, model, tmp_path / "three", *data, "--namespace", "site-a")
    assert ("bare numbers" in told.err, "added: 1 " in told.out) == (False, True)
    assert known(Gallery.open(place)) == [("0004", "lift"), ("site-a/0004", "site-a/lift")]
    exported = tmp_path / "exported"
    told_by(capsys, "gallery", "export", place, exported, "--persons", "0004")
    assert run(["gallery", "import", str(place), str(exported), "--namespace", "site-b"]) == 0
    assert capsys.readouterr().err == ""
    assert ("site-b/0004", "site-b/lift") in known(Gallery.open(place))
    assert run(["gallery", "import", str(place), str(exported)]) == 0
    assert "bare numbers" in capsys.readouterr().err
    add(capsys, place, model, tmp_path / "one", *data, "--namespace", "a/b", code=2)


def test_a_folder_of_queries_without_themselves(model, tmp_path, capsys):
    people = folder_of(tmp_path / "people", "Anna", ["lift", "door"])
    folder_of(people, "Bert", ["lift"])
    place = tmp_path / "g"
    add(capsys, place, model, people, "--data", "folder")
    draw(people / "Anna" / "new_0.png", "Anna", 9)
    search = ("gallery", "search", place, people / "Anna", "--model", model)
    door, lift, new = json.loads(told_by(capsys, *search, "--json"))
    assert [found["query"] for found in (door, lift, new)] == [
        str(people / "Anna" / name) for name in ("door_0.png", "lift_0.png", "new_0.png")
    ]
    assert (door["itself"], new["itself"]) == (["Anna/door_0.png"], [])
    assert [hit["entry"]["key"] for hit in door["hits"]][0] == "Anna/lift_0.png"
    assert len(new["hits"]) == 3
    assert "this very picture: Anna/door_0.png" in " ".join(told_by(capsys, *search).split())


def test_removal_is_counted_and_confirmed(model, tmp_path, capsys, monkeypatch):
    people = folder_of(tmp_path / "people", "Anna", ["lift", "door"])
    folder_of(people, "Bert", ["lift"])
    place = tmp_path / "g"
    add(capsys, place, model, people, "--data", "folder", "--keep", "1s")
    remove = ["gallery", "remove", str(place), "--cameras", "lift"]
    assert "would remove: 2 entries: Anna (1), Bert (1); cameras lift" in told_by(
        capsys, *remove, "--dry-run"
    )
    assert run(remove) == 2
    assert "2 entries: Anna (1), Bert (1); cameras lift. Remove them" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    with pytest.raises(SystemExit):
        run(remove)
    assert len(Gallery.open(place).entries()) == 3
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    assert run(remove) == 0
    assert len(Gallery.open(place).entries()) == 1
    capsys.readouterr()
    time.sleep(1.1)
    found = json.loads(told_by(capsys, "gallery", "expire", place, "--dry-run", "--json"))
    assert (found["would_remove"], found["people"][0]["name"]) == (1, "Anna")
    assert json.loads(told_by(capsys, "gallery", "expire", place, "--json")) == {"removed": 1}


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_names_that_nobody_has_are_told(model, tmp_path, capsys):
    people = folder_of(tmp_path / "people", "Anna", ["lift"])
    place = tmp_path / "g"
    add(capsys, place, model, people, "--data", "folder")
    assert run(["gallery", "remove", str(place), "--persons", "anna", "--dry-run"]) == 0
    assert "note: the gallery has no person 'anna'" in capsys.readouterr().err
    picture = str(next(people.glob("Anna/*")))
    search = ["gallery", "search", str(place), picture, "--model", str(model)]
    assert run([*search, "--query-camera", "lfit", "--cameras", "lift"]) == 0
    told = capsys.readouterr().err
    assert "note: the gallery has no camera 'lfit'" in told
    assert "'lift'" not in told


def test_corrections_on_the_command_line(model, tmp_path, capsys):
    people = folder_of(tmp_path / "people", "Anna", ["lift", "door"])
    folder_of(people, "Bert", ["lift"])
    place = tmp_path / "g"
    add(capsys, place, model, people, "--data", "folder")
    before = known(Gallery.open(place))

    def does(*arguments):
        return json.loads(told_by(capsys, "gallery", *arguments, "--json"))

    merged = does("merge", place, "Anna", "Bert")
    assert (merged["entries"], merged["name"]) == (1, "Anna")
    assert does("split", place, "Bert/lift_0.png")["name"] == "Anna-2"
    assert does("rename", place, "Anna-2", "Carl")["entries"] == 1
    assert does("rename", place, "lift", "elevator", "--camera")["entries"] == 2
    assert known(Gallery.open(place)) == [
        ("Anna", "door"), ("Anna", "elevator"), ("Carl", "elevator"),
    ]  # fmt: skip
    for _ in range(4):
        does("undo", place)
    assert known(Gallery.open(place)) == before


def test_nothing_is_undone_into_somebody_elses_name(model, tmp_path, capsys):
    people = tmp_path / "people"
    for name in ("Anna", "Bert", "Carl"):
        folder_of(people, name, ["lift", "door"])
    place = tmp_path / "g"
    add(capsys, place, model, people, "--data", "folder")
    with Gallery.open(place) as gallery:
        merged = gallery.merge(["Anna", "Bert"]).change
        gallery.rename("Carl", "Bert")
        with pytest.raises(InputError, match="another person is called 'Bert' now"):
            gallery.undo(merged)
        gallery.undo()
        gallery.undo()
        split = gallery.split(["Anna/lift_0.png"]).change
        gallery.rename("Anna", "Zoe")
        gallery.rename("Carl", "Anna")
        with pytest.raises(InputError, match="gave the name 'Anna': undo that one first"):
            gallery.undo(split)
        for _ in range(3):
            gallery.undo()
        assert [entry.person for entry in gallery.entries()].count("Anna") == 2
        with pytest.raises(InputError, match="no person 'Ana'"):
            gallery.merge(["Ana", "Anna"])


def test_a_rename_is_not_undone_into_somebody_elses_name(model, tmp_path, capsys):
    people = folder_of(tmp_path / "people", "Anna", ["lift"])
    folder_of(people, "Bert", ["lift"])
    place = tmp_path / "g"
    add(capsys, place, model, people, "--data", "folder")
    with Gallery.open(place) as gallery:
        change = gallery.rename("Anna", "Anna Smith").change
        second = gallery.rename("Bert", "Anna").change
        with pytest.raises(InputError, match="another person is called 'Anna' now"):
            gallery.undo(change)
        gallery.undo(second)
        assert gallery.undo(change).entries == 1
        assert {entry.person for entry in gallery.entries()} == {"Anna", "Bert"}


def test_a_milvus_lite_file_opens_in_another_process(tmp_path):
    pytest.importorskip("pymilvus")
    place = tmp_path / "g.db"
    code = f"""
import numpy as np
from passerby.gallery.gallery import Gallery
from passerby.gallery.new_rows import NewEntries
from passerby.gallery.settings import Space
with Gallery.open({str(place)!r}, Space("m")) as gallery:
    gallery.add(np.eye(2, dtype="f4"), NewEntries(keys=["a", "b"], persons=["Anna", "Bert"]))
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)
    with Gallery.open(place) as gallery:
        assert [entry.person for entry in gallery.entries()] == ["Anna", "Bert"]
        assert gallery.rename("Bert", "0004").entries == 1
