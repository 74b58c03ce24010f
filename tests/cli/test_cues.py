import json

import numpy as np
import pytest
from PIL import Image

from passerby.cli.main import run
from passerby.cues.source import find_cues
from passerby.figures.cue_sheet import draw_cues
from passerby.types import InputError, Sample


class Middle:
    """The middle of each picture; nobody in the first that it sees."""

    fingerprint = "middle"

    def __init__(self):
        self.first = True

    def masks(self, pictures):
        masks = [np.zeros(picture.shape[:2], np.uint8) for picture in pictures]
        for mask in masks:
            mask[5:20, 5:15] = 255
        if self.first:
            masks[0] = None
        self.first = False
        return masks

    def joints(self, pictures):
        return [np.tile(np.float32([9, 4, 1]), (18, 1)) for _ in pictures]


@pytest.fixture
def data(market, tmp_path):
    """Pictures of people without masks and joints."""
    for file in sorted(market.glob("*/*.jpg")):
        target = tmp_path / "data" / file.relative_to(market)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes())
    return tmp_path / "data"


@pytest.fixture(autouse=True)
def networks(monkeypatch):
    monkeypatch.setattr("passerby.cli.cues.mask_network", lambda options: Middle())
    monkeypatch.setattr("passerby.cli.cues.joint_network", lambda options: Middle())


def cues(kind, data, *more):
    return run(["cues", kind, "--data", "market1501", "--root", str(data), *map(str, more)])


def test_masks_and_joints_lie_where_they_are_found(data, tmp_path, capsys):
    assert cues("masks", data, "--sheet", tmp_path / "sheet.png") == 0
    said = capsys.readouterr().out
    assert "80 pictures, 80 of them computed now; nobody found in 1 (bounding_box_test/" in said
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size[0] > 200
    assert cues("joints", data) == 0
    found = find_cues(data)
    name = min(data.glob("query/*")).relative_to(data).as_posix()
    sample = Sample(data / name, name, 1, 1)
    assert (found.mask(sample) > 0).sum() == 150
    assert found.joints(sample)[0].tolist() == [9, 4, 1]
    assert cues("masks", data) == 0
    assert "80 pictures, 0 of them computed now" in capsys.readouterr().out


def test_a_first_look(data, tmp_path, capsys):
    out = tmp_path / "look"
    assert cues("masks", data, "--limit", 7, "--out", out, "--batch-size", 2) == 0
    assert json.loads((out / "index.json").read_text())["pictures"] == 7
    assert not (data / "masks").exists()


@pytest.mark.parametrize("kind", ["masks", "joints"])
def test_a_first_look_beside_the_data_is_not_trained_on(data, tmp_path, capsys, kind):
    sheet = tmp_path / "sheet.png"
    assert cues(kind, data, "--limit", 7, "--sheet", sheet, "--sheet-pictures", 3) == 0
    assert "again without --limit" in capsys.readouterr().out
    assert sheet.is_file()
    if kind == "masks":
        with pytest.raises(InputError, match="not finished: run"):
            find_cues(data)
    else:
        assert find_cues(data) is None
    assert cues(kind, data) == 0
    said = capsys.readouterr().out
    assert "80 pictures, 73 of them computed now" in said
    assert "--limit" not in said
    whole = find_cues(data).fingerprint
    assert cues(kind, data, "--limit", 7) == 0  # what is whole stays whole
    assert find_cues(data).fingerprint == whole
    assert "again without --limit" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("kind", "more", "words"),
    [
        ("joints", (), "has joints already, in poses.json: choose another place with --out"),
        ("masks", ("--limit", 0), "--limit must be at least 1: given 0"),
        ("masks", ("--batch-size", 0), "a batch needs at least one picture: given 0"),
    ],
)
def test_one_line(data, capsys, kind, more, words):
    (data / "poses.json").write_text("{}")
    assert cues(kind, data, *more) == 2
    assert words in capsys.readouterr().err


def test_no_kind(capsys):
    assert run(["cues"]) == 2
    assert "masks or joints first" in capsys.readouterr().err


def test_a_sheet_shows_mask_and_joints(data, tmp_path):
    """The right half of a cell: background darker, joints in the colours of their sides."""

    class Known:
        fingerprint = ""

        def mask(self, sample):
            return Middle().masks([np.zeros((48, 24, 3))] * 2)[1]

        def joints(self, sample):
            points = np.zeros((18, 3), np.float32)
            points[4] = [10, 12, 1]
            return points

    file = tmp_path / "white.png"
    Image.new("RGB", (24, 48), "white").save(file)
    draw_cues([Sample(file, "white.png", 1, 1)], Known(), tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        pixels = np.array(sheet)
    # 192 / 48 = 4 times as large; the second copy starts after the gap, the first and 2 pixels.
    left, top = 8 + 96 + 2, 24
    assert pixels[top + 4 * 40, left + 4 * 20].tolist() == [85, 85, 85]
    assert pixels[top + 4 * 15, left + 4 * 8].tolist() == [255, 255, 255]
    assert pixels[top + 50, left + 42].tolist() == [255, 90, 0]
    with pytest.raises(InputError, match=r"must be a \.png"):
        draw_cues([Sample(file, "white.png", 1, 1)], Known(), tmp_path / "sheet.jpg")
