import numpy as np
import pytest
import torch
from PIL import Image

import passerby
from passerby.embedding.embedder import Embedder
from passerby.figures.attention import (
    HEIGHT,
    WIDTH,
    _parts_under_heat,
    attention_of,
    draw_attention,
)
from passerby.methods import attention_driven, bag_of_tricks, msreid
from passerby.types import InputError


def model_of(module, **changes):
    torch.manual_seed(0)
    recipe = module.Recipe(**{**vars(module.Recipe.small()), **changes})
    return Embedder(module.METHOD, recipe, module.METHOD.network(recipe))


@pytest.fixture(scope="module")
def samples(market):
    return passerby.load("market1501", market).query[:3]


def test_the_maps_are_the_networks(samples):
    model = model_of(attention_driven)
    found = attention_of(model, samples)
    assert found.shape == (3, 2, 3, 48, 12)
    made = model.inputs.make(passerby_picture(samples[0]))
    inputs = {
        name: (torch.tensor(pixels).permute(2, 0, 1)[None] - 255 * torch.tensor(
            model.inputs.specs[name].mean).view(1, 3, 1, 1)).float()
        for name, pixels in made.items()
    }  # fmt: skip
    with torch.no_grad():
        expected = model.network.attention_maps(**inputs)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-3, atol=1e-4)


def passerby_picture(sample):
    from passerby.data.images import read_image
    from passerby.types import Picture

    return Picture(read_image(sample.file))


def test_the_figure_shows_the_whole_body_and_the_parts(samples, tmp_path):
    model = model_of(attention_driven)
    target = tmp_path / "attention.png"
    draw_attention(model, samples, target, columns=2)
    shown = Image.open(target)
    assert shown.width > 8 * WIDTH
    assert shown.height > 4 * HEIGHT
    draw_attention(model, samples[:1], target)
    small = np.asarray(Image.open(target).convert("RGB")).astype(int)
    whole = model.inputs.make(passerby_picture(samples[0]))["whole"]
    own = Image.fromarray(whole).resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
    differences = [
        np.abs(small[y : y + HEIGHT, x : x + WIDTH] - np.asarray(own, int)).max()
        for y in range(16, 60)
        for x in range(10, 30)
    ]
    assert min(differences) == 0


def test_each_part_has_its_own_colours():
    """A part that is weighted little shows where it looks, as one that is weighted much."""
    slope = np.tile(np.linspace(0, 1, 6), (2, 1))
    maps = np.concatenate([slope * 0.01 + level for level in (0.1, 0.3, 0.6, 0.9)])
    grey = Image.new("RGB", (WIDTH, HEIGHT), (90, 90, 90))
    pixels = np.asarray(_parts_under_heat(grey, maps))
    quarter = HEIGHT // 4
    for part in range(4):
        own = pixels[part * quarter : (part + 1) * quarter]
        np.testing.assert_array_equal(own, pixels[:quarter])
        assert int(own[:, -1].sum()) > int(own[:, 0].sum())


def test_what_cannot_be_drawn(samples, tmp_path):
    with pytest.raises(InputError, match="bag_of_tricks has no attention maps"):
        attention_of(model_of(bag_of_tricks), samples)
    with pytest.raises(InputError, match="no intra-attention"):
        attention_of(model_of(attention_driven, attention="none"), samples)
    model = model_of(attention_driven)
    with pytest.raises(InputError, match=r"drawn as \.png"):
        draw_attention(model, samples, tmp_path / "a.jpg")
    with pytest.raises(InputError, match="at least one picture"):
        draw_attention(model, [], tmp_path / "a.png")


def test_msreids_maps_are_what_its_attention_multiplies_by(samples, tmp_path):
    model = model_of(msreid)
    found = attention_of(model, samples)
    size = model.inputs.specs["image"]
    assert found.shape == (3, 1, 4, size.height // 4, size.width // 4)
    ratios = []

    def listen(module, given, output):
        ratios.append((output / given[0]).nanmean(1))

    hooks = [module.register_forward_hook(listen) for module in model.network.attention]
    model.embed_samples(samples)
    for hook in hooks:
        hook.remove()
    np.testing.assert_allclose(found[:, 0, 0], ratios[0], rtol=1e-3, atol=1e-4)
    # Those behind later layers are stretched: the mean stays about what it was.
    for place in (1, 2, 3):
        assert found[:, 0, place].mean() == pytest.approx(float(ratios[place].mean()), abs=0.01)
    draw_attention(model, samples, tmp_path / "attention.svg")
    assert (tmp_path / "attention.svg").read_text().startswith("<svg")
    with pytest.raises(InputError, match="attention=False"):
        attention_of(model_of(msreid, attention=False), samples)
