"""Files of other columns, invalid characters, and keys that would move the cursor."""

import io
import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from engines import MadeUp, make
from rich.console import Console

from passerby.cli.gallery_output import answer_table
from passerby.cli.main import fail, run
from passerby.gallery.answers import Answer, Hit
from passerby.gallery.filters import Filter
from passerby.gallery.gallery import Gallery
from passerby.gallery.new_rows import NewEntries
from passerby.gallery.settings import Space
from passerby.types import InputError

WIDE = np.random.default_rng(0).standard_normal((2, 12)).astype("f4")
LISTS = pa.FixedSizeListArray.from_arrays(pa.array(WIDE.ravel()), 12)


def written(folder, **columns):
    whole = {"file_name": ["a.jpg", "b.jpg"], "embedding": LISTS, **columns}
    file = folder / "entries.parquet"
    pa.parquet.write_table(pa.table({k: v for k, v in whole.items() if v is not None}), file)
    return file


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"person": [1, 2]}, "column person must be of type string: it is int64"),
        ({"camera": [1.5, 2.5]}, "column camera must be of type string: it is double"),
        ({"timestamp": ["now", "then"]}, "column timestamp must be of type double: it is string"),
        ({"timestamp": pa.array([1, 2], pa.timestamp("us"))}, "it is timestamp"),
        ({"x": ["1", "2"]}, "column x must be of type int64: it is string"),
        ({"width": [1.5, 2.0]}, "column width must be of type int64: it is double"),
        ({"added": [True, False]}, "column added must be of type double: it is bool"),
        ({"key": [b"a", b"b"]}, "column key must be of type string: it is binary"),
        ({"key": pa.nulls(2)}, "column key must be of type string: it is null"),
        ({"file_name": [["a"], ["b"]]}, "column file_name must be of type string: it is list"),
        ({"embedding": [["a", "b"]] * 2}, "column embedding must be lists of one fixed size"),
        (
            {"embedding": pa.FixedSizeListArray.from_arrays(pa.array(range(24)), 12)},
            "floating-point numbers: it is fixed_size_list",
        ),
    ],
)
def test_columns_of_other_types_are_refused(tmp_path, columns, message):
    gallery = make("folder", tmp_path)
    with pytest.raises(InputError, match=message) as told:
        gallery.import_files([written(tmp_path, **columns)])
    assert str(tmp_path / "entries.parquet") in str(told.value)
    assert not gallery.exists


def test_columns_of_kindred_types_are_taken(tmp_path):
    gallery = make("folder", tmp_path)
    half = pa.FixedSizeListArray.from_arrays(pa.array(WIDE.astype("f2").ravel()), 12)
    file = written(
        tmp_path, person=pa.array(["anna", None], pa.large_string()), timestamp=[7, None],
        camera=pa.nulls(2), embedding=half, x=pa.array([1, 2], pa.int16()),
    )  # fmt: skip
    assert gallery.import_files([file]).added == 2
    one, two = gallery.entries()
    assert (one.person, one.timestamp, one.camera, two.person) == ("anna", 7.0, None, None)


@pytest.mark.parametrize("name", ["keys", "file_names"])
def test_letters_that_are_none_are_refused(tmp_path, name):
    gallery = make("folder", tmp_path)
    with pytest.raises(InputError, match=r"invalid characters: 'a\\ud800'"):
        gallery.add(WIDE, NewEntries(**{"keys": ["k", "l"], name: ["b", "a\ud800"]}))
    # What no filter could name could never be removed.
    with pytest.raises(InputError, match="invalid characters"):
        gallery.add(WIDE, NewEntries(**{"keys": ["k", "l"], name: ["b", "a\0"]}))
    MadeUp(5).add_to(gallery)
    for where in ({"persons": ["\udfff"]}, {"persons": [2**63]}, {"keys": ["a\ud800"]}):
        with pytest.raises(
            InputError, match=r"of a filter (must be a list of texts|contain characters)"
        ):
            gallery.entries(Filter(**where))


def test_keys_do_nothing_to_the_terminal(tmp_path, capsys):
    gallery = make("folder", tmp_path)
    key = "a\x1b[2J\x1b]0;mine\x07\u202e\x9bb.jpg"
    gallery.add(WIDE[:1], NewEntries(keys=[key]))
    [entry] = gallery.entries()
    shown = io.StringIO()
    table = answer_table("who\x1b[1A.jpg", Answer((Hit(entry, 0.5, None),), None, 0.5))
    Console(file=shown, force_terminal=True, color_system=None, width=120).print(table)
    fail(f"the gallery has no {key}", 2)
    for text in (shown.getvalue(), capsys.readouterr().err):
        assert not set(text) & set("\x1b\x07\u202e\x9b")
        assert r"a\x1b[2J\x1b]0;mine\x07\u202e\x9bb.jpg" in text


BAD = "a\x1b[2J\x9b31m\u202e\x07b"


@pytest.mark.parametrize("more", [[], ["--json"]], ids=["text", "json"])
def test_no_command_lets_a_name_command_the_terminal(tmp_path, capsys, more):
    place = tmp_path / "g"
    with Gallery.open(place, Space("m")) as gallery:
        names = NewEntries(
            keys=[f"{BAD}.{number}" for number in range(8)],
            file_names=[f"{BAD}/{number}.jpg" for number in range(8)],
            persons=[f"p{number // 4}" for number in range(8)],
            cameras=[f"c{number % 2}" for number in range(8)],
        )
        gallery.add(np.random.default_rng(0).standard_normal((8, 12)).astype("f4"), names)
    lines = [
        ["statistics"], ["calibrate", "--fmr", "0.9"], ["profile"],
        ["split", f"{BAD}.0"], ["merge", "p0", BAD], ["rename", "p0", BAD],
        ["undo", "--change", BAD], ["remove", "--persons", BAD, "--dry-run"],
        ["remove", "--keys", f"{BAD}.3", "--yes"], ["export", str(tmp_path / "to")],
        ["log"], ["check"],
    ]  # fmt: skip
    told = {}
    for name, *rest in lines:
        run(["gallery", name, str(place), *rest, *more])
        found = capsys.readouterr()
        told[name] = found.out
        for text in (found.out, found.err):
            assert all(letter.isprintable() for letter in text.replace("\n", "")), name
    assert r"\u009b31m" in told["log"]
    for name, text in told.items():
        if more and text and name != "log":
            json.loads(text)
    assert told["statistics"]
