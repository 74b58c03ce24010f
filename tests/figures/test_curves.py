import numpy as np
import pytest
from PIL import Image

from passerby.figures.curves import draw_cmc
from passerby.types import InputError


def test_every_curve_is_in_the_picture(tmp_path):
    one, two = np.array([0.2, 0.5, 1.0]), np.linspace(0.5, 1, 50)
    draw_cmc({"one": one}, tmp_path / "1.png")
    draw_cmc({"one": one, "two": two}, tmp_path / "2.png")
    with Image.open(tmp_path / "1.png") as first, Image.open(tmp_path / "2.png") as second:
        assert first.size == second.size == (900, 600)
        colours = [set(map(tuple, np.asarray(p.convert("RGB")).reshape(-1, 3))) for p in
                   (first, second)]  # fmt: skip
    blue, orange = (31, 119, 180), (255, 127, 14)  # matplotlib's first and second
    assert blue in colours[0]
    assert orange not in colours[0]
    assert {blue, orange} <= colours[1]


def test_nothing_to_draw(tmp_path):
    for curves in ({}, {"none": np.empty(0)}):
        with pytest.raises(InputError, match="at least one curve"):
            draw_cmc(curves, tmp_path / "c.png")
    assert list(tmp_path.iterdir()) == []
