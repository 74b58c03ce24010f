"""A detection network in an ONNX file, described by a JSON file beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from passerby.cues.onnx_session import open_session
from passerby.types import InputError
from passerby.video.boxes import Boxes, within
from passerby.video.detector_settings import DetectorSettings, read_settings
from passerby.video.frames import Frame
from passerby.video.outputs import people

_TYPES: dict[str, Any] = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8}


class OnnxDetector:
    """A network that takes one picture at a time, (1, 3, H, W) or (1, H, W, 3).

    A second input, whole numbers (1, 2), is told the width and height of the network's input
    (`orig_target_sizes` of RT-DETR and D-FINE as they are exported).

    Args:
        file: the network.
        settings: what it wants and gives; None: `FILE.onnx.json` says.
        device: `cpu`, or another that this ONNX Runtime computes on, e.g. `cuda`.

    Raises:
        InputError: no such file, no description of it, no network in it, or another input.
    """

    def __init__(
        self, file: str | Path, settings: DetectorSettings | None = None, device: str = "cpu"
    ) -> None:
        self.file = Path(file)
        if not self.file.is_file():
            raise InputError(f"{file}: no such file")
        self.settings = settings or read_settings(self.file)
        self._session = _session(self.file, device)
        self._picture, self._sides = self._inputs()
        self._last = self._picture.shape[1] != 3
        self._outputs = [one.name for one in self._session.get_outputs()]

    def detect(self, frame: Frame) -> Boxes:
        """The people of a frame.

        Raises:
            InputError: the network fails, or its outputs are of another form than described.
        """
        shown, factors, offset = fitted(frame.image, self.settings)
        feeds = {self._picture.name: self._tensor(shown)}
        if self._sides is not None:
            feeds[self._sides] = np.array([[self.settings.width, self.settings.height]], np.int64)
        try:
            values = self._session.run(self._outputs, feeds)
        except Exception as error:
            # ONNX Runtime raises classes of its own that share no base but Exception.
            raise InputError(f"{self.file}: ONNX Runtime cannot run it: {_short(error)}") from None
        try:
            corners, scores = people(dict(zip(self._outputs, values, strict=True)), self.settings)
        except InputError as error:
            raise InputError(f"{self.file}: {error}") from None
        corners, scores = _chosen(corners, scores, self.settings)
        placed = (corners - np.tile(offset, 2)) / np.tile(factors, 2)
        height, width = frame.image.shape[:2]
        return within(Boxes(placed.astype(np.float32), scores), height, width)

    def _inputs(self) -> tuple[Any, str | None]:
        inputs = self._session.get_inputs()
        pictures = [one for one in inputs if len(one.shape) == 4]
        sides = [one.name for one in inputs if len(one.shape) == 2 and one.type == "tensor(int64)"]
        s = self.settings
        wanted = ((3, s.height, s.width), (s.height, s.width, 3))
        fits = len(pictures) == 1 and len(pictures) + len(sides) == len(inputs) and len(sides) < 2
        if not fits or pictures[0].type not in _TYPES or not any(
            _agree(pictures[0].shape[1:], sizes) for sizes in wanted
        ):  # fmt: skip
            given = "; ".join(f"{one.name}: {one.type} {one.shape}" for one in inputs)
            raise InputError(
                f"{self.file}: a detector takes a picture, float or uint8, [1, 3, {s.height}, "
                f"{s.width}] or [1, {s.height}, {s.width}, 3] as described; it takes {given}"
            )
        return pictures[0], sides[0] if sides else None

    def _tensor(self, shown: NDArray[np.uint8]) -> NDArray[Any]:
        s = self.settings
        image = shown[:, :, ::-1] if s.channels == "bgr" else shown
        if not self._last:
            image = image.transpose(2, 0, 1)
        kind = _TYPES[self._picture.type]
        if kind is np.uint8:
            return np.ascontiguousarray(image[None])
        shape = (1, 1, 3) if self._last else (3, 1, 1)
        mean, std = (np.array(three, np.float32).reshape(shape) for three in (s.mean, s.std))
        numbers = (image.astype(np.float32) / np.float32(s.scale) - mean) / std
        return np.ascontiguousarray(numbers[None], np.float32)


def fitted(
    image: NDArray[np.uint8], settings: DetectorSettings
) -> tuple[NDArray[np.uint8], NDArray[np.float64], NDArray[np.float64]]:
    """A frame as the network wants to see it.

    Returns:
        The picture (height, width, 3); (2,) factors by which its columns and rows were scaled; (2,)
        the column and row where it begins.
    """
    height, width = image.shape[:2]
    factors = np.array([settings.width / width, settings.height / height])
    if settings.resize != "stretch":
        factors[:] = factors.min()
    size = (max(round(width * factors[0]), 1), max(round(height * factors[1]), 1))
    resized = image
    if size != (width, height):
        resized = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))
    offset = np.zeros(2)
    if settings.resize == "centre":
        offset = np.array([(settings.width - size[0]) // 2, (settings.height - size[1]) // 2])
    shown = np.full((settings.height, settings.width, 3), settings.fill, np.uint8)
    column, row = int(offset[0]), int(offset[1])
    shown[row : row + size[1], column : column + size[0]] = resized
    return shown, factors, offset.astype(np.float64)


def _chosen(
    corners: NDArray[np.float32], scores: NDArray[np.float32], settings: DetectorSettings
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Those above the threshold, and of those that overlap the best."""
    good = scores >= settings.threshold
    corners, scores = corners[good], scores[good].clip(0, 1)
    if settings.overlap is None or len(scores) < 2:
        return corners, scores
    from supervision import box_non_max_suppression

    kept = box_non_max_suppression(np.column_stack([corners, scores]), settings.overlap)
    return corners[kept], scores[kept]


def _agree(shape: list[Any], sizes: tuple[int, ...]) -> bool:
    return all(not isinstance(own, int) or own == s for own, s in zip(shape, sizes, strict=True))


def _session(file: Path, device: str) -> Any:
    def provider(runtime: Any) -> list[str]:
        name = f"{device.partition(':')[0].upper()}ExecutionProvider"
        able = runtime.get_available_providers()
        if name not in able:
            raise InputError(
                f"this ONNX Runtime does not compute on {device}: it has {', '.join(able)}"
            )
        return [name]

    needs = "detectors need ONNX Runtime: pip install 'passerby[video]'"
    return open_session(file.read_bytes(), str(file), needs, provider)


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:150]
