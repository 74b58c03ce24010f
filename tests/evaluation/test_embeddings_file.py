import numpy as np
import pytest

from passerby.evaluation.embeddings_file import read_embeddings
from passerby.evaluation.protocols import evaluate_arrays
from passerby.types import InputError


def arrays(**changes):
    whole = {
        "query": np.array([[0.0, 0.0], [9.0, 9.0]]),
        "gallery": np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0], [0.0, 0.1]]),
        "query_ids": np.array([7, 5]),
        "gallery_ids": np.array([7, 8, 7, -1], np.int16),
        "query_cameras": np.array([1, 1]),
        "gallery_cameras": np.array([2, 2, 3, 1]),
    } | changes
    return {name: array for name, array in whole.items() if array is not None}


def write(tmp_path, **changes):
    np.savez(tmp_path / "e.npz", **arrays(**changes))
    return tmp_path / "e.npz"


def test_reads_and_evaluates(tmp_path):
    found = read_embeddings(write(tmp_path))
    np.testing.assert_array_equal(found.sides.gallery, arrays()["gallery"].astype(np.float32))
    assert found.sides.gallery_ids.tolist() == [7, 8, 7, -1]
    evaluation = evaluate_arrays(found)
    assert evaluation.step.mean_ap == pytest.approx((1 + 2 / 3) / 2)
    assert evaluation.trapezoid.mean_ap == pytest.approx((1 + (1 / 2 + 2 / 3) / 2) / 2)
    assert evaluation.unmatched_names == ("query row 1",)
    counts = evaluation.counts
    assert (counts.queries, counts.gallery, counts.junk, counts.distractors) == (2, 3, 1, 1)
    assert evaluation.folder == "e.npz"
    assert evaluation.same_camera_filter


def test_cameras_are_optional(tmp_path):
    file = write(tmp_path, query_cameras=None, gallery_cameras=None)
    found = read_embeddings(file)
    assert found.sides.query_cameras is None
    assert found.sides.gallery_cameras is None
    assert not evaluate_arrays(found).same_camera_filter


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"gallery_ids": None}, "missing gallery_ids"),
        ({"query_cameras": None}, "both sides or none: given for the gallery only"),
        ({"multi_query": np.zeros((2, 2))}, "missing multi_query_ids, multi_query_cameras"),
        (
            {
                **dict.fromkeys(["query_cameras", "gallery_cameras"]),
                "multi_query": np.zeros((1, 2)),
                "multi_query_ids": np.array([7]),
                "multi_query_cameras": np.array([1]),
            },
            "multi_query needs query_cameras",
        ),
        (
            {
                "multi_query": np.zeros((1, 3)),
                "multi_query_ids": np.array([7]),
                "multi_query_cameras": np.array([1]),
            },
            r"multi_query .*\(1, 3\) and \(2, 2\)",
        ),
        (
            {
                "multi_query": np.zeros((2, 2)),
                "multi_query_ids": np.array([7]),
                "multi_query_cameras": np.array([1, 1]),
            },
            r"multi_query.* must be 2 whole numbers.*\(1,\)",
        ),
        ({"query_cams": np.zeros(2)}, "may hold only .*: given query_cams"),
        ({"query": np.zeros(2)}, r"\(2,\) and \(4, 2\)"),
        ({"query": np.zeros((2, 3))}, r"\(2, 3\) and \(4, 2\)"),
        ({"query_ids": np.zeros(3, int)}, r"query_ids must be 2 .*\(3,\)"),
        ({"query_ids": np.array([1.5, 2])}, "whole numbers.*float64"),
        ({"query": np.full((2, 2), np.nan)}, "2 of 2 rows"),
        ({"query_ids": np.array([7, None])}, "not an .npz of plain numeric arrays"),
    ],
)
def test_bad_arrays(tmp_path, changes, words):
    with pytest.raises(InputError, match=words) as caught:
        read_embeddings(write(tmp_path, **changes))
    assert "e.npz" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_no_npz(tmp_path):
    whole = write(tmp_path).read_bytes()
    np.save(tmp_path / "array.npy", np.zeros(3))
    (tmp_path / "text.npz").write_text("query, gallery")
    (tmp_path / "empty.npz").write_bytes(b"")
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "spoilt.npz").write_bytes(whole[:100] + b"xxxxxxxxxxxxxxxxxxxx" + whole[120:])
    for name in ("array.npy", "text.npz", "empty.npz", "cut.npz", "spoilt.npz"):
        with pytest.raises(InputError, match=f"{name}: not an .npz"):
            read_embeddings(tmp_path / name)
    with pytest.raises(InputError, match="no such file"):
        read_embeddings(tmp_path / "none.npz")
    with pytest.raises(InputError, match="may hold only .npy files: given cut.npz"):
        read_embeddings(tmp_path)


def test_more_pictures_of_the_queries(tmp_path):
    more = {
        "multi_query": np.array([[4.0, 3.0], [1.0, 0.0]]),
        "multi_query_ids": np.array([7, 5]),
        "multi_query_cameras": np.array([1, 1]),
    }
    found = read_embeddings(write(tmp_path, **more)).sides.more
    np.testing.assert_array_equal(found.embeddings, more["multi_query"])
    assert found.ids.tolist() == [7, 5]
    assert found.cameras.tolist() == [1, 1]
