"""Two people at two programs correct names at the same moment: nobody becomes somebody else."""

import threading
import time

import numpy as np
import pytest

from passerby.gallery.corrections import Corrections
from passerby.gallery.gallery import Gallery
from passerby.gallery.new_rows import NewEntries
from passerby.gallery.settings import Space
from passerby.types import InputError

NAMES = ["anna", "bert", None, None]


def at_once(folder, *corrections):
    """Each in a gallery and a thread of its own; what came of them."""
    found = [None] * len(corrections)

    def run(number, correct):
        with Gallery.open(folder, Space("m")) as gallery:
            try:
                found[number] = correct(gallery).name
            except InputError as error:
                found[number] = error

    threads = [threading.Thread(target=run, args=each) for each in enumerate(corrections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return found


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two people and two pictures of nobody; between looking and writing some time goes by."""
    with Gallery.open(tmp_path / "g", Space("m")) as gallery:
        rows = np.eye(4, dtype=np.float32)
        gallery.add(rows, NewEntries(keys=[f"k{i}" for i in range(4)], persons=NAMES))
    write = Corrections.write

    def slow(self, *given, **more):
        time.sleep(0.3)
        return write(self, *given, **more)

    monkeypatch.setattr(Corrections, "write", slow)
    return tmp_path / "g"


def people(folder):
    with Gallery.open(folder, Space("m")) as gallery:
        return {entry.key: entry.person for entry in gallery.entries()}


def test_one_new_name_for_two_people(folder):
    found = at_once(
        folder, lambda one: one.rename("anna", "Zoe"), lambda two: two.rename("bert", "Zoe")
    )
    [refused] = [one for one in found if isinstance(one, InputError)]
    assert "has a person 'Zoe' already" in str(refused)
    assert sorted(filter(None, people(folder).values())) in (["Zoe", "bert"], ["Zoe", "anna"])


def test_two_new_people(folder):
    found = at_once(folder, lambda one: one.split(["k2"]), lambda two: two.split(["k3"]))
    assert sorted(found) == ["person-1", "person-2"]
    assert {people(folder)["k2"], people(folder)["k3"]} == {"person-1", "person-2"}


def test_one_change_is_undone_once(folder):
    with Gallery.open(folder, Space("m")) as gallery:
        gallery.rename("anna", "Zoe")
        gallery.rename("bert", "Max")
    at_once(folder, lambda one: one.undo(), lambda two: two.undo())
    assert sorted(filter(None, people(folder).values())) == ["anna", "bert"]
