"""A camera: where it hangs, what it looks at, and how its sensor turns light into bytes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from passerby.drawing.factors import Factors

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Sensor:
    """From light to bytes; one camera's settings."""

    balance: Vector
    """(3,) gain of red, green, blue."""
    exposure: float
    """Mean brightness that the camera aims at, 0-1 as stored."""
    contrast: float
    """1 leaves it."""
    saturation: float
    """1 leaves it, 0 is grey."""
    shadows: Vector
    """(3,) tint added to the dark end, as stored: haze and glare."""
    blur: float
    """Radius of the lens blur, pixels of the camera's own picture."""
    sharpen: float
    """Strength of the sharpening; 0 leaves the picture."""
    noise: float
    """Standard deviation in the dark, as stored."""
    compression: int
    """JPEG quality of the video's frames; 0 leaves them."""


@dataclass(frozen=True)
class Boxes:
    """How the detector behind a camera cuts people out."""

    aspect: float
    """Width by height that all boxes get; 0 keeps the person's own."""
    loose: float
    """Size of the box by the size of the person."""
    jitter: float
    """Standard deviation of shift and log size, share of the box."""
    cut: float
    """Probability that a good part of the person is left out."""


@dataclass(frozen=True)
class Camera:
    """One camera. World coordinates: right, up, ahead (metres, the ground at 0)."""

    height: float
    """Above the ground, metres."""
    tilt: float
    """Of the view below the horizon, radians."""
    roll: float
    """Of the picture, radians."""
    focal: float
    """Pixels of its own picture on a unit of the plane z = 1."""
    near: float
    """People walk no nearer than this, metres ahead."""
    far: float
    """People walk no farther than this, metres ahead."""
    wide: float
    """Half width of the view on the plane z = 1."""
    path: float
    """Direction that most people walk, radians from straight ahead."""
    outdoors: bool
    """Whether the sun can reach what it sees."""
    busy: float
    """Other people near each person, on average."""
    cluttered: float
    """Probability that something stands in front of a person."""
    sensor: Sensor
    boxes: Boxes

    @property
    def rotation(self) -> Vector:
        """(3, 3) from world directions to camera coordinates (right, down, ahead)."""
        c, s = np.cos(self.tilt), np.sin(self.tilt)
        level = np.array([[1.0, 0.0, 0.0], [0.0, -c, -s], [0.0, -s, c]])
        c, s = np.cos(self.roll), np.sin(self.roll)
        out: Vector = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]]) @ level
        return out

    def see(self, points: Vector) -> Vector:
        """World points (..., 3) in camera coordinates."""
        out: Vector = (points - np.array([0.0, self.height, 0.0])) @ self.rotation.T
        return out


def draw_camera(draw: np.random.Generator, factors: Factors) -> Camera:
    """Draws a camera."""
    middle = float(np.exp(draw.uniform(np.log(4.5), np.log(22))))
    # Seen from how far above: most street cameras look slightly down, a few steeply.
    above = float(draw.choice([draw.uniform(0, 0.12), draw.uniform(0.1, 0.36),
                               draw.uniform(0.3, 0.65)], p=[0.3, 0.5, 0.2]))  # fmt: skip
    askew = float(draw.normal(0, 0.03))
    if not factors.viewpoints:
        middle, above, askew = 7.0, 0.3, 0.0
    height = float(np.clip(1.0 + middle * np.tan(above), 1.1, 9.0))
    near, far = 0.72 * middle, 1.4 * middle
    rows = float(np.exp(draw.uniform(np.log(64), np.log(360))))
    rows = rows if factors.resolution else 256.0
    return Camera(
        height=height,
        tilt=float(np.arctan2(height - 0.9, middle)) + float(draw.normal(0, 0.04)),
        roll=askew,
        focal=rows * middle / 1.7,
        near=near,
        far=far,
        wide=float(draw.uniform(0.3, 0.75)),
        path=float(draw.uniform(0, np.pi)),
        outdoors=bool(draw.random() < 0.75),
        busy=float(draw.gamma(1.2, 0.45)),
        cluttered=float(draw.beta(0.8, 5.0)),
        sensor=_sensor(draw, factors),
        boxes=_boxes(draw, factors),
    )


def _sensor(draw: np.random.Generator, factors: Factors) -> Sensor:
    """Without the factor, a good camera that is the same everywhere."""
    warm, green = draw.normal(0, [0.12, 0.05])
    drawn = Sensor(
        balance=np.exp(np.array([warm, green, -warm])),
        exposure=float(draw.normal(0.5, 0.06)),
        contrast=float(np.exp(np.clip(draw.normal(0.15, 0.17), -0.25, 0.45))),
        saturation=float(np.exp(np.clip(draw.normal(-0.2, 0.35), -1.2, 0.35))),
        shadows=np.maximum(0, draw.normal(0.01, 0.03)) * (1 + draw.normal(0, 0.5, 3)),
        blur=float(draw.gamma(1.5, 0.22)),
        sharpen=float(draw.choice([0.0, draw.uniform(0.2, 0.7), draw.uniform(0.6, 1.1)])),
        noise=float(draw.gamma(1.2, 0.005)),
        compression=int(draw.uniform(18, 85)) if draw.random() < 0.8 else 0,
    )
    plain = Sensor(np.ones(3), 0.45, 1.0, 1.0, np.zeros(3), 0.3, 0.0, 0.004, 0)
    if not factors.sensor:
        return plain if not factors.codec else _with(plain, compression=drawn.compression)
    return drawn if factors.codec else _with(drawn, compression=0)


def _with(sensor: Sensor, compression: int) -> Sensor:
    return Sensor(**{**sensor.__dict__, "compression": compression})


def _boxes(draw: np.random.Generator, factors: Factors) -> Boxes:
    aspect = float(draw.choice([0.0, draw.uniform(0.33, 0.44)], p=[0.5, 0.5]))
    loose = float(draw.choice([draw.uniform(0.96, 1.02), draw.uniform(1.0, 1.12)]))
    jitter, cut = float(draw.gamma(2.0, 0.02)), float(draw.beta(1.0, 9.0))
    return Boxes(aspect, loose, jitter, cut) if factors.detector else Boxes(0.0, 1.04, 0.0, 0.0)
