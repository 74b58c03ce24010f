import numpy as np
import pytest
from PIL import Image

from passerby.figures.curves import draw_cmc_and_roc, low_end
from passerby.ranking.verification import verify_distances
from passerby.types import InputError

CMC = np.array([0.2, 0.5, 1.0])


def roc(distances, others=2000):
    """Of distances to pictures of the query's person, then to so many of others."""
    ids = [1] * (len(distances) - others) + [2] * others
    return verify_distances(distances[None], [1], ids)


def test_every_curve_is_in_the_picture(tmp_path):
    one, two = CMC, np.linspace(0.5, 1, 50)
    found = {"one": roc(np.array([0.1, 0.2, 0.3]), 1)}
    draw_cmc_and_roc({"one": one}, found, tmp_path / "1.png")
    draw_cmc_and_roc({"one": one, "two": two}, found, tmp_path / "2.png")
    with Image.open(tmp_path / "1.png") as first, Image.open(tmp_path / "2.png") as second:
        assert first.size == second.size == (1800, 600)
        colours = [set(map(tuple, np.asarray(p.convert("RGB"))[:, :900].reshape(-1, 3))) for p in
                   (first, second)]  # fmt: skip
    blue, orange = (31, 119, 180), (255, 127, 14)  # matplotlib's first and second
    assert blue in colours[0]
    assert orange not in colours[0]
    assert {blue, orange} <= colours[1]


def test_nothing_to_draw(tmp_path):
    found = {"one": roc(np.array([0.1, 0.2, 0.3]), 1)}
    for cmc, rocs in (({}, found), ({"none": np.empty(0)}, found), ({"one": CMC}, {})):
        with pytest.raises(InputError, match="at least one curve"):
            draw_cmc_and_roc(cmc, rocs, tmp_path / "c.png")
    assert list(tmp_path.iterdir()) == []


def lowest_blue(file):
    """How far down the ROC goes, in pixels from the top; its sample in the legend aside."""
    with Image.open(file) as picture:
        pixels = np.asarray(picture.convert("RGB"))[:, 900:]
    rows, _ = np.nonzero((pixels[:, : pixels.shape[1] // 2] == (31, 119, 180)).all(2))
    return rows.max()


def test_roc_of_a_good_and_of_a_bad_distance(tmp_path):
    random = np.random.default_rng(0)
    apart = np.append(random.uniform(0, 1, 300), random.uniform(2, 3, 2000))
    mixed = random.uniform(0, 1, 2300)
    for name, distances in (("good", apart), ("bad", mixed)):
        draw_cmc_and_roc({name: CMC}, {name: roc(distances)}, tmp_path / f"{name}.png")
    # The good one finds all pairs of one person before it takes one of two.
    assert lowest_blue(tmp_path / "good.png") < 60
    assert lowest_blue(tmp_path / "bad.png") > 400


def test_the_axis_starts_below_every_curve():
    assert [low_end(least) for least in (0, 0.1, 0.5, 0.6, 0.61, 0.93, 1.0)] == [
        0,
        0,
        0,
        50,
        60,
        90,
        90,
    ]
