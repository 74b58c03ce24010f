import csv
import datetime
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from passerby.data import load
from passerby.data.images import read_image
from passerby.data.labels import names_of, numbered
from passerby.data.manifest import list_pictures, load_manifest, parse_time
from passerby.types import InputError, Sample

HEAD = ["file_name", "person_id", "camera_id", "split"]
ROWS = [
    ["b.png", "7", "1", "train"],
    ["a.png", "7", "2", "train"],
    ["c.png", "3", "1", "query"],
    ["sub/d.png", "3", "2", "gallery"],
    ["e.png", "-1", "2", "test"],
]


@pytest.fixture
def root(tmp_path):
    for name in ("a.png", "b.png", "c.png", "sub/d.png", "e.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        pixels = np.random.default_rng(0).integers(0, 256, (6, 4, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / name)
    return tmp_path


def write(root, rows, head=HEAD, name="manifest.csv", delimiter=",", encoding="utf-8"):
    with (root / name).open("w", encoding=encoding, newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows([head, *rows])
    return root / name


def summary(samples):
    return [(s.name, s.person_id, s.camera_id) for s in samples]


def check_plain(split, root):
    assert summary(split.train) == [("a.png", 7, 2), ("b.png", 7, 1)]
    assert summary(split.query) == [("c.png", 3, 1)]
    assert summary(split.gallery) == [("e.png", -1, 2), ("sub/d.png", 3, 2)]
    assert split.gallery[1] == Sample(root / "sub/d.png", "sub/d.png", 3, 2, person="3", camera="2")
    assert (split.name, split.root, split.warnings) == ("manifest", root, ())


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_csv(root, delimiter, encoding):
    check_plain(load_manifest(write(root, ROWS, delimiter=delimiter, encoding=encoding)), root)


def test_parquet(root):
    columns = {name: [row[i] for row in ROWS] for i, name in enumerate(HEAD)}
    columns["person_id"] = [int(value) for value in columns["person_id"]]
    columns["camera_id"] = [float(value) for value in columns["camera_id"]]
    pq.write_table(pa.table(columns), root / "manifest.parquet")
    check_plain(load_manifest(root / "manifest.parquet"), root)


def test_parquet_keeps_types(root):
    zone = datetime.timezone(datetime.timedelta(hours=2))
    table = pa.table(
        {
            "path": ["a.png", "b.png"],
            "label": ["eve", "adam"],
            "camid": [1, 1],
            "is_query": [True, False],
            "is_gallery": [True, True],
            "timestamp": [datetime.datetime(1970, 1, 1, 3, tzinfo=zone), None],
            "x": [1.0, float("nan")],
            "y": [2.0, None],
            "w": [2.0, None],
            "h": [3.0, None],
        }
    )
    pq.write_table(table, root / "m.parquet")
    split = load_manifest(root / "m.parquet")
    assert [s.timestamp for s in split.gallery] == [3600.0, None]
    assert [s.box for s in split.gallery] == [(1, 2, 2, 3), None]
    assert [s.person for s in (*split.gallery, *split.query)] == ["eve", "adam", "eve"]
    assert [s.person_id for s in split.query] == [1]


def test_aliases_and_flags(root):
    rows = [
        ["a.png", "x", "door", "train", "", ""],
        ["b.png", "y", "gate", "validation", "true", "True"],
        ["c.png", "y", "door", "validation", "False", "1"],
        ["e.png", "y", "door", "test", "1", "0"],
    ]
    head = ["Path", " LABEL", "Camera", "split", "is_query", "is_gallery"]
    split = load_manifest(write(root, rows, head))
    assert summary(split.train) == [("a.png", 0, 0)]
    assert summary(split.query) == [("b.png", 1, 1), ("e.png", 1, 0)]
    assert summary(split.gallery) == [("b.png", 1, 1), ("c.png", 1, 0)]
    assert [(s.person, s.camera) for s in split.gallery] == [("y", "gate"), ("y", "door")]


def test_boxes_cut_the_frame_on_load(root):
    head = [*HEAD, "x", "y", "width", "height", "track_id"]
    rows = [
        ["a.png", "1", "1", "gallery", "1", "2.4", "2", "3", "t1"],
        ["a.png", "2", "1", "gallery", "-1", "0", "3", "3", ""],
        ["b.png", "1", "2", "query", "", "", "", "", ""],
    ]
    split = load_manifest(write(root, rows, head))
    assert [s.box for s in split.gallery] == [(-1, 0, 3, 3), (1, 2, 2, 3)]
    assert [s.track_id for s in split.gallery] == [None, "t1"]
    assert split.query[0].box is None
    whole = read_image(root / "a.png")
    sample = split.gallery[1]
    assert np.array_equal(read_image(sample.file, sample.box), whole[2:5, 1:3])


def test_root_and_absolute_names(root, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("lists")
    outside = tmp_path_factory.mktemp("outside") / "z.png"
    (root / "a.png").rename(outside)
    rows = [["sub\\d.png", "1", "1", "query"], [str(outside), "1", "2", "gallery"]]
    rows.append([str(root / "b.png"), "1", "2", "gallery"])
    split = load_manifest(write(elsewhere, rows), root)
    assert split.root == root
    assert split.query[0].name == "sub/d.png"
    assert [s.name for s in split.gallery] == [outside.as_posix(), "b.png"]
    assert split.gallery[0].file == outside


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("1700000000.25", 1700000000.25),
        ("1970-01-01T00:01:00", 60.0),
        ("1970-01-01 00:01:00Z", 60.0),
        ("1970-01-01T02:00:00+01:00", 3600.0),
        ("1970-01-03", 172800.0),
    ],
)
def test_times(text, seconds, monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert parse_time(text) == seconds
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("text", ["noon", "nan", "inf", "2024-13-01", "12:30"])
def test_wrong_times(root, text):
    rows = [["a.png", "1", "1", "query", text]]
    with pytest.raises(InputError, match=rf"manifest\.csv: row 2: timestamp .* given '{text}'"):
        load_manifest(write(root, rows, [*HEAD, "timestamp"]))


@pytest.mark.parametrize("read", [load_manifest, list_pictures])
@pytest.mark.parametrize("zone", ["Z", "+02:00"])
def test_times_with_and_without_a_zone_do_not_mix(root, read, zone):
    there, here = f"2026-11-20T09:30{zone}", "2026-11-20T09:31"
    for times in ([there, here], [here, there]):
        rows = [[n, "1", "1", "query", t] for n, t in zip(["a.png", "b.png"], times, strict=True)]
        bad, good = 2 + times.index(here), 2 + times.index(there)
        says = rf"manifest\.csv: row {bad}: timestamp names no zone, and that of row {good} does"
        with pytest.raises(InputError, match=says):
            read(write(root, rows, [*HEAD, "timestamp"]))
    for times in ([there, there], [here, here], [there, "12.5"], [here, ""]):
        rows = [[n, "1", "1", "query", t] for n, t in zip(["a.png", "b.png"], times, strict=True)]
        read(write(root, rows, [*HEAD, "timestamp"]))


GOOD = ["a.png", "1", "1", "train"]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([GOOD, ["", "1", "1", "train"]], "row 3: file_name is empty"),
        ([["a.png", "", "1", "train"]], "row 2: person_id is empty"),
        ([["a.png", "", "1", "query"]], "row 2: person_id is empty"),
        ([["a.png", "1", "", "train"]], "row 2: camera_id is empty"),
        (
            [["a.png", "-2", "1", "train"]],
            "person_id: ids must be at least 0, or -1 for junk; given -2",
        ),
        ([["a.png", "1", "-1", "train"]], "row 2: camera_id must be at least 0; given -1"),
        (
            [["a.png", "1", "1", "trian"]],
            "row 2: split must be train, query or gallery; given 'trian'",
        ),
        ([["a.png", "1", "1", ""]], "row 2: belongs to none of train, query and gallery"),
        ([["a.png", "1", "1", "val"]], "row 2: belongs to none .* 'val'"),
        ([["a.png", "-1", "1", "train"]], "row 2: person -1 is junk and cannot be in train"),
        ([["a.png", "-1", "1", "query"]], "row 2: person -1 is junk and cannot be in query"),
        ([GOOD, ["b.png", "1", "1"]], "row 3 has 3 values, the header 4 columns"),
        ([GOOD, [], GOOD], "row 3 has 0 values"),
        ([GOOD, GOOD], "row 3: lists the same picture for train as row 2"),
        ([], "lists no pictures"),
    ],
)
def test_wrong_rows_name_file_row_and_rule(root, rows, words):
    with pytest.raises(InputError, match=words) as error:
        load_manifest(write(root, rows))
    assert str(error.value).startswith(str(root / "manifest.csv"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("box", "words"),
    [
        (["1", "1", "0", "2"], "row 2: a box must be at least 1 x 1 pixels; given .*width '0'"),
        (["1", "1", "2", "-3"], "at least 1 x 1"),
        (["1", "1", "2", ""], "four numbers or four empty values; given .*height ''"),
        (["1", "one", "2", "2"], "four numbers .* y 'one'"),
        (["1", "inf", "2", "2"], "four numbers"),
        (["nan", "1", "2", "2"], "four numbers"),
    ],
)
def test_wrong_boxes(root, box, words):
    with pytest.raises(InputError, match=words):
        load_manifest(write(root, [GOOD + box], [*HEAD, "x", "y", "width", "height"]))


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (["train", "true", ""], "split is 'train', but is_query is true"),
        (["query", "true", "true"], "split is 'query', but is_gallery is true"),
        (["test", "perhaps", ""], "is_query must be true or false; given 'perhaps'"),
        (["validation", "false", "false"], "belongs to none"),
    ],
)
def test_wrong_flags(root, row, words):
    with pytest.raises(InputError, match=words):
        load_manifest(write(root, [GOOD[:3] + row], [*HEAD, "is_query", "is_gallery"]))


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (["file_name", "person_id", "split"], "the column camera_id .*camid.* is missing"),
        (HEAD[:3], r"split \(or is_query and is_gallery\) is missing"),
        ([*HEAD[:3], "is_query"], "split"),
        ([*HEAD, "x", "y"], "width .* and height .* is missing"),
        ([*HEAD, "path"], "'file_name' and 'path' both mean 'file_name'"),
        (["name", "who", "where", "what"], "file_name .* and person_id .* and camera_id"),
    ],
)
def test_wrong_columns(root, head, words):
    with pytest.raises(InputError, match=words):
        load_manifest(write(root, [["a.png"] + ["1"] * (len(head) - 1)], head))


def test_pictures_that_do_not_exist(root):
    rows = [[f"missing{i}.png", "1", "1", "train"] for i in range(5)]
    with pytest.raises(
        InputError, match=r"5 of 6 pictures are missing: .*missing0.*missing2\.png, \."
    ) as e:
        load_manifest(write(root, [GOOD, *rows]))
    assert "missing3" not in str(e.value)


def test_what_is_no_table(root):
    with pytest.raises(InputError, match=r"none\.csv: no such file"):
        load_manifest(root / "none.csv")
    (root / "empty.csv").write_bytes(b"")
    with pytest.raises(InputError, match=r"empty\.csv: empty"):
        load_manifest(root / "empty.csv")
    (root / "latin.csv").write_bytes("file_name\nJosé.png\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"latin\.csv: not a CSV file in UTF-8"):
        load_manifest(root / "latin.csv")
    (root / "broken.parquet").write_bytes(b"PAR1 this is not")
    with pytest.raises(InputError, match=r"broken\.parquet: not a readable Parquet file") as error:
        load_manifest(root / "broken.parquet")
    assert "\n" not in str(error.value)


def test_warnings(root):
    rows = [["a.png", "1", "1", "train", ""], ["b.png", "1", "1", "query", ""]]
    split = load_manifest(write(root, rows, [*HEAD, "colour"]))
    unused, shared = split.warnings
    assert unused.endswith("columns not used: colour")
    assert "1 people are in train and in query or gallery" in shared


def test_load_finds_the_manifest(root):
    with pytest.raises(InputError, match=r"manifest\.csv or manifest\.parquet; it has neither"):
        load("manifest", root)
    write(root, ROWS, name="list.csv")
    check_plain(load("manifest", root / "list.csv"), root)
    check_plain(load("manifest", root, file="list.csv"), root)
    write(root, ROWS)
    check_plain(load("manifest", root), root)
    (root / "manifest.parquet").write_bytes(b"")
    with pytest.raises(InputError, match="it has both"):
        load("manifest", root)


def test_numbers_of_ids():
    assert numbered(["10", "2", "-1"]) == {"10": 10, "2": 2, "-1": -1}
    assert numbered(["3.0", "-1.0"]) == {"3.0": 3, "-1.0": -1}
    assert numbered(["10", "2", "b", "-1"]) == {"10": 0, "2": 1, "b": 2, "-1": -1}
    assert numbered([]) == {}
    # 4 and 0004 are two texts, so two people.
    assert numbered(["4", "0004", "4.0"]) == {"0004": 0, "4": 1, "4.0": 1}
    assert names_of(["4", "0004", "4.0", "-1"]) == {
        "4": "4",
        "0004": "0004",
        "4.0": "4",
        "-1": None,
    }
    assert names_of(["4.0", "door"]) == {"4.0": "4.0", "door": "door"}
