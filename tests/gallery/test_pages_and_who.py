"""Pages of entries, searches without given entries, and whom a server acts for."""

import pytest
from engines import NOW, MadeUp, hits_of, make

from passerby.gallery.filters import Filter


@pytest.fixture(params=["folder", "resident"])
def filled(request, tmp_path):
    made = MadeUp(count=60)
    gallery = make(request.param, tmp_path)
    made.add_to(gallery)
    return made, gallery


def test_pages_are_the_sorted_keys_one_after_the_other(filled):
    made, gallery = filled
    found, last = [], ""
    while page := gallery.page(7, last):
        found += [entry.key for entry in page]
        last = page[-1].key
    assert found == sorted(made.keys)


def test_pages_of_a_filter(filled):
    made, gallery = filled
    keys = sorted(k for k, camera in zip(made.keys, made.cameras, strict=True) if camera == "0002")
    assert [e.key for e in gallery.page(5, where=Filter(cameras=["0002"]))] == keys[:5]


def test_a_search_without_given_entries(filled):
    made, gallery = filled
    alive = [i for i, expires in enumerate(made.expires) if expires is None or expires > NOW]
    query = made.embeddings[alive[:1]]
    keys, distances = hits_of(gallery.search(query, 3)[0])
    left, others = hits_of(gallery.search(query, 2, Filter(not_keys=keys[:1]))[0])
    assert keys[0] == made.keys[alive[0]]
    assert (left, others) == (keys[1:], distances[1:])


def test_the_log_names_whom_a_thread_acts_for(filled):
    made, gallery = filled
    with gallery.audit.acting("somebody"):
        gallery.search(made.embeddings[:1])
    gallery.search(made.embeddings[:1])
    first, second = gallery.audit.lines()[-2:]
    assert first["who"] == "somebody" != second["who"]
