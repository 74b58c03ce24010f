import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import passerby.data.check
from passerby.data.check import cache_folder, check_pictures, without
from passerby.types import Sample, Split


@pytest.fixture
def samples(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(6):
        pixels = np.random.default_rng(i).integers(0, 256, (40, 20, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.jpg")
    return [Sample(folder / f"{i}.jpg", f"{i}.jpg", i, 0) for i in range(6)]


@pytest.fixture
def decoded(monkeypatch):
    """The files that were really decoded, in no order."""
    files = []
    real = passerby.data.check.read_image

    def read(file):
        files.append(file.name)
        return real(file)

    monkeypatch.setattr(passerby.data.check, "read_image", read)
    return files


def damage(sample):
    content = sample.file.read_bytes()
    sample.file.write_bytes(content[: len(content) // 2])


def test_broken_pictures_are_named_in_order(samples):
    damage(samples[4])
    samples[1].file.write_bytes(b"")
    samples[2].file.unlink()
    broken = check_pictures(samples)
    assert [sample for sample, _ in broken] == [samples[1], samples[2], samples[4]]
    assert [message.partition(": ")[2].split(":")[0] for _, message in broken] == [
        "empty (0 bytes)", "no such file", "cannot be read",
    ]  # fmt: skip
    for sample, message in broken:
        assert message.startswith(str(sample.file))


def test_all_good_and_none(samples):
    assert check_pictures(samples) == []
    assert check_pictures([]) == []


def test_second_check_reads_what_changed_alone(samples, tmp_path, decoded):
    cache = tmp_path / "cache"
    damage(samples[3])
    first = check_pictures(samples, cache)
    assert sorted(decoded) == [f"{i}.jpg" for i in range(6)]
    decoded.clear()
    assert check_pictures(samples, cache) == first
    assert decoded == []
    damage(samples[5])
    assert [sample for sample, _ in check_pictures(samples, cache)] == [samples[3], samples[5]]
    assert decoded == ["5.jpg"]
    decoded.clear()
    # The same size, another time.
    status = samples[0].file.stat()
    os.utime(samples[0].file, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    check_pictures(samples, cache)
    assert decoded == ["0.jpg"]


def test_missing_pictures_are_looked_for_again(samples, tmp_path):
    content = samples[0].file.read_bytes()
    samples[0].file.unlink()
    assert len(check_pictures(samples, tmp_path / "cache")) == 1
    samples[0].file.write_bytes(content)
    assert check_pictures(samples, tmp_path / "cache") == []


def test_one_cache_serves_several_data_sets(samples, tmp_path, decoded):
    other = tmp_path / "other" / "a.jpg"
    other.parent.mkdir()
    Image.new("RGB", (4, 4)).save(other)
    for _ in range(2):
        check_pictures(samples, tmp_path / "cache")
        check_pictures([Sample(other, "a.jpg", 1, 1)], tmp_path / "cache")
    assert len(decoded) == 7
    assert len(list((tmp_path / "cache").iterdir())) == 2


@pytest.mark.parametrize("content", ["", "{", "[1, 2]", '{"FILE": 3}', '{"FILE": [1]}', "\0"])
def test_a_damaged_cache_counts_as_none(samples, tmp_path, decoded, content):
    cache = tmp_path / "cache"
    check_pictures(samples, cache)
    (store,) = cache.iterdir()
    store.write_text(content.replace("FILE", str(samples[0].file)))
    assert check_pictures(samples, cache) == []
    assert len(decoded) == 12
    assert len(json.loads(store.read_text())) >= 6


def test_a_cache_that_cannot_be_written_does_no_harm(samples, tmp_path):
    (tmp_path / "cache").write_text("a file, not a folder")
    damage(samples[2])
    assert [sample for sample, _ in check_pictures(samples, tmp_path / "cache")] == [samples[2]]


def test_relative_paths_are_told_apart(samples, tmp_path, monkeypatch, decoded):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        Image.new("RGB", (4, 4)).save("a.png")
        check_pictures([Sample(Path("a.png"), "a.png", 1, 1)], tmp_path / "cache")
    assert decoded == ["a.png", "a.png"]


def test_boxes_outside_the_picture(samples, tmp_path, decoded):
    file = samples[0].file
    boxes = [
        (0, 0, 20, 40),
        (-3, -3, 4, 4),
        (19, 39, 9, 9),
        (20, 0, 3, 3),
        (0, 0, 0, 4),
        (-4, 0, 4, 9),
    ]
    cut = [Sample(file, "0.jpg", 1, 1, box=box) for box in boxes]
    for _ in range(2):
        broken = check_pictures(cut, tmp_path / "cache")
        assert [sample.box for sample, _ in broken] == boxes[3:]
        assert "lies outside the picture of 20 x 40 pixels (width x height)" in broken[0][1]
    assert decoded == ["0.jpg"]  # once for all its boxes


def test_progress_counts_to_the_end(samples):
    told = []
    check_pictures(samples, progress=lambda done, total: told.append((done, total)))
    assert told == [(i, 6) for i in range(1, 7)]


def test_without_leaves_them_out_and_says_so(samples):
    broken = [(samples[1], "x"), (samples[4], "y")]
    split = Split(
        "own", Path(), tuple(samples[:3]), (samples[3],), tuple(samples[3:]), (samples[4],)
    )
    left = without(split, broken)
    assert left.train == (samples[0], samples[2])
    assert left.query == (samples[3],)
    assert left.gallery == (samples[3], samples[5])
    assert left.multi_query == ()
    assert left.warnings == ("left out 2 broken pictures: 1.jpg, 4.jpg",)
    assert without(split, []) is split
    many = without(split, [(sample, "x") for sample in samples])
    assert many.warnings[0].endswith("0.jpg, 1.jpg, 2.jpg, 3.jpg, 4.jpg and 1 more")


def test_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("PASSERBY_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("PASSERBY_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "passerby"
