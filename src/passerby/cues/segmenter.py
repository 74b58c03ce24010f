"""Masks by a segmentation network of one's own, as an ONNX file."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from passerby.cues.networks import Pixels, extended
from passerby.cues.onnx_session import open_session
from passerby.parsing import number
from passerby.types import InputError


@dataclass(frozen=True)
class SegmenterSettings:
    """What the network wants to see, and what its output means."""

    height: int = 256
    """Pixels of the input; the picture is resized to it (bilinear)."""
    width: int = 128
    """Pixels of the input."""
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    """Of red, green, blue, on the scale 0-1. Default: ImageNet's."""
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    """Input = (byte / 255 - mean) / std."""
    logits: bool = True
    """The output is taken through a sigmoid; off: it is a probability."""
    channel: int = 0
    """Which map of the output is the person."""
    threshold: float = 0.5
    """Least probability that is a person."""
    extend: int = 0
    """Pixels of the picture by which the outline is moved out."""

    def __post_init__(self) -> None:
        if min(self.height, self.width) < 1 or self.channel < 0 or self.extend < 0:
            raise InputError(
                "height and width must be at least 1, channel and extend at least 0: given "
                f"{self.height}, {self.width}, {self.channel}, {self.extend}"
            )
        if min(self.std) <= 0 or not 0 < number(self.threshold, "the threshold") < 1:
            raise InputError(
                "std must be above 0 and the threshold between 0 and 1: given "
                f"{self.std}, {self.threshold}"
            )


class OnnxSegmenter:
    """A network with one input, float32 (N, 3, height, width) in RGB, run by ONNX Runtime.

    Its first output is (N, C, h, w), (N, h, w) or (h, w) of one picture, h x w of any size. A first
    axis that is fixed at 1 is fed picture by picture.

    Args:
        model: the .onnx file.
        settings: sizes, normalisation, meaning of the output.

    Raises:
        InputError: ONNX Runtime is missing, or the file is missing or no such network.
    """

    def __init__(self, model: str | Path, settings: SegmenterSettings | None = None) -> None:
        self.file = Path(model)
        self.settings = settings or SegmenterSettings()
        self._session = _session(self.file)
        inputs = self._session.get_inputs()
        shape = inputs[0].shape if inputs else []
        fixed = (3, self.settings.height, self.settings.width)
        fits = len(shape) == 4 and all(
            not isinstance(given, int) or given == wanted
            for given, wanted in zip(shape[1:], fixed, strict=True)
        )
        if len(inputs) != 1 or inputs[0].type != "tensor(float)" or not fits:
            given = "; ".join(f"{one.name}: {one.type} {one.shape}" for one in inputs)
            raise InputError(
                f"{self.file}: a segmenter has one input, tensor(float) [N, 3, {fixed[1]}, "
                f"{fixed[2]}] (height and width are settings), it has {given}"
            )
        self._single = shape[0] == 1
        decisive = f"{sorted(asdict(self.settings).items())}".encode() + self.file.read_bytes()
        self._name = f"onnx:{hashlib.sha256(decisive).hexdigest()[:16]}"

    @property
    def fingerprint(self) -> str:
        """`onnx:` and a hash of weights and settings."""
        return self._name

    def masks(self, pictures: Sequence[Pixels]) -> list[NDArray[np.uint8] | None]:
        """(H, W) of each picture, 255 = person; None: no pixel is one."""
        if not pictures:
            return []
        shown = np.stack([self._shown(picture) for picture in pictures])
        parts = np.split(shown, len(shown)) if self._single else [shown]
        name = self._session.get_inputs()[0].name
        maps = [self._person(self._session.run(None, {name: p})[0], len(p)) for p in parts]
        found = np.concatenate(maps)
        return [
            self._mask(one, picture.shape[:2]) for one, picture in zip(found, pictures, strict=True)
        ]

    def _shown(self, picture: Pixels) -> NDArray[np.float32]:
        size = (self.settings.width, self.settings.height)
        resized = Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR)
        mean, std = (
            np.array(three, np.float32) for three in (self.settings.mean, self.settings.std)
        )
        numbers = (np.asarray(resized, np.float32) / 255 - mean) / std
        return np.ascontiguousarray(numbers.transpose(2, 0, 1))

    def _person(self, output: NDArray[Any], count: int) -> NDArray[np.float32]:
        """(N, h, w) of the person alone."""
        maps = np.asarray(output, np.float32)
        if maps.ndim == 2:
            maps = maps[None]
        if maps.ndim == 3 and len(maps) == count:
            maps = maps[:, None]
        if maps.ndim != 4 or len(maps) != count or maps.shape[1] <= self.settings.channel:
            raise InputError(
                f"{self.file}: the output for {count} pictures must be {count} x maps x h x w "
                f"with a map {self.settings.channel} (from 0), it is {np.shape(output)}"
            )
        return maps[:, self.settings.channel]

    def _mask(self, values: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.uint8] | None:
        if not np.isfinite(values).all():
            raise InputError(f"{self.file}: the output must be finite numbers")
        if self.settings.logits:
            values = 1 / (1 + np.exp(-values.clip(-50, 50)))
        grown = Image.fromarray(values).resize(size[::-1], Image.Resampling.BILINEAR)
        person = np.asarray(grown) >= self.settings.threshold
        if not person.any():
            return None
        return extended(np.where(person, np.uint8(255), np.uint8(0)), self.settings.extend)


def _session(file: Path) -> Any:
    if not file.is_file():
        raise InputError(f"{file}: no such file")
    needs = "masks by an ONNX network need ONNX Runtime: pip install 'passerby[cues]'"
    return open_session(
        file.read_bytes(), str(file), needs, lambda runtime: runtime.get_available_providers()
    )
