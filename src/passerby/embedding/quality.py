"""Which pictures are worth an embedding: those that are tall and sharp enough."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from passerby.types import InputError


@dataclass(frozen=True)
class Quality:
    """The least that a picture must have; what falls below is left out and counted."""

    min_height: int = 0
    """Pixels of the picture, or of its box within the frame. 0: any."""
    min_sharpness: float = 0.0
    """Of `sharpness`. 0: any; what blurred means depends on the cameras: try some values."""

    def __post_init__(self) -> None:
        if self.min_height < 0 or not 0 <= self.min_sharpness < float("inf"):
            raise InputError(
                "minimum height and sharpness must be at least 0; "
                f"given {self.min_height} and {self.min_sharpness}"
            )

    def fault(self, image: NDArray[np.uint8]) -> str | None:
        """Why a picture (H, W, 3) is left out: `low`, `blurred`; None: it is good enough."""
        if image.shape[0] < self.min_height:
            return "low"
        if self.min_sharpness > 0 and sharpness(image) < self.min_sharpness:
            return "blurred"
        return None


def sharpness(image: NDArray[np.uint8]) -> float:
    """Variance of the Laplacian (Pech-Pacheco et al. 2000) of a picture's (H, W, 3) grey values.

    The picture is shrunk to 128 pixels of height first where it is taller, so that one threshold
    serves pictures of several sizes; the Laplacian is the one of four neighbours, inside the
    border. Below 3 x 3 pixels there is none: 0.
    """
    grey = Image.fromarray(image).convert("L")
    if grey.height > 128:
        width = max(round(grey.width * 128 / grey.height), 1)
        grey = grey.resize((width, 128), Image.Resampling.BILINEAR)
    g = np.asarray(grey, np.float32)
    if min(g.shape) < 3:
        return 0.0
    inner = g[1:-1, 1:-1]
    laplacian = g[:-2, 1:-1] + g[2:, 1:-1] + g[1:-1, :-2] + g[1:-1, 2:] - 4 * inner
    return float(laplacian.var())
