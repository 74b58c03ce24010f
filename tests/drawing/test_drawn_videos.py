"""Drawn videos: the truth beside them is that of the pixels."""

import json

import numpy as np
import pytest

from passerby.cli.main import run
from passerby.drawing.video import Seen, detected, draw_frames, set_stage, write_video_set
from passerby.drawing.walks import VideoRecipe
from passerby.randomness import keyed
from passerby.types import InputError
from passerby.video.boxes import BoxFile
from passerby.video.frames import open_video

SMALL = VideoRecipe(cameras=2, people=5, visits=1, minutes=0.1, width=160, height=96)


@pytest.fixture(scope="module")
def drawn():
    """Frames and truth of the second camera."""
    return list(draw_frames(SMALL, 1))


def rows_of(file):
    return np.loadtxt(file, delimiter=",", ndmin=2)


def test_boxes_hold_what_differs_from_the_empty_scene():
    """By pixels: outside of the boxes nothing changes, inside somebody is."""
    alone = VideoRecipe(cameras=2, people=1, visits=1, minutes=0.2, width=160, height=96)
    drawn = list(draw_frames(alone, 1))
    empty = np.median([image for image, _ in drawn], axis=0)
    lone = 0
    for image, seen in drawn:
        outside = np.ones(image.shape[:2], bool)
        for one in seen:
            left, top, right, bottom = one.box
            # Blur and sharpening reach a few pixels out.
            outside[max(top - 4, 0) : bottom + 4, max(left - 4, 0) : right + 4] = False
        nobody = [frame for frame, others in drawn if not others]
        if nobody:
            assert (image[outside] == nobody[0][outside]).all()
        if len(seen) == 1 and seen[0].box[3] - seen[0].box[1] > 20:
            left, top, right, bottom = seen[0].box
            changed = (np.abs(image - empty).max(axis=2) > 25) & ~outside
            rows, columns = (np.flatnonzero(changed.any(axis=axis)) for axis in (1, 0))
            if len(rows):
                lone += 1
                found = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
                assert np.abs(np.subtract(found, seen[0].box)).max() <= 8
    assert lone > 10


def test_who_is_nearer_hides_the_other(drawn):
    for _, seen in drawn:
        assert len({one.identity for one in seen}) == len(seen)
        assert all(0 <= one.visible <= 1 for one in seen)
        if len(seen) == 1:
            assert seen[0].visible == 1
    hidden = [one for _, seen in drawn for one in seen if one.visible < 0.99]
    assert all(1 <= one.identity <= 5 for one in hidden)


def test_frames_depend_on_the_recipe_alone(drawn):
    for (image, seen), (again, same) in zip(drawn[:5], draw_frames(SMALL, 1), strict=False):
        assert (image == again).all()
        assert seen == same
    assert set_stage(SMALL, 0).light.shape == (96, 160, 3)


def test_files(tmp_path, drawn, capsys):
    root = tmp_path / "videos"
    write_video_set(root, SMALL, workers=2)
    assert sorted(p.name for p in root.iterdir()) == ["camera-1", "camera-2", "video.json"]
    folder = root / "camera-2"
    frames = list(open_video(folder / "camera-2.mp4").frames())
    assert len(frames) == SMALL.frames == len(drawn)
    assert np.abs(frames[7].image.astype(int) - drawn[7][0]).mean() < 9
    truth = rows_of(folder / "gt" / "gt.txt")
    wanted = [
        [k, one.identity, one.box[0], one.box[1], one.box[2] - one.box[0], one.box[3] - one.box[1]]
        for k, (_, seen) in enumerate(drawn, 1)
        for one in seen
    ]
    assert truth[:, :6].astype(int).tolist() == wanted
    boxes = BoxFile(folder / "det" / "det.txt")
    assert sum(len(boxes.detect(frame)) for frame in frames) > 0.7 * len(wanted)
    # What is finished stays as it is.
    before = (folder / "camera-2.mp4").stat().st_mtime_ns
    arguments = ["synth", str(root), "--video", "--cameras", "2", "--people", "5", "--visits", "1"]
    arguments += ["--minutes", "0.1", "--width", "160", "--height", "96"]
    assert run(arguments) == 0
    assert "written" in capsys.readouterr().out
    assert (folder / "camera-2.mp4").stat().st_mtime_ns == before
    assert run([*arguments, "--seed", "2"]) == 2
    assert "another recipe" in capsys.readouterr().err
    assert json.loads((root / "video.json").read_text())["people"] == 5


def test_every_person_passes_every_camera():
    recipe = VideoRecipe(cameras=2, people=3, visits=1, minutes=0.5, rate=2, width=96, height=64)
    for camera in range(2):
        assert {one.identity for _, seen in draw_frames(recipe, camera) for one in seen} == {
            1,
            2,
            3,
        }


def test_the_made_up_detector_errs_as_often_as_it_says():
    recipe = VideoRecipe()
    seen = [Seen(1, (100, 100, 150, 220), 1.0), Seen(2, (300, 100, 350, 220), 0.3)]
    hits, false, off = [0, 0], 0, []
    for number in range(3000):
        for left, top, right, bottom, score in detected(seen, recipe, keyed(1, number)):
            assert 0 < score <= 1
            corners = np.array([left, top, right, bottom])
            near = [np.abs(corners - one.box).max() < 15 for one in seen]
            if not any(near):
                false += 1
                continue
            hits[near.index(True)] += 1
            off.append((corners - seen[near.index(True)].box) / [50, 120, 50, 120])
    assert hits[0] / 3000 == pytest.approx(0.95, abs=0.015)
    assert hits[1] / 3000 == pytest.approx(0.4, abs=0.03)
    assert false / 3000 == pytest.approx(0.05, abs=0.015)
    assert np.std(off) == pytest.approx(0.03, abs=0.003)


def test_recipes_that_cannot_be_drawn(tmp_path):
    with pytest.raises(InputError, match="people must be at least 1"):
        VideoRecipe(people=0)
    with pytest.raises(InputError, match="needs even sides"):
        VideoRecipe(width=641)
    (tmp_path / "other").touch()
    with pytest.raises(InputError, match="already exists"):
        write_video_set(tmp_path, SMALL)
