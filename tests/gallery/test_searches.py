"""Searches of different people that are answered together, against each of them alone."""

import errno
import os
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from engines import ENGINES, MadeUp, hits_of, make, who

from passerby.gallery import audit
from passerby.gallery.answers import Reranking
from passerby.gallery.audit import AuditLog, Line
from passerby.gallery.filters import Filter
from passerby.gallery.searches import Found, NoEntry, Search
from passerby.types import InputError


@pytest.fixture(params=ENGINES)
def filled(request, tmp_path):
    made_up = MadeUp(240)
    gallery = make(request.param, tmp_path)
    made_up.add_to(gallery)
    return gallery, made_up


def test_each_is_as_if_it_were_alone(filled):
    gallery, made_up = filled
    queries = np.random.default_rng(1).standard_normal((40, 12)).astype(np.float32)
    filters = [
        Filter(), Filter(cameras=["0002"]), Filter(persons=[who(3), who(4)]),
        Filter(since=1_000_500.0, not_cameras=["3"]), Filter(cameras=["nowhere"]),
    ]  # fmt: skip
    searches = [
        Search(
            query, 1 + row % 7, filters[row % 5], np.inf if row % 2 else 4.0,
            camera=made_up.cameras[row], own_camera=row % 3 == 0,
            group_by=(None, "person", "track")[row % 3],
            reranking=Reranking(20, 5, 2) if row % 11 == 0 else None,
        )
        for row, query in enumerate(queries)
    ]  # fmt: skip
    together = gallery.search_each(searches)
    for search, found in zip(searches, together, strict=True):
        [alone] = gallery.search_each([search])
        keys, distances = hits_of(found.answer)
        expected, wanted = hits_of(alone.answer)
        assert keys == expected
        np.testing.assert_allclose(distances, wanted, rtol=1e-5, atol=1e-6)
        assert found.answer.threshold == alone.answer.threshold


def test_by_entries_and_embeddings_beside_what_is_wrong(filled):
    gallery, made_up = filled
    query = np.random.default_rng(2).standard_normal(12).astype(np.float32)
    found = gallery.search_each(
        [
            Search(made_up.keys[5], 6, own_camera=True),
            Search("nobody"),
            Search(query, 3),
            Search(query[:4]),
            Search(np.full(12, np.nan, np.float32)),
            Search(query, 0),
        ]
    )
    expected = made_up.search(made_up.embeddings[5], 6, lambda i: i != 5)
    assert hits_of(found[0].answer)[0] == expected[0]
    assert found[0].entry.key == made_up.keys[5]
    assert isinstance(found[1], NoEntry)
    assert hits_of(found[2].answer)[0] == made_up.search(query, 3)[0]
    assert [isinstance(one, InputError) for one in found[3:]] == [True] * 3
    assert "must be (N, 12)" in str(found[3])
    assert "given 0" in str(found[5])


def test_an_entry_leaves_out_itself_its_picture_and_its_camera(filled):
    gallery, made_up = filled
    [found] = gallery.search_each([Search(made_up.keys[5], 240)])
    left = [
        key for i, key in enumerate(made_up.keys)
        if made_up.cameras[i] != made_up.cameras[5] and made_up.expires[i] is None
    ]  # fmt: skip
    assert sorted(hits_of(found.answer)[0]) == sorted(left)


def test_each_has_its_line_and_all_reach_the_disk_at_once(tmp_path, monkeypatch):
    gallery, made_up = make("resident", tmp_path), MadeUp(60)
    made_up.add_to(gallery)
    before, synced = len(gallery.audit.lines()), []
    real = os.fsync
    monkeypatch.setattr(audit.os, "fsync", lambda handle: synced.append(real(handle)))
    searches = [Search(made_up.keys[i], 2, who=f"user{i}") for i in range(1, 9)]
    gallery.search_each([*searches, Search("nobody", who="nobody")])
    lines = gallery.audit.lines()[before:]
    assert [line["who"] for line in lines] == [f"user{i}" for i in range(1, 9)]
    assert [line["filter"]["not_keys"] for line in lines] == [[key] for key in made_up.keys[1:9]]
    assert {(line["what"], line["k"], line["queries"]) for line in lines} == {("search", 2, 1)}
    assert len(synced) == 1
    gallery.audit.verify()


def test_no_search_of_a_batch_is_answered_without_its_line(tmp_path, monkeypatch):
    gallery, made_up = make("resident", tmp_path), MadeUp(60)
    made_up.add_to(gallery)
    whole = gallery.audit.file.read_bytes()
    real = os.write

    def cut(handle, text):
        if len(text) > 500:
            real(handle, text[:300])  # more than the first line
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(handle, text)

    monkeypatch.setattr(audit.os, "write", cut)
    with pytest.raises(OSError, match="no search is answered without its line"):
        gallery.search_each([Search(key) for key in made_up.keys[1:9]])
    assert gallery.audit.file.read_bytes() == whole


def test_a_group_whose_process_died_before_its_head_was_kept_is_no_damage(tmp_path):
    log = AuditLog(tmp_path / "audit.jsonl", "me")
    log.write("search", 1.0)
    lock = log.file.with_name("audit.jsonl.lock")
    before = lock.read_bytes()
    log.write_together([Line("search", {"k": k}) for k in range(5)], 2.0)
    lock.write_bytes(before)
    assert log.verify().lines == 6
    whole = log.file.read_bytes()
    log.file.write_bytes(whole[:-20])  # died while they were written
    assert log.verify().lines == 5
    log.write("search", 3.0)
    assert log.verify().lines == 6
    assert [line.get("k") for line in log.lines()] == [None, 0, 1, 2, 3, None]
    log.file.write_bytes(b"".join(log.file.read_bytes().splitlines(True)[:-3]))
    with pytest.raises(InputError, match="removed at its end"):
        log.verify()


def test_nothing_is_looked_up_before_something_is_there(tmp_path):
    with pytest.raises(InputError, match="no gallery here"):
        make("folder", tmp_path).search_each([Search("a")])


def test_what_was_found_is_that_of_one_moment(tmp_path, monkeypatch):
    """The gallery is looked at once for a batch, whatever it asks for."""
    gallery, made_up = make("resident", tmp_path), MadeUp(60)
    made_up.add_to(gallery)
    gallery.search_each([Search(made_up.keys[1])])
    looked = []
    stamp = gallery._store.stamp
    monkeypatch.setattr(gallery._store, "stamp", lambda: looked.append(1) or stamp())
    monkeypatch.setattr(gallery._store, "parts", lambda: pytest.fail("the table was opened"))
    found = gallery.search_each([Search(key, group_by="track") for key in made_up.keys[1:20]])
    assert all(isinstance(one, Found) for one in found)
    assert len(looked) == 1
