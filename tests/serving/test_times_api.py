"""Cameras and times over HTTP: counts, and the crops of tracks."""

import io
import json

import numpy as np
import pytest
from PIL import Image
from served import ColourModel, client, drawn
from walked import START, walked

from passerby.gallery.gallery import Gallery
from passerby.gallery.tracklet_ends import NOTE
from passerby.serving.service import Service


@pytest.fixture
def api(tmp_path):
    service = walked(tmp_path)
    made, _, _ = client(service, tmp_path)
    with made:
        yield made


def test_counts_and_entries(api):
    found = api.get("/v1/times", params={"columns": 4}).json()
    assert (found["begin"], found["end"], found["total"]) == (START, START + 191, 20)
    assert [row["camera"] for row in found["cameras"]] == ["cam-0", "cam-1", "cam-2"]
    assert sum(sum(row["counts"]) for row in found["cameras"]) == 20
    times = [entry["timestamp"] for entry in found["entries"]]
    assert times == [START + 10 * n for n in range(20)]
    assert all(entry["picture"] for entry in found["entries"])
    narrow = {"since": START + 30, "until": START + 60, "camera": "cam-0", "columns": 3}
    found = api.get("/v1/times", params=narrow).json()
    assert found["cameras"] == [{"camera": "cam-0", "counts": [1, 0, 0]}]
    assert [entry["key"] for entry in found["entries"]] == ["cam-0/day/00003"]
    assert api.get("/v1/times", params={"cards": 5}).json()["entries"] is None
    assert api.get("/v1/times", params={"columns": 0}).status_code == 422


def test_the_crops_of_a_track(api):
    key = "cam-1/day/00004"
    found = api.get("/v1/tracks", params={"key": key}).json()
    assert found == {"key": key, "begin": START + 40, "end": START + 44,
                     "crops": [START + 40, START + 41, START + 42]}  # fmt: skip
    for number in range(3):
        answer = api.get("/v1/tracks/crop", params={"key": key, "number": number})
        shown = np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGB"), float)
        # JPEG twice: near to what was drawn, far from the next crop.
        near = np.abs(shown - np.asarray(drawn(4 + number), float)).mean()
        far = np.abs(shown - np.asarray(drawn(5 + number), float)).mean()
        assert near < 12 < 40 < far
    assert api.get("/v1/tracks/crop", params={"key": key, "number": 3}).status_code == 404
    assert api.get("/v1/tracks", params={"key": "none"}).status_code == 404


@pytest.mark.parametrize(
    "change",
    [
        lambda note: {**note, "key": "another"},
        lambda note: {**note, "crops": [{"file": "../../secret.jpg", "time": 0}]},
        lambda note: {**note, "crops": [{"file": "..\\secret.jpg", "time": 0}]},
        lambda note: {**note, "crops": 3},
        lambda note: [],
        lambda note: "x" * 100_000,
    ],
)
def test_descriptions_that_are_none(api, tmp_path, change):
    key = "cam-1/day/00004"
    drawn(1).save(tmp_path / "pictures" / "cam-1" / "secret.jpg")
    file = tmp_path / "pictures" / key / NOTE
    file.write_text(json.dumps(change(json.loads(file.read_text()))))
    for path in ("/v1/tracks", "/v1/tracks/crop"):
        answer = api.get(path, params={"key": key, "number": 0} if "crop" in path else {"key": key})
        assert answer.status_code == 404
        assert "error" in answer.json()


def test_a_gallery_that_is_not_there_yet(tmp_path):
    service = Service(Gallery.open(tmp_path / "none.gallery", ColourModel()), ColourModel())
    made, _, _ = client(service, tmp_path)
    with made as api:
        assert api.get("/v1/times").json()["cameras"] == []


def test_it_needs_the_token(tmp_path):
    service = walked(tmp_path, 3)
    made, _, _ = client(service, tmp_path, tokens=("anna",))
    with made as api:
        for path in ("/v1/times", "/v1/tracks?key=a", "/v1/tracks/crop?key=a&number=0"):
            assert api.get(path).status_code == 401
        assert api.get("/times.html").status_code == 200
