import numpy as np
import pytest
from scipy.io import savemat

from passerby.data.datasets import load
from passerby.types import InputError

TRAIN = [("0001", 1, 1, 2), ("0003", 2, 1, 3)]
TEST = [
    ("00-1", 1, 1, 2),
    ("0000", 4, 1, 1),
    ("0002", 1, 1, 3),
    ("0002", 6, 2, 2),
    ("0002", 6, 3, 1),
]
"""Folder, camera, track, pictures."""


def write(root, query=(3,), **changes):
    for part, tracks in {"train": TRAIN, "test": TEST}.items():
        names, rows = [], []
        for folder, camera, track, pictures in tracks:
            first = len(names) + 1
            for frame in range(1, pictures + 1):
                name = f"{folder}C{camera}T{track:04d}F{frame:03d}.jpg"
                file = root / f"bbox_{part}" / folder / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.touch()
                names.append(name)
            rows.append((first, len(names), int(folder.replace("00-1", "-1")), camera))
        (root / "info").mkdir(exist_ok=True)
        (root / "info" / f"{part}_name.txt").write_text("\n".join(names) + "\n")
        rows = changes.get(part, lambda rows: rows)(np.array(rows, np.int32))
        savemat(root / "info" / f"tracks_{part}_info.mat", {f"track_{part}_info": rows})
    savemat(root / "info" / "query_IDX.mat", {"query_IDX": np.array([query], np.int32)})
    return root


def test_tracks_people_and_cameras(tmp_path):
    split = load("mars", write(tmp_path / "MARS").parent)
    assert split.root == tmp_path / "MARS"
    assert split.protocol == "tracks"
    assert [(s.name, s.person_id, s.camera_id, s.track_id) for s in split.train] == [
        ("bbox_train/0001/0001C1T0001F001.jpg", 1, 1, "0001C1T0001"),
        ("bbox_train/0001/0001C1T0001F002.jpg", 1, 1, "0001C1T0001"),
        ("bbox_train/0003/0003C2T0001F001.jpg", 3, 2, "0003C2T0001"),
        ("bbox_train/0003/0003C2T0001F002.jpg", 3, 2, "0003C2T0001"),
        ("bbox_train/0003/0003C2T0001F003.jpg", 3, 2, "0003C2T0001"),
    ]
    assert {s.track_id for s in split.query} == {"0002C1T0001"}
    assert len(split.query) == 3
    # In the order of their names: junk, a distractor, both other tracks of person 2.
    assert [(s.track_id, s.person_id) for s in split.gallery] == [
        *[("00-1C1T0001", -1)] * 2, ("0000C4T0001", 0), *[("0002C6T0002", 2)] * 2,
        ("0002C6T0003", 2),
    ]  # fmt: skip
    assert all(s.file.is_file() for s in (*split.train, *split.query, *split.gallery))
    assert "training tracks 2 (8,298), query tracks 1 (1,980)" in split.warnings[0]


def shifted(rows):
    rows[0, 1] += 1
    return rows


@pytest.mark.parametrize(
    ("message", "change"),
    [
        ("row 1 is of person 1 by camera 1, its pictures", {"train": shifted}),
        ("are not of one such track", {"test": lambda rows: rows + np.array([1, 1, 0, 0])}),
        ("a row must be first, last, person, camera", {"train": lambda rows: rows[:, :3]}),
        ("matrix of whole numbers", {"train": lambda rows: rows + 0.5}),
        ("numbers tracks from 1 to 5", {"query": (6,)}),
        ("numbers tracks from 1 to 5", {"query": (0,)}),
        ("a query cannot be junk", {"query": (1,)}),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_one_line(tmp_path, message, change):
    with pytest.raises(InputError, match=message):
        load("mars", write(tmp_path, **change))


def test_what_is_missing_is_named(tmp_path):
    root = write(tmp_path)
    picture = root / "bbox_test" / "0002" / "0002C1T0001F002.jpg"
    picture.unlink()
    with pytest.raises(InputError, match=f"1 of 9 pictures are missing, e.g. {picture}"):
        load("mars", root)
    (root / "info" / "query_IDX.mat").write_text("no")
    with pytest.raises(InputError, match="query_IDX.mat: not a .mat file|are missing"):
        load("mars", root)
    (root / "info" / "query_IDX.mat").unlink()
    with pytest.raises(InputError, match="query_IDX.mat is missing"):
        load("mars", root)
    with pytest.raises(InputError, match="contains no folder info"):
        load("mars", root / "bbox_test")
