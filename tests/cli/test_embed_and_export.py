"""`passerby embed` and `passerby export`."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from passerby.cli import embed, export
from passerby.cli.main import run
from passerby.embedding.embedder import Embedder
from passerby.embedding.export import ExportedModel
from passerby.embedding.int8 import Int8Model
from passerby.embedding.model_files import WEIGHTS
from passerby.embedding.shards import read_embeddings
from passerby.embedding.shipped import SHIPPED
from passerby.evaluation.results import read_results
from passerby.methods.bag_of_tricks import METHOD, Recipe
from passerby.types import InputError


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.manual_seed(0)
    made = Embedder(METHOD, Recipe.small(), METHOD.network(Recipe.small()))
    folder = tmp_path_factory.mktemp("model")
    made.save(folder)
    return made, folder


@pytest.fixture
def pictures(tmp_path):
    random = np.random.default_rng(0)
    for name in ("people/a.png", "people/b.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        pixels = random.integers(0, 256, (30, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / name)
    return tmp_path / "people"


def test_it_writes_files(model, pictures, tmp_path, capsys):
    embedder, folder = model
    assert run(["embed", str(folder), str(pictures), "--out", str(tmp_path / "out")]) == 0
    assert "2 pictures, 2 embeddings" in capsys.readouterr().out
    rows, embeddings = read_embeddings(tmp_path / "out")
    files = [pictures / row["file_name"] for row in rows]
    np.testing.assert_allclose(embeddings, embedder.embed(files), rtol=1e-3, atol=1e-4)


def test_a_broken_picture_ends_with_1(model, pictures, tmp_path, capsys):
    (pictures / "c.jpg").write_bytes(b"no picture")
    with pytest.raises(SystemExit) as stopped:
        run(["embed", str(model[1]), str(pictures), "--out", str(tmp_path / "out")])
    assert stopped.value.code == 1
    told = capsys.readouterr()
    assert "3 pictures, 2 embeddings" in told.out
    assert "1 of 3 pictures could not be read" in told.err
    assert "c.jpg" in (tmp_path / "out/failed.csv").read_text()


def test_only_the_last_process_fails(model, pictures, tmp_path, monkeypatch):
    """Under torchrun a process that exits with an error takes the others with it."""
    (pictures / "0.jpg").write_bytes(b"no picture")
    command = ["embed", str(model[1]), str(pictures), "--out", str(tmp_path / "o")]
    command += ["--shard-size", "1"]
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    assert run(command) == 0
    monkeypatch.setenv("RANK", "1")
    with pytest.raises(SystemExit):
        run(command)
    assert len(read_embeddings(tmp_path / "o")[0]) == 2


@pytest.mark.slow
def test_torchrun_writes_what_one_process_writes(model, tmp_path):
    (tmp_path / "people").mkdir()
    random = np.random.default_rng(0)
    for number in range(40):
        pixels = random.integers(0, 256, (30, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"people/{number:02d}.png")
    command = [str(model[1]), str(tmp_path / "people"), "--shard-size", "8", "--out"]
    assert run(["embed", *command, str(tmp_path / "one")]) == 0
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    torchrun += ["-m", "passerby", "embed", *command, str(tmp_path / "two")]
    done = subprocess.run(torchrun, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "40 pictures, 40 embeddings" in done.stdout
    rows, embeddings = read_embeddings(tmp_path / "one")
    again, found = read_embeddings(tmp_path / "two")
    assert rows == again
    np.testing.assert_allclose(found, embeddings, rtol=1e-3, atol=1e-4)


def test_bad_options_are_one_line(model, pictures, tmp_path, capsys):
    out = ["--out", str(tmp_path / "o")]
    assert run(["embed", str(model[1]), str(tmp_path / "no"), *out]) == 2
    assert run(["embed", str(tmp_path / "no"), str(pictures), *out]) == 2
    assert run(["embed", str(model[1]), str(pictures), *out, "--batch-size", "0"]) == 2
    assert run(["embed", str(model[1]), str(pictures), *out, "--engine", "onnxruntime"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(": ")[0] for line in lines] == ["passerby"] * 4


def test_export_says_what_it_wrote(model, tmp_path, capsys, monkeypatch):
    asked = []

    def export(embedder, file):
        asked.append((embedder.fingerprint, file))
        return ExportedModel(file, ("image",), 256, 0.9999999)

    monkeypatch.setattr("passerby.embedding.export.export_onnx", export)
    assert run(["export", str(model[1]), "--onnx", str(tmp_path / "m.onnx")]) == 0
    assert asked == [(model[0].fingerprint, tmp_path / "m.onnx")]
    told = capsys.readouterr().out
    assert "256 numbers; cosine with torch 0.9999999" in told
    assert "m.onnx.json" in told


def test_without_a_model_it_takes_passerbys_own(pictures, tmp_path, capsys):
    assert run(["embed", str(pictures), "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr()
    (note,) = [line for line in told.err.splitlines() if line.startswith("note: no model given")]
    assert "using the one that comes with passerby" in note
    assert str(SHIPPED / "CARD.md") in note
    rows, embeddings = read_embeddings(tmp_path / "out")
    wanted = Embedder.default().embed([pictures / row["file_name"] for row in rows])
    np.testing.assert_allclose(embeddings, wanted, rtol=1e-3, atol=1e-4)


def test_a_model_alone_is_no_picture(model, tmp_path):
    with pytest.raises(InputError, match="name what to embed"):
        embed.run([str(model[1]), "--out", str(tmp_path / "out")])


def test_a_small_model_is_written(model, tmp_path, capsys):
    assert run(["export", str(model[1]), "--model", str(tmp_path / "small")]) == 0
    told = capsys.readouterr().out
    made = Embedder.load(tmp_path / "small")
    assert f"model    {made.fingerprint}" in told
    assert "weights  float16, " in told
    sizes = [(folder / WEIGHTS).stat().st_size for folder in (tmp_path / "small", model[1])]
    assert sizes[0] == pytest.approx(sizes[1] / 2, rel=0.05)


def test_export_needs_to_know_what(model):
    with pytest.raises(InputError, match="export needs --onnx FILE, --int8 FILE or --model FOLDER"):
        export.run([str(model[1])])


def test_a_model_in_int8_is_written(model, pictures, tmp_path, capsys, monkeypatch):
    asked = []

    def write(embedder, samples, file, *, cues):
        asked.append((embedder.fingerprint, [s.name for s in samples], file, cues))
        return Int8Model(file, "f" * 32, 256, 64, 0.9961)

    monkeypatch.setattr("passerby.embedding.int8.export_int8", write)
    file = tmp_path / "m.onnx"
    command = ["export", str(model[1]), "--int8", str(file), "--pictures", str(pictures)]
    assert run(command) == 0
    assert asked == [(model[0].fingerprint, ["a.png", "b.png"], file, None)]
    told = capsys.readouterr().out
    assert "calibrated on 256 pictures; on 64 others, mean cosine with float32 0.9961" in told
    assert "f" * 32 in told
    assert run(command[:-2]) == run(["export", str(model[1]), *command[-2:]]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["passerby"] * 2
    assert all(
        "--int8 FILE and --pictures PLACE ... must be given together" in line for line in lines
    )


def test_evaluation_and_figures_by_passerbys_own(market, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    before = sorted(SHIPPED.iterdir())
    data = ["--data", "market1501", "--root", str(market)]
    assert run(["evaluate", *data]) == 0
    told = capsys.readouterr()
    (file,) = tmp_path.glob("results-*.json")
    assert f"results: {file.name}" in told.out
    assert "no model given" in told.err
    assert read_results(file)["model"] == Embedder.default().fingerprint
    assert run(["figures", "lists", *data, "--out", "lists.png", "--rows", "2"]) == 0
    assert run(["figures", "report", *data]) == 2
    assert "not a run: config.yaml is missing" in capsys.readouterr().err
    assert sorted(SHIPPED.iterdir()) == before
    assert run(["evaluate"]) == 2
    assert "--root DIR is missing" in capsys.readouterr().err
