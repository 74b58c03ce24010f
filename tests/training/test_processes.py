"""Two processes against one: the same weights, where that is defined (no BatchNorm)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

HERE = Path(__file__).parent
TRAIN = """
import sys
sys.path.insert(0, {here!r})
import passerby
from passerby.training.settings import Settings
from pair_method import METHOD

split = passerby.load("market1501", {root!r})
settings = Settings(seed=5, accelerator="cpu", **{settings!r})
passerby.train(METHOD, split, {out!r}, settings=settings, resume={resume!r}, evaluate=False)
"""


def run(root, out, processes, resume=False, **settings):
    script = TRAIN.format(here=str(HERE), root=str(root), out=str(out), settings=settings,
                          resume=resume)  # fmt: skip
    file = out.parent / f"{out.name}.py"
    file.write_text(script)
    command = [sys.executable, str(file)]
    if processes > 1:
        command[1:1] = [
            "-m",
            "torch.distributed.run",
            "--standalone",
            f"--nproc-per-node={processes}",
        ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    return {name: load_file(file) for name, file in weights(out).items()}


def weights(out):
    return {
        file.name: file for file in [*out.glob("stages/*.safetensors"), out / "model.safetensors"]
    }


def differences(one, two):
    assert one.keys() == two.keys()
    pairs = ((one[f][name], two[f][name]) for f in one for name in one[f])
    return max(float((a - b).abs().max()) for a, b in pairs)


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, {"clip": 0.05}])
def test_two_processes_equal_one(market, tmp_path, settings):
    """Two networks in turns, triplets mined over the whole batch, batches mined at epoch starts."""
    one = run(market, tmp_path / "one", 1, **settings)
    two = run(market, tmp_path / "two", 2, **settings)
    again = run(market, tmp_path / "again", 2, **settings)
    assert differences(one, two) < 2e-5
    assert differences(two, again) == 0
    moved = {name: value for name, value in one["first.safetensors"].items()}
    assert any(float((moved[n] - one["model.safetensors"][n]).abs().max()) > 1e-3 for n in moved)


@pytest.mark.slow
def test_parts_of_a_batch_equal_the_whole_where_terms_are_means(market, tmp_path):
    one = run(market, tmp_path / "one", 1)
    parts = run(market, tmp_path / "parts", 1, accumulate=2)
    # The identity terms are means over pictures; the triplet term sees a part of the batch.
    assert differences({"f": one["first.safetensors"]}, {"f": parts["first.safetensors"]}) < 2e-5


@pytest.mark.slow
def test_two_processes_resume(market, tmp_path):
    whole = run(market, tmp_path / "whole", 2)
    out = tmp_path / "part"
    run(market, out, 2)
    checkpoints = sorted((out / "checkpoints").iterdir())
    checkpoints[-1].unlink()
    assert len(checkpoints) == 2
    assert differences(run(market, out, 2, resume=True), whole) == 0


def test_without_other_processes_a_batch_is_itself():
    from passerby.losses.gather import gathered

    x = torch.randn(3, 2)
    assert gathered(x) is x
    assert isinstance(nn.Identity()(x), torch.Tensor)
