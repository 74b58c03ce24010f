"""`passerby evaluate`: protocols, re-ranking, distractors, means; `train --also`."""

import json

import numpy as np
import pytest
from PIL import Image

from made_up import write_market
from passerby.cli.dataset import load_also
from passerby.cli.main import run
from passerby.cli.search import SearchOptions, protocol_of, reranking_of
from passerby.data.datasets import load
from passerby.embedding.embedder import Embedder
from passerby.evaluation.multi_query import pooled
from passerby.evaluation.protocols import MultiQuery, SingleGalleryShot, SingleQuery
from passerby.evaluation.ranker import Reranking
from passerby.evaluation.sides import Sides
from passerby.experiment import evaluate_model
from passerby.ranking.metrics import evaluate
from passerby.types import InputError

TINY = [
    *("--preset", "small", "--epochs", "1", "--identities", "3", "--height", "32", "--width", "16"),
    *("--accelerator", "cpu"),
]


@pytest.fixture(scope="module")
def finished(market, tmp_path_factory):
    out = tmp_path_factory.mktemp("evaluate") / "run"
    assert run(["train", "bag_of_tricks", "--root", str(market), "--out", str(out), *TINY]) == 0
    return out


def arrays():
    random = np.random.default_rng(0)
    ids = np.repeat(np.arange(1, 7), 6)
    cameras = np.tile([1, 1, 1, 2, 2, 2], 6)
    rows = random.normal(size=(6, 8))[ids - 1] + 0.9 * random.normal(size=(36, 8))
    first = np.isin(np.arange(36) % 6, [0, 3])
    return {
        "query": rows[first], "query_ids": ids[first], "query_cameras": cameras[first],
        "gallery": rows[~first], "gallery_ids": ids[~first], "gallery_cameras": cameras[~first],
    }  # fmt: skip


@pytest.fixture
def file(tmp_path):
    np.savez(tmp_path / "e.npz", **arrays())
    return tmp_path / "e.npz"


def scored(tmp_path, arguments):
    target = tmp_path / "result.json"
    assert run(["evaluate", *arguments, "--json", str(target)]) == 0
    return json.loads(target.read_text())


def fails(capsys, arguments, words):
    assert run(arguments) == 2
    assert words in capsys.readouterr().err


def test_multi_query_of_a_file(file, tmp_path):
    found = scored(tmp_path, ["--embeddings", str(file), "--multi-query", "--pooling", "max"])
    given = arrays()
    together = pooled(Sides(**given), "max")
    sides = {**given, "query": together.query, "gallery": together.gallery}
    expected = evaluate(**sides)
    assert found["scores"]["mean_ap_step"] == pytest.approx(expected.mean_ap, abs=1e-12)
    assert (found["protocol"], found["settings"]) == ("multi-query", {"pooling": "max"})


def test_single_gallery_shot_of_a_file(file, tmp_path):
    found = scored(
        tmp_path,
        ["--embeddings", str(file), "--single-gallery-shot", "--galleries", "7"],
    )
    assert found["protocol"] == "single-gallery-shot"
    assert found["settings"] == {"galleries": 7, "gallery_seed": 0}
    assert len(found["cmc"]) == 6


def test_more_pictures_of_the_queries_in_the_file(tmp_path):
    given = arrays()
    more = {f"multi_query{end}": given[f"query{end}"] for end in ("", "_ids", "_cameras")}
    np.savez(tmp_path / "e.npz", **given, **more)
    alone = scored(tmp_path, ["--embeddings", str(tmp_path / "e.npz"), "--metric", "cosine"])
    pooled_alone = scored(
        tmp_path, ["--embeddings", str(tmp_path / "e.npz"), "--metric", "cosine", "--multi-query"]
    )
    # Each group is the query itself: its length does not matter to the cosine.
    assert pooled_alone["scores"] == pytest.approx(alone["scores"])


def test_settings_without_their_protocol(file, capsys):
    command = ["evaluate", "--embeddings", str(file)]
    fails(capsys, [*command, "--pooling", "max"], "--pooling needs --multi-query")
    fails(capsys, [*command, "--galleries", "5"], "--galleries needs --single-gallery-shot")
    fails(capsys, [*command, "--k1", "5"], "--k1 needs --rerank")
    fails(capsys, [*command, "--multi-query", "--single-query"], "choose one protocol")


def test_options_to_protocols():
    assert protocol_of(SearchOptions(), "single-query") == SingleQuery()
    assert protocol_of(SearchOptions(), "single-gallery-shot") == SingleGalleryShot(100, 0)
    assert protocol_of(SearchOptions(galleries=5), "single-gallery-shot") == SingleGalleryShot(5)
    assert protocol_of(SearchOptions(single_query=True), "single-gallery-shot") == SingleQuery()
    assert protocol_of(SearchOptions(multi_query=True), "single-query") == MultiQuery("mean")
    assert reranking_of(SearchOptions()) is None
    assert reranking_of(SearchOptions(rerank=True, k1=7)) == Reranking(7, 6, 0.3)


def test_curves(file, tmp_path):
    target = tmp_path / "cmc.png"
    assert run(["evaluate", "--embeddings", str(file), "--curves", str(target)]) == 0
    with Image.open(target) as picture:
        assert picture.format == "PNG"


def test_another_protocol_goes_to_another_file(finished, market, capsys):
    own = (finished / "results.json").read_bytes()
    assert run(["evaluate", str(finished), "--root", str(market), "--multi-query"]) == 0
    found = json.loads((finished / "results-multi-query.json").read_text())
    assert found["protocol"] == "multi-query"
    assert (finished / "results.json").read_bytes() == own
    assert "results-multi-query.json" in capsys.readouterr().out
    # By hand: the gallery's pictures of the query's person and camera search with it.
    split, model = load("market1501", market), Embedder.load(finished)
    expected = evaluate_model(model, split, protocol=MultiQuery())
    assert found["scores"]["mean_ap_step"] == expected.step.mean_ap
    assert expected.step.mean_ap != evaluate_model(model, split).step.mean_ap


def test_trained_on_one_tested_on_another(finished, tmp_path):
    other = write_market(tmp_path / "other_people", train=2, test=3, seed=5)
    assert run(["evaluate", str(finished), "--root", str(other)]) == 0
    found = json.loads((finished / "results-market1501-in-other_people.json").read_text())
    assert (found["data"], found["folder"]) == ("market1501", "other_people")
    assert found["run"]["trained_on"] == [
        f"market1501 in {json.loads((finished / 'results.json').read_text())['folder']}"
    ]


def test_distractors(finished, market, tmp_path):
    folder = tmp_path / "nobody" / "deeper"
    folder.mkdir(parents=True)
    for index in range(5):
        Image.new("RGB", (24, 48), (40 * index, 90, 10)).save(folder / f"{index}.jpg")
    command = [str(finished), "--root", str(market), "--distractors", str(folder.parent)]
    found = scored(tmp_path, command)
    before = json.loads((finished / "results.json").read_text())
    assert found["counts"]["gallery_ranked"] == before["counts"]["gallery_ranked"] + 5
    assert found["counts"]["gallery_distractors"] == 5
    assert found["scores"]["mean_ap_step"] <= before["scores"]["mean_ap_step"]


def test_mean_of_result_files(file, tmp_path, capsys):
    files = []
    for number in range(2):
        np.savez(tmp_path / f"{number}.npz", **arrays())
        target = tmp_path / f"{number}.json"
        command = ["evaluate", "--embeddings", str(tmp_path / f"{number}.npz")]
        assert run([*command, "--json", str(target)]) == 0
        files.append(str(target))
    contents = json.loads((tmp_path / "1.json").read_text())
    contents |= {"feature": "as in the other"}
    found = scored(tmp_path, ["--mean-of", *files])
    one = json.loads((tmp_path / "0.json").read_text())["scores"]
    assert found["scores"] == pytest.approx(one)
    assert "standard deviation" in capsys.readouterr().out
    (tmp_path / "1.json").write_text(json.dumps(contents))
    fails(capsys, ["evaluate", "--mean-of", *files], "its feature is 'as in the other'")


def test_train_on_several(market, tmp_path):
    other = write_market(tmp_path / "others", train=3, test=1, seed=4)
    folder = tmp_path / "sorted"
    for person in ("ann", "bob"):
        (folder / person).mkdir(parents=True)
        for index in range(4):
            name = f"{1 + index % 2}_{index}.jpg"
            Image.new("RGB", (24, 48), (60 * index, 0, 90)).save(folder / person / name)
    out = tmp_path / "run"
    arguments = ["train", "bag_of_tricks", "--root", str(market), "--out", str(out), *TINY]
    also = ["--also", f"market1501:{other}", "--also", f"folder:{folder},test_share=0"]
    assert run([*arguments, *also]) == 0
    found = json.loads((out / "results.json").read_text())
    assert found["data"] == "market1501"
    assert found["folder"] == market.name
    assert found["run"]["trained_on"] == [
        f"market1501 in {market.name}", "market1501 in others", "folder in sorted",
    ]  # fmt: skip
    assert found["run"]["recipe"]["epochs"] == 1


def test_a_further_data_set_in_another_form(market, tmp_path):
    from rich.console import Console

    quiet = Console(quiet=True)
    assert load_also(f"market1501:{market}", quiet).train == load("market1501", market).train
    for text in ("market1501", "market1501:", f":{market}", f"market1501:{market},now"):
        with pytest.raises(InputError, match="NAME:ROOT or NAME:ROOT,option=value"):
            load_also(text, quiet)
    with pytest.raises(InputError, match="--data must be one of"):
        load_also(f"market:{market}", quiet)
