"""The wheel in an empty environment, off line: the demo; a folder of pictures, a search."""

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("hatchling")
pytest.importorskip("lance")
ROOT = Path(__file__).parents[2]
OFF_LINE = {
    "HF_HUB_OFFLINE": "1",
    **{name: "http://127.0.0.1:9" for name in ("http_proxy", "https_proxy", "HTTPS_PROXY")},
}


def call(*command, cwd=None):
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | OFF_LINE
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=environment, capture_output=True, text=True,
        check=False, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def passerby(tmp_path_factory):
    """The installed command; the packages that it needs are those of this environment."""
    folder = tmp_path_factory.mktemp("wheel")
    # hatchling writes the wheel as pip has it do.
    call(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    (wheel,) = folder.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for name in ("model.safetensors", "config.json", "CARD.md"):
        assert f"passerby/model/{name}" in names
    call(sys.executable, "-m", "venv", folder / "empty")
    python = folder / "empty" / "bin" / "python"
    call(python, "-m", "pip", "install", "--no-deps", "--no-index", wheel)
    own = Path(
        call(python, "-c", "import sysconfig as s; print(s.get_path('purelib'))").stdout.strip()
    )
    (own / "needs.pth").write_text(sysconfig.get_path("purelib") + "\n")
    place = call(python, "-c", "import passerby; print(passerby.__file__)", cwd=folder).stdout
    assert Path(place.strip()).is_relative_to(folder)
    return folder / "empty" / "bin" / "passerby"


@pytest.mark.slow
def test_from_a_folder_to_a_search(passerby, tmp_path):
    random = np.random.default_rng(0)
    for person in ("anna", "bob"):
        folder = tmp_path / "people" / person
        folder.mkdir(parents=True)
        looks = random.integers(0, 256, (8, 4, 3), np.uint8)
        for camera in (1, 2):
            picture = Image.fromarray(looks).resize((48 + camera, 128), Image.Resampling.BICUBIC)
            picture.save(folder / f"c{camera}_0.jpg")
    add = ["gallery", "add", "people.gallery", "--data", "folder", "--root", "people"]
    done = call(passerby, *add, cwd=tmp_path)
    assert "no model given: using the one that comes with passerby" in done.stderr
    assert "added: " in done.stdout
    query = "people/anna/c2_0.jpg"
    done = call(passerby, "gallery", "search", "people.gallery", query, "--json", cwd=tmp_path)
    [found] = json.loads(done.stdout)
    assert found["hits"][0]["entry"]["person"] == "anna"


@pytest.mark.slow
def test_the_demo(passerby, tmp_path):
    few = ["--train-identities", "16", "--test-identities", "6", "--cameras", "2", "--epochs", "1"]
    done = call(passerby, "demo", *few, cwd=tmp_path)
    assert "passerby's own model" in done.stdout
    for file in ("report.html", "ranked_lists.png", "run/results.json", "people.gallery"):
        assert (tmp_path / "demo" / file).exists()
