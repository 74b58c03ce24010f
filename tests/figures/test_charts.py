import json
from itertools import product

import numpy as np
import pytest
from PIL import Image

from passerby.figures.curves import draw_result_curves
from passerby.figures.distance_histogram import draw_distances, pair_distances
from passerby.figures.embedding_plane import draw_plane, plane_of, principal_plane
from passerby.figures.ranked_lists import Side, draw_lists_of_two
from passerby.figures.result_files import grouped, mean_of_modes, read_many
from passerby.figures.runs import draw_box_plots, draw_sweep
from passerby.types import InputError, Sample, Split


def write_result(folder, name, rank_1, seed=0, method="msreid", feature="f", points=(), **recipe):
    file = folder / name / "results.json"
    file.parent.mkdir(parents=True)
    verified = [{"false_match_rate": a, "threshold": 1, "false_non_match_rate": b}
                for a, b in points]  # fmt: skip
    contents = {
        "format": 1, "data": "market1501", "folder": "m", "protocol": "single-query",
        "metric": "euclidean", "feature": feature, "model": "x", "counts": {},
        "scores": {"rank_1": rank_1, "mean_ap_step": rank_1 / 2}, "cmc": [rank_1, 1.0],
        "verification": {"points": verified} if points else None,
        "run": {"method": method, "seed": seed, "recipe": recipe},
    }  # fmt: skip
    file.write_text(json.dumps(contents))
    return file


@pytest.fixture
def eight(tmp_path):
    """Three seeds of each of MSReID's configurations."""
    for on, seed in product(product((True, False), repeat=3), range(3)):
        settings = dict(zip(("attention", "local", "mask"), on, strict=True))
        write_result(tmp_path, f"{on}{seed}", 0.5 + 0.1 * sum(on) + 0.01 * seed, seed, **settings,
                     epochs=3)  # fmt: skip
    return tmp_path


def test_runs_that_differ_in_the_seed_alone_are_together(eight):
    results = read_many([eight])
    groups = grouped(results)
    assert len(results) == 24
    assert len(groups) == 8
    assert {len(group) for group in groups.values()} == {3}
    assert sorted(round(r.scores["rank_1"], 2) for r in groups["attention, no local, mask"]) == [
        0.7, 0.71, 0.72,
    ]  # fmt: skip
    assert set(grouped(results, ["recipe.mask", "recipe.local"])) == {"attention", "no attention"}


def test_two_methods_differ_by_name_alone(tmp_path):
    write_result(tmp_path, "a", 0.5, epochs=3)
    write_result(tmp_path, "b", 0.5, method="bag_of_tricks", feature="g", epochs=5, margin=1)
    assert set(grouped(read_many([tmp_path]))) == {"msreid", "bag_of_tricks"}


def test_settings_within_stages_and_files(tmp_path):
    for place in ("x", "y"):
        write_result(tmp_path, place, 0.5, stages=[{"rate": 1}, {"rate": place}],
                     weights=f"/far/away/{place}/model.safetensors")  # fmt: skip
    assert set(grouped(read_many([tmp_path]), ["recipe.weights"])) == {
        "stages.1.rate x", "stages.1.rate y",
    }  # fmt: skip
    assert set(grouped(read_many([tmp_path]), ["recipe.stages.1.rate"])) == {
        "weights x/model.safetensors", "weights y/model.safetensors",
    }  # fmt: skip


def drawn_axes(monkeypatch, module):
    """Keeps the matplotlib figure that a function would write."""
    kept = []
    monkeypatch.setattr(module, "save_figure", lambda figure, target: kept.append(figure))
    return kept


def test_a_box_for_each_configuration(eight, monkeypatch):
    import passerby.figures.runs as module

    kept = drawn_axes(monkeypatch, module)
    draw_box_plots(read_many([eight]), "a.png", scores=["rank_1"])
    (axes,) = kept[0].axes
    labels = [text.get_text() for text in axes.get_yticklabels()]
    assert len(labels) == 8
    assert "attention, local, mask\n(3 runs)" in labels
    dots = [line.get_xdata() for line in axes.lines if line.get_marker() == "."]
    np.testing.assert_allclose(sorted(np.concatenate(dots)), np.sort(
        [100 * result.scores["rank_1"] for result in read_many([eight])]))  # fmt: skip


def test_a_sweep_goes_through_the_means(tmp_path, monkeypatch):
    import passerby.figures.runs as module

    for parts, seed in product((12, 3, 6), (0, 1)):
        write_result(tmp_path, f"{parts}-{seed}", 0.1 * parts / 3 + 0.02 * seed, seed, parts=parts,
                     feature=f"{parts} parts")  # fmt: skip
    kept = drawn_axes(monkeypatch, module)
    draw_sweep(read_many([tmp_path]), "parts", "a.png")
    first, second = kept[0].axes
    (line,) = first.lines
    np.testing.assert_allclose(line.get_xdata(), [3, 6, 12])
    np.testing.assert_allclose(line.get_ydata(), [11, 21, 41])
    np.testing.assert_allclose(second.lines[0].get_ydata(), [5.5, 10.5, 20.5])
    with pytest.raises(InputError, match="no field 'threshold'"):
        draw_sweep(read_many([tmp_path]), "threshold", "a.png")
    with pytest.raises(InputError, match="at least two values"):
        draw_sweep(read_many([tmp_path / "3-0"]), "parts", "a.png")


def test_a_sweep_over_ranges_of_a_setting(tmp_path, monkeypatch):
    import passerby.figures.runs as module

    for threshold in (1.0, 0.0, 0.5, 0.3, 0.8):
        write_result(tmp_path, f"{threshold}", 0.1 + threshold / 2, threshold=threshold)
    kept = drawn_axes(monkeypatch, module)
    results, ranges = read_many([tmp_path]), [(0.8, 1), (0, 0.3), (0.4, 0.7)]
    draw_sweep(results, "threshold", "a.png", ranges=ranges)
    (line,) = kept[0].axes[0].lines
    labels = [text.get_text() for text in kept[0].axes[0].get_xticklabels()]
    assert labels == ["0 - 0.3", "0.4 - 0.7", "0.8 - 1"]
    assert list(line.get_xdata()) == [0, 1, 2]
    np.testing.assert_allclose(line.get_ydata(), [17.5, 35, 55])
    with pytest.raises(InputError, match=r"threshold 0\.5 lies in 0 of the ranges"):
        draw_sweep(results, "threshold", "a.png", ranges=ranges[:2])
    for name, tap in (("x", "pool1"), ("y", "res2")):
        write_result(tmp_path / "taps", name, 0.5, tap=tap)
    with pytest.raises(InputError, match="ranges need numbers: tap is pool1, res2"):
        draw_sweep(read_many([tmp_path / "taps"]), "tap", "a.png", ranges=ranges)


def test_names_on_an_axis_keep_their_order(tmp_path, monkeypatch):
    import passerby.figures.runs as module

    kinds = (("pool1", True), ("res2", False), ("res3", True), ("pool1", False))
    for place, (tap, on) in enumerate(kinds):
        write_result(tmp_path, f"{place}", 0.5 + place / 10, tap=tap, on=on)
    kept = drawn_axes(monkeypatch, module)
    draw_sweep(read_many([tmp_path]), "tap", "a.png")
    labels = [text.get_text() for text in kept[0].axes[0].get_xticklabels()]
    assert labels == ["pool1", "res2", "res3"]


def test_a_sweep_is_not_of_runs_that_differ_in_more(tmp_path):
    for place, (parts, mask) in enumerate(((1, "none"), (6, "pooled"))):
        write_result(tmp_path, f"{place}", 0.5, parts=parts, mask=mask)
    with pytest.raises(InputError, match="alone: here are mask none; mask pooled, each with one"):
        draw_sweep(read_many([tmp_path]), "parts", "a.png")


def test_the_mean_of_a_runs_query_modes(tmp_path):
    rates = {"a": (0.5, 0.6, 0.7, 0.8), "b": (0.1, 0.2, 0.3, 0.8)}
    files = []
    for run, found in rates.items():
        kinds = product((None, {"k1": 20}), ("single-query", "multi-query"))
        for (again, protocol), rate in zip(kinds, found, strict=True):
            file = write_result(tmp_path / run, f"{rate}", rate, threshold=0.1)
            contents = {**json.loads(file.read_text()), "protocol": protocol, "reranking": again}
            files.append(tmp_path / run / f"{rate}.json")
            files[-1].write_text(json.dumps(contents))
    first, second = mean_of_modes(read_many(files))
    assert first.scores["rank_1"] == pytest.approx(0.65)
    assert second.scores["mean_ap_step"] == pytest.approx(0.35 / 2)
    assert len(grouped([first, second])) == 1
    with pytest.raises(InputError, match="the same modes of every run, each once: .* has 3, .* 4"):
        mean_of_modes(read_many(files[:-1]))
    write_result(tmp_path, "other", 0.5, threshold=0.2).rename(tmp_path / "a" / "0.5.json")
    with pytest.raises(InputError, match="differ in more than the query mode"):
        mean_of_modes(read_many(files))


def test_curves_are_means_over_seeds(tmp_path, monkeypatch):
    import passerby.figures.curves as module

    for seed in (0, 1):
        write_result(tmp_path, f"{seed}", 0.4 + 0.2 * seed, seed,
                     points=[(0.1, 0.2), (0.01, 0.4 + 0.2 * seed)])  # fmt: skip
    kept = drawn_axes(monkeypatch, module)
    draw_result_curves(grouped(read_many([tmp_path])), "a.png")
    cmc, roc = kept[0].axes
    np.testing.assert_allclose(cmc.lines[0].get_ydata(), [50, 100])
    np.testing.assert_allclose(roc.lines[0].get_xdata(), [10, 1])
    np.testing.assert_allclose(roc.lines[0].get_ydata(), [80, 50])


def test_charts_as_files(eight, tmp_path):
    results = read_many([eight])
    for name in ("a.svg", "b.svg", "c.png"):
        draw_box_plots(results, tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert Image.open(tmp_path / "c.png").width == 1800
    with pytest.raises(InputError, match=r"as \.png or \.svg: given a\.pdf"):
        draw_box_plots(results, "a.pdf")
    with pytest.raises(InputError, match="given 'rank_2'"):
        draw_box_plots(results, tmp_path / "d.png", scores=["rank_2"])
    with pytest.raises(InputError, match="contains no mean_inp"):
        draw_box_plots(results, tmp_path / "d.png", scores=["mean_inp"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="contains no results"):
        read_many([tmp_path / "empty"])
    assert not (tmp_path / "d.png").exists()


def test_the_plane_is_that_of_the_greatest_variance():
    random = np.random.default_rng(0)
    embeddings = random.normal(size=(50, 6)) * [1, 5, 0.1, 3, 0.5, 0.2] + 7
    points, shares = principal_plane(embeddings)
    # By the covariance, whose eigenvectors the components are.
    values, vectors = np.linalg.eigh(np.cov(embeddings.T))
    expected = (embeddings - embeddings.mean(0)) @ vectors[:, [-1, -2]]
    np.testing.assert_allclose(np.abs(points), np.abs(expected), rtol=1e-8)
    np.testing.assert_allclose(shares, values[[-1, -2]] / values.sum())
    np.testing.assert_allclose(principal_plane(-embeddings)[0], -points, rtol=1e-8)
    with pytest.raises(InputError, match="N > 2"):
        principal_plane(embeddings[:2])


@pytest.fixture
def split(tmp_path):
    def samples(part, people, cameras):
        made = []
        for i, (person, camera) in enumerate(zip(people, cameras, strict=True)):
            file = tmp_path / f"{part}{i}.png"
            Image.new("RGB", (20, 40), (100, 100, 100)).save(file)
            made.append(Sample(file, f"{part}/{i}.png", person, camera))
        return tuple(made)

    return Split("toy", tmp_path, (), samples("query", [1, 2], [1, 1]),
                 samples("gallery", [1, 2, -1, 1, 4], [1, 2, 2, 2, 2]))  # fmt: skip


QUERY = np.array([[0.0, 0], [0.2, 0]])
GALLERY = np.array([[0.0, 0], [0.25, 0], [0.1, 0], [0.5, 0], [0.6, 0]])


def test_distances_of_the_pairs_that_are_ranked(split, tmp_path):
    found = pair_distances(split, QUERY, GALLERY, metric="euclidean")
    # Query 0 shares its camera with gallery 0, and gallery 2 is junk.
    np.testing.assert_allclose(sorted(found.same), [0.05, 0.5], atol=1e-6)
    np.testing.assert_allclose(sorted(found.other), [0.2, 0.25, 0.3, 0.4, 0.6], atol=1e-6)
    edges, same, other = found.shares()
    assert same.sum() == other.sum() == pytest.approx(1)
    assert same[0] == 0.5
    assert other[-1] == pytest.approx(0.2)
    assert len(edges) == len(same) + 1
    draw_distances({"a": found}, tmp_path / "a.png", metric="euclidean")
    assert Image.open(tmp_path / "a.png").width == 900
    one = pair_distances(split, QUERY, GALLERY, metric="euclidean", most=1, seed=1)
    assert (one.queries, one.of_queries) == (1, 2)
    with pytest.raises(InputError, match="at least one query: given 0"):
        pair_distances(split, QUERY, GALLERY, metric="euclidean", most=0)


def test_the_plane_of_test_pictures(split, tmp_path):
    plane = plane_of(split, QUERY, GALLERY, metric="euclidean")
    # Person 4 is nobody's query, and junk is nobody.
    assert sorted(plane.people.tolist()) == [1, 1, 1, 2, 2]
    assert plane.shares[0] == pytest.approx(1)
    x = np.array([0, 0.2, 0, 0.25, 0.5])
    np.testing.assert_allclose(plane.points[:, 0], x - x.mean(), atol=1e-12)
    draw_plane(plane, tmp_path / "a.svg")
    assert (tmp_path / "a.svg").stat().st_size > 1000
    with pytest.raises(InputError, match="given 1 and 5"):
        plane_of(split, QUERY[:1], GALLERY, metric="euclidean")


GREEN, RED = (0, 150, 80), (214, 39, 40)


def test_two_runs_side_by_side(split, tmp_path):
    good = Side("good", QUERY, GALLERY, "euclidean")
    bad = Side("bad", QUERY, -GALLERY, "euclidean")
    frame = 88 * 168 - 80 * 160
    counts = {}
    for choice in ("gained", "lost"):
        target = tmp_path / f"{choice}.png"
        draw_lists_of_two(split, good, bad, target, rows=1, top=1, choice=choice)
        pixels = np.asarray(Image.open(target))
        counts[choice] = [(pixels == colour).all(2).sum() // frame for colour in (GREEN, RED)]
        left = np.argwhere((pixels == GREEN).all(2))[:, 1]
        assert left.size == 0 or left.max() < pixels.shape[1] - 100
    # Query 1 finds its person first in the good run alone, query 0 another person in both.
    assert counts == {"gained": [1, 1], "lost": [0, 2]}
    with pytest.raises(InputError, match="given 'nicest'"):
        draw_lists_of_two(split, good, bad, tmp_path / "a.png", choice="nicest")
