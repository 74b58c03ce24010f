"""Hidden pictures: what a method's mask takes away from its network in training (GAM, Figure 1)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from passerby.embedding.embedder import Embedder
from passerby.extract import embed_samples
from passerby.figures.drawing_part import drawing_part
from passerby.figures.masks import (
    beside,
    grid,
    masks_of,
    range_of,
    shown_size,
    whole_picture,
    with_text,
)
from passerby.figures.saving import check_target, save_image
from passerby.types import CueSource, InputError, Sample


class _Both(nn.Module):
    """Mask and hidden pixels as one output, so that pictures reach them as they reach a network."""

    def __init__(self, source: Any) -> None:
        super().__init__()
        self.source = source

    def forward(self, **inputs: Tensor) -> Tensor:
        hidden = self.source.hidden_pixels(**inputs).float()
        return torch.cat([self.source.mask(**inputs), hidden], 1)


def hidden_of(
    model: Embedder,
    run: str | Path,
    samples: Sequence[Sample],
    *,
    cues: CueSource | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The masks of a run's criterion, and the pixels that it hides for them.

    Args:
        model: `Embedder.load(run)`, of a method whose network or criterion has `mask(**inputs)`
            and `hidden_pixels(**inputs)`, both (B, 1, H, W).
        run: the run's folder, with its `stages/`.
        samples: N pictures.
        cues: masks and joints, if the method looks at any.

    Returns:
        (N, H, W) masks, and (N, H, W) whether a pixel is hidden; at the input's size.

    Raises:
        InputError: the method hides nothing, the run's stages are gone, or a picture cannot be
            read.
    """
    source = drawing_part(model, run, "hidden_pixels")
    found = embed_samples(_Both(source).eval(), model.inputs, samples, cues=cues)
    return found[:, 0], found[:, 1] > 0.5


def masks_and_hidden(
    model: Embedder,
    run: str | Path,
    samples: Sequence[Sample],
    *,
    cues: CueSource | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.bool_] | None]:
    """The masks of a run's network or criterion, and what it hides for them if it hides anything.

    Args:
        model: `Embedder.load(run)`, of a method whose network or criterion has `mask(**inputs)`.
        run: the run's folder.
        samples: N pictures.
        cues: masks and joints, if the method looks at any.

    Returns:
        (N, h, w) masks; and (N, H, W) whether a pixel is hidden, or None.

    Raises:
        InputError: the method has no mask, or as `hidden_of`.
    """
    source = drawing_part(model, run, "mask")
    if callable(getattr(source, "hidden_pixels", None)):
        return hidden_of(model, run, samples, cues=cues)
    return masks_of(model, samples, cues=cues, source=source), None


def draw_hidden(
    samples: Sequence[Sample],
    masks: NDArray[np.floating],
    hidden: NDArray[np.bool_],
    target: str | Path,
    *,
    title: str = "",
    columns: int = 4,
) -> None:
    """Draws each picture, its mask (0 white, 1 black), and the picture with hidden pixels black.

    The share of a picture that is hidden stands below it.

    Args:
        samples: N pictures; the files are read.
        masks: (N, H, W), 0 to 1.
        hidden: (N, H, W).
        target: the .png or .svg, written atomically.
        title: first line of the figure.
        columns: pictures in a row.

    Raises:
        InputError: no pictures, other numbers of masks, columns below 1, a target that is
            neither .png nor .svg, an unreadable picture.
    """
    check_target(target, "hidden pictures")
    shapes_fit = masks.ndim == 3 and masks.shape == hidden.shape and len(masks) == len(samples)
    if not samples or columns < 1 or not shapes_fit:
        raise InputError(
            "a figure of hidden pictures needs at least one picture, a mask and hidden pixels of "
            f"one size for each and at least one column: given {len(samples)} pictures, "
            f"{masks.shape}, {hidden.shape}, {columns} columns"
        )
    cells = [
        with_text(hidden_strip(*given), f"{range_of([given[1]])}, {given[2].mean():.0%} hidden")
        for given in zip(samples, masks, hidden, strict=True)
    ]
    figure = grid(cells, title, columns)
    save_image(figure, target)


def hidden_strip(
    sample: Sample, mask: NDArray[np.floating], hidden: NDArray[np.bool_]
) -> Image.Image:
    """A picture, its mask (0 white, 1 black), and the picture with hidden pixels black."""
    picture = whole_picture(sample)
    size = shown_size(picture)
    picture = picture.resize(size, Image.Resampling.LANCZOS)
    grey = np.round(255 * (1 - mask.clip(0, 1))).astype(np.uint8)
    shown = Image.fromarray(grey).resize(size, Image.Resampling.BILINEAR)
    gone = Image.fromarray(hidden.astype(np.uint8)).resize(size, Image.Resampling.NEAREST)
    left = np.where(np.asarray(gone)[:, :, None] > 0, np.uint8(0), np.asarray(picture))
    return beside([picture, shown.convert("RGB"), Image.fromarray(left)])
