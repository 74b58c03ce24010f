"""What the user reads when a run is not there, not finished, or of a method of their own."""

from pathlib import Path

import pytest

from passerby.cli.main import run

TOY = Path(__file__).parents[1] / "training" / "toy_method.py"


def says(capsys, arguments, *words):
    assert run(arguments) == 2
    *notes, line = capsys.readouterr().err.splitlines()
    assert line.startswith("passerby: ")
    for word in words:
        assert word in line


def test_a_run_that_is_not_there_or_not_finished(market, tmp_path, capsys):
    data = ["--root", str(market)]
    says(capsys, ["evaluate", str(tmp_path / "absent"), *data], "absent: no such run")
    figure = ["figures", "distances", str(tmp_path / "absent"), "--out", str(tmp_path / "a.svg")]
    says(capsys, figure, "absent: no such run")
    (tmp_path / "config.yaml").write_text("method: bag_of_tricks\n")
    says(capsys, ["evaluate", str(tmp_path), *data], "is not finished: continue it with --resume")
    (tmp_path / "config.yaml").write_text("- a\n- list\n")
    says(capsys, ["evaluate", str(tmp_path), *data], "not the configuration of a run")


def test_nothing_to_rank_is_told_before_training(market, tmp_path, capsys):
    names = sorted(file.name for file in (market / "bounding_box_train").glob("*.jpg"))
    rows = [f"bounding_box_train/{name},{name[:4]},{name[6]},train" for name in names]
    table = "\n".join(["file_name,person_id,camera_id,split", *rows])
    (tmp_path / "manifest.csv").write_text(table)
    (tmp_path / "bounding_box_train").symlink_to(market / "bounding_box_train")
    train = ["train", "bag_of_tricks", "--data", "manifest", "--root", str(tmp_path)]
    out = tmp_path / "run"
    says(capsys, [*train, "--out", str(out)], "has no query pictures to rank", "--no-evaluate")
    assert not out.exists()


def test_people_that_are_drawn_first_are_told_of(tmp_path, capsys):
    few = ["--train-identities", "2", "--test-identities", "2", "--pictures-per-identity", "4"]
    few += ["--cameras", "2", "--drawn-distractors", "0", "--junk", "0"]
    root = ["--data", "synthetic", "--root", str(tmp_path / "drawn"), *few]
    train = ["train", "bag_of_tricks", "--preset", "small", *root]
    for notes in (1, 0):
        assert run([*train, "--out", str(tmp_path / "run")]) == 2
        told = capsys.readouterr().err
        assert "a batch takes pictures of 16 identities" in told
        assert told.count("people are drawn there first") == notes


def test_a_start_from_a_run_that_is_not_there(market, tmp_path, capsys):
    train = ["train", "feature_mask", "--preset", "small", "--root", str(market)]
    train += ["--accelerator", "cpu", "--out", str(tmp_path / "out")]
    absent = str(tmp_path / "absent")
    says(capsys, [*train, "--init-from", absent], f"--init-from {absent}", "no such run")


def test_a_run_of_a_method_of_ones_own(market, tmp_path, capsys):
    out = tmp_path / "run"
    arguments = ["train", f"{TOY}:METHOD", "--root", str(market), "--accelerator", "cpu"]
    stages = ["--stages.0.epochs", "1", "--stages.1.epochs", "1", "--batch", "6"]
    assert run([*arguments, *stages, "--out", str(out), "--no-evaluate"]) == 0
    says(capsys, ["evaluate", str(out)], "'toy'", f"--method {TOY}:METHOD")
    assert run(["evaluate", str(out), "--method", f"{TOY}:METHOD"]) == 0


def test_options_have_their_dashes(market, tmp_path, capsys):
    train = ["train", "bag_of_tricks", "--accelerator", "cpu", "--out", str(tmp_path / "out")]
    says(capsys, [*train, "--data", "manifest", "--root", str(market)], "Or give --file NAME")
    train += ["--root", str(market), "--preset", "small"]
    says(capsys, [*train, "--identities", "99"], "set --identities to that or less")
    wanted = "--weights must be none, imagenet, passerby, a run or a file"
    says(capsys, [*train, "--weights", "absent.pth"], wanted)


@pytest.mark.parametrize(
    ("mode", "own"),
    [
        (["--embeddings"], "--metric"),
        (["--histogram"], "--distractors"),
        (["--mean-of"], "--mean-of"),
        ([], "--change"),
    ],
)
def test_help_of_every_mode_of_evaluate(mode, own, capsys):
    for arguments in ([*mode, "--help"], ["--help", *mode]):
        with pytest.raises(SystemExit) as exited:
            run(["evaluate", *arguments])
        assert exited.value.code == 0
        shown = capsys.readouterr().out
        for word in (own, "--embeddings", "--histogram", "--mean-of"):
            assert word in shown
