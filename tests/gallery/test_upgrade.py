"""Format 1 is refused with the command that brings it over, which does all of it or nothing."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

import old_format
from old_format import EMBEDDINGS

from passerby.embedding.shards import read_embeddings
from passerby.gallery import lance_store
from passerby.gallery.audit import AuditLog
from passerby.gallery.entries import content_of
from passerby.gallery.gallery import Gallery
from passerby.gallery.settings import Space
from passerby.gallery.upgrade import upgrade
from passerby.types import InputError

KNOWN = {
    "a.png": ("4", "0"), "b.png#1,2,3,4": ("4", "1"), "c.png": (None, None), "d.png": ("12", "1"),
}  # fmt: skip


@pytest.fixture(params=["folder", "milvus"])
def old(request, tmp_path):
    if request.param == "milvus":
        pytest.importorskip("pymilvus")
        return old_format.write_milvus(tmp_path / "gallery.db")
    return old_format.write_folder(tmp_path / "gallery")


def people(gallery):
    return {entry.key: (entry.person, entry.camera) for entry in gallery.entries()}


def test_a_gallery_is_brought_over(old, tmp_path):
    with pytest.raises(InputError, match=rf"format 1.*passerby gallery upgrade {old}`"):
        Gallery.open(old)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for name in ("a.png", "b.png"):
        (pictures / name).write_bytes(name.encode())
    log = tmp_path / "audit.jsonl"
    assert upgrade(old, root=pictures, audit=log, who="me", now=7.0).rows == 4
    assert [(line["what"], line["entries"]) for line in AuditLog(log).lines()] == [("upgrade", 4)]
    with Gallery.open(old, Space("model-a")) as gallery:
        assert people(gallery) == KNOWN
        assert gallery.check() == 4
        entries = {entry.key: entry for entry in gallery.entries()}
        assert (entries["a.png"].timestamp, entries["a.png"].track_id) == (86_400, "t")
        assert entries["b.png#1,2,3,4"].box == (1, 2, 3, 4)
        assert [entries[key].content for key in sorted(entries)] == [
            content_of(b"a.png"), content_of(b"b.png", (1, 2, 3, 4)), None, None,
        ]  # fmt: skip
        np.testing.assert_array_equal(gallery.embeddings(sorted(KNOWN)), EMBEDDINGS)
        [answer] = gallery.search(EMBEDDINGS[3:], 1)
        assert answer.hits[0].entry.person == "12"
    with pytest.raises(InputError, match="already has format 2"):
        upgrade(old, now=7.0)


def test_nothing_of_the_old_numbers_is_left_in_the_folder(tmp_path):
    folder = old_format.write_folder(tmp_path / "gallery")
    upgrade(folder, now=7.0)
    assert not (folder / "entries.lance").exists()


@pytest.mark.parametrize("where", ["writing", "settings"])
def test_an_interrupted_upgrade_leaves_the_old_gallery(tmp_path, monkeypatch, where):
    folder = old_format.write_folder(tmp_path / "gallery")
    before = {f: f.read_bytes() for f in folder.rglob("*.lance/**/*") if f.is_file()}

    def stop(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        name = "write_text" if where == "settings" else "schema"
        patched.setattr(lance_store, name, stop)
        with pytest.raises(KeyboardInterrupt):
            upgrade(folder, now=7.0)
    assert {file: file.read_bytes() for file in before} == before
    with pytest.raises(InputError, match="is of format 1"):
        Gallery.open(folder)
    assert upgrade(folder, now=7.0).rows == 4
    with Gallery.open(folder) as gallery:
        assert people(gallery) == KNOWN


def test_what_an_interrupted_upgrade_left_is_deleted_when_opened(tmp_path, monkeypatch):
    folder = old_format.write_folder(tmp_path / "gallery")

    def stop(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        old = folder / "entries.lance"
        patched.setattr(shutil, "rmtree", lambda path, **_: stop() if path == old else None)
        with pytest.raises(KeyboardInterrupt):
            upgrade(folder, now=7.0)
    assert (folder / "entries.lance").exists()
    with Gallery.open(folder) as gallery:
        assert people(gallery) == KNOWN
    assert not (folder / "entries.lance").exists()


def test_shards_have_the_names_behind_the_numbers(tmp_path):
    folder = old_format.write_files(tmp_path / "embeddings")
    for does in (lambda: read_embeddings(folder), lambda: imported(folder, tmp_path / "g")):
        with pytest.raises(InputError, match=f"gallery upgrade {folder}`"):
            does()
    done = upgrade(folder / "embeddings-00001.parquet", now=7.0)  # means all of them
    assert (done.rows, done.files) == (4, 2)
    with imported(folder, tmp_path / "g") as gallery:
        assert {entry.file_name: (entry.person, entry.camera) for entry in gallery.entries()} == {
            "a.png": ("Anna", "0"), "b.png": ("Anna", "1"), "c.png": (None, None),
        } | {"d.png": ("Bert", "1")}  # fmt: skip
    assert json.loads((folder / "embeddings.json").read_text())["format"] == 2
    assert [file.name for file in sorted(folder.iterdir())] == [
        "embeddings-00000.parquet", "embeddings-00001.parquet", "embeddings.json",
    ]  # fmt: skip
    with pytest.raises(InputError, match="already has format 2"):
        upgrade(folder, now=7.0)


def test_a_damaged_file_leaves_all_files_as_they_are(tmp_path):
    folder = old_format.write_files(tmp_path / "embeddings")
    second = folder / "embeddings-00001.parquet"
    content = bytearray(second.read_bytes())
    content[8:40] = bytes(32)
    second.write_bytes(content)
    before = {file: file.read_bytes() for file in folder.iterdir()}
    with pytest.raises((InputError, OSError)):
        upgrade(folder, now=7.0)
    assert {file: file.read_bytes() for file in folder.iterdir()} == before


def test_a_backup_is_brought_over_and_stays_whole(tmp_path):
    folder = old_format.write_backup(tmp_path / "backup")
    with pytest.raises(InputError, match="gallery upgrade"):
        Gallery.open(tmp_path / "g").restore(folder)
    assert upgrade(folder, now=7.0).rows == 4
    with Gallery.open(tmp_path / "g") as gallery:
        assert gallery.restore(folder).added == 4
        assert people(gallery) == KNOWN


def imported(files, place):
    gallery = Gallery.open(place)
    gallery.import_files([files])
    return gallery
