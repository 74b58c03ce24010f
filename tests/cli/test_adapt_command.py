"""`passerby adapt` as a user types it, on small made-up people."""

import csv
import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from made_up import write_market
from passerby.cli.main import run
from passerby.embedding.embedder import Embedder
from passerby.parsing import parse_yaml

FEW = ["--epochs", "1", "--steps", "2", "--k1", "6", "--limit", "0.6"]


@pytest.fixture(scope="module")
def crops(tmp_path_factory):
    """Eight people in two cameras: crops in folders of tracks, and the manifest that names them."""
    market = write_market(tmp_path_factory.mktemp("market"), train=8, test=2, pictures=5)
    root = tmp_path_factory.mktemp("crops")
    rows = [("file_name", "person_id", "camera_id", "split", "track_id")]
    for file in sorted((market / "bounding_box_train").iterdir()):
        person, camera = file.name[:4], file.name[6]
        track = f"t{camera}-{person}"
        (root / track).mkdir(exist_ok=True)
        shutil.copy(file, root / track / f"{camera}_{file.name[9:]}")
        rows.append((f"{track}/{camera}_{file.name[9:]}", "-1", camera, "gallery", track))
    with (root / "manifest.csv").open("w", newline="") as opened:
        csv.writer(opened).writerows(rows)
    return root


def says(capsys, arguments, *words, code=2):
    assert run(["adapt", *arguments]) == code
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("passerby: ")
    for word in words:
        assert word in line


def same(one, other):
    a, b = (load_file(run / "model.safetensors") for run in (one, other))
    return all(torch.equal(a[name], b[name]) for name in a)


def test_from_crops_to_a_gallery(crops, tmp_path, capsys):
    out = tmp_path / "adapted"
    data = ["--data", "manifest", "--root", str(crops)]
    assert run(["adapt", *data, "--out", str(out), *FEW]) == 0
    shown = capsys.readouterr()
    assert "80 pictures, 2 known cameras, 16 tracks" in shown.err
    assert f"run: {out}" in shown.out
    assert json.loads((out / "config.json").read_text())["method"] == "cluster_contrast"
    # Of tracks of five pictures none is left out.
    metrics = (out / "metrics.csv").read_text()
    assert ",outliers,0.0\n" in metrics
    # The result is a run like others.
    gallery = tmp_path / "people.gallery"
    assert run(["gallery", "add", str(gallery), "--model", str(out), *data]) == 0
    assert run(["export", str(out), "--model", str(tmp_path / "model")]) == 0
    further = tmp_path / "further"
    assert run(["adapt", *data, "--weights", str(out), "--out", str(further), *FEW]) == 0
    assert not same(out, further)
    started = parse_yaml((further / "config.yaml").read_text())["started_from"]
    assert started == Embedder.load(out).fingerprint


def test_a_data_set_is_evaluated(tmp_path):
    market = write_market(tmp_path / "market", train=8, test=3, pictures=5)
    out = tmp_path / "run"
    data = ["--data", "market1501", "--root", str(market)]
    assert run(["adapt", *data, "--out", str(out), *FEW]) == 0
    found = json.loads((out / "results.json").read_text())
    assert found["run"]["method"] == "cluster_contrast"
    assert found["run"]["recipe"]["weights"] == "passerby"
    # The name stays when the model changes: the fingerprint says which it was.
    assert found["run"]["started_from"] == Embedder.default().fingerprint
    assert found["counts"]["queries"] == 6
    assert run(["evaluate", str(out)]) == 0


def test_labels_are_not_looked_at(crops, tmp_path):
    with (crops / "manifest.csv").open(newline="") as opened:
        rows = [row for row in csv.DictReader(opened)]
    names = [row["track_id"][3:] for row in rows]
    runs = []
    for kind in ("known", "shuffled"):
        dealt = names if kind == "known" else np.random.default_rng(0).permutation(names).tolist()
        table = ["file_name,person_id,camera_id,split"]
        for row, person in zip(rows, dealt, strict=True):
            table.append(f"{row['file_name']},{person},{row['camera_id']},train")
        file = crops / f"{kind}.csv"
        file.write_text("\n".join(table))
        data = ["--data", "manifest", "--root", str(crops), "--file", file.name]
        runs.append(tmp_path / kind)
        assert run(["adapt", *data, "--part", "train", "--out", str(runs[-1]), *FEW]) == 0
    assert same(*runs)


def test_one_line_for_what_is_wrong(crops, tmp_path, capsys):
    root = tmp_path / "some"
    root.mkdir()
    out = ["--out", str(tmp_path / "run")]
    says(capsys, ["--root", str(root), *out], "contains no pictures")
    says(capsys, ["--root", str(tmp_path / "absent"), *out], "absent: no such folder")
    pictures = sorted(crops.glob("*/*.jpg"))
    shutil.copy(pictures[0], root / "a.jpg")
    says(capsys, ["--root", str(root), *out], "pictures of several people; there is 1")
    shutil.copy(pictures[-1], root / "b.jpg")
    says(capsys, ["--root", str(root), *out], "collapsed", "0 of 2 pictures into clusters")
    shutil.rmtree(tmp_path / "run")
    (root / "c.jpg").write_bytes(b"no picture")
    says(capsys, ["--root", str(root), *out], "1 of 3 pictures cannot be used", "--skip-broken")
    data = ["--root", str(crops), "--data", "manifest"]
    says(
        capsys,
        [*data, *out, "--weights", "absent"],
        "--weights must be passerby or the folder of a run",
    )
    (tmp_path / "msreid").mkdir()
    (tmp_path / "msreid" / "config.json").write_text('{"format": 1, "method": "msreid"}')
    says(capsys, [*data, *out, "--weights", str(tmp_path / "msreid")], "msreid")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("cameras", "words"), [(0, "no camera is known"), (1, "one camera")])
def test_it_works_without_cameras_and_says_so(crops, tmp_path, capsys, cameras, words):
    root = tmp_path / "flat"
    root.mkdir()
    rows = ["file_name,camera_id"]
    for place, file in enumerate(sorted(crops.glob("*/*.jpg"))):
        shutil.copy(file, root / f"{place}.jpg")
        rows.append(f"{place}.jpg,{'lift' if cameras else ''}")
    (root / "manifest.csv").write_text("\n".join(rows))
    out = tmp_path / "run"
    data = ["--root", str(root), "--data", "manifest"]
    assert run(["adapt", *data, "--out", str(out), *FEW]) == 0
    shown = capsys.readouterr().err
    assert words in shown
    assert "without the camera-aware part" in shown
    assert "camera," not in (out / "metrics.csv").read_text()


def test_everything_alike_collapses(tmp_path, capsys):
    root = tmp_path / "alike"
    root.mkdir()
    rng = np.random.default_rng(0)
    for place in range(12):
        pixels = np.full((32, 16, 3), 90, np.uint8) + rng.integers(0, 2, (32, 16, 3), np.uint8)
        Image.fromarray(pixels).save(root / f"{place}.png")
    out = ["--out", str(tmp_path / "run")]
    says(capsys, ["--root", str(root), *out], "collapsed", "12 of 12 pictures into one cluster")
