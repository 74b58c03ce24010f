"""One run, several features, and its masks, on the command line."""

import json

import pytest
from PIL import Image

from passerby.cli.main import run

TINY = [
    *("--preset", "small", "--height", "32", "--width", "16", "--resize", "36", "18"),
    *("--batch", "8", "--stages.0.epochs", "1", "--stages.1.epochs", "1", "--accelerator", "cpu"),
]


@pytest.fixture(scope="module")
def finished(market, tmp_path_factory):
    out = tmp_path_factory.mktemp("features") / "run"
    assert run(["train", "feature_mask", "--root", str(market), "--out", str(out), *TINY]) == 0
    return out


def fails(capsys, arguments, *words):
    assert run(arguments) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("passerby: ")
    for word in words:
        assert word in line


def test_another_feature_of_the_same_weights(finished, market, tmp_path, capsys):
    before = (finished / "results.json").read_bytes()
    whole = json.loads(before)
    target = tmp_path / "grn.json"
    evaluate = ["evaluate", str(finished), "--root", str(market)]
    assert run([*evaluate, "--change", "feature=grn", "--json", str(target)]) == 0
    found = json.loads(target.read_text())
    assert found["feature"].startswith("GRN")
    assert whole["feature"].startswith("FMN")
    assert found["model"] != whole["model"]
    assert (found["run"]["recipe"]["feature"], whole["run"]["recipe"]["feature"]) == ("grn", "fmn")
    two = ["--change", "alpha=1.0", "--change", "mask_limit=2"]
    assert run([*evaluate, *two, "--json", str(target)]) == 0
    assert "alpha 1, mask on pool1, m' <= 2" in json.loads(target.read_text())["feature"]
    fails(capsys, [*evaluate, "--change", "feature=grn"], "--json", "results.json")
    fails(capsys, [*evaluate, "--change", "feature", "--json", str(target)], "NAME=VALUE")
    fails(capsys, [*evaluate, "--change", "tap=res4", "--json", str(target)], "do not fit")
    fails(capsys, [*evaluate, "--change", "a=[", "--json", str(target)], "cannot be read")
    assert (finished / "results.json").read_bytes() == before


def test_a_run_from_another_ones_first_stage(finished, market, tmp_path, capsys):
    arguments = ["train", "feature_mask", "--root", str(market), *TINY, "--init-from"]
    out = ["--out", str(tmp_path / "res3"), "--tap", "res3", "--no-evaluate"]
    assert run([*arguments, str(finished), *out]) == 0
    assert not (tmp_path / "res3" / "results.json").exists()
    assert "init_from:\n  run:" in (tmp_path / "res3" / "config.yaml").read_text()
    wide = ["--out", str(tmp_path / "wide"), "--trunk", "resnet18"]
    fails(
        capsys, [*arguments, str(finished), *wide], "grn.trunk.conv1.weight must be (64, 3, 7, 7)"
    )
    fails(capsys, [*arguments, str(tmp_path), *wide], "nothing to start from")


def test_masks_as_a_picture(finished, market, tmp_path, capsys):
    target = tmp_path / "masks.png"
    figure = ["figures", "masks", str(finished), "--root", str(market), "--out", str(target)]
    assert run([*figure, "--count", "3"]) == 0
    first = target.read_bytes()
    assert Image.open(target).height > 160
    assert run([*figure, "--count", "3", "--part", "train", "--seed", "4"]) == 0
    assert target.read_bytes() != first
    fails(capsys, [*figure, "--count", "0"], "count of at least 1")
    fails(capsys, ["figures"], "masks")
    fails(capsys, ["figures", "msaks"], "masks")
    assert run(["figures", "--help"]) == 0
    assert "masks" in capsys.readouterr().out


def test_masks_in_numbers(finished, market, tmp_path, capsys):
    target = tmp_path / "on_person.json"
    command = ["figures", "on-person", str(finished), "--root", str(market), "--out", str(target)]
    assert run(command) == 0
    said = capsys.readouterr().out
    assert "pictures: 8" in said
    # The method hides nothing: there is no number to tell.
    assert "hidden_on_person" not in said
    assert json.loads(target.read_text())["hidden_on_person"] is None
    fails(capsys, [*command[:-1], str(tmp_path / "a.png")], "must end in .json", "a.png")
    assert not (tmp_path / "a.png").exists()


def test_a_figures_name_is_looked_at_first(finished, market, tmp_path, capsys):
    for name in ("masks", "attention", "hidden", "lists", "grad-cam", "embeddings", "distances"):
        figure = ["figures", name, str(finished), "--root", str(market)]
        fails(capsys, [*figure, "--out", str(tmp_path / "a.pdf")], "drawn as .png or .svg", "a.pdf")


def test_sweep_over_ranges_on_the_command_line(finished, tmp_path, capsys):
    sweep = ["figures", "sweep", str(finished), "--over", "alpha", "--out", str(tmp_path / "a.png")]
    fails(capsys, [*sweep, "--ranges", "0-1"], "must look like 0.4:0.7", "'0-1'")
    fails(capsys, [*sweep, "--ranges", "0:1"], "at least two values")


def test_grn_beside_the_whole_network_from_one_run(finished, market, tmp_path, capsys):
    """FMN's Figures 1 and 4: two features of the same weights in one figure."""
    root = ["--root", str(market)]
    out = str(tmp_path / "lists.png")
    lists = ["figures", "lists", str(finished), *root, "--rows", "2", "--out", out]
    beside = ["--beside", str(finished), "--choice", "lost"]
    assert run([*lists, "--change", "feature=grn", *beside]) == 0
    assert run([*lists, *beside, "--beside-change", "feature=lan"]) == 0
    fails(capsys, [*lists, "--beside-change", "feature=lan"], "--beside-change needs --beside")
    fails(capsys, [*lists, "--change", "feature"], "NAME=VALUE")


def test_maps_of_several_runs_over_the_same_pictures(finished, market, tmp_path):
    lan, grn = ["--layer", "lan.layers.layer3"], ["--layer", "grn.trunk.layer3"]
    beside = ["--beside", str(finished)]
    heights, found = [], []
    for number, more in enumerate(
        ([*lan, *beside], [*lan, *beside, "--columns", "1"], lan, [*grn, "--change", "feature=grn"])
    ):
        out = tmp_path / f"{number}.png"
        cam = ["figures", "grad-cam", str(finished), "--root", str(market), "--score", "identity"]
        assert run([*cam, "--count", "1", "--out", str(out), *more]) == 0
        heights.append(Image.open(out).height)
        found.append(Image.open(out).tobytes())
    assert heights[1] > heights[0] + 100
    assert found[2] != found[3]


def test_a_mask_after_conv1_is_mask_poolings_alone(finished, market, tmp_path, capsys):
    masks = ["figures", "masks", str(finished), "--root", str(market), "--after", "conv1"]
    fails(capsys, [*masks, "--out", str(tmp_path / "m.png")], "has no mask after conv1 to draw")
