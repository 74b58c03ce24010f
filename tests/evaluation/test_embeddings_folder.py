"""`--embeddings FOLDER`: arrays that stay on the disk."""

import numpy as np
import pytest

from passerby.cli.main import run
from passerby.evaluation.embeddings_file import read_embeddings
from passerby.evaluation.protocols import evaluate_arrays
from passerby.evaluation.ranker import normalised
from passerby.evaluation.results import results
from passerby.evaluation.streaming import room
from passerby.types import InputError


def arrays(kind=np.float32):
    random = np.random.default_rng(1)
    ids = np.repeat(np.arange(1, 6), 6)
    cameras = np.tile([1, 1, 1, 2, 2, 2], 5)
    rows = random.normal(size=(5, 8))[ids - 1] + 0.9 * random.normal(size=(30, 8))
    first = np.isin(np.arange(30) % 6, [0, 3])
    rows = rows.astype(kind)
    return {
        "query": rows[first], "query_ids": ids[first], "query_cameras": cameras[first],
        "gallery": rows[~first], "gallery_ids": ids[~first], "gallery_cameras": cameras[~first],
    }  # fmt: skip


def written(folder, given):
    folder.mkdir()
    for name, array in given.items():
        np.save(folder / f"{name}.npy", array)
    return folder


@pytest.mark.parametrize("kind", [np.float32, np.float16, np.float64])
@pytest.mark.parametrize("protocol", ["single-query", "multi-query"])
def test_a_folder_scores_as_a_file_does(tmp_path, kind, protocol):
    given = arrays(kind)
    np.savez(tmp_path / "e.npz", **given)
    found = read_embeddings(written(tmp_path / "e", given))
    assert isinstance(found.sides.gallery, np.memmap)
    assert found.sides.gallery.dtype == kind
    one, other = (
        results(evaluate_arrays(e, protocol=protocol, metric="cosine", verification=True), {})
        for e in (found, read_embeddings(tmp_path / "e.npz"))
    )
    assert (one.pop("folder"), other.pop("folder")) == ("e", "e.npz")
    assert one == other


def test_more_pictures_of_the_queries_in_a_folder(tmp_path):
    given = arrays()
    more = {f"multi_query{end}": given[f"query{end}"] for end in ("", "_ids", "_cameras")}
    found = read_embeddings(written(tmp_path / "e", {**given, **more})).sides.more
    np.testing.assert_array_equal(found.embeddings, given["query"])


def test_folders_that_are_none(tmp_path, capsys):
    given = arrays()
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="missing query, gallery, query_ids, gallery_ids"):
        read_embeddings(tmp_path / "empty")
    strange = written(tmp_path / "strange", {**given, "query_cams": given["query_ids"]})
    with pytest.raises(InputError, match="given query_cams"):
        read_embeddings(strange)
    broken = written(tmp_path / "broken", given)
    whole = (broken / "gallery.npy").read_bytes()
    for content in (b"", b"no numpy", whole[: len(whole) // 2]):
        (broken / "gallery.npy").write_bytes(content)
        with pytest.raises(InputError, match="gallery.npy: not a plain numeric array"):
            read_embeddings(broken)
    np.save(broken / "gallery.npy", np.array([{}, None]), allow_pickle=True)
    with pytest.raises(InputError, match="gallery.npy: not a plain numeric array"):
        read_embeddings(broken)
    bad = given["gallery"].copy()
    bad[3] = np.nan
    np.save(broken / "gallery.npy", bad)
    assert run(["evaluate", "--embeddings", str(broken)]) == 2
    assert "1 of 20 rows are not, first row 3" in capsys.readouterr().err


def test_many_normalised_rows_lie_in_a_file(monkeypatch):
    rows = np.random.default_rng(0).normal(size=(50, 4))
    expected = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    monkeypatch.setattr("passerby.evaluation.ranker.CHUNK", 7)
    monkeypatch.setattr("passerby.evaluation.ranker.room", lambda shape: room(shape, 100))
    found = normalised(rows)
    assert isinstance(found, np.memmap)
    np.testing.assert_allclose(found, expected, atol=1e-6)
