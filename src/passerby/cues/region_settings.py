"""Settings of Mask R-CNN and Keypoint R-CNN, apart from the networks: help needs no torch."""

from __future__ import annotations

from dataclasses import dataclass

from passerby.parsing import number
from passerby.types import InputError


@dataclass(frozen=True)
class RegionSettings:
    """How torchvision's networks are used."""

    pad: int = 3
    """The zero-padded picture is so many times as wide and high as the picture (an odd number)."""
    scale: float = 1.0
    """Of the padded picture on its way into the network."""
    anchors: tuple[int, ...] = (32, 64)
    """Sides of the square anchors, one for each feature map from the finest on."""
    ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
    """Height / width of the anchors."""
    score: float = 0.25
    """Least score of a person."""
    threshold: float = 0.5
    """Least probability of a mask's pixel."""
    extend: int = 3
    """Pixels of the picture by which a mask's outline is moved out."""
    device: str = "cpu"
    """Where to compute."""

    def __post_init__(self) -> None:
        if self.pad < 1 or self.pad % 2 == 0 or self.scale <= 0 or self.extend < 0:
            raise InputError(
                "pad must be an odd number of at least 1, scale above 0, extend at least 0: given "
                f"{self.pad}, {self.scale}, {self.extend}"
            )
        shares = number(self.score, "the score"), number(self.threshold, "the threshold")
        if not 0 <= min(shares) <= max(shares) <= 1:
            raise InputError(f"score and threshold must be between 0 and 1: given {shares}")
        if not 1 <= len(self.anchors) <= 5:
            raise InputError(f"anchors must be one to five sides: given {self.anchors}")
