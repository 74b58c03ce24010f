"""Locks, the audit log, filters' words, pictures."""

import json
import threading

import numpy as np
import pytest
from PIL import Image

from passerby.gallery.answers import Reranking
from passerby.gallery.audit import AuditLog
from passerby.gallery.filters import Filter, milvus_expression, sql
from passerby.gallery.gallery import Gallery
from passerby.gallery.locks import FolderLocks
from passerby.gallery.new_rows import NewEntries
from passerby.gallery.pictures import add_samples, re_embed
from passerby.gallery.settings import Space
from passerby.types import InputError, Sample

SPACE = Space("a-model")


def test_filters_quote_what_they_are_given():
    where = Filter(keys=["it's", 'a "b" \\'], cameras=["2", "01"], known=False)
    assert sql(where.conditions()) == (
        "camera IN ('01', '2') AND key IN ('a \"b\" \\', 'it''s') AND person == ''"
    )
    assert milvus_expression(where.conditions()) == (
        'camera in ["01", "2"] and key in ["a \\"b\\" \\\\", "it\'s"] and person == ""'
    )
    for wrong in ({"keys": "abc"}, {"cameras": [1]}, {"since": float("nan")}, {"persons": "anna"}):
        with pytest.raises(InputError):
            Filter(**wrong)


def test_who_waits_to_be_alone_has_its_turn(tmp_path):
    """Readers that come later queue behind it, however many there are."""
    order, ready = [], threading.Event()
    locks = FolderLocks(tmp_path)

    def alone():
        ready.set()
        with locks.alone():
            order.append("alone")

    def late():
        with locks.shared():
            order.append("late")

    with locks.shared(), locks.shared():
        waiting = threading.Thread(target=alone)
        waiting.start()
        ready.wait()
        waiting.join(0.2)  # time to reach the gate
        reader = threading.Thread(target=late)
        reader.start()
        reader.join(0.2)
        assert order == []
        with pytest.raises(RuntimeError), locks.alone():
            pass
        with locks.writing():  # within what the thread holds already
            order.append("inner")
    waiting.join()
    reader.join()
    assert order == ["inner", "alone", "late"]


def test_what_is_exported_does_not_lie_where_a_removal_leaves_it(tmp_path):
    gallery = Gallery.open(tmp_path / "g", Space("m"))
    gallery.add(np.eye(2, dtype=np.float32), NewEntries(keys=["a", "b"]))
    (tmp_path / "file").write_text("mine")
    for write in (gallery.export, gallery.backup):
        for place in (tmp_path / "g", tmp_path / "g" / "inside", tmp_path / "g" / ".." / "g"):
            with pytest.raises(InputError, match="lies in the gallery: take a folder outside"):
                write(place)
        with pytest.raises(InputError, match="file: is a file"):
            write(tmp_path / "file")
    assert list((tmp_path / "g").rglob("*.parquet")) == []
    assert gallery.export(tmp_path / "g-outside").rows == 2


@pytest.mark.parametrize("count", [0, -1, 1_000_001, 10**20])
def test_no_search_takes_memory_for_more_hits_than_there_can_be(tmp_path, count):
    gallery = Gallery.open(tmp_path / "g", Space("m"))
    rows = np.eye(2, dtype=np.float32)
    gallery.add(rows, NewEntries(keys=["a", "b"]))
    with pytest.raises(InputError, match=f"1 to 1,000,000: given {count}"):
        gallery.search(rows, count)
    with pytest.raises(InputError, match=f"1 to 1,000,000: given 5, {count}"):
        gallery.search(rows, 5, reranking=Reranking(shortlist=count))


def test_audit_log_survives_a_torn_line_and_forgets(tmp_path):
    log = AuditLog(tmp_path / "audit.jsonl", "me")
    log.write("search", 1.0, k=3)
    with (tmp_path / "audit.jsonl").open("a") as file:
        file.write('{"time": 2.0, "wh')
    log.write("remove", 3.0)
    assert [line["what"] for line in log.lines()] == ["search", "remove"]
    assert log.forget(2.0, 4.0) == 1
    assert [json.loads(line)["time"] for line in log.file.read_text().splitlines()] == [3.0, 4.0]
    assert log.file.stat().st_mode & 0o077 == 0
    AuditLog(None).write("search", 1.0)


class MeanColour:
    """Embeds a picture as its mean colour, or twice that."""

    class descriptor:  # noqa: N801
        metric = "euclidean"

    def __init__(self, factor):
        self.factor = factor
        self.fingerprint = f"mean-{factor}"
        self.embedded = 0

    def embed_samples(self, samples, *, cues=None):
        self.embedded += len(samples)
        means = [np.asarray(Image.open(sample.file)).mean((0, 1)) for sample in samples]
        return np.array(means, np.float32) * self.factor


def test_pictures_are_added_once_and_move_to_another_model(tmp_path):
    samples = []
    for number in range(7):
        file = tmp_path / f"{number}.png"
        Image.new("RGB", (4, 8), (number * 30, 10, 200)).save(file)
        samples.append(
            Sample(file, file.name, -1, -1, 5.0 + number, person="anna" if number % 3 else None)
        )
    model, better = MeanColour(1), MeanColour(2)
    gallery = Gallery.open(tmp_path / "old", model)
    assert add_samples(gallery, model, samples[:5], at_once=2).added == 5
    found = add_samples(gallery, model, samples, at_once=3)
    assert (found.added, found.known, model.embedded) == (2, 5, 7)
    with Gallery.open(tmp_path / "new", better) as target:
        assert re_embed(gallery, target, better, tmp_path, at_once=3).added == 7
        keys = [sample.name for sample in samples]
        np.testing.assert_array_equal(target.embeddings(keys), 2 * gallery.embeddings(keys))
        for old, new in zip(gallery.entries(), target.entries(), strict=True):
            assert (old.key, old.person, old.content, old.timestamp, old.added) == (
                new.key, new.person, new.content, new.timestamp, new.added,
            )  # fmt: skip
    samples[3].file.unlink()
    with pytest.raises(InputError, match=r"3\.png: the picture of entry '3\.png' is missing"):
        re_embed(gallery, Gallery.open(tmp_path / "third", better), better, tmp_path)
