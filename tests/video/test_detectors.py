"""Each form of output, written by hand for known boxes, must give these boxes back."""

import io
import json
import math
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from passerby.types import InputError
from passerby.video.boxes import BoxFile
from passerby.video.detector_settings import DetectorSettings
from passerby.video.frames import Frame
from passerby.video.onnx_detector import OnnxDetector, fitted

SIDE = 64
# Left, top, right, bottom in pixels of a 64 x 64 input, and scores.
TRUE = np.array([[8, 16, 24, 56], [40, 10, 52, 40]], np.float32)
SCORES = np.array([0.9, 0.6], np.float32)
FRAME = Frame(np.full((32, 64, 3), 50, np.uint8), 0, 0.0)


def network(file, outputs, description, shape=(1, 3, SIDE, SIDE), sizes=False, kind=None):
    """A network that looks at nothing and always gives these outputs."""
    kind = kind or TensorProto.FLOAT
    inputs = [helper.make_tensor_value_info("images", kind, shape)]
    if sizes:
        inputs.append(helper.make_tensor_value_info("orig_target_sizes", TensorProto.INT64, (1, 2)))
    nodes, infos = [], []
    for name, value in outputs.items():
        tensor = numpy_helper.from_array(np.asarray(value))
        nodes.append(helper.make_node("Constant", [], [name], value=tensor))
        infos.append(helper.make_tensor_value_info(name, tensor.data_type, tensor.dims))
    graph = helper.make_graph(nodes, "g", inputs, infos)
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), file)
    if description is not None:
        common = {"height": SIDE, "width": SIDE}
        file.with_name(file.name + ".json").write_text(json.dumps({**common, **description}))
    return file


def centred(corners):
    sizes = corners[:, 2:] - corners[:, :2]
    return np.concatenate([corners[:, :2] + sizes / 2, sizes], axis=1)


def yolox_output():
    """By loops: each box into the cell of stride 8 that its centre lies in."""
    anchors = {stride: (SIDE // stride) ** 2 for stride in (8, 16, 32)}
    output = np.zeros((1, sum(anchors.values()), 5 + 3), np.float32)
    for (x, y, width, height), score in zip(centred(TRUE), SCORES, strict=True):
        column, row = int(x // 8), int(y // 8)
        place = row * (SIDE // 8) + column
        output[0, place, :4] = (
            x / 8 - column, y / 8 - row, math.log(width / 8), math.log(height / 8)
        )  # fmt: skip
        output[0, place, 4] = math.sqrt(score)
        output[0, place, 5:] = (0.1, math.sqrt(score), 0.0)
    # A car, sure as can be.
    output[0, 80, :8] = (0, 0, 1, 1, 1, 0, 0, 1)
    return output


def yolo_output(objectness):
    first = 5 if objectness else 4
    output = np.zeros((1, 40, first + 3), np.float32)
    output[0, :2, :4] = centred(TRUE)
    output[0, :2, first + 1] = SCORES
    if objectness:
        output[0, :2, 4] = 0.5
        output[0, :2, first + 1] *= 2
    output[0, 2, :4], output[0, 2, first] = (30, 30, 9, 9), 1
    return output


def logit(p):
    return np.log(p / (1 - p))


def detr_outputs():
    boxes = np.full((1, 7, 4), 0.5, np.float32)
    logits = np.full((1, 7, 3), -9, np.float32)
    boxes[0, 3:5], logits[0, 3:5, 1] = centred(TRUE) / SIDE, logit(SCORES)
    logits[0, 6, 2] = 9
    return {"pred_logits": logits, "pred_boxes": boxes}


def finished(corners, shares=False):
    boxes = np.concatenate([TRUE, [[0, 0, 9, 9]]]).astype(np.float32)
    if corners == "yxyx":
        boxes = boxes[:, [1, 0, 3, 2]]
    elif corners == "xywh":
        boxes = centred(boxes)
    return {
        "boxes": (boxes / SIDE if shares else boxes).astype(np.float32)[None],
        "scores": np.array([[*SCORES, 0.99]], np.float32),
        "labels": np.array([[1, 1, 2]], np.int64),
    }


FORMS = {
    "yolox": ({"x": yolox_output()}, {"form": "yolox", "channels": "bgr", "scale": 1}),
    "yolo v5": ({"x": yolo_output(True)}, {"form": "yolo", "objectness": True}),
    "yolo v8": ({"x": yolo_output(False).transpose(0, 2, 1)}, {"form": "yolo"}),
    "detr": (
        detr_outputs(),
        {"form": "detr", "outputs": {"boxes": "pred_boxes", "scores": "pred_logits"}},
    ),
    "ssd": (finished("yxyx", True), {"form": "boxes", "corners": "yxyx", "shares": True}),
    "finished": (finished("xyxy"), {"form": "boxes", "overlap": None}),
    "centres": (finished("xywh"), {"form": "boxes", "corners": "xywh"}),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_gives_its_boxes_back(tmp_path, name):
    outputs, description = FORMS[name]
    detector = OnnxDetector(
        network(tmp_path / "d.onnx", outputs, {**description, "person": 1, "resize": "stretch"})
    )
    found = detector.detect(FRAME)
    order = np.argsort(-found.scores)
    assert len(found) == 2
    # The frame is half as high as the input.
    assert np.allclose(found.corners[order], TRUE * [1, 0.5, 1, 0.5], atol=1e-3)
    assert np.allclose(found.scores[order], SCORES, atol=1e-5)


@pytest.mark.parametrize(("resize", "top"), [("corner", 0), ("centre", 16)])
def test_a_frame_that_keeps_its_proportions(tmp_path, resize, top):
    outputs, description = FORMS["finished"]
    description = {**description, "person": 1, "resize": resize}
    detector = OnnxDetector(network(tmp_path / "d.onnx", outputs, description))
    wide = Frame(np.zeros((64, 128, 3), np.uint8), 0, 0.0)  # halved: 32 rows of 64 are frame
    found = detector.detect(wide)
    wanted = ((TRUE - [0, top, 0, top]) * 2).clip(0, [128, 64, 128, 64])
    assert np.allclose(found.corners, wanted, atol=1e-3)


def test_what_the_network_is_shown():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (20, 40, 3), dtype=np.uint8)
    settings = DetectorSettings("yolox", 32, 32, resize="corner", fill=7)
    shown, factors, offset = fitted(image, settings)
    assert shown.shape == (32, 32, 3)
    wanted = np.asarray(Image.fromarray(image).resize((32, 16), Image.Resampling.BILINEAR))
    assert (shown[:16] == wanted).all()
    assert (shown[16:] == 7).all()
    assert factors.tolist() == [0.8, 0.8]
    assert offset.tolist() == [0, 0]


def test_colours_and_numbers_reach_the_network(tmp_path):
    """A network that gives its input's mean colour as left, top, right of a box."""
    image = helper.make_tensor_value_info("images", TensorProto.FLOAT, (1, 3, SIDE, SIDE))

    def constant(name, value):
        return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(value))

    nodes = [
        helper.make_node("ReduceMean", ["images"], ["m"], axes=[2, 3], keepdims=0),
        constant("end", np.full((1, 1), 60, np.float32)),
        helper.make_node("Concat", ["m", "end"], ["flat"], axis=1),
        constant("s", np.array([1, 1, 4])),
        helper.make_node("Reshape", ["flat", "s"], ["boxes"]),
        constant("scores", np.full((1, 1), 0.9, np.float32)),
    ]  # fmt: skip
    outputs = [
        helper.make_tensor_value_info("boxes", TensorProto.FLOAT, (1, 1, 4)),
        helper.make_tensor_value_info("scores", TensorProto.FLOAT, (1, 1)),
    ]
    model = helper.make_model(
        helper.make_graph(nodes, "g", [image], outputs),
        opset_imports=[helper.make_opsetid("", 17)], ir_version=9,
    )  # fmt: skip
    onnx.save(model, tmp_path / "m.onnx")
    settings = DetectorSettings(
        "boxes", SIDE, SIDE, resize="stretch", channels="bgr", scale=1.0,
        mean=(1.0, 2.0, 3.0), std=(1.0, 2.0, 4.0),
    )  # fmt: skip
    frame = Frame(np.full((64, 64, 3), (200, 30, 20), np.uint8), 0, 0.0)
    found = OnnxDetector(tmp_path / "m.onnx", settings).detect(frame)
    wanted = [(20 - 1) / 1, (30 - 2) / 2, (200 - 3) / 4, 60]
    assert np.allclose(found.corners, [wanted], atol=1e-3)


def test_of_boxes_that_overlap_the_better_one_stays(tmp_path):
    boxes = np.array([[[10, 10, 30, 60], [11, 10, 31, 60], [40, 10, 60, 60]]], np.float32)
    outputs = {"b": boxes, "s": np.array([[0.5, 0.8, 0.3]], np.float32)}
    square = Frame(np.zeros((64, 64, 3), np.uint8), 0, 0.0)
    detector = OnnxDetector(network(tmp_path / "d.onnx", outputs, {"form": "boxes"}))
    assert np.allclose(sorted(detector.detect(square).scores), [0.3, 0.8])
    both = network(tmp_path / "e.onnx", outputs, {"form": "boxes", "overlap": None})
    assert len(OnnxDetector(both).detect(square)) == 3
    strict = network(tmp_path / "f.onnx", outputs, {"form": "boxes", "threshold": 0.6})
    assert np.allclose(OnnxDetector(strict).detect(square).scores, [0.8])


def test_other_inputs(tmp_path):
    """Channels last in bytes, and the sizes that DETR exports ask for."""
    outputs, description = FORMS["finished"]
    description = {**description, "person": 1}
    last = network(
        tmp_path / "l.onnx", outputs, description, (1, SIDE, SIDE, 3), kind=TensorProto.UINT8
    )
    sizes = network(tmp_path / "s.onnx", outputs, description, sizes=True)
    assert len(OnnxDetector(last).detect(FRAME)) == 2
    assert len(OnnxDetector(sizes).detect(FRAME)) == 2


@pytest.mark.parametrize(
    ("outputs", "description", "message"),
    [
        ({"x": np.zeros((1, 84, 9), np.float32)}, None, r"d\.onnx\.json: no such file; it must"),
        ({"x": np.zeros((1, 85, 9), np.float32)}, {"form": "yolox"}, r"is \(84, 5 \+ classes\)"),
        ({"x": np.zeros((1, 84, 5), np.float32)}, {"form": "yolox"}, r"\(84, 5\)"),
        ({"x": np.zeros((1, 3, 84), np.float32)}, {"form": "yolo"}, r"\(anchors, 4 \+ classes\)"),
        ({"x": np.zeros((1, 9, 4), np.float32)}, {"form": "detr"}, "none is the scores None"),
        (FORMS["detr"][0], {"form": "detr"}, r"\(7, 3\) and \(7, 4\)"),
        ({"x": np.full((1, 84, 8), np.nan, np.float32)}, {"form": "yolox"}, "finite numbers"),
        ({"x": np.zeros((1, 84, 8), np.float32)}, {"form": "yolo9"}, "must be one of yolox"),
        ({"x": np.zeros((1, 84, 8), np.float32)}, {"form": "yolo", "heigth": 3}, "no setting"),
        ({"x": np.zeros((1, 84, 8), np.float32)}, {"form": "yolo", "width": 32}, "detector takes"),
    ],
)  # fmt: skip
def test_a_network_that_is_another_than_described(tmp_path, outputs, description, message):
    file = network(tmp_path / "d.onnx", outputs, description)
    with pytest.raises(InputError, match=message) as failed:
        OnnxDetector(file).detect(FRAME)
    assert "\n" not in str(failed.value)


def test_no_network(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        OnnxDetector(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("no network")
    with pytest.raises(InputError, match="cannot read it"):
        OnnxDetector(tmp_path / "text.onnx", DetectorSettings("yolo"))


def test_a_network_that_keeps_weights_in_other_files(tmp_path, monkeypatch):
    values = np.arange(1 * 84 * 8, dtype=np.float32).reshape(1, 84, 8)
    file = network(tmp_path / "d.onnx", {"x": values}, {"form": "yolo"})
    onnx.save(
        onnx.load(file), file, save_as_external_data=True, location="w.bin", size_threshold=40,
        convert_attribute=True,
    )  # fmt: skip
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="external data.*save it as one file"):
        OnnxDetector(file)


def test_a_description_that_is_nested_too_deeply(tmp_path):
    file = network(tmp_path / "d.onnx", {"x": np.zeros((1, 84, 8), np.float32)}, {"form": "yolo"})
    (tmp_path / "d.onnx.json").write_text('{"form": ' + "[" * 100_000)
    with pytest.raises(InputError, match="too deeply"):
        OnnxDetector(file)


def frame_of(number):
    return Frame(np.zeros((100, 200, 3), np.uint8), number, number / 25)


def test_boxes_from_a_file(tmp_path):
    file = tmp_path / "det.txt"
    file.write_text(
        "1,-1,10,20,30,40,0.9,-1,-1,-1\n\n1 -1 190 50 30 100 -1\n4,7,1,2,3,4\n4,-1,5,5,9,9,0.2\n"
    )
    boxes = BoxFile(file, 0.3)
    first = boxes.detect(frame_of(0))
    assert first.corners.tolist() == [[10, 20, 40, 60], [190, 50, 200, 100]]
    assert np.allclose(first.scores, [0.9, 1])
    assert len(boxes.detect(frame_of(1))) == 0
    # Frame 3 (number 2) was dropped; the box below the least score is left out.
    assert boxes.detect(frame_of(3)).corners.tolist() == [[1, 2, 4, 6]]
    assert len(boxes.detect(frame_of(4))) == 0
    left_out = BoxFile(file)
    assert left_out.detect(frame_of(3)).corners.tolist() == [[1, 2, 4, 6], [5, 5, 14, 14]]


def test_boxes_from_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("1,-1,10,20,30,40,0.9\n2,-1,11,20,30,40,0.9\n"))
    boxes = BoxFile("-")
    assert [len(boxes.detect(frame_of(n))) for n in range(3)] == [1, 1, 0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0,-1,1,1,5,5,1\n", "line 1: a box needs frame, track"),
        ("1,-1,1,1,5\n", "line 1: a box needs"),
        ("1,-1,1,nan,5,5,1\n", "line 1: a box needs"),
        ("one,-1,1,1,5,5,1\n", "line 1: a box needs"),
        ("2,-1,1,1,5,5,1\n1,-1,1,1,5,5,1\n", "line 2: boxes must be in the order"),
    ],
)
def test_lines_that_are_no_box(tmp_path, text, message):
    file = tmp_path / "det.txt"
    file.write_text(text)
    with pytest.raises(InputError, match=message):
        BoxFile(file).detect(frame_of(3))
    with pytest.raises(InputError, match="no such file"):
        BoxFile(tmp_path / "none.txt")
