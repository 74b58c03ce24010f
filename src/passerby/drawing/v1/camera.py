"""A camera: where it hangs, its light, and how its sensor turns light into bytes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Camera:
    """One camera. World coordinates: right, up, ahead (metres, the ground at 0)."""

    height: float
    """Above the ground, metres."""
    tilt: float
    """Of the view below the horizon, radians."""
    focal: float
    """Pixels of its own picture on a unit of the plane z = 1: a person at 7 m is a quarter."""
    near: float
    """People walk no nearer than this, metres ahead."""
    far: float
    """People walk no farther than this, metres ahead."""
    path: float
    """Direction that most people walk, radians from straight ahead."""
    light: Vector
    """(3,) unit vector towards the directed light, in world coordinates."""
    sun: Vector
    """(3,) strength of the directed light."""
    ambient: Vector
    """(3,) strength of the light from everywhere."""
    balance: Vector
    """(3,) gain of red, green, blue, exposure included."""
    contrast: float
    """1 leaves it."""
    saturation: float
    """1 leaves it, 0 is grey."""
    haze: float
    """Share of grey mixed in."""
    blur: float
    """Radius of the lens blur, pixels of the camera's own picture."""
    noise: float
    """Standard deviation of the sensor's noise, 0-1."""
    quality: tuple[int, int]
    """Least and greatest JPEG quality."""

    @property
    def rotation(self) -> Vector:
        """(3, 3) from world directions to camera coordinates (right, down, ahead)."""
        c, s = np.cos(self.tilt), np.sin(self.tilt)
        return np.array([[1.0, 0.0, 0.0], [0.0, -c, -s], [0.0, -s, c]])

    def see(self, points: Vector) -> Vector:
        """World points (..., 3) in camera coordinates."""
        out: Vector = (points - np.array([0.0, self.height, 0.0])) @ self.rotation.T
        return out


def draw_camera(draw: np.random.Generator, index: int) -> Camera:
    """Draws camera number `index`; neighbours get unlike light and colours."""
    outdoors = index % 3 != 2
    sunny = outdoors and draw.random() < 0.55
    height = float(draw.uniform(2.2, 4.2))
    near = float(draw.uniform(4.2, 5.5))
    far = near + float(draw.uniform(4.5, 7.0))
    # Looks at a person in the middle of the walk.
    tilt = float(np.arctan2(height - 0.95, 0.5 * (near + far) - 0.3)) + float(draw.normal(0, 0.03))
    around, over = draw.uniform(-np.pi, np.pi), draw.uniform(0.5, 1.15)
    light = np.array([np.cos(over) * np.sin(around), np.sin(over), np.cos(over) * np.cos(around)])
    sun, ambient = (1.0, 0.42) if sunny else (0.30, 0.75) if outdoors else (0.42, 0.62)
    warm = draw.normal(0.0, 0.10)
    green = draw.normal(0.0, 0.05)
    exposure = np.exp(draw.uniform(-0.4, 0.35))
    return Camera(
        height=height,
        tilt=tilt,
        focal=float(draw.uniform(230, 560)),
        near=near,
        far=far,
        path=float(draw.uniform(0, np.pi)),
        light=light,
        sun=sun * np.array([1.06, 1.0, 0.9]),
        ambient=ambient * (np.array([0.92, 1.0, 1.12]) if sunny else np.ones(3)),
        balance=exposure * np.exp(np.array([warm, green, -warm])),
        contrast=float(draw.uniform(0.78, 1.18)),
        saturation=float(draw.uniform(0.6, 1.1)),
        haze=float(draw.uniform(0.0, 0.12)),
        blur=float(draw.uniform(0.0, 0.7)),
        noise=float(draw.uniform(0.004, 0.022)),
        quality=(72, 92),
    )


def develop(camera: Camera, light: NDArray[np.float32], size: tuple[int, int], rows: float,
            gain: Vector, draw: np.random.Generator) -> NDArray[np.uint8]:  # fmt: skip
    """From linear light to the stored picture.

    Args:
        camera: whose lens and sensor.
        light: (h, w, 3) linear, more pixels than are stored.
        size: height, width of the stored picture.
        rows: height in pixels of the camera's own picture of this box.
        gain: (3,) of exposure and white balance, this picture's.
        draw: for the noise.

    Returns:
        (height, width, 3) RGB.
    """
    height, width = size
    coded = np.sqrt(np.clip(light * (255.0**2 / 1.3), 0, 255.0**2)).astype(np.uint8)
    share = min(1.0, max(rows, 30.0) / height)
    own = (max(8, round(width * share)), max(16, round(height * share)))
    picture = Image.fromarray(coded).resize(own, Image.Resampling.BILINEAR)
    if camera.blur > 0.05:
        picture = picture.filter(ImageFilter.GaussianBlur(camera.blur))
    v = np.asarray(picture, np.float32) * np.float32(1 / 255)
    v = v * np.sqrt(camera.balance * gain * 1.3).astype(np.float32)
    grey = v @ np.array([0.3, 0.59, 0.11], np.float32)
    v = grey[..., None] + np.float32(camera.saturation) * (v - grey[..., None])
    v = 0.45 + np.float32(camera.contrast) * (v - 0.45)
    v = v * np.float32(1 - camera.haze) + np.float32(0.62 * camera.haze)
    v += np.float32(camera.noise) * draw.standard_normal(v.shape, np.float32)
    stored = Image.fromarray((np.clip(v, 0, 1) * 255 + 0.5).astype(np.uint8))
    if own != (width, height):
        stored = stored.resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(stored)
