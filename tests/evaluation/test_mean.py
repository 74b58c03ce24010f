import json

import pytest

from passerby.evaluation.mean import mean_results, mean_table
from passerby.evaluation.results import read_results, write_plain
from passerby.types import InputError


def write(folder, number, **changes):
    contents = {
        "format": 1,
        "data": "cuhk03",
        "folder": "cuhk03",
        "variant": f"split {number}",
        "protocol": "single-gallery-shot",
        "settings": {"galleries": 100, "gallery_seed": 0},
        "same_camera_filter": True,
        "metric": "cosine",
        "reranking": None,
        "feature": "f",
        "model": f"m{number}",
        "counts": {"queries": 10 + number},
        "scores": {"rank_1": 0.5 + number / 10, "mean_ap_step": 0.25},
        "cmc": [0.5, 0.75 + number / 10, 1.0][: 3 - (number == 2)],
        "run": {},
    } | changes
    file = folder / f"{number}.json"
    file.write_text(json.dumps(contents))
    return file


def test_mean_of_three(tmp_path):
    files = [write(tmp_path, number) for number in range(3)]
    found = mean_results(files)
    assert found["scores"] == {"rank_1": pytest.approx(0.6), "mean_ap_step": 0.25}
    assert found["scores_std"] == {"rank_1": pytest.approx(0.1), "mean_ap_step": 0}
    assert found["counts"] == {"queries": 33}
    assert found["cmc"] == pytest.approx([0.5, 0.85])
    assert found["variant"] == "mean of 3: split 0; split 1; split 2"
    assert (found["protocol"], found["settings"]["galleries"]) == ("single-gallery-shot", 100)
    assert found["run"]["models"] == ["m0", "m1", "m2"]
    write_plain(tmp_path / "mean.json", found)
    assert read_results(tmp_path / "mean.json")["scores"]["rank_1"] == pytest.approx(0.6)
    columns = mean_table(found).columns
    assert [column.header for column in columns] == ["", "mean", "standard deviation"]
    assert list(columns[0].cells) == ["rank 1", "mean ap step"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"metric": "euclidean"}, "its metric is 'euclidean', that of .*'cosine'"),
        ({"settings": {"galleries": 10}}, "its settings is"),
        ({"data": "market1501"}, "its data is 'market1501'"),
        ({"reranking": {"k1": 20}}, "its reranking is"),
        ({"variant": "split 0", "model": "m0"}, "one is given twice"),
    ],
)
def test_what_does_not_go_together(tmp_path, change, words):
    files = [write(tmp_path, 0), write(tmp_path, 1, **change)]
    with pytest.raises(InputError, match=words):
        mean_results(files)


def test_one_is_no_mean(tmp_path):
    with pytest.raises(InputError, match="at least two result files: given 1"):
        mean_results([write(tmp_path, 0)])
