import errno
import fcntl
import os
import threading
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from passerby.files import atomic, make_private, one_at_a_time, write_tensors, write_text


def test_a_file_is_whole_or_not_there(tmp_path):
    target = tmp_path / "new" / "a.txt"
    with pytest.raises(KeyError), atomic(target) as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise KeyError
    assert list(target.parent.iterdir()) == []
    write_text(target, "whole")
    with pytest.raises(KeyError), atomic(target) as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise KeyError
    assert target.read_text() == "whole"
    assert [file.name for file in target.parent.iterdir()] == ["a.txt"]


def test_a_full_disk_names_the_file(tmp_path):
    target = tmp_path / "a.txt"
    with pytest.raises(OSError, match="No space left on device: .*a.txt"), atomic(target):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_what_is_done_is_not_said_to_have_failed(tmp_path, monkeypatch):
    def fails(*_, **__):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "unlink", fails)
    monkeypatch.setattr(Path, "unlink", fails)
    write_text(tmp_path / "a.txt", "whole")
    assert (tmp_path / "a.txt").read_text() == "whole"
    # What went wrong first is what is told.
    with pytest.raises(OSError, match="No space left"), atomic(tmp_path / "b.txt"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_permissions_are_those_of_any_new_file(tmp_path):
    (tmp_path / "plain").touch()
    write_text(tmp_path / "ours", "")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_tensors_of_any_layout(tmp_path):
    x = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)
    write_tensors(tmp_path / "t.safetensors", {"x": x, "row": x[0], "turned": x.transpose(0, 1)})
    found = load_file(tmp_path / "t.safetensors")
    assert torch.equal(found["x"], x)
    assert torch.equal(found["row"], x[0])
    assert torch.equal(found["turned"], x.transpose(0, 1))


def test_private_files_are_their_owners_at_every_moment(tmp_path):
    target = tmp_path / "new" / "folder" / "a.txt"
    umask = os.umask(0)
    try:
        with atomic(target, private=True) as temporary:
            assert temporary.stat().st_mode & 0o777 == 0o600
            temporary.write_text("whole")
        (target.parent / "open").touch()
    finally:
        os.umask(umask)
    assert target.stat().st_mode & 0o777 == 0o600
    for folder in (target.parent, target.parent.parent):
        assert folder.stat().st_mode & 0o777 == 0o700
    assert (target.parent / "open").stat().st_mode & 0o777 == 0o666
    make_private(target.parent)
    assert (target.parent / "open").stat().st_mode & 0o777 == 0o600


def test_one_at_a_time_waits_and_gives_up(tmp_path):
    lock = tmp_path / "out" / ".lock"
    inside, most, modes = [0], [0], set()

    def enter():
        with one_at_a_time(lock, 30):
            inside[0] += 1
            modes.add(lock.stat().st_mode & 0o777)
            most[0] = max(most[0], inside[0])
            time.sleep(0.01)
            inside[0] -= 1

    threads = [threading.Thread(target=enter) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, modes) == ([1], {0o600})
    assert list(lock.parent.iterdir()) == []
    handle = os.open(lock, os.O_RDWR | os.O_CREAT)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with (
        pytest.raises(TimeoutError, match=r"\.lock: another process has held this lock for 0\.1 s"),
        one_at_a_time(lock, 0.1),
    ):
        pass
    os.close(handle)


def test_a_planted_link_is_not_followed(tmp_path):
    """Neither by the lock nor by what makes it go away."""
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (tmp_path / ".lock").symlink_to(precious)
    with pytest.raises(OSError, match="symbolic link"), one_at_a_time(tmp_path / ".lock", 0.2):
        pass
    assert precious.read_text() == "mine"


def test_nothing_is_locked_outside_of_what_is_written(tmp_path, monkeypatch):
    """A folder of everybody would let everybody hold the lock."""
    shared = tmp_path / "tmp"
    shared.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(shared))
    with one_at_a_time(tmp_path / "out" / ".lock"):
        assert list(shared.iterdir()) == []
