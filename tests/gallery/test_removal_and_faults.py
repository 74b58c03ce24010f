"""Embeddings that were removed are in no file; what was acknowledged stays, whatever happens."""

import errno
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from engines import MadeUp, make
from worker import embedding

from passerby.gallery import lance_store
from passerby.gallery.filters import Filter
from passerby.gallery.gallery import Gallery
from passerby.gallery.lance_store import LanceStore
from passerby.gallery.new_rows import NewEntries
from passerby.types import InputError

WORKER = Path(__file__).parent / "worker.py"


def start(what, folder, name="1", *more):
    arguments = [sys.executable, str(WORKER), what, str(folder), name, *map(str, more)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


def holding(folder, row):
    """The files that hold the bytes of an embedding; any 6 numbers of it in a row are enough."""
    parts = [row[start : start + 6].tobytes() for start in range(0, len(row) - 5, 6)]
    contents = [(file, file.read_bytes()) for file in sorted(folder.rglob("*")) if file.is_file()]
    return [file for file, content in contents if any(part in content for part in parts)]


@pytest.fixture
def thousand(tmp_path):
    made_up = MadeUp(1000)
    gallery = make("folder", tmp_path)
    made_up.add_to(gallery)
    return gallery, made_up


def test_one_of_a_thousand_is_in_no_file(thousand, tmp_path):
    gallery, made_up = thousand
    row = made_up.embeddings[500]
    assert holding(tmp_path, row)
    gallery.assign(Filter(keys=[made_up.keys[500]]), "anna")  # leaves a second copy behind
    assert len(holding(tmp_path, row)) == 2
    gallery.index()
    assert gallery.remove(Filter(keys=[made_up.keys[500]])) == 1
    assert holding(tmp_path, row) == []
    assert holding(tmp_path, made_up.embeddings[501])
    assert gallery.check() == 999


def test_deleting_alone_would_leave_it(thousand, tmp_path, monkeypatch):
    """The test above can fail."""
    gallery, made_up = thousand
    monkeypatch.setattr(LanceStore, "_clean", lambda store: None)
    gallery.remove(Filter(keys=[made_up.keys[500]]))
    assert holding(tmp_path, made_up.embeddings[500])


def test_interrupted_removal_is_finished_when_opened_again(thousand, tmp_path, monkeypatch):
    gallery, made_up = thousand

    def die(store):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(LanceStore, "_clean", die)
        with pytest.raises(KeyboardInterrupt):
            gallery.remove(Filter(keys=[made_up.keys[500]]))
    assert holding(tmp_path, made_up.embeddings[500])
    assert gallery.statistics().engine["removal_pending"]
    assert not Gallery.open(tmp_path / "gallery").statistics().engine["removal_pending"]
    assert holding(tmp_path, made_up.embeddings[500]) == []


def test_resident_snapshot_follows_the_table(tmp_path):
    made_up = MadeUp(300)
    resident, other = make("resident", tmp_path), None
    made_up.add_to(resident, slice(0, 100))
    resident.search(made_up.embeddings[:1], 3)
    snapshot = resident._snapshot
    kept = snapshot._embeddings
    other = Gallery.open(tmp_path / "gallery")
    other.add(made_up.embeddings[100:200], made_up.new(slice(100, 200)))
    assert len(resident.search(made_up.embeddings[:1], 300)[0].hits) == sum(
        each is None for each in made_up.expires[:200]
    )
    assert np.shares_memory(snapshot._embeddings, kept) is False
    before = snapshot.version
    other.remove(Filter(keys=[made_up.keys[5]]))
    found = resident.search(made_up.embeddings[5:6], 1)[0].hits[0]
    assert found.entry.key != made_up.keys[5]
    assert snapshot.version > before
    assert not (snapshot._embeddings == made_up.embeddings[5]).all(1).any()
    resident.remove(Filter(keys=[made_up.keys[6]]))
    assert (snapshot.version, snapshot.bytes) == (-1, 0)


def test_damaged_files_are_named(thousand, tmp_path):
    gallery, made_up = thousand
    folder = tmp_path / "gallery"
    file = max(
        (folder / f"{lance_store.TABLE}.lance" / "data").iterdir(),
        key=lambda each: each.stat().st_size,
    )
    whole = file.read_bytes()
    place = whole.index(made_up.embeddings[500].tobytes())
    file.write_bytes(whole[: place + 2] + bytes([whole[place + 2] ^ 64]) + whole[place + 3 :])
    with pytest.raises(InputError, match="1 of 1000 entries are damaged") as told:
        gallery.check()
    assert repr(made_up.keys[500]) in str(told.value)
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"gallery's files are damaged or gone .*") as told:
        gallery.check()
    assert "\n" not in str(told.value)
    (folder / "gallery.json").write_text("{")
    with pytest.raises(InputError, match=r"gallery\.json: damaged"):
        Gallery.open(folder)


def test_later_formats_and_other_folders_are_refused(thousand, tmp_path):
    file = tmp_path / "gallery" / "gallery.json"
    file.write_text(file.read_text().replace('"format": 2', '"format": 3'))
    with pytest.raises(InputError, match="has format 3; this version reads 2"):
        Gallery.open(tmp_path / "gallery")
    with pytest.raises(InputError, match="not a gallery"):
        Gallery.open(tmp_path)
    with pytest.raises(InputError, match="no gallery here"):
        Gallery.open(tmp_path / "none").statistics()
    with pytest.raises(InputError, match="needs the model"):
        Gallery.open(tmp_path / "none").add(np.ones((1, 2), "f4"), NewEntries(keys=["a"]))


def test_a_full_disk_loses_nothing(tmp_path):
    make("folder", tmp_path).add(np.ones((1, 12), "f4"), NewEntries(keys=["first"]))
    process = start("fill", tmp_path)
    lines = process.communicate(timeout=300)[0].splitlines()
    assert process.returncode == 0
    assert lines[-1].startswith("full")
    done = [int(line.split()[1]) for line in lines[:-1]]
    assert len(done) > 2
    gallery = make("folder", tmp_path)
    assert gallery.check() == 1 + sum(400 * (number + 1) for number in done)
    gallery.remove(Filter(keys=["first"]))  # clears away what the failed addition left


@pytest.mark.slow
def test_killed_while_adding_keeps_all_that_was_acknowledged(tmp_path):
    said = set()
    rng = random.Random(0)
    for turn in range(20):
        process = start("add", tmp_path, str(turn))
        first = process.stdout.readline()
        time.sleep(rng.uniform(0, 0.5))
        process.send_signal(signal.SIGKILL)
        # A line that was cut off was not acknowledged.
        lines = (first + process.stdout.read()).splitlines(keepends=True)
        said |= {line.strip() for line in lines if line.endswith("\n")}
        process.wait()
        gallery = make("folder", tmp_path)
        assert said <= {entry.key for entry in gallery.entries()}
    assert len(said) >= 20
    print(f"20 kills: {len(said)} acknowledged, {gallery.check()} there")
    for key in sorted(said)[::5]:
        name, number = key.split("-")
        np.testing.assert_array_equal(gallery.embeddings([key]), embedding(name, int(number)))


@pytest.mark.slow
def test_removal_beside_two_writers(tmp_path):
    gallery = make("folder", tmp_path)
    rows = np.random.default_rng(5).standard_normal((40, 12)).astype("f4")
    gallery.add(rows, NewEntries(keys=[f"r{i}" for i in range(40)]))
    writers = [start("add", tmp_path, name, 60) for name in "12"]
    remover = start("remove", tmp_path)
    outputs = [process.communicate(timeout=500)[0] for process in (*writers, remover)]
    assert [process.returncode for process in (*writers, remover)] == [0, 0, 0]
    assert len(outputs[2].splitlines()) == 5
    expected = {f"{name}-{i}" for name in "12" for i in range(60)}
    assert {entry.key for entry in gallery.entries()} == expected | {
        f"r{i}" for i in range(1, 40, 2)
    }
    assert [holding(tmp_path, rows[i]) for i in range(0, 40, 2)] == [[]] * 20
    print(f"beside 5 removals of 20: {len(expected)} acknowledged, {gallery.check()} there")


@pytest.mark.slow
def test_two_writers_of_the_same_keys_add_each_once(tmp_path):
    writers = [start("add", tmp_path, "3", 40) for _ in range(2)]
    for process in writers:
        process.communicate(timeout=500)
    assert [process.returncode for process in writers] == [0, 0]
    keys = [entry.key for entry in make("folder", tmp_path).entries()]
    assert sorted(keys) == sorted(f"3-{i}" for i in range(40))


def test_a_dead_process_holds_no_lock(thousand, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(tmp_path / "gallery")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert thousand[0].remove(Filter(keys=[thousand[1].keys[0]])) == 1


_HOLD = """
import sys, time
from pathlib import Path
from passerby.gallery.locks import FolderLocks
with FolderLocks(Path(sys.argv[1])).shared():
    print("held", flush=True)
    time.sleep(600)
"""


def test_damage_anywhere_is_one_line_or_none(thousand, tmp_path):
    """Every file of a gallery, a byte of it changed or its end cut off."""
    gallery, made_up = thousand
    gallery.remove(Filter(keys=[made_up.keys[5]]))
    rng = random.Random(0)
    files = [file for file in sorted((tmp_path / "gallery").rglob("*")) if file.is_file()]
    refused = []
    for file in files * 6:
        whole = file.read_bytes()
        place = rng.randrange(len(whole)) if whole else 0
        end = rng.choice([b"", bytes([rng.randrange(256)]) + whole[place + 1 :]])
        file.write_bytes(whole[:place] + end)
        try:
            found = Gallery.open(tmp_path / "gallery")
            assert found.check() == 999
            found.search(made_up.embeddings[:1], 3)
        except InputError as error:
            refused.append(str(error))
        file.write_bytes(whole)
    assert len(refused) >= len(files)
    assert not any("\n" in line for line in refused)
    assert gallery.check() == 999


def test_a_panic_of_the_engine_is_one_line(thousand, tmp_path):
    """Rust's panics are no `Exception` in Python."""
    file = min((tmp_path / "gallery").rglob("*.manifest"))  # the last version has the first name
    content = bytearray(file.read_bytes())
    content[3] = 8  # how long what follows is
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"files are damaged or gone.*\(PanicException: "):
        thousand[0].check()


def test_removal_with_little_room_goes_a_few_files_at_a_time(tmp_path, monkeypatch):
    gallery = make("folder", tmp_path)
    rows = np.random.default_rng(3).standard_normal((4000, 12)).astype("f4")
    for start in range(0, 4000, 400):
        keys = [str(row) for row in range(start, start + 400)]
        gallery.add(rows[start : start + 400], NewEntries(keys=keys))
    commits = []
    real = LanceStore._check_written
    monkeypatch.setattr(lance_store.shutil, "disk_usage", lambda place: SimpleNamespace(free=0))
    monkeypatch.setattr(
        LanceStore, "_check_written", lambda *given: (commits.append(1), real(*given))
    )
    assert gallery.remove(Filter(keys=["5", "3000"])) == 2
    assert len(commits) > 1
    assert [holding(tmp_path, rows[row]) for row in (5, 3000)] == [[], []]
    assert gallery.check() == 3998
    np.testing.assert_array_equal(gallery.embeddings(["4", "3999"]), rows[[4, 3999]])


def test_a_full_disk_keeps_nobody_from_searching(thousand, tmp_path, monkeypatch):
    gallery, made_up = thousand

    def full(store):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(LanceStore, "_clean", full)
        with pytest.raises(OSError, match="found no more, but its embeddings are still in files"):
            gallery.remove(Filter(keys=[made_up.keys[500]]))
        with pytest.warns(UserWarning, match="make room and open the gallery again"):
            again = make("folder", tmp_path)
        assert made_up.keys[500] not in {entry.key for entry in again.entries()}
        assert again.statistics().engine["removal_pending"]
    assert not make("folder", tmp_path).statistics().engine["removal_pending"]
    assert holding(tmp_path, made_up.embeddings[500]) == []


def test_what_a_dead_writer_left_is_cleared_away(thousand, tmp_path):
    """Its mark says so, whoever was to be removed since."""
    gallery, made_up = thousand
    table = tmp_path / "gallery" / "entries-2.lance"
    [file] = (table / "data").iterdir()
    stray = np.random.default_rng(9).standard_normal(12).astype("f4")
    left = [table / "data" / "left.lance", table / "data" / ".tmpX", table / "_versions" / "1#2"]
    for each in left:
        each.write_bytes(stray.tobytes())
    assert gallery.remove(Filter(keys=["nobody"])) == 0
    assert len(holding(tmp_path, stray)) == 3  # without the mark nobody looks
    (tmp_path / "gallery" / "unfinished").write_text("2")
    assert make("folder", tmp_path).check() == 1000
    assert holding(tmp_path, stray) == []
    assert file.exists()
    assert not (tmp_path / "gallery" / "unfinished").exists()


def test_a_gallery_whose_making_was_interrupted_is_made_anew(thousand, tmp_path):
    gallery, made_up = thousand
    (tmp_path / "gallery" / "gallery.json").unlink()
    with pytest.raises(InputError, match="not a gallery"):
        make("folder", tmp_path)
    (tmp_path / "gallery" / "unfinished").write_text("1")
    again = make("folder", tmp_path)
    assert not again.exists
    assert holding(tmp_path, made_up.embeddings[500]) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small file system")
def test_a_removal_has_room_when_nothing_else_has(tmp_path):
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "none", place])
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        rows = np.random.default_rng(4).standard_normal((4000, 256)).astype("f4")
        gallery = make("folder", place)
        gallery.add(rows, NewEntries(keys=[str(i) for i in range(4000)]))
        with pytest.raises(OSError, match="No space left"):
            (place / "filler").write_bytes(b"x" * 2**26)
        assert os.statvfs(place).f_bavail == 0
        with pytest.raises(OSError, match="nothing of this batch was stored"):
            gallery.add(rows[:1] + 1, NewEntries(keys=["new"]))
        assert gallery.remove(Filter(keys=["5", "3000"])) == 2
        assert [holding(place, rows[row]) for row in (5, 3000)] == [[], []]
        assert gallery.check() == 3998
        assert not gallery.statistics().engine["removal_pending"]
    finally:
        subprocess.run(["umount", "-l", place], check=True)
