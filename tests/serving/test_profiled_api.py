"""Camera profiles over HTTP: searches use them, statistics tell of them."""

import numpy as np
from served import ColourModel, as_bytes, client, drawn
from starlette.testclient import TestClient

from passerby.gallery.gallery import Gallery
from passerby.gallery.new_rows import NewEntries
from passerby.serving.service import Service

PNG = {"Content-Type": "image/png"}


def filled(tmp_path):
    """30 drawn persons, seen by camera a as they are and by camera b with all colours moved."""
    model, move = ColourModel(), np.array([0.3, -0.3, 0.2] * 2, np.float32)
    rng = np.random.default_rng(0)
    people = rng.uniform(0, 1, (30, 6)).astype(np.float32)
    rows = np.concatenate([people, people + move]).astype(np.float32)
    keys = [f"{camera}{i}" for camera in "ab" for i in range(30)]
    gallery = Gallery.open(tmp_path / "g", model, resident=True)
    gallery.add(rows, NewEntries(keys=keys, cameras=[key[0] for key in keys], track_ids=keys))
    return Service(gallery, model, None), rows, keys


def distances(answer):
    assert answer.status_code == 200, answer.text
    return {hit["entry"]["key"]: hit["distance"] for hit in answer.json()["hits"]}


def compared(moved, keys, query, rows):
    return {key: float(np.linalg.norm(moved[i] - query)) for i, key in enumerate(keys) if rows(key)}


def test_searches_by_picture_and_entry_use_them_and_statistics_tell(tmp_path):
    service, rows, keys = filled(tmp_path)
    made: TestClient
    made, _, _ = client(service, tmp_path)
    with made:
        told = made.get("/v1/statistics").json()
        assert (told["profiles"], told["raw_cameras"]) == (None, [])
        found = service.gallery.profile()
        told = made.get("/v1/statistics").json()
        assert told["profiles"].startswith("on: cameras differ")
        moved = found.applied(rows, [key[0] for key in keys])
        assert not np.allclose(moved, rows, atol=0.01)
        # The entry's own camera is left out, or counts too: its profile is applied in both.
        for own in (False, True):
            query = {"key": "a3", "k": 60, "everything": True, "own_camera": own}
            answer = distances(made.get("/v1/search/entry", params=query))
            expected = compared(
                moved, keys, moved[3], lambda k, own=own: k != "a3" and (own or k[0] == "b")
            )
            assert answer.keys() == expected.keys()
            for key, value in expected.items():
                assert abs(answer[key] - value) < 1e-4
        picture = drawn(2)
        query = service.model.embed([picture])
        query = found.applied(np.asarray(query, np.float32), ["b"])[0]
        answer = distances(
            made.post(
                "/v1/search/picture", content=as_bytes(picture), headers=PNG,
                params={"k": 60, "everything": True, "query_camera": "b"},
            )
        )  # fmt: skip
        expected = compared(moved, keys, query, lambda k: k[0] == "a")
        assert answer.keys() == expected.keys()
        for key, value in expected.items():
            assert abs(answer[key] - value) < 1e-4
        service.gallery.add(rows[:1], NewEntries(keys=["new"], cameras=["c"]))
        assert made.get("/v1/statistics").json()["raw_cameras"] == ["c"]
