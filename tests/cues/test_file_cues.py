import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from passerby.cues.joints import read_joints
from passerby.cues.masks import mask_file
from passerby.cues.source import FileCues, find_cues
from passerby.types import InputError, Sample

REAL = Path(__file__).parents[2] / "../shared/data/pku_reid"


@pytest.fixture
def root(tmp_path):
    """One picture of 6 x 4 with a mask, and joints."""
    rng = np.random.default_rng(0)
    (tmp_path / "query").mkdir()
    (tmp_path / "masks/query").mkdir(parents=True)
    Image.fromarray(rng.integers(0, 256, (6, 4, 3), np.uint8)).save(tmp_path / "query/a.b.jpg")
    mask = (rng.random((6, 4)) < 0.5) * np.uint8(255)
    Image.fromarray(mask).save(tmp_path / "masks/query/a.b.png")
    write_joints(tmp_path / "joints.json", {"query/a.b.jpg": points()})
    return tmp_path


def points():
    return [[float(i), i / 2, 0.5] for i in range(18)]


def write_joints(file, entries):
    file.write_text(json.dumps(entries))


def sample_of(root, name="query/a.b.jpg", box=None):
    return Sample(root / name, name, 1, 1, box=box)


def test_masks_and_joints_of_a_picture(root):
    cues = find_cues(root)
    with Image.open(root / "masks/query/a.b.png") as image:
        assert np.array_equal(cues.mask(sample_of(root)), np.asarray(image))
    joints = cues.joints(sample_of(root))
    assert joints.dtype == np.float32
    assert np.allclose(joints, points())


def test_what_is_not_known_is_none(root):
    cues = find_cues(root)
    assert cues.mask(sample_of(root, "query/z.jpg")) is None
    assert cues.joints(sample_of(root, "query/z.jpg")) is None
    assert FileCues(joints=root / "joints.json").mask(sample_of(root)) is None
    assert FileCues(masks=root / "masks").joints(sample_of(root)) is None


def test_mask_is_cut_by_the_box(root):
    cues = find_cues(root)
    whole = cues.mask(sample_of(root))
    assert np.array_equal(cues.mask(sample_of(root, box=(1, 2, 2, 3))), whole[2:5, 1:3])
    with pytest.raises(InputError, match="people of one frame share"):
        cues.joints(sample_of(root, box=(1, 2, 2, 3)))


def test_mask_of_another_size_names_both(root):
    Image.fromarray(np.zeros((4, 6), np.uint8)).save(root / "masks/query/a.b.png")
    with pytest.raises(InputError, match=r"a\.b\.png: .* 6 x 4 .*a\.b\.jpg\); given 4 x 6"):
        find_cues(root).mask(sample_of(root))


def test_mask_size_is_that_of_the_upright_picture(root):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(root / "query/a.b.jpg", exif=exif)
    assert find_cues(root).mask(sample_of(root)).shape == (6, 4)


@pytest.mark.parametrize("name", ["/etc/a.jpg", "../a.jpg"])
def test_masks_stay_in_their_folder(root, name):
    with pytest.raises(InputError, match="outside the data's folder"):
        mask_file(root / "masks", sample_of(root, name))


def test_find_cues(root, tmp_path):
    (tmp_path / "none").mkdir()
    assert find_cues(tmp_path / "none") is None
    (root / "joints.json").rename(root / "poses.json")
    assert find_cues(root).joints(sample_of(root)) is not None
    write_joints(root / "joints.json", {})
    with pytest.raises(InputError, match=r"joints\.json and poses\.json: keep one"):
        find_cues(root)
    (root / "joints.json").unlink()
    (root / "poses.json").unlink()
    assert find_cues(root).joints(sample_of(root)) is None


def changed(**places):
    out = points()
    for place, value in places.items():
        out[int(place[1:])][2 if value == -0.5 else 0] = value
    return out


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (points()[:16], r"joints must be 18 x \(x, y, confidence\) .*; given the shape \(16, 3\)"),
        ([p[:2] for p in points()], r"given the shape \(18, 2\)"),
        ([*points()[:17], [1.0]], "must be 18 x"),
        ("nose", "must be 18 x"),
        (None, r"given the shape \(\)"),
        (changed(j4=float("nan")), "finite numbers; given right_wrist"),
        (changed(j0=float("inf")), "finite numbers; given nose"),
        (changed(j7=-0.5), r"confidences must be at least 0; given -0\.5"),
    ],
)
def test_wrong_joints_name_file_and_picture(tmp_path, entry, words):
    write_joints(tmp_path / "joints.json", {"good.jpg": points(), "bad.jpg": entry})
    with pytest.raises(InputError, match=words) as error:
        read_joints(tmp_path / "joints.json")
    assert str(error.value).startswith(f"{tmp_path / 'joints.json'}: bad.jpg: ")


def test_files_that_cannot_be_used(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_joints(tmp_path / "joints.json")
    (tmp_path / "joints.json").write_text("{")
    with pytest.raises(InputError, match="not a readable JSON file"):
        read_joints(tmp_path / "joints.json")
    (tmp_path / "joints.json").write_text("[]")
    with pytest.raises(InputError, match="an object file_name -> 18 x .* given a list"):
        read_joints(tmp_path / "joints.json")
    with pytest.raises(InputError, match="no such folder of masks"):
        FileCues(masks=tmp_path / "masks")


def test_fingerprint_follows_the_content_not_the_place(root):
    first = find_cues(root).fingerprint
    assert find_cues(root).fingerprint == first
    (root / "masks").rename(root / "m")
    assert FileCues(root / "m", root / "joints.json").fingerprint == first
    assert FileCues(root / "m").fingerprint != first
    assert FileCues(joints=root / "joints.json").fingerprint != first
    Image.fromarray(np.zeros((6, 4), np.uint8)).save(root / "m/query/a.b.png")
    second = FileCues(root / "m", root / "joints.json").fingerprint
    assert second != first
    write_joints(root / "joints.json", {})
    assert FileCues(root / "m", root / "joints.json").fingerprint != second


def test_made_by_keeps_the_fingerprint_when_files_are_added(root):
    first = FileCues(root / "masks", made_by="net 1").fingerprint
    Image.fromarray(np.zeros((6, 4), np.uint8)).save(root / "masks/query/b.png")
    assert FileCues(root / "masks", made_by="net 1").fingerprint == first
    assert FileCues(root / "masks", made_by="net 2").fingerprint != first
    assert FileCues(root / "masks", root / "joints.json", made_by="net 1").fingerprint != first


@pytest.mark.skipif(not REAL.is_dir(), reason=f"no real pictures at {REAL}")
def test_real_cues():
    cues = find_cues(REAL)
    files = sorted((REAL / "query").glob("*.jpg"))
    samples = [Sample(file, f"query/{file.name}", 1, 1) for file in files]
    missing = [sample.name for sample in samples if cues.mask(sample) is None]
    # The data's readme names the masks that were not found.
    assert missing == ["query/0017_c2s1_000001_00.jpg", "query/0053_c2s1_000005_00.jpg"]
    joints = np.stack([cues.joints(sample) for sample in samples])
    assert joints.shape == (136, 18, 3)
    assert 14 < (joints[:, :, 2] > 0).sum(axis=1).mean() < 17
