"""How a picture becomes the input of a network from elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NoReturn

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from passerby.method import Inputs, Stage
from passerby.types import InputError, InputSpec, Picture

_RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


@dataclass(frozen=True)
class Preprocessing:
    """What a network expects: a resized picture, number = (byte / 255 - mean) / std."""

    height: int = 256
    """Pixels."""
    width: int = 128
    """Pixels."""
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    """In the order of `channels`, on the scale 0-1; 0, 0, 0 where the network takes bytes."""
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    """Likewise; 1/255 each where the network takes numbers from 0 to 255."""
    channels: Literal["rgb", "bgr"] = "rgb"
    """Order of the colours."""
    layout: Literal["nchw", "nhwc"] = "nchw"
    """Order of the axes: batch, channels, height, width."""
    resampling: Literal["bilinear", "bicubic"] = "bilinear"
    """How pictures are resized; antialiased where they shrink."""

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            raise InputError(
                f"height and width must be at least 1; given {self.height} x {self.width}"
            )
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std, default=0) <= 0:
            raise InputError(
                "mean and std must be three numbers each, std above 0; "
                f"given mean {self.mean}, std {self.std}"
            )
        for name, value, known in (
            ("channels", self.channels, ("rgb", "bgr")),
            ("layout", self.layout, ("nchw", "nhwc")),
            ("resampling", self.resampling, tuple(_RESAMPLING)),
        ):
            if value not in known:
                raise InputError(f"{name} must be one of {', '.join(known)}; given {value!r}")

    @property
    def inputs(self) -> Inputs:
        """As a method's: one input, `image`; the layout is the network's own business."""

        def make(picture: Picture) -> dict[str, NDArray[np.uint8]]:
            image = Image.fromarray(picture.image)
            if picture.image.shape[:2] != (self.height, self.width):
                image = image.resize((self.width, self.height), _RESAMPLING[self.resampling])
            pixels = np.asarray(image)
            return {"image": pixels if self.channels == "rgb" else pixels[:, :, ::-1]}

        return Inputs({"image": InputSpec(self.height, self.width, self.mean, self.std)}, make)


def no_criterion(recipe: object, network: nn.Module, identities: int) -> NoReturn:
    """A network from elsewhere is not trained here."""
    raise InputError("a network from elsewhere is not trained here, only used")


def no_stages(recipe: object, network: nn.Module, criterion: nn.Module) -> list[Stage]:
    """Likewise."""
    return no_criterion(recipe, network, 0)
