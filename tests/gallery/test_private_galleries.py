"""Nobody else reads a gallery, holds its locks, or makes one wait without end."""

import fcntl
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from engines import MadeUp, make

from passerby.gallery.audit import AuditLog
from passerby.gallery.filters import Filter
from passerby.gallery.gallery import Gallery
from passerby.gallery.locks import FolderLocks
from passerby.gallery.new_rows import NewEntries
from passerby.gallery.spare import Spare
from passerby.serving.tokens import TokenFile


def open_to_others(folder):
    """What below a folder somebody else might enter or read."""
    return [path for path in (folder, *folder.rglob("*")) if path.stat().st_mode & 0o077]


@pytest.fixture(autouse=True)
def careless():
    """A umask that leaves everything open."""
    before = os.umask(0)
    yield
    os.umask(before)


def test_a_gallery_and_what_is_made_of_it_are_its_owners(tmp_path):
    gallery, made_up = make("folder", tmp_path), MadeUp(60)
    made_up.add_to(gallery)
    gallery.search(made_up.embeddings[:1])
    gallery.assign(Filter(keys=made_up.keys[:2]), "anna")
    gallery.index()
    gallery.remove(Filter(keys=made_up.keys[5:6]))
    gallery.calibrate(0.1)
    gallery.export(tmp_path / "exported")
    gallery.backup(tmp_path / "backups" / "monday")
    for folder in ("gallery", "exported", "backups"):
        assert open_to_others(tmp_path / folder) == []
    assert (tmp_path / "audit.jsonl").stat().st_mode & 0o077 == 0
    (tmp_path / "gallery").chmod(0o755)  # as earlier versions left it
    (tmp_path / "gallery" / "gallery.json").chmod(0o644)
    Gallery.open(tmp_path / "gallery")
    assert open_to_others(tmp_path / "gallery") == []


def test_each_change_leaves_its_owners_files(tmp_path):
    gallery, made_up = make("folder", tmp_path), MadeUp(60)
    for change in (
        lambda: made_up.add_to(gallery, slice(0, 30)),
        lambda: made_up.add_to(gallery, slice(30, None)),
        lambda: gallery.assign(Filter(keys=made_up.keys[:2]), "anna"),
        lambda: gallery.index(),
    ):
        change()
        assert open_to_others(tmp_path / "gallery") == []


def test_room_that_is_kept_back_is_its_owners(tmp_path):
    Spare(tmp_path / "spare").keep(4096)
    assert open_to_others(tmp_path / "spare") == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
def test_somebody_else_cannot_hold_a_lock(tmp_path):
    made_up, gallery = MadeUp(20), make("folder", tmp_path)
    made_up.add_to(gallery)
    TokenFile(tmp_path / "tokens.json").add("a", "read")
    for path in (tmp_path, *tmp_path.parents):
        if path.stat().st_uid == os.geteuid() and path != Path("/"):
            path.chmod(path.stat().st_mode | 0o005)  # not what keeps him out
    files = [tmp_path / "gallery" / f"{name}.lock" for name in ("gate", "use", "write")]
    script = "import sys; open(sys.argv[1])"
    for file in [*files, tmp_path / "tokens.json"]:
        assert file.exists()
        somebody = ["setpriv", "--reuid", "65534", "--clear-groups"]
        command = [*somebody, "/usr/bin/python3", "-c", script, file]
        tried = subprocess.run(command, stderr=subprocess.PIPE, text=True)
        assert "PermissionError" in tried.stderr


@pytest.mark.parametrize("held", ["gate", "use", "write"])
def test_who_waits_for_a_lock_gives_up_in_one_line(tmp_path, held):
    locks = FolderLocks(tmp_path, wait=0.2)
    handle = os.open(tmp_path / f"{held}.lock", os.O_RDONLY | os.O_CREAT, 0o600)
    fcntl.flock(handle, fcntl.LOCK_EX)
    begin = time.monotonic()
    message = r"has been in use for 0\.2 s .*try again$"
    with pytest.raises(TimeoutError, match=message) as told, locks.writing():
        pass
    assert 0.2 <= time.monotonic() - begin < 5
    assert str(tmp_path) in str(told.value)
    os.close(handle)
    with locks.writing():
        pass
    with locks.alone():
        pass


def test_a_lock_is_not_made_through_a_link(tmp_path):
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "gate.lock").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match="symbolic link"), FolderLocks(tmp_path).shared():
        pass
    assert (tmp_path / "precious").read_text() == "mine"


def test_files_beside_an_audit_log_elsewhere_are_its_owners(tmp_path):
    log = AuditLog(tmp_path / "audit.jsonl")
    log.write("search", 1.0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["audit.jsonl", "audit.jsonl.lock"]
    assert [path for path in tmp_path.iterdir() if path.stat().st_mode & 0o077] == []


def test_many_readers_do_not_keep_a_removal_waiting(tmp_path):
    gallery, stop = make("folder", tmp_path), threading.Event()
    rows = np.random.default_rng(0).standard_normal((20, 12)).astype("f4")
    gallery.add(rows, NewEntries(keys=[str(i) for i in range(20)]))

    def read():
        while not stop.is_set():
            gallery.entries(Filter(keys=["3"]))

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    try:
        assert gallery.remove(Filter(keys=["5"])) == 1
    finally:
        stop.set()
        for reader in readers:
            reader.join()


def test_an_audit_log_is_not_written_through_a_link(tmp_path):
    (tmp_path / "precious").write_text("mine\n")
    (tmp_path / "audit.jsonl").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match="audit log cannot be written"):
        AuditLog(tmp_path / "audit.jsonl").write("search", 1.0)
    assert (tmp_path / "precious").read_text() == "mine\n"
