"""What another camera would have made of a picture: its colours, its sharpness, its framing.

Colours are changed in the order of a camera: gain of each channel, gamma, contrast, brightness
(one table of 256 bytes a channel), then hue, saturation and grey (one matrix for all pixels), with
v between 0 and 1 and g normally distributed:

    v <- (v exp(gain g_c)) ^ exp(gamma g); v <- (v - 1/2) exp(contrast g) + 1/2 + brightness g
    rgb <- hue turns it about the grey axis; rgb <- grey + (rgb - grey) exp(saturation g)
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from passerby.data.transforms import crop, resize
from passerby.types import CameraChanges, Picture

Pixels = NDArray[np.uint8]

UNSEEN_CAMERAS = CameraChanges(
    scale=(0.85, 1.0), patch=0.4, gain=0.18, gamma=0.3, contrast=0.2, brightness=0.1, hue=0.5,
    saturation=0.4, grey=0.05, coarse=0.25, noise=0.03,
)  # fmt: skip
"""For networks that are to work on cameras that they have never seen."""

LUMA = np.array([0.299, 0.587, 0.114])
"""Weights of red, green and blue in a grey (ITU-R BT.601)."""


def change_camera(
    picture: Picture,
    changes: CameraChanges,
    rng: np.random.Generator,
    other: Callable[[int], Pixels],
) -> Picture:
    """The picture as another camera might have taken it; mask and joints follow its framing.

    Args:
        picture: of the size that it keeps.
        changes: how much.
        rng: keyed by seed, epoch and sample.
        other: a number from 0 to 2^31 - 1 to the pixels (H', W', 3) of another picture, of which
            patches are cut.
    """
    picture = reframed(picture, changes.scale, rng)
    image = picture.image
    if rng.random() < changes.patch:
        image = patched(image, other(int(rng.integers(2**31))), changes, rng)
    image = recoloured(image, *colours(changes, rng))
    image = blurred(image, changes, rng)
    if changes.noise:
        image = noisy(image, rng.uniform(0, changes.noise), rng)
    if rng.random() < changes.jpeg:
        image = compressed(image, int(rng.integers(changes.quality[0], changes.quality[1] + 1)))
    return Picture(image, picture.mask, picture.joints)


def reframed(picture: Picture, scale: tuple[float, float], rng: np.random.Generator) -> Picture:
    """A window of the picture, each side a share in `scale` of it, at the picture's size."""
    if scale == (1.0, 1.0):
        return picture
    height, width = picture.image.shape[:2]
    tall, wide = (max(1, round(side * rng.uniform(*scale))) for side in (height, width))
    top, left = int(rng.integers(height - tall + 1)), int(rng.integers(width - wide + 1))
    if (tall, wide) == (height, width):
        return picture
    return resize(crop(picture, top, left, tall, wide), height, width)


def patched(
    image: Pixels, other: Pixels, changes: CameraChanges, rng: np.random.Generator
) -> Pixels:
    """The picture with a piece of another one over it, where something might stand in front."""
    height, width = image.shape[:2]
    area = rng.uniform(*changes.patch_area) * height * width
    ratio = math.exp(rng.uniform(*np.log(changes.patch_ratio)))
    tall = min(height, max(1, round(math.sqrt(area * ratio))))
    wide = min(width, max(1, round(math.sqrt(area / ratio))))
    top, left = rng.integers(height - tall + 1), rng.integers(width - wide + 1)
    piece = np.asarray(Image.fromarray(other).resize((width, height), Image.Resampling.NEAREST))
    from_top, from_left = rng.integers(height - tall + 1), rng.integers(width - wide + 1)
    image = image.copy()
    image[top : top + tall, left : left + wide] = piece[
        from_top : from_top + tall, from_left : from_left + wide
    ]
    return image


def colours(
    changes: CameraChanges, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Draws a camera's colours.

    Returns:
        Tables (3, 256) from a channel's byte to 0-1 (and beyond), and the matrix (3, 3) on rgb.
    """
    gains = np.exp(changes.gain * rng.standard_normal(3))
    gamma, contrast = np.exp(np.array([changes.gamma, changes.contrast]) * rng.standard_normal(2))
    brightness = changes.brightness * rng.standard_normal()
    values = np.linspace(0, 1, 256)
    tables = (gains[:, None] * values) ** gamma
    tables = (tables - 0.5) * contrast + 0.5 + brightness
    turned = rng.random() < changes.hue
    angle = rng.uniform(-changes.hue_turn, changes.hue_turn) if turned else 0.0
    saturation = math.exp(changes.saturation * rng.standard_normal())
    if rng.random() < changes.grey:
        saturation = 0.0
    to_grey = np.broadcast_to(LUMA, (3, 3))
    matrix = (to_grey + saturation * (np.eye(3) - to_grey)) @ turn_of_hue(angle)
    return tables.astype(np.float32), matrix.astype(np.float32)


def turn_of_hue(angle: float) -> NDArray[np.float64]:
    """(3, 3): the rotation of rgb about the axis of greys by so many radians (Rodrigues)."""
    cosine, sine = math.cos(angle), math.sin(angle) / math.sqrt(3)
    third = (1 - cosine) / 3
    across = np.array([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]])
    return cosine * np.eye(3) + third + sine * across


def recoloured(image: Pixels, tables: NDArray[np.float32], matrix: NDArray[np.float32]) -> Pixels:
    """Every pixel through its channel's table, then through the matrix."""
    through = np.empty(image.shape, np.float32)
    for channel in range(3):
        tables[channel].take(image[:, :, channel], out=through[:, :, channel], mode="clip")
    mixed = through.reshape(-1, 3) @ (255 * matrix.T)
    return _bytes(mixed).reshape(image.shape)


def blurred(image: Pixels, changes: CameraChanges, rng: np.random.Generator) -> Pixels:
    """Out of focus, and taken from afar: made smaller and large again."""
    height, width = image.shape[:2]
    out_of_focus, from_afar = rng.random() < changes.blur, rng.random() < changes.coarse
    radius, share = rng.uniform(*changes.blur_radius), rng.uniform(*changes.coarse_scale)
    if not (out_of_focus or from_afar):
        return image
    made = Image.fromarray(image)
    if out_of_focus:
        made = made.filter(ImageFilter.GaussianBlur(radius))
    if from_afar:
        small = (max(1, round(width * share)), max(1, round(height * share)))
        made = made.resize(small, Image.Resampling.BILINEAR)
        made = made.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(made)


def noisy(image: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """With noise of that standard deviation, where 1 is white, each byte's its own.

    It is the sum of two evenly distributed bytes: drawn in a quarter of a normal one's time.
    """
    dice = rng.integers(0, 256, (2, *image.shape), np.uint8)
    noise = dice[0].astype(np.float32)
    noise += dice[1]
    noise -= 255
    noise *= np.float32(255 * strength / math.sqrt((256**2 - 1) / 6))
    return _bytes(noise + image)


def compressed(image: Pixels, quality: int) -> Pixels:
    """The picture after JPEG at this quality, 1 to 95."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream))


def _bytes(values: NDArray[np.float32]) -> Pixels:
    """Numbers 0-255 (and beyond) to the nearest byte, in place."""
    values += np.float32(0.5)
    np.clip(values, 0, 255, out=values)
    return values.astype(np.uint8)
