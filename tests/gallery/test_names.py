"""Anna and Bert stay two people, whatever they are added, moved and looked for by."""

import json
import sys
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

COLOURS = {"Anna": (200, 20, 20), "Bert": (20, 20, 200), "0004": (20, 200, 20)}


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
