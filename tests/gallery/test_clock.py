"""A wrong clock neither brings back what expired nor removes what did not."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from passerby.gallery.filters import Filter
from passerby.gallery.gallery import Gallery
from passerby.gallery.new_rows import NewEntries
from passerby.gallery.settings import Space
from passerby.types import InputError

DAY = 86_400.0
NOW = 20_000 * DAY
ROWS = np.random.default_rng(0).standard_normal((40, 6)).astype("f4")


class Watch:
    """A clock that can be set."""

    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now


@pytest.fixture
def watch():
    return Watch()


@pytest.fixture
def gallery(tmp_path, watch):
    """Forty entries; those with an odd number expire after ten days."""
    found = Gallery.open(tmp_path / "g", Space("model"), clock=watch)
    keys = [str(i) for i in range(40)]
    expires = [NOW + 10 * DAY if i % 2 else None for i in range(40)]
    found.add(ROWS, NewEntries(keys=keys, expires=expires))
    return found


def found(gallery):
    return {hit.entry.key for hit in gallery.search(ROWS[:1], 40)[0].hits}


def test_a_clock_before_the_newest_entry_is_refused(gallery, watch, tmp_path):
    for behind in (0.0, NOW - DAY):
        watch.now = behind
        for opened in (gallery, Gallery.open(tmp_path / "g", clock=watch)):
            for does in (lambda g=opened: found(g), opened.expire):
                with pytest.raises(InputError, match=r"the newest entry was added at 2024-10-04"):
                    does()
            with pytest.raises(InputError, match="set the clock"):
                opened.add(ROWS[:1], NewEntries(keys=["new"]))
    watch.now = NOW - 60  # another machine's clock
    assert len(found(gallery)) == 40
    assert gallery.remove(Filter(keys=["3"])) == 1  # never refused


def test_what_expired_is_not_found_again(gallery, watch, tmp_path):
    watch.now = NOW + 10 * DAY + 100
    assert len(found(gallery)) == 20
    watch.now = NOW + 10 * DAY - 100  # another machine's clock, by which they are alive still
    assert len(found(gallery)) == 20
    watch.now = NOW + 11 * DAY
    assert len(found(gallery)) == 20
    watch.now = NOW + 9 * DAY
    with pytest.raises(InputError, match="the audit log goes on until 2024-10-15"):
        found(gallery)
    gallery.remove(Filter(keys=["4"]))  # its line does not set the log's time back
    with pytest.raises(InputError, match="the audit log goes on until 2024-10-15"):
        found(Gallery.open(tmp_path / "g", clock=watch))
    watch.now = NOW + 11 * DAY - 200
    assert len(found(gallery)) == 19


def test_a_clock_that_was_ahead_can_be_set_back(gallery, watch):
    watch.now = NOW + 30_000 * DAY
    assert len(found(gallery)) == 20
    watch.now = NOW + DAY
    with pytest.raises(InputError, match="gallery check --clock-is-right"):
        found(gallery)
    gallery.accept_clock()
    assert len(found(gallery)) == 40
    assert gallery.audit.verify().lines == 4


def test_a_clock_that_is_ahead_removes_nothing_unasked(gallery, watch):
    watch.now = NOW + 30_000 * DAY
    with pytest.raises(InputError, match=r"40 of 40 entries would expire, .*2106-"):
        gallery.expire(DAY)
    assert gallery.statistics().entries == 40
    watch.now = NOW + 11 * DAY
    assert gallery.expire() == 20
    assert gallery.statistics().entries == 20
    assert gallery.expire(DAY, most=1) == 20


def test_a_few_entries_expire_unasked(tmp_path, watch):
    gallery = Gallery.open(tmp_path / "g", Space("model"), clock=watch)
    gallery.add(ROWS[:3], NewEntries(keys=["a", "b", "c"], expires=[NOW + 1] * 3))
    watch.now = NOW + 2
    assert gallery.expire() == 3


def test_entries_of_the_future_are_not_taken(gallery, watch, tmp_path):
    other = Gallery.open(tmp_path / "other", Space("model"), clock=watch)
    gallery.export(tmp_path / "exported")
    watch.now = NOW - DAY
    with pytest.raises(InputError, match="cannot exist yet: the clock says 2024-10-03"):
        other.import_files([tmp_path / "exported"])
    watch.now = NOW + DAY
    assert other.import_files([tmp_path / "exported"]).added == 40
