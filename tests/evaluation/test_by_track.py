"""Track-level evaluation against a loop over tracks, and by command."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from passerby.cli.main import run
from passerby.evaluation import by_track as module
from passerby.evaluation.by_track import by_track
from passerby.evaluation.protocols import evaluate_split
from passerby.ranking.metrics import evaluate
from passerby.types import InputError, Sample, Split


def sample(number, person, camera, track):
    return Sample(Path(f"{number}.jpg"), f"{number}.jpg", person, camera, track_id=track)


def tracked(seed=0):
    """8 people, 2 cameras, tracks of 1 to 5 pictures; both cameras call their tracks alike."""
    rng = np.random.default_rng(seed)
    centres, samples, rows = rng.standard_normal((8, 5)), [], []
    for person in range(8):
        for camera in (1, 2):
            for track in range(2):
                for _ in range(rng.integers(1, 6)):
                    samples.append(sample(len(samples), person, camera, f"{person}-{track}"))
                    rows.append(centres[person] + rng.standard_normal(5))
    order = rng.permutation(len(samples))
    samples, rows = [samples[i] for i in order], np.array(rows)[order].astype(np.float32)
    rows *= rng.uniform(0.2, 4, (len(rows), 1)).astype(np.float32)
    searching = np.array([one.track_id.endswith("0") and one.camera_id == 1 for one in samples])
    query = tuple(one for one, yes in zip(samples, searching, strict=True) if yes)
    gallery = tuple(one for one, yes in zip(samples, searching, strict=True) if not yes)
    return Split("own", Path(), (), query, gallery), rows[searching], rows[~searching]


def naive(samples, rows, metric):
    found = {}
    for one, row in zip(samples, rows.astype(float), strict=True):
        row = row / np.linalg.norm(row) if metric == "cosine" else row
        found.setdefault((one.camera_id, one.track_id), []).append((one.person_id, row))
    ids = [pictures[0][0] for pictures in found.values()]
    means = [np.mean([row for _, row in pictures], 0) for pictures in found.values()]
    return np.array(means), ids, [camera for camera, _ in found]


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("same_camera_filter", [True, False])
def test_equals_a_loop_over_tracks(metric, same_camera_filter, monkeypatch):
    # Tracks begin in one chunk and end in another.
    monkeypatch.setattr(module, "CHUNK", 7)
    split, query, gallery = tracked()
    found = evaluate_split(
        query, gallery, split, metric=metric, feature="any", fingerprint="any", protocol="tracks",
        same_camera_filter=same_camera_filter,
    )  # fmt: skip
    q, q_ids, q_cameras = naive(split.query, query, metric)
    g, g_ids, g_cameras = naive(split.gallery, gallery, metric)
    cameras = (q_cameras, g_cameras) if same_camera_filter else (None, None)
    expected = evaluate(q, g, q_ids, g_ids, *cameras, metric=metric)
    assert 0.3 < expected.mean_ap < 1
    assert (found.counts.queries, found.counts.gallery) == (8, 24)
    # One shape: an evaluation reads like the scores.
    assert found.mean_ap == pytest.approx(expected.mean_ap)
    assert found.mean_inp == pytest.approx(expected.mean_inp)
    np.testing.assert_allclose(found.cmc, expected.cmc)
    np.testing.assert_allclose(found.ap, expected.ap)
    np.testing.assert_array_equal(found.first_match, expected.first_match)
    np.testing.assert_array_equal(found.unmatched, expected.unmatched)
    assert found.average_precision == expected.average_precision


def test_pictures_without_a_track_stand_for_themselves():
    samples = tuple(sample(i, 1, 1, track) for i, track in enumerate(("a", None, "a", None)))
    split = Split("own", Path(), (), samples[:1], samples)
    rows = np.eye(4, dtype=np.float32)
    found, _, means = by_track(split, rows[:1], rows, "euclidean")
    assert [one.name for one in found.gallery] == ["0.jpg", "1.jpg", "3.jpg"]
    np.testing.assert_array_equal(means, [(0.5, 0, 0.5, 0), (0, 1, 0, 0), (0, 0, 0, 1)])


def test_refuses_what_has_no_tracks_or_two_persons_on_one():
    rows = np.ones((2, 3), np.float32)
    none = tuple(sample(i, 1, 1, None) for i in range(2))
    with pytest.raises(InputError, match="own in . has no tracks"):
        by_track(Split("own", Path(), (), none, none), rows, rows, "cosine")
    two = (sample(0, 1, 1, "a"), sample(1, 2, 1, "a"))
    with pytest.raises(InputError, match="must show one person: a of camera 1 has 0.jpg and 1.jpg"):
        by_track(Split("own", Path(), (), two, two), rows, rows, "cosine")


def test_by_command_from_a_manifest(tmp_path, capsys):
    rng = np.random.default_rng(0)
    with (tmp_path / "manifest.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file_name", "person_id", "camera_id", "track_id", "split"])
        for person in range(4):
            colour = rng.integers(0, 256, 3)
            for camera, part in enumerate(("query", "gallery")):
                for i in range(3):
                    pixels = np.clip(colour + rng.integers(-50, 50, (32, 16, 3)), 0, 255)
                    name = f"{person}-{camera}-{i}.png"
                    Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / name)
                    table.writerow([name, person, camera, f"{person}-{camera}", part])
    command = ["evaluate", "--histogram", "1", "--data", "manifest", "--root", str(tmp_path)]
    target = tmp_path / "results.json"
    assert run([*command, "--tracks", "--keep-same-camera", "--json", str(target)]) == 0
    assert "4 gallery tracks, 0 of them distractors" in capsys.readouterr().out
    result = json.loads(target.read_text())
    assert (result["protocol"], result["counts"]["queries"]) == ("tracks", 4)
    assert run([*command, "--tracks", "--multi-query"]) == 2
    assert "given --multi-query and --tracks" in capsys.readouterr().err
    np.savez(tmp_path / "e.npz", query=np.eye(2), gallery=np.eye(2), query_ids=[1, 2],
             gallery_ids=[1, 2])  # fmt: skip
    assert run(["evaluate", "--embeddings", str(tmp_path / "e.npz"), "--tracks"]) == 2
    assert "one row for each track" in capsys.readouterr().err
