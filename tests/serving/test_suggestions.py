"""Who is who over HTTP: suggestions, and what somebody says of them."""

import json

import numpy as np
from served import ColourModel, bearer, client

from passerby.gallery.gallery import Gallery
from passerby.gallery.new_rows import NewEntries
from passerby.gallery.travel import Travel
from passerby.serving.service import Service


def filled(tmp_path, *, calibrated=True, pictures=None, travel=None):
    """20 people without names, a track of each by cameras a and b; minutes apart."""
    rng = np.random.default_rng(0)
    people = rng.uniform(0, 1, (20, 6)).astype(np.float32)
    gallery = Gallery.open(tmp_path / "g", ColourModel(), resident=True)
    rows = [people[p] + 0.01 * rng.standard_normal(6) for p in range(20) for _ in "ab"]
    keys = [f"{camera}{p}" for p in range(20) for camera in "ab"]
    gallery.add(
        np.array(rows, np.float32),
        NewEntries(
            keys=keys, file_names=keys, cameras=[key[0] for key in keys], track_ids=keys,
            timestamps=[1.7e9 + 60 * i for i in range(40)],
        ),
    )  # fmt: skip
    if calibrated:
        known = rng.uniform(0, 1, (60, 6)).astype(np.float32)
        both = np.concatenate([known, known + 0.01 * rng.standard_normal((60, 6))])
        names = [str(i) for i in range(60)]
        gallery.calibrate(0.01, both.astype(np.float32), names * 2, ["x"] * 60 + ["y"] * 60)
    return Service(gallery, ColourModel(), pictures, travel=travel or Travel())


def asked(made, **query):
    answer = made.get("/v1/suggestions", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def decide(made, one, other, decision, headers=None):
    body = {"one": one, "other": other, "decision": decision}
    return made.post("/v1/suggestions/decide", json=body, headers=headers)


def test_suggestions_are_decided_and_undone(tmp_path):
    made, _, _ = client(filled(tmp_path), tmp_path)
    with made:
        found = asked(made, limit=5)
        assert found["tracks"] == 40
        assert len(found["suggestions"]) == 5
        assert found["total"] >= 20
        first = found["suggestions"][0]
        one, other = first["one"], first["other"]
        assert one["key"][1:] == other["key"][1:]
        assert {one["camera"], other["camera"]} == {"a", "b"}
        assert (one["entries"], one["person"], one["picture"]) == (1, None, False)
        assert (first["tracks"], first["later"]) == ([1, 1], False)
        assert first["distance"] < found["threshold"]
        assert 0 < first["precision"] <= 1
        yes = decide(made, one["key"], other["key"], "yes").json()
        assert (yes["person"], yes["changed"]) == ("person-1", 2)
        second = found["suggestions"][1]
        no = decide(made, second["one"]["key"], second["other"]["key"], "no").json()
        third = found["suggestions"][2]
        decide(made, third["one"]["key"], third["other"]["key"], "later")
        after = asked(made, limit=200)["suggestions"]
        pairs = [{each["one"]["key"], each["other"]["key"]} for each in after]
        assert {one["key"], other["key"]} not in pairs
        assert {second["one"]["key"], second["other"]["key"]} not in pairs
        assert after[-1]["later"]
        assert {third["one"]["key"], third["other"]["key"]} == pairs[-1]
        made.post("/v1/persons/undo", json={"change": no["change"]})
        made.post("/v1/persons/undo", json={"change": yes["change"]})
        again = asked(made, limit=200)["suggestions"]
        pairs = [{each["one"]["key"], each["other"]["key"]} for each in again]
        assert {one["key"], other["key"]} in pairs
        assert {second["one"]["key"], second["other"]["key"]} in pairs


def test_who_decided_stands_in_the_log(tmp_path):
    made, texts, _ = client(filled(tmp_path), tmp_path, tokens=("readr", "deskw"))
    with made:
        refused = decide(made, "a0", "b0", "no", bearer(texts["readr"]))
        assert refused.status_code == 403
        assert decide(made, "a0", "b0", "no", bearer(texts["deskw"])).status_code == 200
    log = (tmp_path / "g" / "audit.jsonl").read_text().splitlines()
    [line] = [each for each in map(json.loads, log) if each["what"] == "apart"]
    assert (line["who"], line["pair"]) == ("deskw", ["a0", "b0"])


def test_what_cannot_be_answered_is_refused_in_one_line(tmp_path):
    service = filled(tmp_path, calibrated=False)
    made, _, _ = client(service, tmp_path)
    with made:
        answer = made.get("/v1/suggestions")
        assert answer.status_code == 409
        assert "no threshold yet: run passerby gallery calibrate" in answer.json()["error"]
        assert str(tmp_path) not in answer.text
        found = asked(made, threshold=0.2)
        assert found["suggestions"][0]["precision"] is None
        for query in ({"threshold": -1}, {"threshold": "nan"}, {"pairs": "all"}, {"limit": 0},
                      {"limit": 5000, "threshold": 1}, {"other": 1}):  # fmt: skip
            assert made.get("/v1/suggestions", params=query).status_code == 422
        assert decide(made, "a0", "nobody", "no").status_code == 409
        assert decide(made, "a0", "a0", "no").status_code == 409
        assert decide(made, "a0", "b0", "maybe").status_code == 422


def test_travel_times_and_notes_of_tracks_are_made_use_of(tmp_path):
    way = Travel({frozenset("ab"): 61.0})
    made, _, _ = client(filled(tmp_path, travel=way), tmp_path)
    with made:
        pairs = [(s["one"]["key"], s["other"]["key"]) for s in asked(made)["suggestions"]]
        assert not any(one[1:] == other[1:] for one, other in pairs)
    pictures = tmp_path / "pictures"
    (pictures / "a0").mkdir(parents=True)
    (pictures / "a0" / "track.json").write_text(json.dumps({"key": "a0", "to": 1.7e9 + 55}))
    (tmp_path / "h").mkdir()
    service = filled(tmp_path / "h", pictures=pictures, travel=Travel({frozenset("ab"): 30.0}))
    made, _, _ = client(service, tmp_path / "h")
    with made:
        pairs = [(s["one"]["key"], s["other"]["key"]) for s in asked(made)["suggestions"]]
        assert ("a0", "b0") not in pairs
        assert ("a1", "b1") in pairs
