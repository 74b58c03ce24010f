"""`synthetic v1` is frozen: every quoted result was measured on these very people."""

import json
from pathlib import Path

import numpy as np
import pytest

from passerby.drawing.v1.plan import VERSION, SyntheticRecipe, entries
from passerby.drawing.v1.world import World

# 25 pictures spread over the set: mean colours of 8 x 4 cells and the mean of the mask, as they
# were drawn when the set was frozen. A change that breaks this is v2 and measures everything anew.
FROZEN = json.loads(Path(__file__).with_name("synthetic_v1.json").read_text())


@pytest.fixture(scope="module")
def world():
    return World.of(SyntheticRecipe())


def test_the_plan_is_v1():
    plan = entries(SyntheticRecipe())
    assert VERSION == "v1"
    assert list(FROZEN) == [f"{e.folder}/{e.stem}" for e in plan[:: len(plan) // 24]]
    counts = {folder: sum(e.folder == folder for e in plan) for folder in {e.folder for e in plan}}
    assert counts["bounding_box_train"] == 3998
    assert counts["query"] == 916
    assert counts["bounding_box_test"] == 4187


@pytest.mark.parametrize("index", range(0, 25, 4))
def test_the_pictures_are_v1(world, index):
    plan = entries(SyntheticRecipe())
    entry = plan[index * (len(plan) // 24)]
    drawn, frozen = world.draw(entry), FROZEN[f"{entry.folder}/{entry.stem}"]
    colours = drawn.image.astype(float).reshape(8, 16, 4, 16, 3).mean((1, 3)).ravel()
    # Other processors round otherwise in the last digit.
    np.testing.assert_allclose(colours, frozen["colours"], atol=0.5)
    assert drawn.mask.mean() == pytest.approx(frozen["mask"], abs=0.5)
