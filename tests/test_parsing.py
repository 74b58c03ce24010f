"""Files that do harm: nested too deeply, aliases of aliases, arrays that nobody can hold."""

import io
import json
import os
import threading
import zipfile
from functools import partial

import numpy as np
import pytest

from passerby.cli.main import run
from passerby.cli.watch_cameras import read_cameras
from passerby.cues.openpose import PoseSettings
from passerby.cues.region_settings import RegionSettings
from passerby.cues.segmenter import SegmenterSettings
from passerby.data.images import read_image
from passerby.parsing import number, parse_json, parse_yaml, yaml_text
from passerby.types import InputError
from passerby.video.detector_settings import DetectorSettings, read_settings, settings_file

DEEP = "[" * 100_000
BOMB = "a0: &a0 [1, 1]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30)
)


@pytest.mark.parametrize("parse", [parse_json, parse_yaml])
def test_too_deep(parse):
    with pytest.raises(ValueError, match="nested too deeply"):
        parse(DEEP)


def test_yaml_goes_there_and_back_without_aliases():
    same = {"one": [1, 2.5, None, True], "name": "Ä: [x]"}
    assert parse_yaml(yaml_text({"a": same, "b": same, "c": same["one"]})) == {
        "a": same, "b": same, "c": same["one"]
    }  # fmt: skip
    with pytest.raises(ValueError, match="aliases"):
        parse_yaml(BOMB)
    with pytest.raises(ValueError, match="could not determine a constructor"):
        parse_yaml("!!python/object/apply:os.getcwd []")


def one_line(capsys, arguments, *words):
    assert run(arguments) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("passerby: ")
    for word in words:
        assert word in line


def test_a_run_that_does_harm(tmp_path, capsys):
    (tmp_path / "config.yaml").write_text(BOMB)
    one_line(capsys, ["evaluate", str(tmp_path)], "config.yaml", "aliases")
    (tmp_path / "config.yaml").write_text(f"a: {DEEP}")
    one_line(capsys, ["evaluate", str(tmp_path)], "config.yaml", "nested too deeply")
    (tmp_path / "config.yaml").write_text("method: bag_of_tricks\n")
    (tmp_path / "config.json").write_text(DEEP)
    (tmp_path / "model.safetensors").write_bytes(b"")
    one_line(capsys, ["evaluate", str(tmp_path)], "not a model of passerby", "nested too deeply")
    one_line(capsys, ["evaluate", "x", "--change", "a=[&a 1, *a]", "--json", "y"], "cannot be read")


def test_an_npz_that_claims_more_than_there_is(tmp_path, capsys):
    file = tmp_path / "large.npz"
    head = io.BytesIO()
    claim = {"descr": "<f4", "fortran_order": False, "shape": (2**40, 64)}
    np.lib.format.write_array_header_1_0(head, claim)
    with zipfile.ZipFile(file, "w") as archive:
        for name in ("query", "gallery", "query_ids", "gallery_ids"):
            archive.writestr(f"{name}.npy", head.getvalue())
    one_line(capsys, ["evaluate", "--embeddings", str(file)], "do not fit into memory")


def test_a_pipe_that_is_called_a_picture_is_not_waited_for(tmp_path):
    pipe = tmp_path / "b.jpg"
    os.mkfifo(pipe)
    said = []

    def read():
        with pytest.raises(InputError, match="b.jpg: not a regular file"):
            read_image(pipe)
        said.append(True)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(20)
    assert said == [True]


def test_json_is_json():
    assert parse_json(json.dumps({"a": [1]})) == {"a": [1]}


@pytest.mark.parametrize("given", ["1.2", None, float("nan"), True, [1.0]])
def test_what_is_no_number(given):
    with pytest.raises(InputError, match="a threshold must be a number: given"):
        number(given, "a threshold")


def test_numbers():
    assert [number(each, "x") for each in (1, np.float32(0.5), float("inf"))] == [1, 0.5, np.inf]


@pytest.mark.parametrize(
    "settings",
    [SegmenterSettings, RegionSettings, PoseSettings, partial(DetectorSettings, "yolox")],
)
def test_a_threshold_that_is_text(settings):
    with pytest.raises(InputError, match="the threshold must be a number: given 'high'"):
        settings(threshold="high")


def test_a_threshold_in_a_detectors_file(tmp_path):
    settings_file(tmp_path / "a.onnx").write_text('{"form": "yolox", "threshold": "0.5"}')
    with pytest.raises(
        InputError, match=r"a\.onnx\.json: .*threshold must be of type float; given"
    ):
        read_settings(tmp_path / "a.onnx")


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("gallery search g x.png --threshold high", "--threshold takes a number: given 'high'"),
        ("gallery search g x.png --threshold=high", "--threshold takes a number: given 'high'"),
        ("gallery calibrate g --fmr often", "--fmr takes a number: given 'often'"),
        ("train bag_of_tricks --root . --epochs 2.5", "--epochs takes a whole number: given '2.5'"),
        (
            "train mask_pooling --root . --threshold 3",
            "threshold must be from 0 to 1; given 3.0",
        ),
        (
            "cues masks --root . --segmenter.threshold 2",
            "std must be above 0 and the threshold between 0 and 1: "
            "given (0.229, 0.224, 0.225), 2.0",
        ),
    ],
)
def test_what_a_command_says_of_values(typed, told, capsys):
    assert run(typed.split()) == 2
    assert capsys.readouterr().err == f"passerby: {told}\n"


def test_cameras_of_aliases(tmp_path):
    file = tmp_path / "cameras.yaml"
    file.write_text(BOMB)
    with pytest.raises(InputError, match="not YAML: aliases"):
        read_cameras(file)
