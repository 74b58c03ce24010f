"""Embeddings in files: what stands in them, what goes wrong, who computes what."""

import csv
import json

import numpy as np
import pyarrow.parquet
import pytest
import torch
from PIL import Image

from passerby.embedding import to_files
from passerby.embedding.embedder import Embedder
from passerby.embedding.places import Listed, list_places
from passerby.embedding.quality import Quality
from passerby.embedding.reading import read_pictures
from passerby.embedding.shards import read_embeddings
from passerby.embedding.to_files import EmbedSettings, embed_to_files, track_mean
from passerby.gallery.gallery import Gallery
from passerby.gallery.settings import Space
from passerby.methods.bag_of_tricks import METHOD, Recipe
from passerby.types import InputError, Sample


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return Embedder(METHOD, Recipe.small(), METHOD.network(Recipe.small()))


@pytest.fixture
def people(tmp_path):
    """Seven pictures, one of them broken, and a manifest with boxes and tracks."""
    random = np.random.default_rng(0)
    root = tmp_path / "people"
    root.mkdir()
    for number in range(6):
        pixels = random.integers(0, 256, (40, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"{number}.png")
    (root / "broken.png").write_bytes(b"\x89PNG no more")
    (root / "list.csv").write_text(
        "file_name,person_id,camera_id,timestamp,x,y,width,height,track_id\n"
        "0.png,0001,0,10,0,0,20,30,a\n"
        "0.png,0002,0,10,5,5,20,20,b\n"
        "1.png,0001,0,11,0,0,20,30,a\n"
        "2.png,0001,3,12,,,,,a\n"
        "3.png,,,,,,,,\n"
    )
    return root


def test_every_row_is_the_pictures_embedding(model, people, tmp_path):
    outcome = embed_to_files(model, list_places([people / "list.csv"]), tmp_path / "out")
    rows, embeddings = read_embeddings(tmp_path / "out")
    assert (outcome.rows, outcome.tally.pictures, outcome.finished) == (5, 5, True)
    boxes = [(0, 0, 20, 30), (5, 5, 20, 20), (0, 0, 20, 30), None, None]
    names = ["0.png", "0.png", "1.png", "2.png", "3.png"]
    crops = []
    for row, name, box in zip(rows, names, boxes, strict=True):
        pixels = np.asarray(Image.open(people / name))
        x, y, width, height = box or (0, 0, 30, 40)
        crops.append(np.ascontiguousarray(pixels[y : y + height, x : x + width]))
        found = tuple(row[key] for key in ("x", "y", "width", "height"))
        assert (row["file_name"], found) == (name, box or (None,) * 4)
    np.testing.assert_allclose(embeddings, model.embed(crops), rtol=1e-4, atol=1e-5)
    assert [row["person"] for row in rows] == ["0001", "0002", "0001", "0001", None]
    assert [row["camera"] for row in rows] == ["0", "0", "0", "3", None]
    assert [row["timestamp"] for row in rows] == [10, 10, 11, 12, None]


def test_the_format(model, people, tmp_path):
    embed_to_files(model, list_places([people / "list.csv"]), tmp_path / "out")
    schema = pyarrow.parquet.read_schema(tmp_path / "out/embeddings-00000.parquet")
    assert schema.names[:5] == ["file_name", "person", "camera", "timestamp", "embedding"]
    assert str(schema.field("embedding").type).startswith("fixed_size_list<")
    assert schema.field("embedding").type.list_size == 256
    assert schema.metadata[b"passerby.fingerprint"].decode() == model.fingerprint
    assert schema.metadata[b"passerby.metric"] == b"cosine"


def test_a_frame_is_decoded_once(model, people, monkeypatch):
    from passerby.embedding import reading

    seen = []
    real = reading.read_image
    monkeypatch.setattr(reading, "read_image", lambda file: (seen.append(file), real(file))[1])
    list(read_pictures(list_places([people / "list.csv"]).samples, model.inputs, Quality()))
    assert sorted(file.name for file in seen) == ["0.png", "1.png", "2.png", "3.png"]


def test_tracks_have_one_mean_each(model, people, tmp_path):
    listed = list_places([people / "list.csv"])
    embed_to_files(model, listed, tmp_path / "all")
    embed_to_files(model, listed, tmp_path / "tracks", EmbedSettings(tracks=True))
    _, single = read_embeddings(tmp_path / "all")
    rows, embeddings = read_embeddings(tmp_path / "tracks")
    assert [(r["file_name"], r["track_id"], r["camera"], r["pictures"]) for r in rows] == [
        ("0.png", "a", "0", 2), ("0.png", "b", "0", 1), ("2.png", "a", "3", 1),
        ("3.png", None, None, 1),
    ]  # fmt: skip
    a, b = (row / np.linalg.norm(row) for row in single[[0, 2]].astype(float))
    mean = (a + b) / np.linalg.norm(a + b)
    np.testing.assert_allclose(embeddings[0], mean, atol=1e-6)
    np.testing.assert_allclose(embeddings[1:], single[[1, 3, 4]], rtol=1e-5, atol=1e-6)


def test_the_mean_of_a_track():
    rows = np.array([[3, 0], [0, 1]], np.float32)
    np.testing.assert_allclose(track_mean(rows, cosine=False), [1.5, 0.5])
    np.testing.assert_allclose(track_mean(rows, cosine=True), [0.5**0.5] * 2, rtol=1e-6)


def test_a_track_of_two_people_is_refused(model, people, tmp_path):
    (people / "two.csv").write_text(
        "file_name,person_id,camera_id,track_id\n0.png,1,0,a\n1.png,2,0,a\n"
    )
    with pytest.raises(InputError, match="track 'a' of camera 0 has the persons 1, 2"):
        embed_to_files(
            model, list_places([people / "two.csv"]), tmp_path / "o", EmbedSettings(tracks=True)
        )


def test_broken_pictures_go_to_a_list(model, people, tmp_path):
    out = tmp_path / "out"
    outcome = embed_to_files(model, list_places([people]), out, EmbedSettings(shard_size=3))
    assert (outcome.rows, outcome.tally.pictures, outcome.shards) == (6, 7, 3)
    lines = list(csv.reader((out / "failed.csv").open()))
    assert lines[0] == ["file_name", "error"]
    assert [line[0] for line in lines[1:]] == ["broken.png"]
    assert "broken.png" in lines[1][1]
    Image.new("RGB", (20, 40)).save(people / "broken.png")
    again = embed_to_files(model, list_places([people]), out, EmbedSettings(shard_size=3))
    assert (again.rows, again.computed) == (6, 0)
    retried = embed_to_files(
        model, list_places([people]), out, EmbedSettings(shard_size=3, retry=True)
    )
    assert (retried.rows, retried.computed) == (7, 1)
    assert not (out / "failed.csv").exists()


def test_only_broken_pictures(model, tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"")
    outcome = embed_to_files(model, list_places([tmp_path / "a.jpg"]), tmp_path / "out")
    assert (outcome.rows, dict(outcome.tally.failed)) == (
        0, {"a.jpg": f"{tmp_path / 'a.jpg'}: empty (0 bytes)"},
    )  # fmt: skip
    assert read_embeddings(tmp_path / "out")[1].shape == (0, 256)


def test_what_is_not_good_enough_is_counted(model, people, tmp_path):
    Image.new("RGB", (20, 40)).save(people / "flat.png")
    settings = EmbedSettings(quality=Quality(min_height=25, min_sharpness=1))
    listed = list_places([people / "list.csv"])
    flat = Sample(people / "flat.png", "flat.png", -1, -1)
    outcome = embed_to_files(
        model, Listed((*listed.samples, flat), people), tmp_path / "o", settings
    )
    assert dict(outcome.tally.left_out) == {"0.png#5,5,20,20": "low", "flat.png": "blurred"}
    assert outcome.rows == 4
    assert (tmp_path / "o/left_out.csv").read_text().splitlines() == [
        "file_name,reason", '"0.png#5,5,20,20",low', "flat.png,blurred",
    ]  # fmt: skip


def test_several_processes_write_what_one_writes(model, people, tmp_path):
    listed, settings = list_places([people]), EmbedSettings(shard_size=2, batch_size=1)
    embed_to_files(model, listed, tmp_path / "one", settings)
    seen = [
        embed_to_files(model, listed, tmp_path / "three", settings, process=(rank, 3))
        for rank in (1, 2, 0)
    ]
    assert [outcome.finished for outcome in seen] == [False, False, True]
    assert [outcome.computed for outcome in seen] == [1, 1, 2]
    one, three = (sorted((tmp_path / name).iterdir()) for name in ("one", "three"))
    assert [file.name for file in one] == [file.name for file in three]
    for a, b in zip(one, three, strict=True):
        assert a.read_bytes() == b.read_bytes(), a


def test_it_goes_on_where_it_was_interrupted(model, people, tmp_path, monkeypatch):
    listed, settings = list_places([people]), EmbedSettings(shard_size=2, batch_size=1)
    embed_to_files(model, listed, tmp_path / "whole", settings)
    real, calls = to_files.write_shard, []

    def interrupted(file, *rest):
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(file)
        real(file, *rest)

    monkeypatch.setattr(to_files, "write_shard", interrupted)
    with pytest.raises(KeyboardInterrupt):
        embed_to_files(model, listed, tmp_path / "cut", settings)
    monkeypatch.setattr(to_files, "write_shard", real)
    kept = [file.stat().st_mtime_ns for file in calls]
    outcome = embed_to_files(model, listed, tmp_path / "cut", settings)
    assert (outcome.computed, outcome.shards) == (2, 4)
    assert [file.stat().st_mtime_ns for file in calls] == kept
    for a in (tmp_path / "whole").iterdir():
        assert a.read_bytes() == (tmp_path / "cut" / a.name).read_bytes()


def test_a_folder_holds_one_kind_of_embeddings(model, people, tmp_path):
    out = tmp_path / "out"
    embed_to_files(model, list_places([people / "list.csv"]), out)
    for change, message in (
        (lambda: (list_places([people / "0.png"]), model, None), "begun with other settings"),
        (lambda: (list_places([people / "list.csv"]), model, EmbedSettings(tracks=True)), "tracks"),
        (
            lambda: (
                list_places([people / "list.csv"]),
                Embedder(METHOD, Recipe.small(), METHOD.network(Recipe.small())),
                None,
            ),
            "fingerprint",
        ),
    ):
        listed, embedder, settings = change()
        with pytest.raises(InputError, match=message):
            embed_to_files(embedder, listed, out, settings)
    (out / "embeddings.json").unlink()
    with pytest.raises(InputError, match=r"contains embeddings, but no embeddings.json"):
        embed_to_files(model, list_places([people / "list.csv"]), out)
    (out / "embeddings.json").write_text("{")
    with pytest.raises(InputError, match="damaged"):
        embed_to_files(model, list_places([people / "list.csv"]), out)


def test_a_gallery_takes_the_files_as_they_are(model, people, tmp_path):
    embed_to_files(model, list_places([people / "list.csv"]), tmp_path / "out")
    assert json.loads((tmp_path / "out/embeddings.json").read_text())["metric"] == "cosine"
    with Gallery.open(tmp_path / "gallery", Space(model.fingerprint, "cosine")) as gallery:
        assert gallery.import_files([tmp_path / "out"]).added == 5
        keys = {entry.key: entry for entry in gallery.entries()}
        assert set(keys) == {
            "0.png#0,0,20,30", "0.png#5,5,20,20", "1.png#0,0,20,30", "2.png", "3.png",
        }  # fmt: skip
        assert keys["2.png"].person == "0001"
        assert keys["3.png"].person is None
        (answer,) = gallery.search(model.embed([people / "2.png"]), 1)
        assert answer.hits[0].entry.key == "2.png"
