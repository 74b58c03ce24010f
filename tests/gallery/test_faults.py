"""A fault at calls spread over every change of a gallery; `faults.py --all` takes every call."""

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from syscalls import Fault, run, why_not

FAULTS = Path(__file__).parent / "faults.py"

needs_calls = pytest.mark.skipif(why_not() is not None, reason=why_not() or "")


@needs_calls
def test_a_fault_befalls_the_call_that_is_meant(tmp_path):
    folder, notes = tmp_path / "f", tmp_path / "notes"
    folder.mkdir()

    def does():
        said = []
        for name in ("a", "b", "c"):
            try:
                (folder / name).write_text("x")
            except OSError as error:
                said.append(f"{name} {error.strerror}")
        (folder / "a").rename(folder / "d")
        (folder / "d").unlink()
        notes.write_text("; ".join(said))

    calls, befell, hung = run(does, folder, Fault())
    assert [kind for kind, _ in calls] == ["create", "write"] * 3 + ["rename", "unlink"]
    assert (befell, hung, notes.read_text()) == (0, False, "")
    run(does, folder, Fault("EIO", 3))
    assert notes.read_text() == "b Input/output error"
    run(does, folder, Fault("full", 3))
    assert notes.read_text() == "b No space left on device; c No space left on device"
    notes.unlink()
    calls, befell, _ = run(does, folder, Fault("kill", 5))
    assert (len(calls), befell, notes.exists()) == (5, 1, False)


def faults(*arguments):
    done = subprocess.run([sys.executable, str(FAULTS), *arguments], capture_output=True)
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()[-2000:]
    print(done.stdout.decode().splitlines()[-1])


@needs_calls
def test_a_killed_addition_or_removal_leaves_no_embedding():
    faults("--only", "add", "remove", "--kinds", "kill", "--most", "3")


@needs_calls
@pytest.mark.slow
def test_no_fault_loses_keeps_or_tells_what_is_not_so():
    faults("--most", "3")
