"""A command imports what it runs: modules are asked for here, not times."""

import json
import subprocess
import sys

import numpy as np
import pytest

from passerby.gallery.gallery import Gallery
from passerby.gallery.new_rows import NewEntries
from passerby.gallery.settings import Space

TORCH = {"torch", "lightning_fabric", "numba", "matplotlib", "scipy", "onnxruntime", "cv2"}
STORES = {"pyarrow", "lance", "lancedb", "pymilvus"}
SERVING = {"fastapi", "uvicorn"}
GALLERY = {"passerby.gallery.gallery", "passerby.gallery.lance_store"}

RUN = """
import json, sys
from passerby.cli.main import run
for line in json.loads(sys.argv[1]):
    try:
        code = run(line)
    except SystemExit as end:
        code = end.code
    assert not code, (line, code)
print(json.dumps(list(sys.modules)))
"""


def imported(*lines):
    """The modules of an interpreter that ran these command lines."""
    command = [sys.executable, "-c", RUN, json.dumps(lines)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "lines",
    [
        [
            "demo",
            "synth",
            "crops",
            "watch",
            "embed",
            "export",
            "evaluate",
            "serve",
            "serve token add",
        ],
        ["train", "reproduce", "reproduce msreid", "cues", "cues masks", "cues joints"],
        ["gallery", "gallery add", "gallery search", "gallery calibrate", "gallery statistics"],
        ["figures", "figures lists", "figures masks", "figures sweep", "figures report"],
    ],
    ids=lambda lines: lines[0],
)
def test_help_imports_nothing_heavy(lines):
    found = imported(*([*line.split(), "--help"] for line in lines))
    assert found & (TORCH | STORES | SERVING | GALLERY) == set()


def test_gallery_commands_without_a_model_import_no_torch(tmp_path):
    place = tmp_path / "g"
    embeddings = np.random.default_rng(0).normal(size=(6, 8)).astype(np.float32)
    with Gallery.open(place, Space("test", "euclidean")) as gallery:
        gallery.add(embeddings, NewEntries(keys=[f"k{row}" for row in range(6)]))
    lines = [
        ["statistics"],
        ["check"],
        ["export", str(tmp_path / "e")],
        ["backup", str(tmp_path / "b")],
        ["split", "k1"],
        ["remove", "--keys", "k2", "--yes"],
        ["expire", "--yes"],
        ["log"],
    ]
    found = imported(*(["gallery", name, str(place), *rest] for name, *rest in lines))
    assert "lance" in found
    assert found & (TORCH | SERVING) == set()
