"""What a detection network wants to see and what its outputs mean: a JSON file beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from passerby.parsing import number, parse_json
from passerby.recipes import from_plain
from passerby.types import InputError

EXAMPLE = '{"form": "yolox", "height": 640, "width": 640, "scale": 1, "channels": "bgr"}'


@dataclass(frozen=True)
class DetectorSettings:
    """The description of a detection network, as `FILE.onnx.json` holds it."""

    form: Literal["yolox", "yolo", "detr", "boxes"]
    """yolox: (1, anchors, 5 + classes), to be placed on the grid. yolo: (1, 4 + classes, anchors)
    or the other way round, centre and size in pixels of the input. detr: class logits (1, queries,
    classes) and boxes (1, queries, 4), centre and size as shares (RT-DETR, D-FINE). boxes: boxes,
    scores and classes, finished (SSD, and networks exported with their last step)."""
    height: int = 640
    """Pixels of the input."""
    width: int = 640
    """Pixels of the input."""
    resize: Literal["corner", "centre", "stretch"] = "corner"
    """How a frame becomes the input: in its proportions at the upper left corner, in its
    proportions in the middle, or stretched."""
    fill: int = 114
    """Grey around a frame that keeps its proportions."""
    channels: Literal["rgb", "bgr"] = "rgb"
    """Order of the colours."""
    scale: float = 255.0
    """Input = (byte / scale - mean) / std."""
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """In the order of `channels`."""
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """In the order of `channels`."""
    person: int = 0
    """Class of people: 0 in COCO's 80 classes, 1 where 0 is the background."""
    objectness: bool = False
    """yolo: the fifth number says whether there is anything (YOLOv5); yolox always has it."""
    strides: tuple[int, ...] = (8, 16, 32)
    """yolox: pixels of the input for each step of the grids."""
    corners: Literal["xyxy", "yxyx", "xywh"] = "xyxy"
    """boxes: what its four numbers are; xywh: centre and size."""
    shares: bool = False
    """boxes: of the input's sides; else pixels of the input."""
    outputs: dict[str, str] = field(default_factory=dict)
    """detr and boxes: which output is `boxes`, `scores` (for detr: logits) and `classes`, by name;
    else they are taken in this order. A network of people alone needs no classes."""
    threshold: float = 0.1
    """Least score; trackers make use of low ones."""
    overlap: float | None = 0.6
    """Of two boxes with a greater intersection over union, the better one stays; null: both."""

    def __post_init__(self) -> None:
        if min(self.height, self.width, self.scale, *self.std, *self.strides) <= 0:
            raise InputError(
                "height, width, scale, std and strides must be above 0: given "
                f"{self.height}, {self.width}, {self.scale:g}, {self.std}, {self.strides}"
            )
        if not 0 < number(self.threshold, "the threshold") < 1 or not (
            self.overlap is None or 0 < self.overlap <= 1
        ):
            raise InputError(
                "the threshold must be between 0 and 1, the overlap up to 1: given "
                f"{self.threshold:g} and {self.overlap}"
            )
        if self.person < 0 or not 0 <= self.fill <= 255:
            raise InputError(
                f"person must be at least 0, fill must be from 0 to 255: given {self.person} and "
                f"{self.fill}"
            )
        if not set(self.outputs) <= {"boxes", "scores", "classes"}:
            raise InputError(
                f"outputs names boxes, scores and classes: given {', '.join(self.outputs)}"
            )


def settings_file(network: Path) -> Path:
    """Where the description of an ONNX file lies."""
    return network.with_name(network.name + ".json")


def read_settings(network: Path) -> DetectorSettings:
    """The description beside a network.

    Raises:
        InputError: it is missing or damaged, or has an unknown field or value.
    """
    file = settings_file(network)
    if not file.is_file():
        raise InputError(
            f"{file}: no such file; it must describe {network.name}, e.g. {EXAMPLE} (docs/video.md)"
        )
    try:
        plain = parse_json(file.read_text(encoding="utf-8"))
        if not isinstance(plain, dict) or "form" not in plain:
            raise InputError(f"not a JSON object with a form, e.g. {EXAMPLE}")
        return from_plain(DetectorSettings, plain)
    except ValueError as error:
        raise InputError(f"{file}: {error}") from None
