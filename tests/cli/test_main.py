"""The command line as a user types it: exit codes, and one line for what is wrong."""

import json
import re

import numpy as np
import pytest
import torch

from passerby.cli.main import COMMANDS, run
from passerby.data.datasets import DATASETS
from passerby.methods import METHODS

TRAIN = ["train", "bag_of_tricks", "--accelerator", "cpu"]
TINY = [
    "--preset",
    "small",
    "--epochs",
    "1",
    "--identities",
    "3",
    "--height",
    "32",
    "--width",
    "16",
]


def fails(capsys, arguments, code=2):
    """Runs a command line that must fail; returns its one line of error."""
    try:
        found = run(arguments)
    except SystemExit as exited:  # what the parser of options does
        found = exited.code
    assert found == code
    shown = capsys.readouterr().err
    assert "Traceback" not in shown
    return shown


def says(capsys, arguments, *words, code=2):
    """The same where the line is passerby's own."""
    *notes, line = fails(capsys, arguments, code).splitlines()
    assert all(note.startswith("note: ") for note in notes)
    assert line.startswith("passerby: ")
    for word in words:
        assert word in line


@pytest.fixture(scope="module")
def finished(market, tmp_path_factory):
    out = tmp_path_factory.mktemp("cli") / "run"
    assert run([*TRAIN, "--root", str(market), "--out", str(out), *TINY]) == 0
    return out


def test_help_lists_every_command(capsys):
    assert run(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in COMMANDS)
    assert run([]) == 2


def test_version(capsys):
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("passerby 0.")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name, capsys):
    then = {
        "train": ["bag_of_tricks"],
        "figures": ["masks"],
        "cues": ["masks"],
        "reproduce": ["feature_mask"],
        "gallery": ["search"],
    }
    arguments = [name, *then.get(name, []), "--help"]
    with pytest.raises(SystemExit) as exited:
        run(arguments)
    assert exited.value.code == 0
    assert len(capsys.readouterr().out) > 200


def test_help_of_train_explains_every_field_of_the_recipe(capsys):
    from passerby.methods.bag_of_tricks import Recipe

    with pytest.raises(SystemExit):
        run(["train", "bag_of_tricks", "--help"])
    shown = capsys.readouterr().out
    for name in vars(Recipe()):
        # `--camera.gain` for what a setting is made of, `--mirror, --no-mirror` for a switch.
        assert re.search(rf"--{name.replace('_', '-')}[ .,]", shown), name


def test_a_run_ends_with_results_that_say_what_they_are(finished, capsys):
    result = json.loads((finished / "results.json").read_text())
    assert result["protocol"] == "single-query"
    assert result["metric"] == "cosine"
    assert result["run"]["recipe"]["identities"] == 3
    assert result["run"]["method"] == "bag_of_tricks"
    assert 0 <= result["scores"]["rank_1"] <= 1


def test_evaluate_repeats_the_result(finished, market, tmp_path, capsys):
    target = tmp_path / "again.json"
    assert run(["evaluate", str(finished), "--root", str(market), "--json", str(target)]) == 0
    again, first = (
        json.loads(target.read_text()),
        json.loads((finished / "results.json").read_text()),
    )
    assert again == first
    assert "rank-1" in capsys.readouterr().out


def test_no_evaluate_writes_no_results(market, tmp_path):
    out = tmp_path / "run"
    assert run([*TRAIN, "--root", str(market), "--out", str(out), *TINY, "--no-evaluate"]) == 0
    assert (out / "model.safetensors").exists()
    assert not (out / "results.json").exists()


def test_evaluate_a_file_of_embeddings(tmp_path, capsys):
    file, target = tmp_path / "e.npz", tmp_path / "r.json"
    query, gallery = np.array([[0.0, 0.0]]), np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]])
    ids = {"query_ids": np.array([7]), "gallery_ids": np.array([8, 7, 7])}
    np.savez(file, query=query, gallery=gallery, **ids)
    assert run(["evaluate", "--embeddings", str(file), "--json", str(target)]) == 0
    scores = json.loads(target.read_text())["scores"]
    assert scores["rank_1"] == 0
    assert scores["mean_ap_step"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    # Kit: recall steps of 1/2, precision before the hits 0/1 and 1/2.
    assert scores["mean_ap_trapezoid"] == pytest.approx(((0 + 1 / 2) / 2 + (1 / 2 + 2 / 3) / 2) / 2)


def test_evaluate_by_colour(market, tmp_path):
    target = tmp_path / "c.json"
    arguments = ["evaluate", "--histogram", "6", "--root", str(market), "--json", str(target)]
    assert run(arguments) == 0
    # Each made-up person has a colour of their own.
    assert json.loads(target.read_text())["scores"]["rank_1"] > 0.5


def test_wrong_names_and_places(capsys, market, tmp_path, finished):
    says(capsys, ["trian"], "no command 'trian'", "train")
    says(capsys, ["train", "no_such", "--root", str(market)], "method must be one of")
    says(capsys, ["train", "no.py:METHOD", "--root", str(market)], "no file no.py")
    says(capsys, [*TRAIN, "--data", "imagenet", "--root", str(market)], "--data must be one of")
    says(capsys, [*TRAIN, "--root", str(tmp_path / "absent")], "absent")
    says(capsys, [*TRAIN, "--root", str(tmp_path)], str(tmp_path))
    says(capsys, ["evaluate", str(tmp_path), "--root", str(market)], "config.json is missing")
    says(capsys, ["evaluate", "--embeddings", str(tmp_path / "no.npz")], "no.npz: no such file")


def test_wrong_options(capsys, market, finished):
    shown = fails(capsys, [*TRAIN, "--root", str(market), "--epoch", "3"])
    assert "--epoch" in shown
    shown = fails(capsys, [*TRAIN, "--root", str(market), "--epochs", "many"])
    assert "many" in shown


def test_contradictions(capsys, market, tmp_path, finished):
    out = ["--root", str(market), "--out", str(finished)]
    says(capsys, [*TRAIN, *out, *TINY], "not empty", "--resume")
    says(capsys, [*TRAIN, *out, *TINY, "--resume", "--margin", "0.7"], "margin: 0.3 then, 0.7 now")
    fresh = [*TRAIN, "--root", str(market), "--out", str(tmp_path / "run"), *TINY]
    says(capsys, [*fresh, "--identities", "99"], "99", "6")
    says(capsys, [*fresh, "--trunk", "resnet49"], "trunk must be one of")
    says(capsys, [*fresh, "--weights", "absent.pth"], "absent.pth")
    says(capsys, [*fresh, "--validation", "0.9"], "validation")


def test_a_broken_picture_stops_before_training_or_is_left_out(capsys, tmp_path):
    from made_up import write_market

    root = write_market(tmp_path / "data")
    broken = root / "bounding_box_train" / "0001_c1s1_000001_00.jpg"
    broken.write_bytes(broken.read_bytes()[:200])
    arguments = [*TRAIN, "--root", str(root), "--out", str(tmp_path / "run"), *TINY]
    says(capsys, arguments, "1 of 80 pictures", "0001_c1s1_000001_00.jpg", "--skip-broken")
    assert not (tmp_path / "run").exists()
    assert run([*arguments, "--skip-broken"]) == 0
    assert "1 of 80 pictures" in capsys.readouterr().err


def test_a_method_of_ones_own(market, tmp_path):
    from pathlib import Path

    file = Path(__file__).parents[1] / "training" / "toy_method.py"
    out = tmp_path / "run"
    arguments = ["train", f"{file}:METHOD", "--root", str(market), "--accelerator", "cpu"]
    assert run([*arguments, "--out", str(out), "--stages.1.epochs", "1", "--batch", "6"]) == 0
    again = ["evaluate", str(out), "--root", str(market), "--method", f"{file}:METHOD"]
    assert run(again) == 0
    config = (out / "config.yaml").read_text()
    assert "batch: 6" in config


@pytest.mark.parametrize("data", DATASETS)
@pytest.mark.parametrize("method", METHODS)
def test_no_two_options_share_a_name(method, data, capsys):
    for arguments in (
        ["train", method, "--data", data, "--help"],
        ["evaluate", "--data", data, "--help"],
    ):
        with pytest.raises(SystemExit) as exited:
            run(arguments)
        assert exited.value.code == 0


def test_devices_and_numbers_that_cannot_be(capsys, market, tmp_path, finished):
    evaluate = ["evaluate", str(finished), "--root", str(market)]
    says(capsys, [*evaluate, "--device", "gpu"], "cannot compute on device 'gpu'")
    fresh = [*TRAIN, "--root", str(market), "--out", str(tmp_path / "run"), *TINY]
    says(capsys, [*fresh, "--height", "0"], "height and width must be at least 1")
    says(capsys, [*fresh, "--epochs", "0"], "a run needs at least one epoch")
    says(capsys, [*fresh, "--epochs", "-1"], "a run needs at least one epoch")
    if not torch.cuda.is_available():
        says(capsys, [*evaluate, "--device", "cuda"], "cannot compute on device 'cuda'")
        says(capsys, [*fresh, "--accelerator", "cuda"], "no CUDA device")


def test_a_preset_is_refused_where_a_method_has_none(capsys):
    says(
        capsys,
        ["train", "msreid", "--preset", "transfer"],
        "the recipe of msreid has no transfer preset",
    )


def test_a_trunk_that_a_method_cannot_take(capsys, market, tmp_path):
    arguments = ["train", "msreid", "--accelerator", "cpu", "--root", str(market), *TINY]
    arguments += ["--out", str(tmp_path / "run"), "--trunk", "osnet_x0_25"]
    says(capsys, arguments, "into a ResNet's layers", "thin18", "given 'osnet_x0_25'")
    assert not (tmp_path / "run").exists()
