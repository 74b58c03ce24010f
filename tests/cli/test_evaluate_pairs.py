"""`passerby evaluate --verification`, `--curves`, `--keep-same-camera` on files of embeddings."""

import json

import numpy as np
import pytest
from PIL import Image

import passerby
from passerby.cli.main import run
from passerby.evaluation.multi_query import pooled
from passerby.evaluation.sides import Sides
from passerby.ranking.metrics import evaluate


def arrays():
    random = np.random.default_rng(3)
    ids = np.repeat(np.arange(1, 9), 6)
    cameras = np.tile([1, 1, 1, 2, 2, 2], 8)
    rows = random.normal(size=(8, 6))[ids - 1] + 0.8 * random.normal(size=(48, 6))
    first = np.isin(np.arange(48) % 6, [0, 3])
    gallery_ids = np.where(np.arange(32) % 11 == 5, -1, ids[~first])
    return {
        "query": rows[first], "query_ids": ids[first], "query_cameras": cameras[first],
        "gallery": rows[~first], "gallery_ids": gallery_ids, "gallery_cameras": cameras[~first],
    }  # fmt: skip


def distances(query, gallery):
    return np.sqrt(((query[:, None] - gallery[None]) ** 2).sum(2))


def naive(found, given, same_camera_filter=True):
    """Pairs counted one by one: (genuine, impostor) distances."""
    genuine, impostor = [], []
    for i, row in enumerate(found):
        for j, value in enumerate(row):
            if given["gallery_ids"][j] == -1:
                continue
            if same_camera_filter and given["gallery_cameras"][j] == given["query_cameras"][i]:
                continue
            same = given["gallery_ids"][j] == given["query_ids"][i]
            (genuine if same else impostor).append(value)
    return np.array(genuine), np.array(impostor)


@pytest.fixture
def scored(tmp_path):
    np.savez(tmp_path / "e.npz", **arrays())

    def command(*options):
        target = tmp_path / "result.json"
        arguments = ["--embeddings", str(tmp_path / "e.npz"), "--json", str(target)]
        assert run(["evaluate", *arguments, *options]) == 0
        return json.loads(target.read_text())

    return command


def check(verification, genuine, impostor):
    assert verification["genuine_pairs"] == len(genuine)
    assert verification["impostor_pairs"] == len(impostor)
    first, *others = verification["points"]
    # 10 / FMR pairs and no more than 100 / FMR: the first rate can be told, the others cannot.
    assert 100 <= len(impostor) < 1000
    refused = np.sort(impostor)[int(0.1 * len(impostor))]
    assert first["false_match_rate"] == 0.1
    assert first["threshold"] == pytest.approx(refused, rel=1e-5)
    assert first["false_non_match_rate"] == pytest.approx((genuine >= refused - 1e-9).mean())
    assert 0 < first["false_non_match_rate"] < 1
    assert [point["false_match_rate"] for point in others] == [1e-2, 1e-3, 1e-4, 1e-5]
    for point in others:
        assert point["threshold"] is None
        assert point["false_non_match_rate"] is None
        assert point["note"] == "not enough pairs"


def test_points_of_a_file(scored, capsys):
    given = arrays()
    found = scored("--verification")
    check(found["verification"], *naive(distances(given["query"], given["gallery"]), given))
    shown = capsys.readouterr().out
    assert "FNMR" in shown
    assert shown.count("not enough pairs") == 4
    assert scored()["verification"] is None
    assert "FNMR" not in capsys.readouterr().out


def test_points_after_reranking(scored):
    given = arrays()
    reranked = passerby.rerank(given["query"], given["gallery"], k1=5)
    found = scored("--verification", "--rerank", "--k1", "5")
    check(found["verification"], *naive(reranked, given))


def test_points_of_multi_query(scored):
    given = arrays()
    together = pooled(Sides(**given), "mean")
    found = scored("--verification", "--multi-query")
    check(found["verification"], *naive(distances(together.query, together.gallery), given))


def test_the_same_camera_counts_if_it_is_kept(scored, capsys):
    given = arrays()
    found = scored("--verification", "--keep-same-camera")
    assert found["same_camera_filter"] is False
    expected = evaluate(**given, same_camera_filter=False)
    assert found["scores"]["mean_ap_step"] == pytest.approx(expected.mean_ap, abs=1e-12)
    assert expected.mean_ap != evaluate(**given).mean_ap
    pairs = naive(distances(given["query"], given["gallery"]), given, same_camera_filter=False)
    check(found["verification"], *pairs)
    assert "same-camera filter off" in capsys.readouterr().out


def test_the_same_camera_goes_with_single_query(tmp_path, capsys):
    np.savez(tmp_path / "e.npz", **arrays())
    command = ["evaluate", "--embeddings", str(tmp_path / "e.npz"), "--keep-same-camera"]
    assert run([*command, "--multi-query"]) == 2
    assert "--keep-same-camera works with single-query and tracks only" in capsys.readouterr().err


def test_curves_hold_cmc_and_roc(scored, tmp_path):
    found = scored("--curves", str(tmp_path / "curves.png"))
    assert found["verification"]["points"][0]["threshold"] is not None
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.size == (1800, 600)
        blue = (np.asarray(picture.convert("RGB")) == (31, 119, 180)).all(2)
    assert blue[:, :900].sum() > 100
    assert blue[:, 900:].sum() > 100
