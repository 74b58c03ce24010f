"""Files that do harm: nested too deeply, aliases of aliases, arrays that nobody can hold."""

import io
import json
import os
import threading
import zipfile

import numpy as np
import pytest

from passerby.cli.main import run
from passerby.data.images import read_image
from passerby.parsing import parse_json, parse_yaml, yaml_text
from passerby.types import InputError

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
    one_line(capsys, ["evaluate", str(tmp_path)], "holds no model", "nested too deeply")
    one_line(capsys, ["evaluate", "x", "--change", "a=[&a 1, *a]", "--json", "y"], "cannot be read")


def test_an_npz_that_claims_more_than_there_is(tmp_path, capsys):
    file = tmp_path / "large.npz"
    head = io.BytesIO()
    claim = {"descr": "<f4", "fortran_order": False, "shape": (2**40, 64)}
    np.lib.format.write_array_header_1_0(head, claim)
    with zipfile.ZipFile(file, "w") as archive:
        for name in ("query", "gallery", "query_ids", "gallery_ids"):
            archive.writestr(f"{name}.npy", head.getvalue())
    one_line(capsys, ["evaluate", "--embeddings", str(file)], "more memory than there is")


def test_a_pipe_that_is_called_a_picture_is_not_waited_for(tmp_path):
    pipe = tmp_path / "b.jpg"
    os.mkfifo(pipe)
    said = []

    def read():
        with pytest.raises(InputError, match="b.jpg: is not a regular file"):
            read_image(pipe)
        said.append(True)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(20)
    assert said == [True]


def test_json_is_json():
    assert parse_json(json.dumps({"a": [1]})) == {"a": [1]}
