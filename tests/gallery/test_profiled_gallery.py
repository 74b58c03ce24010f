"""Camera profiles in a gallery: learned without labels, applied while searching, raw underneath."""

import json

import numpy as np
import pytest
from engines import ENGINES, make

from passerby.cli.main import run
from passerby.gallery.gallery import Gallery
from passerby.gallery.new_rows import NewEntries
from passerby.ranking.profiles import Tracks
from passerby.types import InputError

WIDTH = 16
CAMERAS = ("door", "lift", "yard")


def people(seed=0, persons=24):
    """(3 N, D) embeddings, persons and cameras: each camera moves what it sees by about 12."""
    rng = np.random.default_rng(seed)
    centres, moves = rng.standard_normal((persons, WIDTH)), 3.0 * rng.standard_normal((3, WIDTH))
    rows = [c + m + 0.1 * rng.standard_normal(WIDTH) for m in moves for c in centres]
    who = [f"p{i}" for _ in CAMERAS for i in range(persons)]
    where = [camera for camera in CAMERAS for _ in range(persons)]
    return np.array(rows, np.float32), who, where


def fill(place, metric="euclidean", tracks=True, engine="folder"):
    rows, who, where = people()
    place.mkdir()
    gallery = make(engine, place, metric, "a-model")
    keys = [f"{camera}-{person}" for camera, person in zip(where, who, strict=True)]
    gallery.add(
        rows,
        NewEntries(keys=keys, persons=who, cameras=where, track_ids=keys if tracks else None),
    )
    return gallery


def expected(metric):
    rows, _, where = people()
    tracks = Tracks(metric)
    tracks.add(rows, where, [str(i) for i in range(len(rows))])
    return tracks.profiles()


def distances(query, rows, metric):
    query, rows = query.astype(float), rows.astype(float)
    if metric == "cosine":
        return 1 - rows @ query / np.linalg.norm(rows, axis=1) / np.linalg.norm(query)
    return np.linalg.norm(rows - query, axis=1)


def right(gallery, **options):
    """Share of the persons of the door whose nearest entry in another camera is theirs."""
    rows, who, where = people(seed=0)
    door = [i for i, camera in enumerate(where) if camera == "door"]
    answers = gallery.search(rows[door], 1, query_cameras=["door"] * len(door), **options)
    first = [answer.hits[0].entry.person for answer in answers]
    return np.mean([person == who[i] for person, i in zip(first, door, strict=True)])


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("engine", ENGINES)
def test_searches_compare_what_is_left_without_the_cameras(tmp_path, metric, engine):
    if engine == "milvus":
        pytest.importorskip("pymilvus")
    rows, _, where = people()
    with fill(tmp_path / "g", metric, engine=engine) as gallery:
        raw = right(gallery)
        found = gallery.profile()
        assert found.on
        assert found.fingerprint == expected(metric).fingerprint
        assert right(gallery) > raw + 0.2
        moved = found.applied(rows, where)
        [answer] = gallery.search(rows[:1], 72, query_cameras=["door"], own_camera=True)
        named = {f"{camera}-p{i % 24}": i for i, camera in enumerate(where)}
        order = [named[hit.entry.key] for hit in answer.hits]
        exact = distances(moved[0], moved, metric)
        np.testing.assert_allclose([hit.distance for hit in answer.hits], exact[order], atol=2e-4)
        assert sorted(order) == list(range(72))
        # A query of a camera that is not known, or is new, stays raw.
        for cameras in (None, ["another"]):
            [answer] = gallery.search(rows[:1], 72, query_cameras=cameras)
            order = [named[hit.entry.key] for hit in answer.hits]
            exact = distances(rows[0], moved, metric)
            got = [hit.distance for hit in answer.hits]
            np.testing.assert_allclose(got, exact[order], atol=2e-4)
        # Raw embeddings are what is stored, looked up and exported.
        np.testing.assert_array_equal(gallery.embeddings(["door-p0"])[0], rows[0])
        gallery.forget_profiles()
        assert right(gallery) == raw


def test_other_processes_and_later_additions_use_them(tmp_path):
    rows, _, _ = people()
    gallery = fill(tmp_path / "g")
    other = Gallery.open(tmp_path / "g" / "gallery", resident=True)
    raw = right(other)
    gallery.profile()
    assert right(other) > raw + 0.2
    late = rows[24:25] + np.float32(0.01)
    gallery.add(late, NewEntries(keys=["late"], persons=["p0"], cameras=["lift"]))
    moved = other.settings.profiles.applied(np.concatenate([rows[:1], late]), ["door", "lift"])
    [answer] = other.search(rows[:1], 99, query_cameras=["door"])
    [mine] = [hit for hit in answer.hits if hit.entry.key == "late"]
    assert mine.distance == pytest.approx(np.linalg.norm(moved[0] - moved[1]), rel=1e-4)


def test_reranking_sees_them_too(tmp_path):
    from passerby.gallery.answers import Reranking
    from passerby.ranking.rerank import rerank

    rows, _, where = people()
    with fill(tmp_path / "g") as gallery:
        moved = gallery.profile().applied(rows, where)
        options = Reranking(shortlist=48, k1=6, k2=2)
        [answer] = gallery.search(rows[:1], 48, query_cameras=["door"], reranking=options)
    named = {f"{camera}-p{i % 24}": i for i, camera in enumerate(where)}
    order = [named[hit.entry.key] for hit in answer.hits]
    values = rerank(moved[:1], moved[order], 6, 2, 0.3)[0]
    np.testing.assert_allclose([hit.reranked for hit in answer.hits], values, atol=1e-4)


def test_calibration_is_of_the_profiles_that_are_on(tmp_path):
    rows, who, where = people()
    with fill(tmp_path / "g") as gallery:
        before = gallery.calibrate(0.01)
        assert before.fingerprint == "a-model"
        found = gallery.profile()
        assert gallery.settings.calibration is None
        after = gallery.calibrate(0.01)
        assert after.fingerprint == gallery.settings.fingerprint == f"a-model+{found.fingerprint}"
        assert after.false_non_match_rate < before.false_non_match_rate - 0.2
        # The same from labelled embeddings, whose cameras have profiles.
        assert gallery.calibrate(0.01, rows, who, where).threshold == after.threshold
        # Renewed from the same tracks, nothing changes, and the threshold stays.
        gallery.profile()
        assert gallery.settings.calibration is not None
        gallery.forget_profiles()
        assert gallery.settings.calibration is None


def test_a_threshold_of_other_profiles_is_not_kept(tmp_path, monkeypatch):
    """Somebody learns profiles while somebody else calibrates."""
    with fill(tmp_path / "g") as gallery, Gallery.open(tmp_path / "g" / "gallery") as other:
        rows = gallery._labelled

        def meanwhile():
            found = rows()
            other.profile()
            return found

        monkeypatch.setattr(gallery, "_labelled", meanwhile)
        with pytest.raises(InputError, match="to other camera profiles: calibrate again"):
            gallery.calibrate(0.01)
        assert gallery.settings.calibration is None


def test_backups_bring_them_back(tmp_path):
    with fill(tmp_path / "g") as gallery:
        found = gallery.profile()
        calibration = gallery.calibrate(0.01)
        gallery.backup(tmp_path / "backup")
    with Gallery.open(tmp_path / "new") as new:
        new.restore(tmp_path / "backup")
        assert new.settings.profiles.fingerprint == found.fingerprint
        assert new.settings.calibration == calibration
    with fill(tmp_path / "other") as other:
        other.restore(tmp_path / "backup")
        assert other.settings.profiles.fingerprint == found.fingerprint
        assert other.settings.calibration == calibration


def test_damaged_profiles_are_refused(tmp_path):
    with fill(tmp_path / "g") as gallery:
        gallery.profile()
    file = tmp_path / "g" / "gallery" / "gallery.json"
    plain = json.loads(file.read_text())
    plain["profiles"]["cameras"]["door"]["move"] = plain["profiles"]["cameras"]["lift"]["move"]
    file.write_text(json.dumps(plain))
    with pytest.raises(InputError, match="the gallery's settings are damaged"):
        Gallery.open(tmp_path / "g" / "gallery")


def test_pictures_without_tracks_count_where_it_is_said(tmp_path):
    with fill(tmp_path / "g", tracks=False) as gallery:
        with pytest.raises(InputError, match="there are none, and 72 pictures without a track"):
            gallery.profile()
        found = gallery.profile(untracked=2)
        assert [profile.tracks for profile in found.cameras.values()] == [12, 12, 12]


def test_an_index_and_profiles_exclude_each_other(tmp_path, monkeypatch):
    rows = people()[0]
    with fill(tmp_path / "g") as gallery:
        gallery.profile()
        monkeypatch.setattr(gallery._store, "has_index", lambda: True)
        with pytest.raises(InputError, match="the index knows raw embeddings only"):
            gallery.search(rows[:1], approximate=True)


def test_more_cameras_than_a_server_keeps_are_refused(tmp_path, monkeypatch):
    pytest.importorskip("pymilvus")
    from passerby.gallery import milvus_store

    with fill(tmp_path / "g", engine="milvus") as gallery:
        monkeypatch.setattr(milvus_store, "MOST_SETTINGS", 500)
        with pytest.raises(
            InputError, match="at most 500 bytes, these have .* need a gallery in a"
        ):
            gallery.profile()
        assert gallery.settings.profiles is None


def shown(capsys, arguments, code=0):
    assert run(["gallery", *arguments]) == code
    told = capsys.readouterr()
    return " ".join((told.out + told.err).split())


def test_by_command(tmp_path, capsys):
    with fill(tmp_path / "g") as gallery:
        gallery.calibrate(0.01)
    place = str(tmp_path / "g" / "gallery")
    told = shown(capsys, ["profile", place])
    assert "camera profiles: on: cameras differ" in told
    assert "door" in told
    assert "the old threshold no longer holds and was removed: calibrate again" in told
    assert "on: cameras differ" in shown(capsys, ["statistics", place])
    with Gallery.open(place) as gallery:
        gallery.add(
            np.ones((1, WIDTH), np.float32),
            NewEntries(keys=["new"], cameras=["roof"], track_ids=["t"]),
        )
    assert "raw, since they are new: roof" in shown(capsys, ["statistics", place])
    shown(capsys, ["profile", place])
    assert "since they are new" not in shown(capsys, ["statistics", place])
    assert "off, as asked" in shown(capsys, ["profile", place, "--off"])
    assert "none learned" in shown(capsys, ["statistics", place])
    assert "at least 1: given 0" in shown(capsys, ["profile", place, "--returns", "0"], 2)
    assert "at least 1 picture: given 0" in shown(capsys, ["profile", place, "--untracked", "0"], 2)
    log = [
        json.loads(line)
        for line in (tmp_path / "g" / "gallery" / "audit.jsonl").read_text().splitlines()
    ]
    assert [line["reason"][:3] for line in log if line["what"] == "profile"] == [
        "on:",
        "on:",
        "off",
    ]
