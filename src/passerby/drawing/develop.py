"""From linear light to the stored bytes: lens, sensor, tone, sharpening, compression, scaling."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from passerby.drawing.camera import Sensor

Array = NDArray[np.float32]

_MOST = 2.5
"""Linear light that still fits the bytes between lens and sensor."""
_TOE = 0.012
"""Keeps what is dark apart instead of cutting it off at black."""
_GREY = np.array([0.3, 0.59, 0.11], np.float32)


def develop(
    sensor: Sensor,
    light: Array,
    gain: NDArray[np.float64],
    own: tuple[int, int],
    size: tuple[int, int],
    smear: float,
    draw: np.random.Generator,
) -> NDArray[np.uint8]:
    """What the camera stores of a box.

    Args:
        sensor: the camera's.
        light: (h, w, 3) linear light of the box.
        gain: (3,) exposure and white balance of this picture.
        own: height, width of the box in the camera's own picture.
        size: height, width of the stored picture.
        smear: length of the motion blur, pixels of the camera's own picture.
        draw: random numbers of this picture.

    Returns:
        (height, width, 3) RGB.
    """
    v = _lens(sensor, light * gain.astype(np.float32), own, smear)
    grain = draw.standard_normal(v.shape, np.float32)
    grain = 1.4 * grain.mean(axis=2, keepdims=True) + 0.3 * grain
    v += np.float32(sensor.noise) * (0.5 + 1.0 / (0.5 + 2 * np.clip(v, 0, 1))) * grain
    v = _tone(sensor, v)
    picture = Image.fromarray((np.clip(v, 0, 1) * 255 + 0.5).astype(np.uint8))
    if sensor.sharpen:
        percent = int(100 * sensor.sharpen)
        picture = picture.filter(ImageFilter.UnsharpMask(1.2, percent, 0))
    if sensor.compression:
        picture = _compressed(picture, sensor.compression, draw)
    if own != size:
        how = Image.Resampling.BICUBIC if draw.random() < 0.6 else Image.Resampling.BILINEAR
        picture = picture.resize((size[1], size[0]), how)
    return np.asarray(picture)


def _lens(sensor: Sensor, light: Array, own: tuple[int, int], smear: float) -> Array:
    """Scaled to the camera's own pixels and blurred; square root of the light."""
    coded = np.sqrt(np.clip(light * (255.0**2 / _MOST), 0, 255.0**2)).astype(np.uint8)
    picture = Image.fromarray(coded)
    if coded.shape[:2] != own:
        picture = picture.resize((own[1], own[0]), Image.Resampling.BILINEAR)
    if smear > 0.7:
        n = min(int(smear) + 1, max(1, own[1] // 4))
        a = np.asarray(picture, np.float32)
        padded = np.pad(a, ((0, 0), (n, n), (0, 0)), mode="edge")
        total = sum(padded[:, n + k : n + k + own[1]] for k in range(-(n // 2), n - n // 2))
        picture = Image.fromarray((np.asarray(total) / n).astype(np.uint8))
    if sensor.blur > 0.05:
        picture = picture.filter(ImageFilter.GaussianBlur(sensor.blur * own[0] / 128))
    return np.asarray(picture, np.float32) * np.float32(_MOST**0.5 / 255)


def _tone(sensor: Sensor, v: Array) -> Array:
    """Contrast with a soft toe, as film and sensors have it, tint of the shadows, saturation."""
    v = np.float32(sensor.exposure) + np.float32(sensor.contrast) * (
        v - np.float32(sensor.exposure)
    )
    v = 0.5 * (v + np.sqrt(v * v + np.float32(_TOE)))
    tint = sensor.shadows.astype(np.float32)
    tinted: Array = v * (1 - tint) + tint
    grey = (tinted @ _GREY)[..., None]
    out: Array = np.asarray(grey + sensor.saturation * (tinted - grey), np.float32)
    return out


def _compressed(picture: Image.Image, quality: int, draw: np.random.Generator) -> Image.Image:
    """Blocks of 8 pixels that start anywhere, as a box cut from a video frame has them."""
    left, top = (int(k) for k in draw.integers(0, 8, 2))
    w, h = picture.size
    frame = Image.new("RGB", (w + left, h + top), picture.getpixel((0, 0)))
    frame.paste(picture, (left, top))
    data = io.BytesIO()
    frame.save(data, "JPEG", quality=quality)
    return Image.open(data).crop((left, top, left + w, top + h))
