"""What a run survives: kill -9, Ctrl-C, a full disk."""

import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from passerby.cli.main import run as command_line

TOY = Path(__file__).with_name("toy_method.py")
ENTRY = "import sys; from passerby.cli.main import main; main()"


def arguments(market, out, *more):
    return [
        "train", f"{TOY}:METHOD", "--root", str(market), "--out", str(out), "--seed", "3",
        "--accelerator", "cpu", "--stages.0.epochs", "3", "--stages.1.epochs", "4", *more,
    ]  # fmt: skip


def start(market, out, *more, **options):
    return subprocess.Popen(
        [sys.executable, "-c", ENTRY, *arguments(market, out, *more)],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        **options,
    )


@pytest.fixture(scope="module")
def whole(market, tmp_path_factory):
    """An uninterrupted run."""
    out = tmp_path_factory.mktemp("whole") / "run"
    process = start(market, out)
    assert process.wait(300) == 0, process.stderr.read()
    return out


def finish(market, out, *more):
    """Resumes to the end, with as many threads: sums of floats depend on them."""
    process = start(market, out, *more, "--resume")
    _, shown = process.communicate(timeout=300)
    assert process.returncode == 0, shown


def same(one, two):
    a, b = load_file(one / "model.safetensors"), load_file(two / "model.safetensors")
    assert a.keys() == b.keys()
    rows = [(run / "metrics.csv").read_text().splitlines() for run in (one, two)]
    timeless = [[r for r in lines if "images_per_second" not in r] for lines in rows]
    return all(torch.equal(a[k], b[k]) for k in a) and timeless[0] == timeless[1]


def wait_for(condition, process, seconds=120):
    end = time.monotonic() + seconds
    while not condition() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.005)


def wait_for_checkpoint(out, process):
    before = newest(out)
    wait_for(lambda: newest(out) != before, process)


@pytest.mark.slow
def test_kill_9_at_twenty_random_moments(market, whole, tmp_path):
    """Checkpoints as often as can be, workers now and then; the last bits are the same."""
    moments = random.Random(7)
    out, kills = tmp_path / "run", 0
    often = ("--checkpoint-minutes", "0.0001")
    while kills < 20:
        workers = str(moments.choice((0, 0, 1)))
        resume = ("--resume",) if out.exists() else ()
        process = start(market, out, *often, *resume, "--workers", workers, start_new_session=True)
        wait_for_checkpoint(out, process)
        time.sleep(moments.uniform(0, 0.15))
        if process.poll() is not None:
            assert process.returncode == 0, process.stderr.read()
            out = tmp_path / f"run{kills}"  # it came to its end: the next kills take a fresh run
            continue
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        kills += 1
    finish(market, out, *often)
    assert same(out, whole)
    leftovers = [file for file in out.rglob(".*") if file.is_file()]
    assert leftovers == []


def newest(out):
    return max((file.name for file in out.glob("checkpoints/stage*")), default="")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_saves_and_says_how_to_go_on(market, whole, tmp_path, number):
    out = tmp_path / "run"
    process = start(market, out)
    wait_for_checkpoint(out, process)
    process.send_signal(number)
    _, shown = process.communicate(timeout=60)
    assert process.returncode == 130
    last = shown.strip().splitlines()[-1]
    assert last.startswith("passerby: interrupted; saved ")
    assert last.endswith("continue with --resume")
    assert Path(last.split("saved ")[1].split(": continue")[0]).exists()
    finish(market, out)
    assert same(out, whole)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="children are asked of /proc")
def test_a_killed_worker_is_one_line_that_says_how_to_go_on(market, whole, tmp_path):
    out = tmp_path / "run"
    process = start(market, out, "--workers", "2")
    wait_for_checkpoint(out, process)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGKILL)
    _, shown = process.communicate(timeout=60)
    assert process.returncode == 1
    last = shown.strip().splitlines()[-1]
    assert last.startswith("passerby: a process that decodes pictures was killed: is there mem")
    assert last.endswith("continue with --resume")
    assert "Traceback" not in shown
    finish(market, out)
    assert same(out, whole)


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_leaves_the_last_checkpoint(market, whole, tmp_path):
    out = tmp_path / "run"
    process = start(market, out)
    wait_for_checkpoint(out, process)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    intact = newest(out)

    def limit():  # no file may grow beyond 4 kB: what a full disk looks like to a program
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    full = start(market, out, "--resume", preexec_fn=limit)
    _, shown = full.communicate(timeout=120)
    assert full.returncode == 1
    assert "Traceback" not in shown
    assert "File too large" in shown.splitlines()[-1]
    assert newest(out) == intact
    finish(market, out)
    assert same(out, whole)


def test_a_loss_that_is_not_finite_names_the_last_good_checkpoint(market, tmp_path, capsys):
    out = tmp_path / "run"
    code = command_line([*arguments(market, out), "--stages.1.rate", "1e30"])
    assert code == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert "not finite in step" in last
    assert "paint/same nan" in last
    assert Path(last.split("last good checkpoint: ")[1]).exists()
