import numpy as np
import pytest
import torch
from PIL import Image

import passerby
from passerby.embedding.embedder import Embedder
from passerby.figures.masks import COLOURS, HEIGHT, draw_masks, heat_map, masks_of, range_of
from passerby.methods import bag_of_tricks, feature_mask, msreid
from passerby.types import InputError


def model_of(module):
    torch.manual_seed(0)
    recipe = module.Recipe.small()
    return Embedder(module.METHOD, recipe, module.METHOD.network(recipe))


@pytest.fixture(scope="module")
def samples(market):
    return passerby.load("market1501", market).query[:3]


def test_the_masks_are_the_networks(samples):
    model = model_of(feature_mask)
    found = masks_of(model, samples)
    assert found.shape == (3, 32, 16)
    for sample, mask in zip(samples, found, strict=True):
        made = Image.open(sample.file).resize((64, 128), Image.Resampling.BILINEAR)
        x = (np.asarray(made) / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
        with torch.no_grad():
            expected = model.network.mask(torch.tensor(x).float().permute(2, 0, 1)[None])
        np.testing.assert_allclose(mask, expected[0, 0], rtol=1e-3)
    assert (found >= 1).all()
    assert not model.network.training


def test_a_method_without_a_mask_is_one_clear_line(samples):
    with pytest.raises(InputError, match="bag_of_tricks has no mask to draw"):
        masks_of(model_of(bag_of_tricks), samples)


def test_heat_runs_from_the_least_to_the_greatest():
    mask = np.array([[1.0, 2.0], [3.0, 5.0]])
    heat = heat_map(mask, 2, 2).astype(int)
    assert tuple(heat[0, 0]) == COLOURS[0]
    assert tuple(heat[0, 1]) == COLOURS[1]
    assert tuple(heat[1, 0]) == COLOURS[2]
    assert tuple(heat[1, 1]) == COLOURS[-1]
    assert np.unique(heat_map(np.full((3, 3), 7.0), 4, 4).reshape(-1, 3), axis=0).tolist() == [
        list(COLOURS[0])
    ]


def test_the_mask_is_stretched_over_the_picture():
    mask = np.ones((4, 2))
    mask[3, 1] = 9
    heat = heat_map(mask, 80, 40).astype(int).sum(2)
    assert heat[70:, 30:].min() > heat[:50, :].max()
    assert heat[70:, 30:].min() > heat[:, :10].max()


def test_the_figure_shows_every_picture_and_its_heat(samples, tmp_path):
    target = tmp_path / "masks.png"
    masks = np.ones((3, 4, 2))
    draw_masks(samples, masks, target, columns=2)
    one = Image.open(target)
    draw_masks(samples[:1], masks[:1], target, columns=2)
    assert one.height > HEIGHT * 2
    assert one.height - Image.open(target).height > HEIGHT
    # The first picture itself: green, red and blue as the file has them.
    shown = np.asarray(one.convert("RGB")).astype(float)
    own = Image.open(samples[0].file).convert("RGB").resize((80, 160), Image.Resampling.LANCZOS)
    windows = [
        np.abs(shown[y : y + 160, x : x + 80] - np.asarray(own, float)).max()
        for y in range(16, 60)
        for x in range(10, 40)
    ]
    assert min(windows) == 0


def test_what_cannot_be_drawn(samples, tmp_path):
    masks = np.ones((3, 4, 2))
    for pictures, given, columns, name, message in (
        (samples, masks[:2], 2, "a.png", "given 3 pictures, masks"),
        ([], masks[:0], 2, "a.png", "given 0 pictures"),
        (samples, masks, 0, "a.png", "0 columns"),
        (samples, masks * np.nan, 2, "a.png", "finite"),
        (samples, masks, 2, "a.jpg", "as .png"),
    ):
        with pytest.raises(InputError, match=message):
            draw_masks(pictures, given, tmp_path / name, columns=columns)
    assert not list(tmp_path.iterdir())


def test_a_mask_and_its_reverse(samples, tmp_path):
    model = model_of(msreid)
    masks = masks_of(model, samples)
    assert masks.shape == (3, 8, 4)
    assert 0 < masks.min() < masks.max() < 1
    draw_masks(samples, masks, tmp_path / "one.png", columns=3)
    draw_masks(samples, masks, tmp_path / "both.png", columns=3, reverse=True)
    one, both = Image.open(tmp_path / "one.png"), Image.open(tmp_path / "both.png")
    # Three pictures, 80 pixels wide.
    assert both.width - one.width == 3 * 80
    shown, alone = np.asarray(both).astype(int), np.asarray(one).astype(int)
    np.testing.assert_array_equal(shown[36:196, 16 : 16 + 160], alone[36:196, 16 : 16 + 160])
    # Grey picture and heat in equal shares on both sides: the two heats add up alike everywhere.
    place = (slice(36, 196), slice(16 + 160, 16 + 240))
    grey = Image.open(samples[0].file).resize((80, 160), Image.Resampling.LANCZOS).convert("L")
    heat = heat_map(1 - masks[0], 160, 80)
    expected = 0.45 * np.asarray(grey)[..., None] + 0.55 * heat
    assert np.abs(shown[place] - expected).max() < 2


def test_a_mask_above_1_has_no_reverse(samples, tmp_path):
    with pytest.raises(InputError, match=r"from 0 to 1 .* go from 1 to 2"):
        draw_masks(samples, np.ones((3, 4, 2)) + np.eye(4, 2), tmp_path / "a.png", reverse=True)
    assert not list(tmp_path.iterdir())


def test_without_the_mask_branch_there_is_none_to_draw(samples):
    recipe = msreid.Recipe(**{**vars(msreid.Recipe.small()), "mask": False})
    model = Embedder(msreid.METHOD, recipe, msreid.METHOD.network(recipe))
    with pytest.raises(InputError, match="no mask: this"):
        masks_of(model, samples)


def test_values_are_said_so_that_they_differ():
    ranges = [np.array([0.1, 0.9]), np.array([0.686, 0.688]), np.array([0.5, 0.5])]
    assert range_of(ranges) == "0.10 - 0.90 | 0.686 - 0.688 | 0.500 - 0.500"


def test_a_long_title_takes_several_lines(samples, tmp_path):
    masks = np.ones((3, 4, 2))
    for name, title in (("short", "a few words"), ("long", "a few words " * 20)):
        draw_masks(samples, masks, tmp_path / f"{name}.png", title=title, columns=3)
    short, long = (Image.open(tmp_path / f"{name}.png") for name in ("short", "long"))
    assert short.width == long.width
    more = long.height - short.height
    assert more >= 32
    below = np.asarray(long)[36 + more :]
    np.testing.assert_array_equal(below, np.asarray(short)[36:])
