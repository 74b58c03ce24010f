"""A method's mask or attention over one picture in memory, for pages that show both."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from passerby.data.images import from_pil
from passerby.extract import embed_pictures
from passerby.figures.masks import under_heat
from passerby.types import InputError, Picture

OverlayKind = Literal["mask", "attention"]

_ABILITIES: dict[OverlayKind, str] = {"mask": "mask", "attention": "attention_maps"}


class _MapAlone(nn.Module):
    """A network whose output is its map, so that pictures reach it as they reach the network."""

    def __init__(self, network: Any, ability: str) -> None:
        super().__init__()
        self.network = network
        self._ability = ability
        self.train(network.training)

    def forward(self, **inputs: Tensor) -> Tensor:
        found: Tensor = getattr(self.network, self._ability)(**inputs)
        return found


def overlay_kinds(model: Any) -> tuple[OverlayKind, ...]:
    """What the model's network can show; none for networks that are not of passerby's methods."""
    network = getattr(model, "network", None)
    if not isinstance(network, nn.Module):
        return ()
    return tuple(
        kind for kind, name in _ABILITIES.items() if callable(getattr(network, name, None))
    )


def overlay(model: Any, picture: Image.Image, kind: OverlayKind) -> Image.Image:
    """The picture in grey under a map's heat, as large as the picture.

    Of several attention maps the deepest of the whole body counts; the picture is then what the
    network sees of it, of attention_driven the body that its joints bound.

    Args:
        model: a `passerby.Embedder`.
        picture: of one person.
        kind: one of `overlay_kinds(model)`.

    Raises:
        InputError: the network has no such map.
    """
    if kind not in overlay_kinds(model):
        raise InputError(f"this model has no {kind} to show")
    pixels = Picture(from_pil(picture))
    alone = _MapAlone(model.network, _ABILITIES[kind])
    values = embed_pictures(alone, model.inputs, [pixels])[0]
    seen = Image.fromarray(pixels.image)
    if kind == "attention":
        made = model.inputs.make(pixels)
        seen = Image.fromarray(made["whole" if "whole" in made else "image"]).resize(seen.size)
    return under_heat(seen, _deepest(values))


def _deepest(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """(h, w) of (1, h, w), or of (rows, maps, h, w)."""
    found: NDArray[np.float32] = values[0, -1] if values.ndim == 4 else values[0]
    return found
