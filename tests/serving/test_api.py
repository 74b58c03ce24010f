"""The API: searches, additions, corrections and removals, each against the gallery itself."""

from collections import Counter

import numpy as np
import pytest
from served import ColourModel, as_bytes, client, drawn, fill, walks

from passerby.gallery.filters import Filter
from passerby.gallery.gallery import Gallery
from passerby.serving.service import Service

PNG = {"Content-Type": "image/png"}


@pytest.fixture
def api(tmp_path):
    service = fill(tmp_path)
    made, _, _ = client(service, tmp_path)
    with made:
        yield made, service


def nearest(service, picture, where=lambda entry: True):
    """Keys by distance, going through all entries one by one."""
    query = service.model.embed([picture])[0]
    entries = [entry for entry in service.gallery.entries() if where(entry)]
    rows = service.gallery.embeddings([entry.key for entry in entries])
    order = np.argsort(np.linalg.norm(rows - query, axis=1), kind="stable")
    return [entries[i].key for i in order]


def keys(answer):
    assert answer.status_code == 200, answer.text
    return [hit["entry"]["key"] for hit in answer.json()["hits"]]


def search(made, picture, **query):
    query = {"everything": True, **query}
    return made.post("/v1/search/picture", params=query, content=as_bytes(picture), headers=PNG)


def test_a_picture_finds_the_nearest_in_order(api):
    made, service = api
    picture = drawn(2, seed=99)
    assert keys(search(made, picture, k=7)) == nearest(service, picture)[:7]


def test_conditions_hold_before_similarity(api):
    made, service = api
    picture = drawn(0, seed=99)
    found = keys(search(made, picture, k=3, camera=[2, 3], since=1_790_000_300.0))
    expected = nearest(
        service, picture, lambda e: e.camera in ("2", "3") and e.timestamp >= 1_790_000_300.0
    )
    assert found == expected[:3]
    found = keys(search(made, picture, k=50, query_camera=1))
    assert found == nearest(service, picture, lambda e: e.camera != "1")
    found = keys(search(made, picture, k=50, known=False))
    assert found == nearest(service, picture, lambda e: e.person is None)


def test_the_threshold_decides_what_a_match_is(api):
    made, service = api
    limit = service.gallery.settings.calibration.threshold
    answer = search(made, drawn(1, seed=99), k=24).json()
    assert answer["threshold"] == limit
    assert answer["false_match_rate"] == 0.1
    assert [hit["match"] for hit in answer["hits"]] == [
        hit["distance"] < limit for hit in answer["hits"]
    ]
    below = search(made, drawn(1, seed=99), k=24, everything=False).json()["hits"]
    assert below == [hit for hit in answer["hits"] if hit["match"]]
    assert 0 < len(below) < 24


def test_groups_show_each_person_once(api):
    made, _ = api
    hits = search(made, drawn(1, seed=99), k=24, group_by="person").json()["hits"]
    persons = [hit["entry"]["person"] for hit in hits]
    assert sorted(p for p in persons if p is not None) == ["0", "1", "2", "3", "4"]


def test_an_entry_finds_others_and_not_itself(api):
    made, service = api
    [entry] = service.gallery.entries(Filter(keys=["p3/0.png"]))
    query = {"key": entry.key, "k": 50, "everything": True}
    found = keys(made.get("/v1/search/entry", params=query))
    picture = drawn(3, 0)
    assert found == nearest(service, picture, lambda e: e.camera != entry.camera)
    found = keys(made.get("/v1/search/entry", params={**query, "own_camera": True}))
    assert found == nearest(service, picture)[1:]


def test_what_is_added_is_found(api):
    made, service = api
    query = {
        "key": "new/1",
        "person": "Anna",
        "camera": "entrance",
        "timestamp": 5.0,
        "track_id": "t",
    }
    sent = as_bytes(drawn(2, seed=5))
    answer = made.post("/v1/entries", params=query, content=sent, headers=PNG)
    assert answer.json() == {"added": 1, "known": 0}
    again = made.post("/v1/entries", params=query, content=sent, headers=PNG)
    assert again.json() == {"added": 0, "known": 1}
    [entry] = service.gallery.entries(Filter(keys=["new/1"]))
    assert (entry.person, entry.camera, entry.timestamp) == ("Anna", "entrance", 5.0)
    picture = drawn(2, seed=5)
    picture.putpixel((0, 0), (0, 0, 0))
    assert keys(search(made, picture, k=1)) == ["new/1"]


def test_pictures_that_are_sent_are_nowhere(api, tmp_path):
    made, _ = api
    sent = as_bytes(drawn(2, seed=5))
    before = {file for file in (tmp_path / "pictures").rglob("*")}
    search(made, drawn(2, seed=5))
    made.post("/v1/entries", params={"key": "new/1"}, content=sent, headers=PNG)
    assert {file for file in (tmp_path / "pictures").rglob("*")} == before
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or sent[40:] not in file.read_bytes()


def test_pages_of_entries(api):
    made, service = api
    first = made.get("/v1/entries", params={"limit": 13}).json()
    second = made.get("/v1/entries", params={"limit": 13, "after": first["after"]}).json()
    found = [entry["key"] for entry in first["entries"] + second["entries"]]
    assert found == sorted(entry.key for entry in service.gallery.entries())
    assert second["after"] is None
    of_one = made.get("/v1/entries", params={"person": 2}).json()["entries"]
    assert {entry["key"] for entry in of_one} == {f"p2/{shot}.png" for shot in range(4)}


def test_removal_of_entries_and_of_a_person(api):
    made, service = api
    answer = made.delete("/v1/entries", params={"key": ["p0/0.png", "p0/1.png", "absent"]})
    assert answer.json() == {"removed": 2}
    assert made.delete("/v1/persons", params={"person": "1"}).json() == {"removed": 4}
    left = {entry.key for entry in service.gallery.entries()}
    assert left == {f"p{p}/{s}.png" for p in range(6) for s in range(4)} - {
        "p0/0.png", "p0/1.png", *(f"p1/{shot}.png" for shot in range(4))
    }  # fmt: skip


def test_corrections_of_identities(api):
    made, service = api

    def persons():
        return {entry.key: entry.person for entry in service.gallery.entries()}

    made.post("/v1/persons/merge", json={"persons": ["0", "1"], "into": "1"})
    assert {persons()[f"p0/{shot}.png"] for shot in range(4)} == {"1"}
    answer = made.post("/v1/persons/split", json={"keys": ["p0/2.png"]}).json()
    assert (answer["person"], answer["changed"]) == ("1-2", 1)
    assert persons()["p0/2.png"] == "1-2"
    made.post("/v1/persons/assign", json={"keys": ["p5/0.png"], "person": "2"})
    made.post("/v1/persons/assign", json={"keys": ["p2/0.png"], "person": None})
    assert (persons()["p5/0.png"], persons()["p2/0.png"]) == ("2", None)


def test_names_are_changed_and_corrections_undone(api):
    made, service = api

    def persons():
        return {entry.key: entry.person for entry in service.gallery.entries()}

    before = persons()
    answer = made.post("/v1/persons/rename", json={"old": "0", "new": "Anna"}).json()
    assert (answer["person"], answer["changed"]) == ("Anna", 4)
    assert persons()["p0/0.png"] == "Anna"
    refused = made.post("/v1/persons/rename", json={"old": "1", "new": "Anna"})
    assert (refused.status_code, "merge" in refused.json()["error"]) == (409, True)
    named = made.post("/v1/persons/split", json={"keys": ["p5/0.png"], "into": "Bert"}).json()
    assert persons()["p5/0.png"] == "Bert"
    undone = made.post("/v1/persons/undo", json={"change": answer["change"]}).json()
    assert (undone["person"], undone["changed"]) == ("0", 4)
    assert made.post("/v1/persons/undo", json={}).json()["change"] == named["change"]
    assert persons() == before
    assert made.post("/v1/persons/undo", json={}).status_code == 409


def test_people_are_listed_with_their_entries_counted(api):
    made, service = api
    service.gallery.assign(Filter(keys=["p1/0.png"]), "site-a/Zoë")
    first = made.get("/v1/persons", params={"limit": 4}).json()
    second = made.get("/v1/persons", params={"limit": 4, "after": first["after"]}).json()
    people = first["people"] + second["people"]
    assert [(one["name"], one["entries"]) for one in people] == [
        ("0", 4), ("1", 3), ("2", 4), ("3", 4), ("4", 4), ("site-a/Zoë", 1), (None, 4),
    ]  # fmt: skip
    assert second["after"] is None
    [one] = made.get("/v1/persons", params={"person": "site-a/Zoë"}).json()["people"]
    assert (one["key"], one["picture"], one["cameras"]) == ("p1/0.png", True, ["1"])
    assert made.delete("/v1/persons", params={"person": "site-a/Zoë"}).json() == {"removed": 1}


def test_a_picture_of_the_gallery_does_not_find_itself(api):
    made, service = api
    made.post("/v1/entries", params={"key": "new"}, content=as_bytes(drawn(2, 77)), headers=PNG)
    answer = search(made, drawn(2, 77), k=3)
    assert answer.json()["itself"] == ["new"]
    assert keys(answer) == nearest(service, drawn(2, 77), lambda entry: entry.key != "new")[:3]
    assert search(made, drawn(2, 78), k=1).json()["itself"] == []


def test_statistics_health_and_metrics(api):
    made, _ = api
    found = made.get("/v1/statistics").json()
    assert (found["entries"], found["persons"], found["unknown"]) == (24, 5, 4)
    assert found["cameras"] == {"1": 12, "2": 6, "3": 6}
    assert made.get("/v1/health").json() == {"status": "ok"}
    search(made, drawn(0))
    made.delete("/v1/entries", params={"key": "p0/0.png"})
    text = made.get("/v1/metrics").text
    assert 'passerby_searches_total{match="yes"} 1.0' in text
    assert "passerby_removed_entries_total 1.0" in text
    assert 'route="/v1/search/picture",status="200"} 1.0' in text


def test_a_gallery_that_is_not_there_yet_is_made_by_the_first_addition(tmp_path):
    model = ColourModel()
    service = Service(Gallery.open(tmp_path / "new.gallery", model), model)
    made, _, _ = client(service, tmp_path)
    with made:
        assert made.get("/v1/statistics").json()["entries"] == 0
        assert made.get("/v1/entries").json() == {"entries": [], "after": None}
        assert keys(search(made, drawn(0))) == []
        assert made.post("/v1/persons/split", json={"keys": ["a"]}).status_code == 409
        sent = as_bytes(drawn(0))
        made.post("/v1/entries", params={"key": "a"}, content=sent, headers=PNG)
        assert keys(search(made, drawn(1))) == ["a"]


def test_the_document_describes_every_route(api):
    made, _ = api
    document = made.get("/v1/openapi.json").json()
    assert set(document["paths"]) == {
        "/v1/health", "/v1/metrics", "/v1/statistics", "/v1/session", "/v1/search/picture",
        "/v1/search/entry", "/v1/overlay", "/v1/entries", "/v1/entries/picture",
        "/v1/entries/overlay", "/v1/persons", "/v1/persons/assign",
        "/v1/persons/merge", "/v1/persons/split", "/v1/persons/rename", "/v1/persons/undo",
        "/v1/suggestions", "/v1/suggestions/decide", "/v1/times", "/v1/tracks", "/v1/tracks/crop",
    }  # fmt: skip


def test_groups_say_how_many_entries_they_have(tmp_path):
    service = walks(tmp_path)
    made, _, _ = client(service, tmp_path)
    with made:
        hits = search(made, drawn(0, seed=99), k=20, group_by="track").json()["hits"]
        tracks = {(hit["entry"]["camera"], hit["entry"]["track_id"]) for hit in hits}
        assert len(hits) == len(tracks) == 6
        assert {hit["entries"] for hit in hits} == {3}
        hits = search(made, drawn(0, seed=99), k=20, group_by="person").json()["hits"]
        counts = Counter((hit["entry"]["person"], hit["entries"]) for hit in hits)
        assert counts == {("Anna", 6): 1, ("Bert", 6): 1, (None, 1): 6}
        assert {hit["entries"] for hit in search(made, drawn(0)).json()["hits"]} == {1}
        one = made.get("/v1/entries", params={"track": "0", "camera": "car park"}).json()
        assert [entry["key"] for entry in one["entries"]] == [
            f"car park/0_{frame}.png" for frame in range(3)
        ]
        assert made.get("/v1/statistics").json()["tracks"] == 3


def test_entries_by_text_in_key_or_name(tmp_path):
    service = walks(tmp_path)
    made, _, _ = client(service, tmp_path)
    expected = {entry.key: entry for entry in service.gallery.entries()}
    with made:
        for text in ("ANN", "car PARK/1", "nobody"):
            answer = made.get("/v1/entries", params={"contains": text, "limit": 4}).json()
            found = [
                key
                for key in sorted(expected)
                if text.lower() in key or text.lower() in (expected[key].person or "").lower()
            ]
            assert [entry["key"] for entry in answer["entries"]] == found[:4]
            assert (answer["after"] is None) == (len(found) < 4)
