"""`passerby evaluate RUN` on the run's own data, and what its result files are called."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from made_up import write_market
from onnx_files import write_onnx
from passerby.cli.dataset import run_data_options
from passerby.cli.evaluate import RunOptions, results_file
from passerby.cli.figures import MaskOptions
from passerby.cli.figures import parse as parse_figure
from passerby.cli.main import run
from passerby.data.datasets import load
from passerby.data.distractors import with_distractors
from passerby.embedding.embedder import Embedder
from passerby.evaluation.protocols import MultiQuery, SingleGalleryShot, SingleQuery
from passerby.evaluation.ranker import Reranking

TINY = [
    *("--preset", "small", "--epochs", "1", "--identities", "3", "--height", "32", "--width", "16"),
    *("--accelerator", "cpu"),
]


def sort_into_folders(market, root):
    """The training pictures of a Market-1501 layout, by person."""
    for file in sorted((market / "bounding_box_train").glob("*.jpg")):
        person, camera, number = file.stem.split("_")[:3]
        target = root / person / f"{camera[1]}_{number}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes())
    return root


@pytest.fixture(scope="module")
def sorted_people(market, tmp_path_factory):
    return sort_into_folders(market, tmp_path_factory.mktemp("own") / "people")


@pytest.fixture(scope="module")
def finished(sorted_people, tmp_path_factory):
    """A run on folders of people, with an option of the data set that is not its default."""
    out = tmp_path_factory.mktemp("own") / "run"
    data = ["--data", "folder", "--root", str(sorted_people), "--test-share", "0.34"]
    assert run(["train", "bag_of_tricks", *data, "--out", str(out), *TINY]) == 0
    return out


def fails(capsys, arguments, *words):
    assert run(arguments) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    for word in words:
        assert word in line


def written(file):
    return json.loads(Path(file).read_text())


def test_the_runs_own_data(finished, sorted_people, capsys):
    own = written(finished / "results.json")
    assert own["counts"]["gallery_ranked"] == 2 * 2 * 4
    (finished / "results.json").unlink()
    assert run(["evaluate", str(finished)]) == 0
    assert written(finished / "results.json") == own
    source = yaml.safe_load((finished / "config.yaml").read_text())["source"]
    assert source == {
        "data": "folder", "root": str(sorted_people), "options": {"test_share": 0.34},
    }  # fmt: skip
    # Where the pictures lie on this machine is nobody's business who reads results.
    assert "source" not in own["run"]


def test_a_part_of_it_can_be_another(finished, market, sorted_people):
    assert run(["evaluate", str(finished), "--test-share", "0.5"]) == 0
    found = written(finished / "results-test_share-0.5.json")
    assert found["counts"]["gallery_ranked"] == 3 * 2 * 4
    assert run(["evaluate", "--data", "market1501", str(finished), "--root", str(market)]) == 0
    name = f"results-market1501-in-{market.name}.json"
    assert written(finished / name)["data"] == "market1501"


def test_figures_take_the_runs_data_too(finished, sorted_people, tmp_path):
    command = parse_figure(MaskOptions, [str(finished), "--out", "m.png"], "masks")
    assert command.data.data == "folder"
    assert (command.data.root, command.data.test_share) == (sorted_people, 0.34)


def test_data_that_went_away(finished, market, tmp_path, capsys):
    moved = tmp_path / "run"
    moved.mkdir()
    for name in ("config.json", "model.safetensors"):
        (moved / name).write_bytes((finished / name).read_bytes())
    config = yaml.safe_load((finished / "config.yaml").read_text())
    config["source"]["root"] = str(tmp_path / "gone" / "people")
    (moved / "config.yaml").write_text(yaml.safe_dump(config))
    fails(capsys, ["evaluate", str(moved)], "gone/people, which no longer exists", "--root DIR")
    assert not (tmp_path / "gone").exists()
    here = sort_into_folders(market, tmp_path / "here" / "people")
    # The same name in another place: the kind and its options are still the run's.
    assert run(["evaluate", str(moved), "--root", str(here)]) == 0
    assert written(moved / "results.json") == {
        **written(finished / "results.json"), "run": written(moved / "results.json")["run"],
    }  # fmt: skip
    fails(capsys, ["evaluate", str(moved), "--data", "msmt17"], "--root DIR is missing", "msmt17")
    # Runs of earlier versions know the kind alone.
    del config["source"]
    (moved / "config.yaml").write_text(yaml.safe_dump(config))
    fails(capsys, ["evaluate", str(moved)], "--root DIR is missing", "trained on folder")
    found = run_data_options([str(moved), "--root", str(here)])
    assert found(root=here).data == "folder"


def test_where_python_loaded_from(sorted_people, market):
    split = load("folder", sorted_people, test_share=0.34)
    assert (split.source.data, split.source.options) == ("folder", {"test_share": 0.34})
    assert load("folder", sorted_people, test_share=0.5).source.options == {}
    assert load("market1501", market).source.root == market


def test_result_files_of_other_settings_have_other_names(finished, sorted_people, tmp_path):
    split = load("folder", sorted_people, test_share=0.34)
    options = RunOptions(finished)

    def name(protocol, reranking=None, keep=False, data=split, chosen=options):
        return results_file(chosen, data, protocol, reranking, keep).name

    folder = sort_into_folders(write_market(tmp_path / "m", train=1), tmp_path / "no body")
    more = with_distractors(split, folder)
    assert name(SingleQuery()) == "results.json"
    names = [
        name(MultiQuery()),
        name(MultiQuery("max")),
        name(SingleGalleryShot()),
        name(SingleGalleryShot(10)),
        name(SingleGalleryShot(10, 3)),
        name(SingleQuery(), Reranking()),
        name(SingleQuery(), Reranking(k1=10)),
        name(SingleQuery(), Reranking(k2=10)),
        name(SingleQuery(), Reranking(lambda_value=0.5)),
        name(MultiQuery("max"), Reranking(k1=10, lambda_value=0.5)),
        name(SingleQuery(), keep=True),
        name(SingleQuery(), data=more, chosen=RunOptions(finished, distractors=folder)),
    ]
    assert names == [
        "results-multi-query.json",
        "results-multi-query-pooling-max.json",
        "results-single-gallery-shot.json",
        "results-single-gallery-shot-galleries-10.json",
        "results-single-gallery-shot-galleries-10-gallery_seed-3.json",
        "results-re-ranked.json",
        "results-re-ranked-k1-10.json",
        "results-re-ranked-k2-10.json",
        "results-re-ranked-lambda_value-0.5.json",
        "results-multi-query-pooling-max-re-ranked-k1-10-lambda_value-0.5.json",
        "results-same-camera.json",
        "results-distractors-8-no-body.json",
    ]
    # The protocol of the data set itself needs no name, but its settings do.
    shot = replace(split, protocol="single-gallery-shot")
    assert name(SingleGalleryShot(), data=shot) == "results.json"
    assert name(SingleGalleryShot(7), data=shot) == "results-galleries-7.json"


def test_queries_that_would_find_themselves(finished, capsys):
    # The first picture of each person and camera is a query, and stays in the gallery.
    fails(capsys, ["evaluate", str(finished), "--keep-same-camera"], "4 of 4 queries", "itself")


def test_the_same_camera_kept_and_pairs_of_a_run(market, finished):
    data = ["--data", "market1501", "--root", str(market), "--keep-same-camera", "--verification"]
    assert run(["evaluate", str(finished), *data]) == 0
    name = f"results-market1501-in-{market.name}-same-camera.json"
    found = written(finished / name)
    assert found["same_camera_filter"] is False
    # 4 people in 2 cameras: 1 query and 3 gallery pictures in each.
    assert found["verification"]["genuine_pairs"] == 8 * 6
    assert found["verification"]["impostor_pairs"] == 8 * 18


@pytest.mark.parametrize("as_folder", [False, True])
def test_embeddings_of_a_run_score_as_the_run_does(finished, market, tmp_path, as_folder):
    model, split = Embedder.load(finished), load("market1501", market)
    given = {
        f"{side}{end}": values
        for side, samples in (("query", split.query), ("gallery", split.gallery))
        for end, values in (
            ("", model.embed_samples(samples)),
            ("_ids", np.array([sample.person_id for sample in samples])),
            ("_cameras", np.array([sample.camera_id for sample in samples])),
        )
    }
    target = tmp_path / "e.npz"
    if as_folder:
        target = tmp_path / "e"
        target.mkdir()
        for name, array in given.items():
            np.save(target / f"{name}.npy", array)
    else:
        np.savez(target, **given)
    command = ["--verification", "--json"]
    metric = ["--metric", model.descriptor.metric]
    data = ["--data", "market1501", "--root", str(market)]
    assert run(["evaluate", str(finished), *data, *command, str(tmp_path / "run.json")]) == 0
    file = ["--embeddings", str(target), *metric]
    assert run(["evaluate", *file, *command, str(tmp_path / "file.json")]) == 0
    expected, found = written(tmp_path / "run.json"), written(tmp_path / "file.json")
    for part in ("scores", "cmc", "counts", "verification", "metric", "same_camera_filter"):
        assert found[part] == expected[part]
    assert 0 < found["scores"]["mean_ap_step"] < 1


def test_a_broken_picture_in_two_parts_counts_once(market, tmp_path, capsys):
    root = sort_into_folders(market, tmp_path / "people")
    files = sorted(root.rglob("*.jpg"))
    for file in files:
        file.write_bytes(b"none")
    data = ["--data", "folder", "--root", str(root), "--out", str(tmp_path / "run")]
    told = f"{len(files)} of {len(files)} pictures cannot be used: "
    fails(capsys, ["train", "bag_of_tricks", *data, *TINY], told)


def test_a_synthetic_set_is_not_drawn_to_be_evaluated(finished, tmp_path, capsys):
    absent = tmp_path / "nowhere"
    arguments = ["evaluate", str(finished), "--data", "synthetic", "--root", str(absent)]
    fails(capsys, arguments, "nowhere: no such folder")
    assert not absent.exists()


def test_results_of_a_model_in_one_file_lie_beside_it(market, tmp_path, capsys):
    file = tmp_path / "osnet.onnx"
    write_onnx(file, ["n", 3, 20, 10])
    preprocessing = {"height": 20, "width": 10}
    file.with_name("osnet.onnx.json").write_text(json.dumps({"preprocessing": preprocessing}))
    evaluate = ["evaluate", str(file), "--root", str(market)]
    assert run(evaluate) == 0
    written = tmp_path / "osnet-results.json"
    assert f"results: {written}" in capsys.readouterr().out
    assert json.loads(written.read_text())["counts"]["queries"] > 0
    assert run([*evaluate, "--rerank"]) == 0
    assert (tmp_path / "osnet-results-re-ranked.json").exists()
