import json

import numpy as np
import pytest
from PIL import Image

from passerby.cues.extraction import compute_joints, compute_masks, joints_source
from passerby.cues.joints import read_joints
from passerby.cues.source import FileCues
from passerby.types import InputError, Sample


class Bright:
    """A person is what is bright; its joints lie where the picture is brightest."""

    def __init__(self, name="bright", stop_after=None):
        self.fingerprint = name
        self.seen = 0
        self.stop_after = stop_after

    def _look(self, pictures):
        if self.stop_after is not None and self.seen >= self.stop_after:
            raise KeyboardInterrupt
        self.seen += len(pictures)

    def masks(self, pictures):
        self._look(pictures)
        found = [(p[:, :, 0] > 127) * np.uint8(255) for p in pictures]
        return [mask if mask.any() else None for mask in found]

    def joints(self, pictures):
        self._look(pictures)
        out = []
        for picture in pictures:
            y, x = np.unravel_index(picture[:, :, 0].argmax(), picture.shape[:2])
            sure = picture.max() / 255
            out.append(np.tile(np.float32([x, y, sure]) * (sure > 0), (18, 1)))
        return out


@pytest.fixture
def samples(tmp_path):
    """Five pictures of 6 x 4; the third is black."""
    rng = np.random.default_rng(0)
    out = []
    for k in range(5):
        name = f"query/{k}.png"
        (tmp_path / "query").mkdir(exist_ok=True)
        pixels = rng.integers(0, 256, (6, 4, 3), np.uint8) * np.uint8(k != 2)
        Image.fromarray(pixels).save(tmp_path / name)
        out.append(Sample(tmp_path / name, name, k, 1))
    return out


def pixels_of(sample):
    with Image.open(sample.file) as image:
        return np.array(image)


def test_masks_are_what_the_network_found(samples, tmp_path):
    told = []
    counts = compute_masks(
        [*samples, samples[0]], Bright(), tmp_path / "masks", batch_size=2,
        progress=lambda done, total: told.append((done, total)),
    )  # fmt: skip
    assert told == [(2, 5), (4, 5), (5, 5)]
    assert (counts.pictures, counts.computed, counts.without_person) == (5, 5, ("query/2.png",))
    cues = FileCues(masks=tmp_path / "masks")
    for sample in samples:
        want = (pixels_of(sample)[:, :, 0] > 127) * 255
        found = cues.mask(sample)
        assert found is None if not want.any() else np.array_equal(found, want)
    index = json.loads((tmp_path / "masks/index.json").read_text())
    assert (index["source"], index["pictures"], index["without_person"]) == ("bright", 5, 1)


def test_joints_are_what_the_network_found(samples, tmp_path):
    counts = compute_joints(samples, Bright(), tmp_path / "j.parquet", batch_size=3)
    assert counts.without_person == ("query/2.png",)
    found = read_joints(tmp_path / "j.parquet")
    for sample in samples:
        np.testing.assert_array_equal(found[sample.name], Bright().joints([pixels_of(sample)])[0])
    assert joints_source(tmp_path / "j.parquet") == "bright"


def test_interrupted_masks_go_on_and_are_not_used_half(samples, tmp_path):
    folder = tmp_path / "masks"
    with pytest.raises(KeyboardInterrupt):
        compute_masks(samples, Bright(stop_after=2), folder, batch_size=2)
    with pytest.raises(InputError, match="not finished: run `passerby cues masks` again"):
        FileCues(masks=folder)
    again = Bright()
    assert compute_masks(samples, again, folder, batch_size=2).computed == 3
    assert again.seen == 3
    assert compute_masks(samples, again, folder).computed == 0
    assert again.seen == 3
    assert FileCues(masks=folder).mask(samples[0]) is not None


def test_interrupted_joints_go_on(samples, tmp_path):
    file = tmp_path / "j.parquet"
    with pytest.raises(KeyboardInterrupt):
        compute_joints(samples, Bright(stop_after=2), file, batch_size=2)
    assert not file.exists()
    again = Bright()
    assert compute_joints(samples, again, file, batch_size=2).computed == 3
    assert again.seen == 3
    assert [one.name for one in tmp_path.glob("j*")] == ["j.parquet"]
    compute_joints(samples, Bright(), tmp_path / "whole.parquet")
    assert file.read_bytes() == (tmp_path / "whole.parquet").read_bytes()


def test_what_others_made_is_left_alone(samples, tmp_path):
    compute_masks(samples[:1], Bright(), tmp_path / "masks")
    with pytest.raises(InputError, match="was made by bright, not by other: choose another"):
        compute_masks(samples, Bright("other"), tmp_path / "masks")
    (tmp_path / "masks/index.json").unlink()
    with pytest.raises(InputError, match=r"masks without index\.json"):
        compute_masks(samples, Bright(), tmp_path / "masks")
    compute_joints(samples[:1], Bright(), tmp_path / "j.parquet")
    with pytest.raises(InputError, match="was made by bright, not by other"):
        compute_joints(samples, Bright("other"), tmp_path / "j.parquet")
    with pytest.raises(InputError, match=r"must be written as \.parquet: given .*j\.json"):
        compute_joints(samples, Bright(), tmp_path / "j.json")


def test_boxes_and_equal_stems_have_no_file_of_their_own(samples, tmp_path):
    box = Sample(samples[0].file, samples[0].name, 1, 1, box=(0, 0, 2, 2))
    for compute, target in ((compute_masks, "masks"), (compute_joints, "j.parquet")):
        with pytest.raises(InputError, match="people of one frame share"):
            compute([box], Bright(), tmp_path / target)
    twin = Sample(samples[0].file, "query/0.jpg", 1, 1)
    with pytest.raises(InputError, match="would have the same mask file"):
        compute_masks([samples[0], twin], Bright(), tmp_path / "masks")
