"""One suite for every engine, against going through all entries one by one."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from engines import CAMERAS, ENGINES, NOW, MadeUp, hits_of, make, who

from passerby.gallery.answers import Reranking
from passerby.gallery.filters import Filter
from passerby.gallery.gallery import Gallery
from passerby.gallery.new_rows import NewEntries
from passerby.gallery.settings import Space
from passerby.ranking.rerank import rerank
from passerby.types import InputError

made_up = MadeUp()
QUERIES = np.random.default_rng(1).standard_normal((3, 12)).astype(np.float32)


@pytest.fixture(scope="module", params=ENGINES)
def engine(request):
    if request.param == "milvus":
        pytest.importorskip("pymilvus")
    return request.param


@pytest.fixture(scope="module")
def filled(engine, tmp_path_factory):
    """A gallery that no test changes, in two additions."""
    gallery = make(engine, tmp_path_factory.mktemp("filled"))
    made_up.add_to(gallery, slice(0, 200))
    made_up.add_to(gallery, slice(200, None))
    return gallery


@pytest.fixture
def own(engine, tmp_path):
    """A gallery of one's own with 60 entries."""
    gallery = make(engine, tmp_path)
    made_up.add_to(gallery, slice(0, 60))
    return gallery


FILTERS = {
    "all": (Filter(), lambda i: True),
    "cameras": (
        Filter(cameras=[CAMERAS[1], "3"]),
        lambda i: made_up.cameras[i] in (CAMERAS[1], "3"),
    ),
    "no cameras": (Filter(cameras=[]), lambda i: False),
    "not cameras": (
        Filter(not_cameras=["entrance", "0002"]),
        lambda i: made_up.cameras[i] not in ("entrance", "0002"),
    ),
    "since": (
        Filter(since=1_000_500.0),
        lambda i: made_up.times[i] is not None and made_up.times[i] >= 1_000_500,
    ),
    "until": (
        Filter(until=1_000_500.0),
        lambda i: made_up.times[i] is not None and made_up.times[i] < 1_000_500,
    ),
    "known": (Filter(known=True), lambda i: made_up.persons[i] is not None),
    "unknown": (Filter(known=False), lambda i: made_up.persons[i] is None),
    "persons": (
        Filter(persons=[who(3), who(4), "3", who(99)]),
        lambda i: made_up.persons[i] in (who(3), who(4)),
    ),
    "tracks": (Filter(tracks=["t3", "t4"]), lambda i: made_up.tracks[i] in ("t3", "t4")),
    "keys": (Filter(keys=made_up.keys[5:40]), lambda i: 5 <= i < 40),
    "several": (
        Filter(cameras=CAMERAS[1:3], known=True, since=1_000_100.0, until=1_002_000.0),
        lambda i: (
            made_up.cameras[i] in CAMERAS[1:3]
            and made_up.persons[i] is not None
            and made_up.times[i] is not None
            and 1_000_100 <= made_up.times[i] < 1_002_000
        ),
    ),
}


@pytest.mark.parametrize("name", FILTERS)
def test_search_with_filters(filled, name):
    where, wanted = FILTERS[name]
    for query, answer in zip(QUERIES, filled.search(QUERIES, 7, where), strict=True):
        keys, distances = made_up.search(query, 7, wanted)
        assert hits_of(answer)[0] == keys
        np.testing.assert_allclose(hits_of(answer)[1], distances, atol=1e-4)
        assert answer.threshold is None


@pytest.mark.parametrize("name", FILTERS)
def test_entries_are_those_of_the_filter(filled, name):
    where, wanted = FILTERS[name]
    rows = sorted((i for i in range(240) if wanted(i)), key=lambda i: made_up.keys[i])
    found = filled.entries(where)
    assert [entry.key for entry in found] == [made_up.keys[i] for i in rows]
    for entry, i in zip(found, rows, strict=True):
        assert entry.person == made_up.persons[i]
        assert entry.camera == made_up.cameras[i]
        assert entry.timestamp == made_up.times[i]
        assert entry.track_id == made_up.tracks[i]
        assert entry.box == made_up.boxes[i]
        assert entry.expires == made_up.expires[i]
        assert (entry.added, entry.fingerprint) == (NOW, "model-a")


def test_cosine(engine, tmp_path):
    gallery = make(engine, tmp_path, metric="cosine")
    made_up.add_to(gallery)
    keys, distances = made_up.search(QUERIES[0], 5, metric="cosine")
    found = hits_of(gallery.search(QUERIES[:1], 5)[0])
    assert found[0] == keys
    np.testing.assert_allclose(found[1], distances, atol=1e-5)


def test_queries_leave_out_their_own_cameras(filled):
    cameras = ["entrance", None, "3"]
    for query, camera, answer in zip(
        QUERIES, cameras, filled.search(QUERIES, 6, query_cameras=cameras), strict=True
    ):
        keys, _ = made_up.search(query, 6, lambda i, c=camera: c is None or made_up.cameras[i] != c)
        assert hits_of(answer)[0] == keys


@pytest.mark.parametrize("group", ["person", "track"])
def test_groups_are_their_nearest_entries(filled, group):
    names = made_up.persons
    if group == "track":  # one of its camera
        both = zip(made_up.cameras, made_up.tracks, strict=True)
        names = [None if track is None else (camera, track) for camera, track in both]
    index = {key: i for i, key in enumerate(made_up.keys)}
    every, _ = made_up.search(QUERIES[0], 240)
    met, expected = set(), []
    for key in every:
        name = names[index[key]]
        if name is None or name not in met:
            expected.append(key)
        met.add(name)
    for k in (5, 40, 240):
        found = filled.search(QUERIES[:1], k, group_by=group)[0]
        assert hits_of(found)[0] == expected[:k]


def test_threshold(filled):
    _, distances = made_up.search(QUERIES[0], 4)
    limit = (distances[2] + distances[3]) / 2
    found = filled.search(QUERIES[:1], 10, threshold=limit)[0]
    assert (len(found.hits), found.threshold) == (3, limit)
    none = filled.search(QUERIES[:1], 10, threshold=distances[0] / 2)[0]
    assert none.hits == ()
    assert none.nearest == pytest.approx(distances[0], abs=1e-4)


def test_reranking_orders_the_shortlist(filled):
    keys, distances = made_up.search(QUERIES[0], 40)
    index = {key: i for i, key in enumerate(made_up.keys)}
    rows = made_up.embeddings[[index[key] for key in keys]]
    values = rerank(QUERIES[:1], rows, 8, 3, 0.5)[0]
    expected = [keys[place] for place in np.argsort(values, kind="stable")[:10]]
    found = filled.search(QUERIES[:1], 10, reranking=Reranking(40, 8, 3, 0.5))[0]
    assert hits_of(found)[0] == expected
    assert expected != keys[:10]
    assert found.hits[0].distance == pytest.approx(distances[keys.index(expected[0])], abs=1e-4)


def test_adding_again_changes_nothing(own):
    changed = MadeUp(seed=9)
    found = changed.add_to(own, slice(50, 70))
    assert (found.added, found.known) == (10, 10)
    np.testing.assert_array_equal(own.embeddings(made_up.keys[50:52]), made_up.embeddings[50:52])
    np.testing.assert_array_equal(own.embeddings(made_up.keys[65:66]), changed.embeddings[65:66])
    assert own.statistics().entries == 70


def test_identities_are_merged_and_split(own):
    def of(person):
        return {entry.key for entry in own.entries(Filter(persons=[person]))}

    before = of(who(3)) | of(who(4))
    changed = sum(person == who(3) for person in made_up.persons[:60])
    assert own.merge([who(3), who(4)], who(4)).entries == changed > 0
    assert of(who(4)) == before
    assert of(who(3)) == set()
    some = sorted(before)[:2]
    assert own.split(some).name == f"{who(4)}-2"
    assert of(f"{who(4)}-2") == set(some)
    assert of(who(4)) == before - set(some)
    assert own.assign(Filter(keys=some), None).entries == 2
    assert own.entries(Filter(keys=some))[0].person is None
    assert own.split(some).name == "person-1"
    assert hits_of(own.search(QUERIES[:1], 60)[0])[0]  # nothing was lost
    with pytest.raises(InputError, match="has 1 of the 2 entries"):
        own.split([made_up.keys[0], "nobody"])


def test_corrections_are_undone_one_after_the_other(own):
    def people():
        return {entry.key: (entry.person, entry.camera) for entry in own.entries()}

    states, changes = [people()], []
    keys = [made_up.keys[0], made_up.keys[1], made_up.keys[5]]  # two of them unknown
    for correct in (
        lambda: own.merge([who(4), who(3)]),
        lambda: own.split(keys),
        lambda: own.rename(who(4), "Anna"),
        lambda: own.rename(CAMERAS[1], "lift 'A'", "camera"),
        lambda: own.assign(Filter(cameras=["entrance"]), None),
    ):
        changes.append(correct().change)
        states.append(people())
    assert states[1][made_up.keys[0]] == states[0][made_up.keys[0]]
    assert all(before != after for before, after in zip(states, states[1:], strict=False))
    assert {states[2][key][0] for key in keys} == {"person-1"}
    for state in reversed(states[:-1]):
        own.undo()
        assert people() == state
    with pytest.raises(InputError, match="no correction to undo"):
        own.undo()
    with pytest.raises(InputError, match=f"no correction '{changes[0]}' to undo"):
        own.undo(changes[0])


def test_undoing_leaves_what_was_corrected_since(own):
    before = {entry.key: entry.person for entry in own.entries()}
    change = own.merge([who(3), who(4)], "Anna").change
    merged = [key for key, person in before.items() if person in (who(3), who(4))]
    own.assign(Filter(keys=merged[:1]), "Bert")
    own.remove(Filter(keys=merged[1:2]))
    assert own.undo(change).entries == len(merged) - 2
    after = {entry.key: entry.person for entry in own.entries()}
    assert after == {
        key: "Bert" if key == merged[0] else person
        for key, person in before.items()
        if key != merged[1]
    }


def test_names_that_cannot_be_given(own):
    for does, message in (
        (lambda: own.rename("nobody", "Anna"), "has no person 'nobody'"),
        (lambda: own.rename(who(3), who(4)), "already: merge makes two identities one"),
        (lambda: own.rename("entrance", "3", "camera"), "has a camera '3' already"),
        (lambda: own.rename(who(3), "a\nb"), "name of a person is a text"),
        (lambda: own.merge([who(3)]), "at least two names"),
        (lambda: own.merge([who(3), "nobody"]), "has no person 'nobody'"),
    ):
        with pytest.raises(InputError, match=message):
            does()


def test_people_are_counted(own):
    people = own.people()
    rows = range(60)
    assert [(one.name, one.entries) for one in people] == [
        (name, sum(made_up.persons[i] == name for i in rows))
        for name in (*sorted({p for p in made_up.persons[:60] if p is not None}), None)
    ]
    one = people[2]
    mine = [i for i in rows if made_up.persons[i] == one.name]
    times = [made_up.times[i] for i in mine if made_up.times[i] is not None]
    assert set(one.cameras) == {made_up.cameras[i] for i in mine} - {None}
    assert (one.first, one.last) == (min(times), max(times))
    assert one.key == min(made_up.keys[i] for i in mine)
    assert own.people(Filter(persons=[one.name], keys=[one.key]))[0].entries == 1


def test_a_picture_does_not_find_itself(own):
    entries = NewEntries(keys=["a", "b", "c"], contents=["aa", "aa", "cc"])
    rows = np.concatenate([QUERIES[:2], QUERIES[1:2] + 9])
    own.add(rows, entries)
    plain = hits_of(own.search(QUERIES, 7)[0])[0]
    assert plain[0] == "a"
    found = own.search(QUERIES, 7, query_contents=["aa", None, "dd"])
    assert [answer.itself for answer in found] == [("a", "b"), (), ()]
    others = hits_of(own.search(QUERIES[:1], 7, Filter(not_keys=["a", "b"]))[0])
    assert hits_of(found[0])[0] == others[0]
    np.testing.assert_allclose(hits_of(found[0])[1], others[1], atol=1e-5)
    assert found[0].nearest == pytest.approx(others[1][0], abs=1e-5)
    assert hits_of(found[1])[0][0] == "b"
    with pytest.raises(InputError, match="query_contents must have one value for each query"):
        own.search(QUERIES, query_contents=["aa"])


def test_removed_entries_are_found_no_more(own):
    own.search(QUERIES, 3)
    person = made_up.persons[1]
    gone = [i for i in range(60) if made_up.persons[i] == person]
    assert own.remove(Filter(persons=[person])) == len(gone)
    assert own.remove(Filter(keys=made_up.keys[6:8])) == sum(i not in gone for i in (6, 7))
    keys, _ = made_up.search(QUERIES[0], 60, lambda i: i < 60 and i not in gone and i not in (6, 7))
    assert hits_of(own.search(QUERIES[:1], 60)[0])[0] == keys
    assert made_up.add_to(own, slice(6, 8)).added == sum(i not in gone for i in (6, 7))


def test_expired_entries_are_removed(own):
    expired = sum(each is not None for each in made_up.expires[:60])
    assert own.statistics().expired == expired
    assert own.expire() == expired
    # Older than what was taken at 1,000,300: entries without a time count from when they came.
    old = [
        i for i in range(60) if made_up.expires[i] is None and (made_up.times[i] or NOW) < 1000300
    ]
    assert own.expire(NOW - 1_000_300) == len(old)
    assert own.statistics().entries == 60 - expired - len(old)


def test_statistics(filled):
    found = filled.statistics()
    people = made_up.persons
    assert found.entries == 240
    assert found.persons == len(set(people) - {None})
    assert found.unknown == people.count(None)
    assert found.tracks == len(set(made_up.tracks) - {None})
    assert found.cameras == {
        camera or "": made_up.cameras.count(camera) for camera in (None, *CAMERAS)
    }
    times = [time for time in made_up.times if time is not None]
    assert (found.first, found.last) == (min(times), max(times))
    assert filled.check() == 240


def test_another_model_is_refused(own, engine, tmp_path):
    place = own.statistics().engine["place"]
    for space in (Space("model-b"), Space("model-a", "cosine")):
        with pytest.raises(InputError, match="cannot be compared"):
            Gallery.open(place, space)
    with pytest.raises(InputError, match=r"\(N, 12\)"):
        own.search(np.ones((1, 13), np.float32))


def test_export_import_backup_and_restore(own, engine, tmp_path):
    own.calibrate(0.05)
    assert own.export(tmp_path / "part", Filter(cameras=["0002"])).rows == sum(
        camera == "0002" for camera in made_up.cameras[:60]
    )
    own.backup(tmp_path / "backup")
    (tmp_path / "copy").mkdir()
    copy = make(engine, tmp_path / "copy", now=NOW + 5)
    assert copy.import_files([tmp_path / "part"]).added == len(
        own.entries(Filter(cameras=["0002"]))
    )
    assert copy.restore(tmp_path / "backup").known == len(own.entries(Filter(cameras=["0002"])))
    assert copy.entries() == own.entries()
    assert copy.settings.calibration == own.settings.calibration
    assert hits_of(copy.search(QUERIES[:1], 9)[0]) == hits_of(own.search(QUERIES[:1], 9)[0])
    other = make(engine, _new(tmp_path / "other"), model="model-b")
    for does in (lambda: other.import_files([tmp_path / "part"]),
                 lambda: other.restore(tmp_path / "backup")):  # fmt: skip
        with pytest.raises(InputError, match="cannot be compared"):
            does()
    file = next((tmp_path / "backup").glob("*.parquet"))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(InputError, match="damaged: wrong checksum"):
        make(engine, _new(tmp_path / "third")).restore(tmp_path / "backup")


def test_approximate_search_needs_an_index_and_finds_most(own):
    with pytest.raises(InputError, match="needs an index"):
        own.search(QUERIES, 5, approximate=True)
    own.index()
    exact = own.search(QUERIES, 10)
    found = own.search(QUERIES, 10, approximate=True)
    same = [len(set(hits_of(a)[0]) & set(hits_of(b)[0])) for a, b in zip(exact, found, strict=True)]
    assert sum(same) >= 24
    np.testing.assert_allclose(hits_of(found[0])[1][0], hits_of(exact[0])[1][0], atol=1e-4)


def test_calibrated_threshold_answers_no_match(own):
    assert len(own.search(QUERIES[:1], 60)[0].hits) > 50
    found = own.calibrate(0.1)
    answer = own.search(QUERIES[:1] * 50, 5)[0]
    assert (answer.hits, answer.threshold) == ((), found.threshold)
    assert len(own.search(QUERIES[:1] * 50, 5, threshold=math.inf)[0].hits) == 5


def test_what_was_done_is_logged(own):
    own.search(QUERIES, 3, Filter(cameras=["0002"]))
    own.remove(Filter(keys=[made_up.keys[3]]))
    lines = own.audit.lines()
    assert [line["what"] for line in lines] == ["add", "search", "remove", "removed"]
    assert (lines[0]["added"], lines[1]["queries"], lines[3]["entries"]) == (60, 3, 1)
    assert lines[1]["filter"] == {"cameras": ["0002"]}
    assert all(line["who"] and line["time"] == NOW for line in lines)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keys": ["a", "a"]}, "its own key"),
        ({"keys": ["a", ""]}, "its own key"),
        ({"keys": ["a"]}, "one value for each embedding: 1 for 2"),
        ({"keys": ["a", "b" * 300]}, "at most 256 bytes"),
        ({"file_names": None, "keys": None}, "need keys or file names"),
        ({"persons": ["a", 2]}, "name of a person is a text of 1 to 256 bytes on one line"),
        ({"persons": ["a", "é" * 200]}, "name of a person is a text"),
        ({"persons": ["a", "b\n"]}, "name of a person is a text"),
        ({"cameras": ["a", ""]}, "name of a camera is a text"),
        ({"cameras": ["a", "\x1b[31mred"]}, "name of a camera is a text"),
        ({"track_ids": ["a", " "]}, "name of a track is a text"),
        ({"timestamps": [1, math.nan]}, "must be seconds since 1970"),
        ({"boxes": [None, (1, 2, 0, 4)]}, "a box must be"),
    ],
)
def test_bad_entries_are_refused_whole(own, change, message):
    with pytest.raises(InputError, match=message):
        own.add(made_up.embeddings[:2], NewEntries(**{"keys": ["a", "b"], **change}))
    assert own.statistics().entries == 60


def test_bad_searches_are_refused(own):
    for arguments, message in [
        ({"k": 0}, "k and a shortlist are 1 to 1,000,000: given"),
        ({"query_cameras": ["1"]}, "one value for each query"),
        ({"threshold": math.nan}, "must be a number"),
        ({"group_by": "camera"}, "person or track"),
    ]:
        with pytest.raises(InputError, match=message):
            own.search(QUERIES, **arguments)
    with pytest.raises(InputError, match="finite"):
        own.search(QUERIES * np.nan)
    for does in (own.remove, lambda where: own.assign(where, "anna")):
        with pytest.raises(InputError, match="empty one means every entry"):
            does(Filter())


def _new(folder):
    folder.mkdir()
    return folder
