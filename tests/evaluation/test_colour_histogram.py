import colorsys

import numpy as np
import pytest
from PIL import Image

from passerby.evaluation.colour_histogram import colour_histogram, histogram_embeddings, hsv
from passerby.types import InputError, Sample


def picture(seed=0, height=13, width=7):
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
    image[0, :5] = [[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 255], [90, 90, 90]]
    return image


def naive(image, stripes):
    parts = []
    height, width, _ = image.shape
    for i in range(stripes):
        histogram = np.zeros((8, 8, 8))
        rows = [
            y for y in range(height) if i * height // stripes <= y < (i + 1) * height // stripes
        ]
        for y in rows:
            for x in range(width):
                place = [min(int(v * 8), 7) for v in colorsys.rgb_to_hsv(*(image[y, x] / 255.0))]
                histogram[tuple(place)] += 1
        parts.append(histogram.ravel() / (len(rows) * width) / stripes)
    return np.concatenate(parts)


def test_hsv_agrees_with_the_standard_library():
    image = picture(1, 40, 40)
    expected = [[colorsys.rgb_to_hsv(*(pixel / 255.0)) for pixel in row] for row in image]
    np.testing.assert_allclose(hsv(image), expected, atol=1e-12)


@pytest.mark.parametrize("stripes", [1, 2, 6, 13])
def test_equals_counting_pixel_by_pixel(stripes):
    image = picture(2)
    result = colour_histogram(image, stripes)
    assert result.shape == (512 * stripes,)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result.astype(float) ** 2, naive(image, stripes), atol=1e-6)
    assert np.linalg.norm(result) == pytest.approx(1, abs=1e-6)


def test_embeds_samples_and_their_boxes(tmp_path):
    image = picture(3, 20, 10)
    Image.fromarray(image).save(tmp_path / "a.png")
    whole = Sample(tmp_path / "a.png", "a.png", 1, 1)
    boxed = Sample(tmp_path / "a.png", "a.png", 1, 1, box=(2, 3, 5, 12))
    result = histogram_embeddings([whole, boxed], stripes=6)
    np.testing.assert_array_equal(result[0], colour_histogram(image, 6))
    np.testing.assert_array_equal(result[1], colour_histogram(image[3:15, 2:7], 6))


@pytest.mark.parametrize("stripes", [0, -1, 14])
def test_stripes_must_fit(stripes):
    with pytest.raises(InputError, match=f"height of 13: given {stripes}"):
        colour_histogram(picture(), stripes)


def test_no_samples():
    with pytest.raises(InputError, match="at least one picture"):
        histogram_embeddings([])
