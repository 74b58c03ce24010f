import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import passerby
from passerby.cli.main import run as passerby_run
from passerby.embedding.embedder import Embedder
from passerby.figures.drawing_part import drawing_part
from passerby.figures.hidden import draw_hidden, hidden_of
from passerby.figures.masks import HEIGHT, masks_of
from passerby.methods import bag_of_tricks, feature_mask
from passerby.methods.generated_masks import METHOD, Recipe
from passerby.types import InputError


def model_of(module, recipe=None):
    recipe = recipe or module.Recipe.small()
    torch.manual_seed(0)
    return Embedder(module.METHOD, recipe, module.METHOD.network(recipe))


@pytest.fixture(scope="module")
def samples(market):
    return passerby.load("market1501", market).query[:3]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run's files: the network of its last stage, and the criteria of two stages."""
    run = tmp_path_factory.mktemp("hidden") / "run"
    recipe = Recipe(**{**vars(Recipe.small()), "height": 32, "width": 16, "filters": (2, 3, 4)})
    torch.manual_seed(0)
    network = METHOD.network(recipe)
    Embedder(METHOD, recipe, network).save(run)
    (run / "stages").mkdir()
    for stage in ("extractor", "joint"):
        save_file(network.state_dict(), run / "stages" / f"{stage}.safetensors")
        criterion = METHOD.criterion(recipe, network, 5)
        torch.nn.init.normal_(criterion.generator.last.weight, std=3)
        save_file(criterion.state_dict(), run / "stages" / f"{stage}.criterion.safetensors")
    return run, criterion.eval()


def by_hand(criterion, sample):
    made = Image.open(sample.file).resize((16, 32), Image.Resampling.BILINEAR)
    x = (np.asarray(made) / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    with torch.no_grad():
        return criterion.generator(torch.tensor(x).float().permute(2, 0, 1)[None])[0, 0].numpy()


def test_masks_and_hidden_pixels_are_the_last_stages(run, samples):
    folder, criterion = run
    model = Embedder.load(folder)
    masks, hidden = hidden_of(model, folder, samples)
    assert masks.shape == hidden.shape == (3, 32, 16)
    for sample, mask, gone in zip(samples, masks, hidden, strict=True):
        np.testing.assert_allclose(mask, by_hand(criterion, sample), atol=1e-5)
        assert gone.sum() == round(0.3 * 32 * 16)
        assert mask[gone].min() >= mask[~gone].max()
    source = drawing_part(model, folder, "mask")
    np.testing.assert_array_equal(masks_of(model, samples, source=source), masks)
    first = Embedder.load(folder, stage="extractor")
    assert not np.allclose(hidden_of(first, folder, samples)[0], masks)


def test_a_network_that_can_draw_is_taken_before_the_criterion(tmp_path):
    model = model_of(feature_mask)
    assert drawing_part(model, tmp_path, "mask") is model.network


def test_what_cannot_draw(run, tmp_path):
    folder, _ = run
    with pytest.raises(InputError, match="bag_of_tricks has no hidden pixels to draw"):
        drawing_part(model_of(bag_of_tricks), folder, "hidden_pixels")
    with pytest.raises(
        InputError, match=r"lacks what only training needed: .*joint\.criterion\.safetensors"
    ):
        drawing_part(Embedder.load(folder), tmp_path, "mask")
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages" / "joint.criterion.safetensors").write_bytes(b"12345678")
    with pytest.raises(InputError, match="does not fit generated_masks"):
        drawing_part(Embedder.load(folder), tmp_path, "mask")


def test_the_figure_shows_picture_mask_and_what_is_left(samples, tmp_path):
    masks = np.zeros((1, 8, 4))
    masks[0, 2:4, 1] = 1.0
    hidden = masks > 0.5
    draw_hidden(samples[:1], masks, hidden, tmp_path / "one.png")
    shown = np.asarray(Image.open(tmp_path / "one.png").convert("RGB")).astype(int)
    own = Image.open(samples[0].file).convert("RGB").resize((80, 160), Image.Resampling.LANCZOS)
    own = np.asarray(own).astype(int)
    places = [
        (y, x)
        for y in range(16, 60)
        for x in range(10, 40)
        if (shown[y : y + 160, x : x + 80] == own).all()
    ]
    ((y, x),) = places
    mask, left = (shown[y : y + 160, x + k * 80 : x + (k + 1) * 80] for k in (1, 2))
    assert (mask[100:] == 255).all()
    assert mask[55:65, 28:32].max() < 30
    # Two of eight rows, one of four columns: 40 x 20 pixels of 160 x 80.
    black = np.zeros((160, 80), bool)
    black[40:80, 20:40] = True
    assert (left[black] == 0).all()
    assert (left[~black] == own[~black]).all()


def test_figures_that_cannot_be(samples, tmp_path):
    masks = np.ones((3, 8, 4))
    hidden = masks > 0
    for pictures, some, gone, columns, name, message in (
        (samples, masks[:2], hidden[:2], 2, "a.png", "given 3 pictures"),
        (samples, masks, hidden[:, :4], 2, "a.png", "given 3 pictures"),
        ([], masks[:0], hidden[:0], 2, "a.png", "given 0 pictures"),
        (samples, masks, hidden, 0, "a.png", "0 columns"),
        (samples, masks, hidden, 2, "a.jpg", "as .png"),
    ):
        with pytest.raises(InputError, match=message):
            draw_hidden(pictures, some, gone, tmp_path / name, columns=columns)
    assert not list(tmp_path.iterdir())


def test_on_the_command_line(run, market, tmp_path):
    folder, _ = run
    for figure in ("hidden", "masks"):
        target = tmp_path / f"{figure}.png"
        command = ["figures", figure, str(folder), "--root", str(market), "--out", str(target)]
        assert passerby_run([*command, "--count", "2"]) == 0
        assert Image.open(target).height > HEIGHT
