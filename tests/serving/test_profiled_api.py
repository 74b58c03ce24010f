"""Camera profiles over HTTP: searches use them, statistics tell of them."""

import numpy as np
from served import as_bytes, client, drawn, two_cameras
from starlette.testclient import TestClient

from passerby.gallery.new_rows import NewEntries

PNG = {"Content-Type": "image/png"}


def distances(answer):
    assert answer.status_code == 200, answer.text
    return {hit["entry"]["key"]: hit["distance"] for hit in answer.json()["hits"]}


def compared(moved, keys, query, rows):
    return {key: float(np.linalg.norm(moved[i] - query)) for i, key in enumerate(keys) if rows(key)}


def test_searches_by_picture_and_entry_use_them_and_statistics_tell(tmp_path):
    service, rows, keys = two_cameras(tmp_path)
    made: TestClient
    made, _, _ = client(service, tmp_path)
    with made:
        told = made.get("/v1/statistics").json()
        nothing = (told["profiles"], told["profiled_cameras"], told["raw_cameras"])
        assert nothing == (None, [], [])
        found = service.gallery.profile()
        told = made.get("/v1/statistics").json()
        assert told["profiles"].startswith("on: cameras differ")
        assert (told["profiled_cameras"], told["raw_cameras"]) == (["a", "b"], [])
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
        told = made.get("/v1/statistics").json()
        assert (told["profiled_cameras"], told["raw_cameras"]) == (["a", "b"], ["c"])
