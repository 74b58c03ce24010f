import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from passerby.drawing import SyntheticRecipe, contact_sheet, write_synthetic
from passerby.drawing.v1.plan import entries
from passerby.types import InputError

TINY = SyntheticRecipe(
    train_identities=2, test_identities=2, cameras=2, pictures_per_identity=5, drawn_boxes=1,
    distractors=3, junk=4, height=64, width=32, seed=5,
)  # fmt: skip
FOLDERS = ("bounding_box_test", "bounding_box_train", "gt_bbox", "query")


def _bytes(root):
    return {
        str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()
    }


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    root = tmp_path_factory.mktemp("synthetic") / "tiny"
    write_synthetic(root, TINY, workers=1)
    return root


def test_bytes_depend_on_the_recipe_alone(tiny, tmp_path):
    calls = []
    write_synthetic(tmp_path / "two", TINY, workers=2, progress=lambda *a: calls.append(a))
    assert _bytes(tmp_path / "two") == _bytes(tiny)
    assert calls[-1] == (len(entries(TINY)),) * 2


def test_another_seed_gives_other_people(tiny, tmp_path):
    write_synthetic(tmp_path / "other", replace(TINY, seed=6), workers=1)
    first, second = _bytes(tiny), _bytes(tmp_path / "other")
    shared = [name for name in first if name in second and name.endswith(".jpg")]
    assert all(first[name] != second[name] for name in shared)


def test_layout_is_that_of_market(tiny):
    names = {folder: sorted(p.stem for p in (tiny / folder).iterdir()) for folder in FOLDERS}
    assert all(names.values())
    for folder, stems in names.items():
        for stem in stems:
            assert re.fullmatch(r"(-1|\d{4})_c[12]s\d_\d{6}_\d\d", stem)
            with Image.open(tiny / folder / f"{stem}.jpg") as picture:
                assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", (32, 64))
            with Image.open(tiny / "masks" / folder / f"{stem}.png") as mask:
                assert (mask.mode, mask.size) == ("L", (32, 64))
                assert set(np.unique(np.asarray(mask))) <= {0, 255}
        assert sorted(p.stem for p in (tiny / "masks" / folder).iterdir()) == stems
    assert {s[:4] for s in names["bounding_box_train"]} == {"0001", "0002"}
    assert {s[:4] for s in names["query"]} == {"0003", "0004"}
    assert set(names["query"]) <= set(names["gt_bbox"])
    gallery = names["bounding_box_test"]
    assert sum(s.startswith("-1_") for s in gallery) == TINY.junk
    assert sum(s.startswith("0000_") for s in gallery) == TINY.distractors
    about = json.loads((tiny / "synthetic.json").read_text())
    assert about["counts"] == {folder: len(stems) for folder, stems in names.items()}
    assert (about["version"], about["seed"], about["recipe"]["seed"]) == ("v1", 5, 5)


def test_joints_name_every_picture(tiny):
    joints = json.loads((tiny / "joints.json").read_text())
    pictures = {f"{f}/{p.name}" for f in FOLDERS for p in (tiny / f).iterdir()}
    assert set(joints) == pictures
    for name, points in joints.items():
        array = np.array(points)
        assert array.shape == (18, 3)
        assert set(array[:, 2]) <= {0.0, 0.3, 1.0}
        inside = (array[:, 0] >= -0.5) & (array[:, 0] <= 31.5) & (array[:, 1] <= 63.5)
        assert inside.all()
        assert (array[array[:, 2] == 0] == 0).all()
        if name.startswith("query/"):
            assert (array[:, 2] > 0).sum() >= 15


def test_every_query_has_a_match_in_another_camera():
    recipe = SyntheticRecipe(pictures_per_identity=8, train_identities=30, test_identities=60)
    cameras = defaultdict(set)
    stems = set()
    for entry in entries(recipe):
        assert (entry.folder, entry.stem) not in stems
        stems.add((entry.folder, entry.stem))
        if entry.folder == "bounding_box_test":
            cameras[entry.person].add(entry.camera)
    for entry in entries(recipe):
        if entry.folder == "query":
            assert cameras[entry.person] - {entry.camera}


def test_pictures_per_identity_is_met_on_average():
    people = [
        e.person for e in entries(SyntheticRecipe()) if e.folder != "gt_bbox" and e.person > 0
    ]
    assert len(set(people)) == 400
    assert len(people) / 400 == pytest.approx(20, abs=0.5)


def test_finished_folder_is_left_alone(tiny):
    before = {p: p.stat().st_mtime_ns for p in tiny.rglob("*")}
    write_synthetic(tiny, TINY)
    assert {p: p.stat().st_mtime_ns for p in tiny.rglob("*")} == before


def test_interrupted_folder_is_written_anew(tiny, tmp_path):
    class Stop(Exception):
        pass

    def stop(done, total):
        if done >= total // 2:
            raise Stop

    with pytest.raises(Stop):
        write_synthetic(tmp_path / "set", TINY, workers=1, progress=stop)
    assert not (tmp_path / "set" / "synthetic.json").exists()
    assert len(list((tmp_path / "set").rglob("*.jpg"))) > 3
    (tmp_path / "set" / ".joints.json.k3j4.json").touch()
    write_synthetic(tmp_path / "set", TINY, workers=1)
    assert _bytes(tmp_path / "set") == _bytes(tiny)


def test_foreign_folder_is_refused_and_left_alone(tmp_path):
    (tmp_path / "holiday.jpg").write_bytes(b"mine")
    with pytest.raises(InputError, match=r"not empty .*holiday\.jpg"):
        write_synthetic(tmp_path, TINY)
    assert (tmp_path / "holiday.jpg").read_bytes() == b"mine"
    (tmp_path / "synthetic.unfinished").touch()
    with pytest.raises(InputError, match=r"holiday\.jpg"):
        write_synthetic(tmp_path, TINY)
    assert (tmp_path / "holiday.jpg").read_bytes() == b"mine"
    with pytest.raises(InputError, match="is a file"):
        write_synthetic(tmp_path / "holiday.jpg", TINY)


def test_finished_folder_that_lost_a_picture_is_an_error(tiny, tmp_path):
    shutil.copytree(tiny, tmp_path / "set")
    next((tmp_path / "set" / "query").iterdir()).unlink()
    with pytest.raises(InputError, match=r"query had \d+ pictures when it was written and has"):
        write_synthetic(tmp_path / "set", TINY)


def test_another_set_in_the_folder_is_an_error(tiny):
    with pytest.raises(InputError, match="another synthetic set"):
        write_synthetic(tiny, SyntheticRecipe())


@pytest.mark.parametrize(
    ("field", "value"), [("cameras", 1), ("train_identities", 0), ("seed", -1), ("junk", -3)]
)
def test_recipe_rules(field, value):
    with pytest.raises(InputError, match=f"{field} must be at least .* given {value}"):
        SyntheticRecipe(**{field: value})
    with pytest.raises(InputError, match="workers must be at least 1; given 0"):
        write_synthetic("nowhere", TINY, workers=0)


def test_contact_sheet(tmp_path):
    contact_sheet(TINY, tmp_path / "sheet.png", rows=2, columns=3, enlarge=2)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (3 * 64, 2 * 128)
        assert np.asarray(sheet).std() > 20


def test_two_processes_at_once_write_one_set(tmp_path):
    """As under torchrun, where every process loads the data."""
    root = tmp_path / "set"
    script = (
        "from passerby.drawing import SyntheticRecipe, write_synthetic\n"
        "recipe = SyntheticRecipe(train_identities=2, test_identities=2, cameras=2,"
        " pictures_per_identity=4, distractors=2, junk=2)\n"
        f"write_synthetic({str(root)!r}, recipe, workers=1)\n"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE) for _ in range(2)
    ]
    assert [process.wait(120) for process in both] == [0, 0]
    names = {path.name for path in root.iterdir()}
    assert "synthetic.json" in names
    assert "synthetic.unfinished" not in names


def _one_killed(said, *arguments):
    """Kills a process that draws for the command; what it then said."""
    command = [sys.executable, "-m", "passerby", "synth", *map(str, arguments), "--workers", "2"]
    with said.open("w") as errors:
        process = subprocess.Popen(command, stderr=errors)
        try:
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
            for _ in range(1200):
                workers = children.read_text().split()
                if len(workers) == 2 or process.poll() is not None:
                    break
                time.sleep(0.05)
            os.kill(int(workers[0]), signal.SIGKILL)
            assert process.wait(60) == 1
        finally:
            process.kill()
    return said.read_text().splitlines()[-1]


@pytest.mark.skipif(sys.platform != "linux", reason="children are asked of /proc")
def test_a_killed_process_is_one_line_and_the_set_is_drawn_anew(tmp_path):
    root, more = tmp_path / "set", ["--train-identities", "8", "--test-identities", "8"]
    line = _one_killed(tmp_path / "said", root, *more)
    assert line == (
        "passerby: a process that draws pictures was killed: is there memory for so many? "
        "See --workers"
    )
    assert (root / "synthetic.unfinished").exists()
    line = _one_killed(tmp_path / "said", tmp_path / "v", "--video")
    assert line.startswith("passerby: a process that draws videos was killed: ")
    assert not (tmp_path / "v").exists()
    assert [file.name for file in tmp_path.glob(".v*")] == []


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM")
def test_termination_ends_all_processes_in_one_line(tmp_path):
    root = tmp_path / "set"
    with (tmp_path / "said").open("w") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "passerby", "synth", str(root), "--workers", "3"], stderr=said
        )
        try:
            for _ in range(1200):
                if any((root / "bounding_box_train").glob("*.jpg")) or process.poll() is not None:
                    break
                time.sleep(0.05)
            process.terminate()
            assert process.wait(60) == 130
        finally:
            process.kill()
    # Processes that outlived it would complain a little later.
    time.sleep(1)
    lines = (tmp_path / "said").read_text().splitlines()
    assert lines[-1] == "passerby: interrupted"
    assert not [line for line in lines if "Traceback" in line or "Error" in line]
    assert (root / "synthetic.unfinished").exists()
