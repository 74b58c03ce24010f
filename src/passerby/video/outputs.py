"""From a detection network's outputs to boxes: each form as a function of arrays alone.

Each returns corners (N, 4) in pixels of the network's input and the scores (N,) of being a person.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from passerby.types import InputError
from passerby.video.detector_settings import DetectorSettings

Array = NDArray[np.float32]
Found = tuple[Array, Array]


def people(outputs: Mapping[str, NDArray[np.generic]], settings: DetectorSettings) -> Found:
    """The people that the outputs of one picture tell of.

    Args:
        outputs: by name, in the network's order, with a first axis of 1 where it has one.
        settings: what they mean.

    Raises:
        InputError: they are not of the form that the settings say; names shapes.
    """
    if settings.form == "yolox":
        corners, scores = from_yolox(_first(outputs), settings)
    elif settings.form == "yolo":
        corners, scores = from_yolo(_first(outputs), settings)
    elif settings.form == "detr":
        corners, scores = from_detr(*_named(outputs, settings), settings)
    else:
        corners, scores = from_boxes(*_named(outputs, settings), settings)
    if not np.isfinite(corners).all() or not np.isfinite(scores).all():
        raise InputError("its outputs must be finite numbers")
    return corners, scores


def from_yolox(output: Array, settings: DetectorSettings) -> Found:
    """YOLOX (Ge et al. 2021): offsets on three grids, sizes as logarithms, scores as products.

    Args:
        output: (anchors, 5 + classes).
        settings: input size, strides, class.
    """
    cells, steps = _grid(settings)
    if output.ndim != 2 or len(output) != len(cells) or output.shape[1] <= 5 + settings.person:
        raise InputError(
            f"a yolox output at {settings.height} x {settings.width} is ({len(cells)}, 5 + "
            f"classes) with class {settings.person}, it is {output.shape}"
        )
    centres = (output[:, :2] + cells) * steps
    sizes = np.exp(output[:, 2:4].clip(-20, 20)) * steps
    return _corners(centres, sizes), output[:, 4] * output[:, 5 + settings.person]


def from_yolo(output: Array, settings: DetectorSettings) -> Found:
    """Centre and size in pixels of the input, then (objectness and) a score for each class.

    Args:
        output: (anchors, numbers) or (numbers, anchors): there are more anchors than numbers.
        settings: whether there is objectness; class.
    """
    first = 5 if settings.objectness else 4
    if output.ndim == 2 and output.shape[0] < output.shape[1]:
        output = output.T
    if output.ndim != 2 or output.shape[1] <= first + settings.person:
        raise InputError(
            f"a yolo output is (anchors, {first} + classes) with class {settings.person}, it is "
            f"{output.shape}"
        )
    scores = output[:, first + settings.person]
    if settings.objectness:
        scores = scores * output[:, 4]
    return _corners(output[:, :2], output[:, 2:4]), scores


def from_detr(
    boxes: Array, logits: Array, classes: Array | None, settings: DetectorSettings
) -> Found:
    """RT-DETR (Zhao et al. 2023), D-FINE (Peng et al. 2024): sigmoid scores, boxes as shares.

    Args:
        boxes: (queries, 4) centre and size.
        logits: (queries, classes).
        classes: none.
        settings: input size, class.
    """
    fits = boxes.ndim == 2 and boxes.shape[1] == 4 and logits.ndim == 2
    if not fits or len(boxes) != len(logits) or logits.shape[1] <= settings.person:
        raise InputError(
            f"detr outputs are boxes (queries, 4) and scores (queries, classes) with class "
            f"{settings.person}, they are {boxes.shape} and {logits.shape}"
        )
    pixels = boxes * _sides(settings)
    scores = 1 / (1 + np.exp(-logits[:, settings.person].clip(-50, 50)))
    return _corners(pixels[:, :2], pixels[:, 2:]), scores


def from_boxes(
    boxes: Array, scores: Array, classes: Array | None, settings: DetectorSettings
) -> Found:
    """Finished boxes with a score and a class each, as SSD exports have them.

    Args:
        boxes: (N, 4).
        scores: (N,), or (N, classes).
        classes: (N,); None: `scores` has the classes, or all are people.
        settings: meaning of the four numbers; class.
    """
    if scores.ndim == 2 and scores.shape[1] > settings.person:
        scores = scores[:, settings.person]
    fits = boxes.ndim == 2 and boxes.shape[1:] == (4,) and scores.shape == boxes.shape[:1]
    if not fits or (classes is not None and classes.shape != scores.shape):
        given = (boxes.shape, scores.shape, None if classes is None else classes.shape)
        raise InputError(f"boxes, scores and classes are (N, 4), (N,) and (N,), they are {given}")
    if classes is not None:
        mine = np.rint(classes) == settings.person
        boxes, scores = boxes[mine], scores[mine]
    if settings.corners == "yxyx":
        boxes = boxes[:, [1, 0, 3, 2]]
    if settings.shares:
        boxes = boxes * _sides(settings)
    if settings.corners == "xywh":
        return _corners(boxes[:, :2], boxes[:, 2:]), scores
    return boxes, scores


def _grid(settings: DetectorSettings) -> tuple[Array, Array]:
    """(anchors, 2) columns and rows of the grids' cells, and (anchors, 1) their strides."""
    cells, steps = [], []
    for stride in settings.strides:
        rows, columns = np.mgrid[: settings.height // stride, : settings.width // stride]
        cells.append(np.stack([columns.ravel(), rows.ravel()], axis=1))
        steps.append(np.full((rows.size, 1), stride))
    return np.concatenate(cells).astype(np.float32), np.concatenate(steps).astype(np.float32)


def _corners(centres: Array, sizes: Array) -> Array:
    return np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1)


def _sides(settings: DetectorSettings) -> Array:
    return np.array([settings.width, settings.height] * 2, np.float32)


def _first(outputs: Mapping[str, NDArray[np.generic]]) -> Array:
    return _single(next(iter(outputs.values())))


def _named(
    outputs: Mapping[str, NDArray[np.generic]], settings: DetectorSettings
) -> tuple[Array, Array, Array | None]:
    """Boxes, scores and classes, as the settings name them or in this order."""
    names = ("boxes", "scores", "classes")
    own = settings.outputs or dict(zip(names, outputs, strict=False))
    for name in names[:2]:
        if own.get(name) not in outputs:
            raise InputError(
                f"it has the outputs {', '.join(outputs)}: none is the {name} {own.get(name)!r}"
            )
    classes = outputs.get(own.get("classes", ""))
    return (
        _single(outputs[own["boxes"]]),
        _single(outputs[own["scores"]]),
        None if classes is None else _single(classes),
    )


def _single(output: NDArray[np.generic]) -> Array:
    """Without the first axis, where that is one picture."""
    array = np.asarray(output, np.float32)
    return array[0] if array.ndim > 1 and len(array) == 1 else array
