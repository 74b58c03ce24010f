"""The baseline that a network must beat: compare the colours of the pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from passerby.data.images import read_image
from passerby.types import InputError, Sample

BINS = 8
"""Bins of equal width for each of hue, saturation and value."""


def hsv(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """RGB bytes (H, W, 3) to hue, saturation, value (H, W, 3), each 0-1 (Smith 1978).

    Grey pixels have hue 0, black ones saturation 0 as well.
    """
    rgb = image.astype(np.float64) / 255
    value, low = rgb.max(2), rgb.min(2)
    spread = value - low
    coloured = np.where(spread > 0, spread, 1)
    red, green, blue = ((value - rgb[..., channel]) / coloured for channel in range(3))
    sector = np.where(
        rgb[..., 0] == value,
        blue - green,
        np.where(rgb[..., 1] == value, 2 + red - blue, 4 + green - red),
    )
    hue = np.where(spread > 0, sector / 6 % 1, 0)
    saturation = spread / np.where(value > 0, value, 1)
    return np.stack([hue, saturation, value], axis=2)


def colour_histogram(image: NDArray[np.uint8], stripes: int = 1) -> NDArray[np.float32]:
    """Square roots of an 8 x 8 x 8 HSV histogram of each horizontal stripe, concatenated.

    The histogram of each stripe is divided by its number of pixels and by the number of stripes,
    so that all sums to 1. Of its square root the Euclidean distance is sqrt(2) times the Hellinger
    distance of the histograms (per stripe), and the evaluation needs no metric of its own;
    histogram intersection ranks similarly.

    Args:
        image: (H, W, 3) RGB, H >= stripes.
        stripes: how many, from the top; stripe i starts at row floor(i H / stripes).

    Returns:
        (512 stripes,), of Euclidean length 1.

    Raises:
        InputError: stripes below 1 or more than the picture has rows.
    """
    height = len(image)
    if not 1 <= stripes <= height:
        raise InputError(
            f"stripes must lie between 1 and the picture's height of {height}: given {stripes}"
        )
    bins = np.minimum((hsv(image) * BINS).astype(np.int64), BINS - 1)
    codes = (bins[..., 0] * BINS + bins[..., 1]) * BINS + bins[..., 2]
    edges = [i * height // stripes for i in range(stripes + 1)]
    counts = [
        np.bincount(codes[top:end].ravel(), minlength=BINS**3) / codes[top:end].size
        for top, end in zip(edges, edges[1:], strict=False)
    ]
    return np.sqrt(np.concatenate(counts) / stripes).astype(np.float32)


def histogram_embeddings(samples: Sequence[Sample], stripes: int = 1) -> NDArray[np.float32]:
    """Embeds pictures by their colours alone; compare with the Euclidean distance.

    Args:
        samples: N pictures.
        stripes: 1 for the whole picture, 6 as in early re-identification work.

    Returns:
        (N, 512 stripes) float32.

    Raises:
        InputError: no samples, a picture that cannot be read, or as `colour_histogram`.
    """
    if not samples:
        raise InputError("colour histograms need at least one picture: given none")
    return np.stack(
        [colour_histogram(read_image(sample.file, sample.box), stripes) for sample in samples]
    )
