"""ONNX networks made by hand."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def write_onnx(file, shape, *, kind=TensorProto.FLOAT, axes=(2, 3), more=False, channels=3):
    """A network whose embedding is W x (mean of each colour): (B, 3) -> (B, 4)."""
    weight = np.arange(12, dtype=np.float32).reshape(3, 4) / 10
    nodes = [
        helper.make_node("Cast", ["pixels"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["x", "axes"], ["colours"], keepdims=0),
        helper.make_node("MatMul", ["colours", "weight"], ["embedding"]),
    ]
    outputs = [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [None, 4])]
    if more:
        outputs.append(helper.make_tensor_value_info("colours", TensorProto.FLOAT, [None, 3]))
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("pixels", kind, shape)], outputs,
        [numpy_helper.from_array(weight, "weight"),
         numpy_helper.from_array(np.array(axes, np.int64), "axes")],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, file)
    return weight
