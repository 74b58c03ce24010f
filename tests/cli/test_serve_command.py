"""`passerby serve` and `passerby serve token` as typed."""

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import numpy as np
import pytest

from passerby.cli.main import run
from passerby.cli.serve import _tell_of_missing
from passerby.embedding.embedder import Embedder
from passerby.gallery.gallery import Gallery
from passerby.gallery.new_rows import NewEntries
from passerby.gallery.settings import Space
from passerby.methods import METHODS
from passerby.serving.tokens import TokenFile


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    import torch

    torch.manual_seed(0)
    method = METHODS["bag_of_tricks"]
    recipe = method.recipe.small()
    folder = tmp_path_factory.mktemp("model")
    Embedder(method, recipe, method.network(recipe)).save(folder)
    return folder


def fails(capsys, arguments, *words):
    assert run(arguments) == 2
    *_, line = capsys.readouterr().err.splitlines()
    assert line.startswith("passerby: ")
    for word in words:
        assert word in line


def test_tokens_are_made_listed_and_removed(tmp_path, capsys):
    place = str(tmp_path / "people.gallery")
    assert run(["serve", "token", "add", place, "desk", "--write"]) == 0
    text = capsys.readouterr().out.strip()
    assert run(["serve", "token", "add", place, "watcher"]) == 0
    capsys.readouterr()
    assert run(["serve", "token", "list", place]) == 0
    listed = capsys.readouterr().out
    assert [line.split()[:2] for line in listed.splitlines()] == [
        ["desk", "write"], ["watcher", "read"]
    ]  # fmt: skip
    assert all(" until 20" in line for line in listed.splitlines())
    assert run(["serve", "token", "add", place, "hall", "--expires", "never"]) == 0
    tokens = TokenFile(f"{place}.tokens.json").all()
    assert tokens["desk"].expires - tokens["desk"].created == pytest.approx(90 * 86_400)
    assert tokens["hall"].expires is None
    capsys.readouterr()
    assert text not in listed
    assert run(["serve", "token", "remove", place, "desk"]) == 0
    run(["serve", "token", "list", place])
    assert "desk" not in capsys.readouterr().out
    fails(capsys, ["serve", "token", "remove", place, "desk"], "no token 'desk'", "watcher")
    fails(capsys, ["serve", "token", "add", place, "a b"], "a token's name")
    fails(capsys, ["serve", "token", "add", place, "b", "--expires", "soon"], "an age must be")
    fails(capsys, ["serve", "token", "add", place, "b", "--expires", "0d"], "can last up to")
    fails(capsys, ["serve", "token", "forge"], "add, list, remove")


def test_what_cannot_be_served(tmp_path, capsys, model):
    base = ["serve", str(tmp_path / "people.gallery"), "--model", str(model)]
    fails(capsys, [*base, "--host", "0.0.0.0", "--name", "a"], "create a token first")
    fails(capsys, [*base, "--name", "reid.example.org"], "create a token first")
    fails(capsys, [*base, "--trust-proxy", "127.0.0.1"], "create a token first")
    fails(capsys, [*base, "--trust-proxy", "nginx"], "a proxy must be")
    fails(capsys, [*base, "--pictures", str(tmp_path / "absent")], "no such folder of pictures")
    fails(capsys, [*base, "--tls-key", "key.pem"], "given together")
    fails(capsys, [*base, "--name", "http://a"], "a name must look like")
    fails(capsys, [*base, "--port", "70000"], "a port must be")
    fails(capsys, [*base, "--rate", "-1"], "limits")
    fails(capsys, [*base, "--workers", "0"], "--workers must be at least 1")
    (tmp_path / "c.pem").write_text("no certificate")
    tls = ["--tls-certificate", str(tmp_path / "c.pem"), "--tls-key", str(tmp_path / "c.pem")]
    assert run([*base, "--port", "0", *tls]) == 2
    *notes, line = capsys.readouterr().err.splitlines()
    assert "certificate" in line
    assert "people.gallery: no gallery yet" in notes[-1]


@pytest.mark.parametrize("workers", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_a_server_answers_and_stops_when_told(tmp_path, model, workers):
    place = tmp_path / "people.gallery"
    embedder = Embedder.load(model)
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (64, 32, 3), dtype=np.uint8) for _ in range(3)]
    with Gallery.open(place, embedder) as gallery:
        gallery.add(embedder.embed(pictures), NewEntries(keys=["a", "b", "c"]))
    server = subprocess.Popen(
        [sys.executable, "-m", "passerby", "serve", str(place), "--model", str(model),
         "--port", "0", "--workers", workers],
        stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    try:
        line = server.stderr.readline()
        assert line.startswith(f"serving {place} at http://127.0.0.1:")
        url = line.split(" at ")[1].split()[0]
        with urllib.request.urlopen(f"{url}v1/search/entry?key=a&k=2") as answer:
            body = answer.read().decode()
        assert '"b"' in body
        assert '"c"' in body
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(
                urllib.request.Request(f"{url}v1/statistics", headers={"Origin": "http://evil"})
            )
        server.send_signal(signal.SIGTERM)
        _, rest = server.communicate(timeout=60)
    finally:
        server.kill()
    assert server.returncode in (0, -signal.SIGTERM)
    assert "/v1/search/entry' 200" in rest
    assert "key=" not in rest
    assert "Traceback" not in rest


def test_pictures_that_cannot_be_shown_are_told(tmp_path):
    """A folder of links to elsewhere shows nothing: it says so, and why."""
    elsewhere, root = tmp_path / "elsewhere", tmp_path / "root"
    elsewhere.mkdir()
    root.mkdir()
    (elsewhere / "a.jpg").write_bytes(b"x")
    (root / "there.jpg").write_bytes(b"x")
    (root / "folder").symlink_to(elsewhere)
    told = []
    for name in ("there.jpg", "folder/a.jpg", "gone.jpg"):
        with Gallery.open(tmp_path / name.replace("/", "-"), Space("f")) as gallery:
            gallery.add(np.eye(1, 8, dtype=np.float32), NewEntries(file_names=[name]))
            _tell_of_missing(gallery, root, told.append)
    note = f"note: {root}: 1 of the first 1 entries show no picture: "
    assert told == [
        f"{note}links that lead out of the folder are not followed, e.g. folder/a.jpg",
        f"{note}no such file, e.g. gone.jpg",
    ]
