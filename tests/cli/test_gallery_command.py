"""`passerby gallery` as a user types it."""

import json
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from PIL import Image

from passerby.cli.gallery_options import age_of, seconds_of
from passerby.cli.gallery_output import as_json, time_text
from passerby.cli.main import run
from passerby.embedding.embedder import Embedder
from passerby.gallery.gallery import Gallery
from passerby.gallery.new_rows import NewEntries
from passerby.gallery.settings import Space
from passerby.methods import find_method
from passerby.recipes import override
from passerby.types import InputError


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A network that was not trained."""
    method = find_method("bag_of_tricks")
    recipe = override(method.recipe.small(), {"height": 32, "width": 16})
    folder = tmp_path_factory.mktemp("model")
    Embedder(method, recipe, method.network(recipe)).save(folder)
    return str(folder)


def shown(capsys, arguments, code=0):
    assert run(["gallery", *arguments]) == code
    told = capsys.readouterr()
    return told.out if code == 0 else told.err


def test_without_a_model_it_takes_passerbys_own(market, model, tmp_path, capsys):
    place = str(tmp_path / "g")
    note = "no model given: using the one that comes with passerby"
    assert run(["gallery", "add", place, "--root", str(market)]) == 0
    assert note in capsys.readouterr().err
    tiny = tmp_path / "tiny.png"
    Image.fromarray(np.full((10, 10, 3), 90, np.uint8)).save(tiny)
    assert run(["gallery", "search", place, str(tiny), "--json"]) == 0
    told = capsys.readouterr()
    small = "tiny.png is less than 32 pixels high; too small to tell people apart"
    assert [small in line or note in line for line in told.err.splitlines()] == [True, True]
    [found] = json.loads(told.out)
    assert found["hits"]
    (tmp_path / "none.jpg").write_bytes(b"no picture")
    assert run(["gallery", "search", place, str(tmp_path / "none.jpg")]) == 2
    *_, line = capsys.readouterr().err.splitlines()
    assert line.startswith("passerby: ")
    assert "none.jpg" in line
    # Another model's embeddings never mix with its own.
    assert run(["gallery", "search", place, str(tiny), "--model", model]) == 2


def test_from_pictures_to_removal(market, model, tmp_path, capsys):
    place = str(tmp_path / "g")
    add = ["add", place, "--model", model, "--root", str(market), "--keep", "30d"]
    assert "added: 24 " in shown(capsys, add)
    assert "added: 0   there already: 24" in shown(capsys, add)
    query = sorted((market / "query").glob("*.jpg"))[0]
    search = ["search", place, str(query), "--model", model, "--k", "3", "--cameras", "2"]
    [found] = json.loads(shown(capsys, [*search, "--json"]))
    assert found["match"]
    assert [hit["entry"]["camera"] for hit in found["hits"]] == ["2", "2", "2"]
    assert str(found["hits"][0]["entry"]["key"])[:12] in shown(capsys, search)
    assert "threshold" in shown(capsys, ["calibrate", place, "--fmr", "0.1"])
    table = shown(capsys, [*search, "--threshold", "-1"])
    assert "no match: nearest at" in table
    nobody = shown(capsys, [*search[:-1], "99"])
    assert "no match: no entry fulfils the filter" in nobody
    assert "removed: 6" in shown(capsys, ["remove", place, "--persons", "0007", "--yes"])
    assert "removed: 0" in shown(capsys, ["expire", place])
    assert "written: 18 entries" in shown(capsys, ["backup", place, str(tmp_path / "b")])
    assert "added: 18 " in shown(capsys, ["restore", str(tmp_path / "h"), str(tmp_path / "b")])
    assert "whole: 18" in shown(capsys, ["check", str(tmp_path / "h")])
    assert "entries changed: 12" in shown(
        capsys, ["merge", place, "0008", "0009", "--into", "Anna"]
    )
    keys = [entry.key for entry in Gallery.open(place).entries()][:2]
    assert "identity: Anna-2" in shown(capsys, ["split", place, *keys])
    log = [json.loads(line) for line in shown(capsys, ["log", place, "--json"]).splitlines()]
    assert {"add", "search", "calibrate", "remove", "backup", "merge", "split"} <= {
        x["what"] for x in log
    }
    assert "entries" in shown(capsys, ["statistics", place])


def test_all_of_ones_own_people_are_added(market, model, tmp_path, capsys):
    for file in sorted((market / "bounding_box_train").glob("*.jpg")):
        person, camera, number, *_ = file.stem.split("_")
        target = tmp_path / "people" / person / f"{camera[1]}_{number}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes())
    count = len(list((tmp_path / "people").rglob("*.jpg")))
    data = ["--data", "folder", "--root", str(tmp_path / "people")]
    add = ["add", str(tmp_path / "g"), "--model", model, *data]
    assert f"added: {count} " in shown(capsys, add)
    assert f"already: {count}" in shown(capsys, [*add, "--part", "all"])


def test_broken_pictures_are_named_before_anything_is_added(market, model, tmp_path, capsys):
    files = sorted((market / "bounding_box_train").glob("*.jpg"))[:4]
    for number, file in enumerate(files):
        target = tmp_path / "people" / str(number % 2) / f"{number}_1.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes()[: 200 if number == 3 else None])
    data = ["--data", "folder", "--root", str(tmp_path / "people")]
    add = ["add", str(tmp_path / "g"), "--model", model, *data]
    error = shown(capsys, add, 2)
    assert "1 of 4 pictures cannot be used" in error
    assert "1/3_1.jpg" in error
    assert not (tmp_path / "g").exists()
    assert "added: 3 " in shown(capsys, [*add, "--skip-broken"])


def test_embeddings_from_elsewhere(tmp_path, capsys):
    rows = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)
    table = pa.table(
        {
            "file_name": [f"{i}.jpg" for i in range(5)],
            "person": pa.array(["1", None, "x", "02", "02"]),
            "embedding": pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), 4),
        }
    )
    pa.parquet.write_table(table, tmp_path / "shard.parquet")
    command = ["import", str(tmp_path / "g"), str(tmp_path)]
    assert "needs the model" in shown(capsys, command, 2)
    assert "added: 5 " in shown(capsys, [*command, "--fingerprint", "theirs"])
    people = [entry.person for entry in Gallery.open(tmp_path / "g").entries()]
    assert people == ["1", None, "x", "02", "02"]


def test_calibration_on_embeddings_of_known_people(tmp_path, capsys):
    random = np.random.default_rng(0)
    people = np.repeat(np.arange(20), 4)
    rows = random.standard_normal((20, 4))[people] + 0.3 * random.standard_normal((80, 4))
    names = [f"{i}.jpg" for i in range(80)]
    table = {
        "file_name": names,
        "person": people.astype(str),
        "embedding": pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel().astype("f4")), 4),
    }
    known = pa.table(table)
    metadata = {b"passerby.fingerprint": b"theirs", b"passerby.metric": b"euclidean"}
    (tmp_path / "known").mkdir()
    file = tmp_path / "known" / "a.parquet"
    pa.parquet.write_table(known.replace_schema_metadata(metadata), file)
    unknown = known.slice(0, 9).drop_columns("person").replace_schema_metadata(metadata)
    pa.parquet.write_table(unknown, tmp_path / "unknown.parquet")
    place, picture = str(tmp_path / "g"), tmp_path / "distances.png"
    shown(capsys, ["import", place, str(tmp_path / "unknown.parquet")])
    calibrate = ["calibrate", place, "--fmr", "0.01"]
    assert "identity is known: there are none" in shown(capsys, calibrate, 2)
    calibrate += ["--labelled", str(tmp_path / "known")]
    assert "drawn as .png or .svg" in shown(capsys, [*calibrate, "--histogram", "a.pdf"], 2)
    assert Gallery.open(place).settings.calibration is None
    told = shown(capsys, [*calibrate, "--histogram", str(picture)])
    assert "120 pairs of one person and 3,040 of two" in told
    assert picture.stat().st_size > 1000
    distances = np.linalg.norm(rows[:, None] - rows[None], axis=2)
    two = distances[people[:, None] != people]
    threshold = Gallery.open(place).settings.calibration.threshold
    # The threshold is the distance of the first pair that would be too many.
    assert (two < threshold - 1e-4).mean() <= 0.01 < (two < threshold + 1e-4).mean()
    without = ["calibrate", place, "--labelled", str(tmp_path / "unknown.parquet")]
    assert "the column person is missing" in shown(capsys, without, 2)
    nobody = known.set_column(1, "person", pa.nulls(80, pa.string()))
    pa.parquet.write_table(nobody.replace_schema_metadata(metadata), tmp_path / "unknown.parquet")
    assert "no people are named: passerby embed takes person_id" in shown(capsys, without, 2)
    other = {**metadata, b"passerby.fingerprint": b"others"}
    pa.parquet.write_table(known.replace_schema_metadata(other), file)
    assert "holds embeddings of the model others" in shown(capsys, calibrate, 2)


def test_what_is_wrong_is_one_line(tmp_path, capsys):
    for arguments, words in [
        ([], "name a gallery command first"),
        (["find"], "name a gallery command first"),
        (["statistics", str(tmp_path / "none")], "no gallery here"),
        (["remove", str(tmp_path)], "no gallery here"),
        (["log", str(tmp_path), "--since", "yesterday"], "a time must look like"),
        (["expire", str(tmp_path), "--older-than", "30"], "an age must be a number"),
        (["search", str(tmp_path), "--model", "m"], "name a picture of the person to search for"),
    ]:
        line = shown(capsys, arguments, 2)
        assert words in line
        assert line.count("\n") == 1


def test_times_and_ages(monkeypatch):
    for zone, there in (("UTC", 86_410), ("Asia/Tokyo", 86_410 - 9 * 3600)):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        assert seconds_of("1970-01-02T00:00:10") == there
        assert seconds_of("1970-01-02T00:00:10Z") == 86_410
        assert seconds_of(time_text(86_410)) == 86_410
    assert time_text(86_410) == "1970-01-02 09:00:10+09:00"
    assert as_json([{"time": 86_410.0}], None) == '[{"time": "1970-01-02T00:00:10Z"}]'
    monkeypatch.undo()
    time.tzset()
    assert seconds_of("1970-01-01T02:00:00+02:00") == 0
    assert seconds_of("12.5") == 12.5
    assert [age_of(text) for text in ("90s", "2m", "1.5h", "1d", "1w")] == [
        90, 120, 5400, 86_400, 604_800,
    ]  # fmt: skip
    for text in ("", "-1d", "3y", "d"):
        with pytest.raises(InputError):
            age_of(text)


def test_counts_in_json_are_no_times(market, model, tmp_path, capsys):
    """`added` is a time in an entry and a count after an addition; a camera may be called so."""
    place = str(tmp_path / "g")
    add = ["add", place, "--model", model, "--root", str(market), "--json"]
    assert json.loads(shown(capsys, add)) == {"added": 24, "known": 0, "others": []}
    lines = shown(capsys, ["log", place, "--json"]).splitlines()
    assert (json.loads(lines[0])["added"], json.loads(lines[0])["time"][-1]) == (24, "Z")
    for camera, name in (("1", "first"), ("2", "added")):
        shown(capsys, ["rename", place, camera, name, "--camera"])
    found = json.loads(shown(capsys, ["statistics", place, "--json"]))
    assert all(type(count) is int for count in found["cameras"].values())
    assert {"first", "added"} <= set(found["cameras"])


def test_notes_of_training_do_not_stand_beside_an_addition(model, tmp_path, capsys):
    people = tmp_path / "people"
    for name in ("anna", "bert"):
        (people / name).mkdir(parents=True)
        Image.new("RGB", (16, 40)).save(people / name / "lift_1.png")
    add = ["gallery", "add", str(tmp_path / "g"), "--model", model, "--data", "folder"]
    assert run([*add, "--root", str(people)]) == 0
    assert "training" not in capsys.readouterr().err


def test_statistics_as_json_whatever_the_settings_hold(tmp_path, capsys):
    """Camera profiles hold arrays, decisions hold sets of digests."""
    random = np.random.default_rng(0)
    with Gallery.open(tmp_path, Space("m")) as gallery:
        rows = range(80)
        names = NewEntries(
            keys=[f"k{row}" for row in rows], cameras=[f"c{row // 40}" for row in rows],
            track_ids=[f"t{row // 2}" for row in rows], timestamps=[float(row) for row in rows],
        )  # fmt: skip
        moved = random.normal(size=(80, 8)) + 9.0 * (np.arange(80) // 40)[:, None]
        gallery.add(moved.astype(np.float32), names)
        profiles = gallery.profile()
        gallery.decide("k0", "k2", "no")
    assert profiles.cameras
    found = json.loads(shown(capsys, ["statistics", str(tmp_path), "--json"]))
    assert (found["entries"], found["settings"]["width"]) == (80, 8)
    assert set(found["settings"]["profiles"]["cameras"]) == {"c0", "c1"}
    nobody = ["remove", str(tmp_path), "--persons", "nobody", "--dry-run"]
    assert shown(capsys, nobody) == "would remove: 0 entries\n"
