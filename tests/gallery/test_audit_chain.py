"""The audit log: nothing changed or cut unseen, nothing of a search fills the disk, what it may
keep from being done."""

import errno
import json
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from engines import MadeUp, make

from passerby.gallery import audit
from passerby.gallery.audit import AuditLog
from passerby.gallery.filters import Filter
from passerby.gallery.new_rows import NewEntries
from passerby.types import InputError


@pytest.fixture
def log(tmp_path):
    found = AuditLog(tmp_path / "audit.jsonl", "me")
    for number in range(6):
        found.write("search", 10.0 + number, key="a\u2028b\x85c", padding="x" * 700 * number)
    return found


def test_whole_logs_are_whole(log):
    assert log.verify().lines == 6
    assert [line["time"] for line in log.lines()] == [10, 11, 12, 13, 14, 15]
    assert log.last()["time"] == 15
    assert AuditLog(None).verify().lines == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: [*lines[:2], lines[2].replace(b"me", b"us"), *lines[3:]], "line 4 does not"),
        (lambda lines: [*lines[:2], *lines[3:]], "line 3 does not"),
        (lambda lines: lines[1:], "line 1 does not"),
        (lambda lines: lines[:-1], "removed at its end"),
        (lambda lines: lines[:-3], "removed at its end"),
        (lambda lines: [*lines[:-1], lines[-1].replace(b"15.0", b"16.0")], "removed at its end"),
        (lambda lines: [lines[1], lines[0], *lines[2:]], "line 1 does not"),
        (lambda lines: [*lines[:3], b"}{", *lines[4:]], "line 4 is not a line"),
        (lambda lines: [], "removed at its end"),
    ],
)
def test_what_is_changed_or_cut_is_seen_and_stays_seen(log, change, message):
    lines = log.file.read_bytes().split(b"\n")[:-1]
    log.file.write_bytes(b"".join(line + b"\n" for line in change(lines)))
    with pytest.raises(InputError, match=message):
        log.verify()
    log.write("search", 20.0)
    log.write("search", 21.0)
    with pytest.raises(InputError, match=r"were removed|is not a line"):
        log.verify()


def test_what_a_crash_leaves_is_no_damage(log):
    whole = log.file.read_bytes()
    lock = log.file.with_name("audit.jsonl.lock")
    before = lock.read_bytes()
    log.file.write_bytes(whole + b'{"time": 16.0, "wh')  # cut off while it was appended
    assert log.verify().lines == 6
    log.write("search", 17.0)
    assert log.verify().lines == 7
    lock.write_bytes(before)  # died before the hash of the last line was kept
    assert log.verify().lines == 7
    log.write("search", 18.0)
    assert log.verify().lines == 8


def test_old_lines_go_and_the_rest_holds_together(log):
    assert log.forget(13.0, 30.0) == 3
    assert [line["time"] for line in log.lines()] == [13, 14, 15, 30]
    assert log.lines()[-1]["lines"] == 3
    assert log.verify().lines == 4
    log.write("search", 31.0)
    assert log.forget(15.0, 32.0) == 2
    assert log.verify().lines == 4
    lines = log.file.read_bytes().split(b"\n")[:-1]
    log.file.write_bytes(b"".join(line + b"\n" for line in lines[1:]))
    with pytest.raises(InputError, match="line 1 does not"):
        log.verify()


def test_lines_from_before_the_chain_stay(tmp_path):
    file = tmp_path / "audit.jsonl"
    file.write_text('{"time": 1.0, "what": "add"}\n{"time": 2.0, "what": "search"}\n')
    log = AuditLog(file, "me")
    log.write("search", 3.0)
    assert log.verify().lines == 3
    file.write_text(file.read_text().replace("2.0", "2.5"))
    with pytest.raises(InputError, match="line 3 does not"):
        log.verify()


def test_a_line_that_does_not_fit_is_not_there(log, monkeypatch):
    whole = log.file.read_bytes()
    real = os.write
    monkeypatch.setattr(audit.os, "write", lambda handle, text: real(handle, text[:7]))
    with pytest.raises(
        OSError, match="audit log cannot be written .*no search is answered"
    ) as told:
        log.write("search", 20.0)
    assert told.value.errno == errno.ENOSPC
    assert log.file.read_bytes() == whole


def test_one_search_writes_little(tmp_path):
    gallery, made_up = make("folder", tmp_path), MadeUp(20)
    made_up.add_to(gallery)
    before = gallery.audit.file.stat().st_size
    where = Filter(not_keys=["k" * 256 + str(i) for i in range(1000)], keys=made_up.keys)
    gallery.search(made_up.embeddings[:1], 3, where)
    assert gallery.audit.file.stat().st_size - before < 2000
    line = gallery.audit.lines()[-1]
    assert line["filter"]["not_keys"]["count"] == 1000
    # What changes something is written out, whoever asked for it.
    gallery.remove(Filter(keys=["k" * 256 + str(i) for i in range(1000)]))
    assert len(gallery.audit.lines()[-2]["filter"]["keys"]) == 1000


def test_without_its_log_a_gallery_only_removes(tmp_path, monkeypatch):
    gallery, made_up = make("folder", tmp_path), MadeUp(20)
    made_up.add_to(gallery)

    def full(file, line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(audit, "_append", full)
        with pytest.raises(OSError, match="no search is answered without its line"):
            gallery.search(made_up.embeddings[:1], 3)
        with pytest.raises(OSError, match="nobody's name is changed without its line"):
            gallery.assign(Filter(keys=made_up.keys[:1]), "anna")
        with pytest.raises(OSError, match="audit log cannot be written .*entries were removed"):
            gallery.remove(Filter(keys=made_up.keys[3:4]))
        with pytest.raises(OSError, match="the add itself was done"):
            gallery.add(made_up.embeddings[:1] + 1, NewEntries(keys=["new"]))
    assert gallery.entries(Filter(keys=made_up.keys[:1]))[0].person != "anna"
    assert len(gallery.entries(Filter(keys=["new"]))) == 1
    assert gallery.entries(Filter(keys=made_up.keys[3:4])) == []


def test_the_line_of_a_removal_comes_first(tmp_path, monkeypatch):
    gallery, made_up = make("folder", tmp_path), MadeUp(20)
    made_up.add_to(gallery)

    def die(conditions):
        raise KeyboardInterrupt

    monkeypatch.setattr(gallery._store, "remove", die)
    with pytest.raises(KeyboardInterrupt):
        gallery.remove(Filter(keys=made_up.keys[3:4]))
    line = gallery.audit.lines()[-1]
    assert (line["what"], line["filter"]) == ("remove", {"keys": made_up.keys[3:4]})


def test_a_removal_whose_first_line_did_not_fit_says_all_in_its_second(tmp_path, monkeypatch):
    gallery, made_up = make("folder", tmp_path), MadeUp(20)
    made_up.add_to(gallery)
    append, refused = audit._append, []

    def full_once(file, line):
        if not refused:
            refused.append(line)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        append(file, line)

    monkeypatch.setattr(audit, "_append", full_once)
    assert gallery.remove(Filter(keys=made_up.keys[3:4])) == 1
    line = gallery.audit.lines()[-1]
    assert (line["what"], line["entries"], line["reason"]) == ("removed", 1, "remove")
    assert line["filter"] == {"keys": made_up.keys[3:4]}


def test_check_reads_log_and_settings(tmp_path):
    gallery, made_up = make("folder", tmp_path), MadeUp(60)
    made_up.add_to(gallery)
    threshold = gallery.calibrate(0.1).threshold
    gallery.assign(Filter(keys=made_up.keys[:1]), "bert")
    assert gallery.check() == 60
    text = gallery.audit.file.read_text()
    gallery.audit.file.write_text(text[: text.rindex('{"time"')])
    with pytest.raises(InputError, match="lines were removed at its end"):
        gallery.check()
    gallery.audit.file.write_text(text)
    file = tmp_path / "gallery" / "gallery.json"
    digits = json.dumps(threshold)
    other = digits[:4] + str((int(digits[4]) + 1) % 10) + digits[5:]
    file.write_text(file.read_text().replace(digits, other))
    with pytest.raises(InputError, match="settings are damaged: wrong checksum"):
        gallery.check()
