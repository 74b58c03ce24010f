import dataclasses
import json
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from passerby.evaluation.protocols import Counts, Evaluation
from passerby.evaluation.results import rank_share, read_results, results_table, write_results
from passerby.ranking.metrics import evaluate_distances
from passerby.types import InputError


def evaluation():
    distances = np.arange(12.0).reshape(2, 6)
    labels = [3, 8], [4, 3, 4, 4, 4, 3]
    return Evaluation(
        data="toy", folder="box", protocol="single-query", metric="euclidean",
        feature="before the BNNeck", fingerprint="f00", same_camera_filter=True,
        step=evaluate_distances(distances, *labels),
        trapezoid=evaluate_distances(distances, *labels, average_precision="trapezoid"),
        step_50=dataclasses.replace(
            evaluate_distances(distances, *labels, ap_cutoff=2), average_precision="step_50"
        ),
        counts=Counts(queries=2, gallery=6, junk=5, distractors=4),
        unmatched_names=("query/é.jpg",),
    )  # fmt: skip


def test_written_and_read_again(tmp_path):
    file = tmp_path / "run" / "results.json"
    write_results(file, evaluation(), {"method": "bag_of_tricks", "epochs": 3})
    found = read_results(file)
    assert found["scores"] == {
        "rank_1": 0.0,
        "rank_5": 1.0,
        "rank_10": 1.0,
        "rank_20": 1.0,
        "mean_ap_step": pytest.approx((1 / 2 + 1 / 3) / 2),
        "mean_ap_trapezoid": pytest.approx(((0 + 1 / 2) / 2 + (1 / 5 + 1 / 3) / 2) / 2),
        "mean_ap_step_50": pytest.approx((1 / 2) / 2),
        "mean_inp": pytest.approx(1 / 3),
    }
    assert found["counts"] == {
        "queries": 2,
        "queries_without_match": 1,
        "gallery_ranked": 6,
        "gallery_junk": 5,
        "gallery_distractors": 4,
    }
    assert (found["data"], found["protocol"], found["metric"]) == (
        "toy", "single-query", "euclidean",
    )  # fmt: skip
    assert found["folder"] == "box"
    assert (found["feature"], found["model"]) == ("before the BNNeck", "f00")
    assert found["queries_without_match"] == ["query/é.jpg"]
    assert found["cmc"] == [0, 1, 1, 1, 1, 1]
    assert found["run"] == {"method": "bag_of_tricks", "epochs": 3}
    assert '"cmc": [0.0, 1.0, 1.0, 1.0, 1.0, 1.0],\n' in file.read_text(encoding="utf-8")
    assert [entry.name for entry in file.parent.iterdir()] == ["results.json"]


@pytest.mark.parametrize("extra", [{"loss": float("nan")}, {"what": object()}])
def test_what_json_cannot_hold_leaves_the_old_file(tmp_path, extra):
    file = tmp_path / "results.json"
    write_results(file, evaluation(), {"seed": 1})
    with pytest.raises(InputError, match="plain JSON"):
        write_results(file, evaluation(), extra)
    assert read_results(file)["run"] == {"seed": 1}


def test_files_that_are_no_results(tmp_path):
    file = tmp_path / "results.json"
    with pytest.raises(InputError, match="no such file"):
        read_results(file)
    for text, words in [
        ("{", "not a JSON"),
        ("[]", "format 1"),
        ('{"format": 2}', "format 1"),
        (json.dumps({"format": 1, "data": "toy"}), "'protocol'"),
    ]:
        file.write_text(text)
        with pytest.raises(InputError, match=words):
            read_results(file)


def test_table_shows_scores_and_counts():
    output = StringIO()
    Console(file=output, width=140).print(results_table(evaluation()))
    text = " ".join(output.getvalue().split())
    for part in [
        "toy (box), single-query, euclidean",
        "0.00 │ 100.00 │ 100.00 │ 41.67",
        "33.33",
    ]:
        assert part in text
    for part in [
        "2 queries, 1 of them without a match",
        "6 gallery pictures, 4 of them distractors; 5 junk left out",
        "same-camera filter on",
    ]:
        assert part in text


def test_a_feature_in_brackets_is_shown_as_it_is():
    output = StringIO()
    bracketed = dataclasses.replace(evaluation(), feature="[alpha g, (1 - alpha) l]")
    Console(file=output, width=140).print(results_table(bracketed))
    assert "feature: [alpha g, (1 - alpha) l]" in output.getvalue()


def test_table_of_one_definition():
    names = [str(column.header) for column in results_table(evaluation(), "trapezoid").columns]
    assert names == ["rank-1", "rank-5", "rank-10", "mAP (trapezoid)", "mINP"]
    with pytest.raises(InputError, match="given 'area'"):
        results_table(evaluation(), "area")


def test_rank_share_beyond_a_small_gallery():
    scores = evaluation().step
    assert rank_share(scores, 1) == 0
    assert rank_share(dataclasses.replace(scores, cmc=np.array([0.25, 0.5, 1.0])), 3) == 1
    assert rank_share(dataclasses.replace(scores, cmc=np.array([0.25, 0.5, 1.0])), 10) == 1
