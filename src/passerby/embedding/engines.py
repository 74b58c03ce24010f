"""Which engine computes a network: torch, ONNX Runtime or OpenVINO."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from passerby.embedding.onnx_network import OnnxNetwork
from passerby.embedding.openvino_network import OpenVinoNetwork, has_openvino, onnx_by_openvino
from passerby.embedding.optimised import Optimised, chosen_precision
from passerby.extract import device_of
from passerby.types import Engine, InputError, InputSpec, Precision

MANY = 1000
"""Pictures for which converting a network of torch to OpenVINO pays: it takes seconds, once."""


def by_engine(
    network: nn.Module,
    specs: Mapping[str, InputSpec],
    precision: Precision,
    engine: Engine,
    pictures: int,
) -> tuple[nn.Module, str]:
    """The network as an engine computes it, and its number type: `onnx` where its file says it.

    Args:
        network: of torch, or from an ONNX file.
        specs: its input tensors.
        precision: of an ONNX network, what its file says stands for `float32` and `auto`.
        engine: `auto`: on a CPU, OpenVINO where it is installed and computes this network; one of
            torch for `MANY` pictures alone. Else the network's own engine.
        pictures: how many it will see; 0: not known.

    Raises:
        InputError: an engine that is missing, or not for this network or its device; bfloat16 on a
            device without it, or by ONNX Runtime.
    """
    own: Engine = "onnxruntime" if isinstance(network, OnnxNetwork) else "torch"
    device = network.device if isinstance(network, OnnxNetwork) else device_of(network).type
    if engine == "auto":
        worth = pictures >= MANY or own == "onnxruntime"
        if worth and device == "cpu" and has_openvino():
            try:
                return _computed(network, specs, precision, "openvino")
            except InputError:
                pass  # what its own engine cannot do either, that one says
        engine = own
    if engine not in (own, "openvino"):
        whose = "of torch" if own == "torch" else "from an ONNX file"
        raise InputError(
            f"a network {whose} is computed by {own} or openvino: choose one, not {engine}"
        )
    if engine == "openvino" and device != "cpu":
        raise InputError(f"openvino computes on the CPU: choose --device cpu, not {device}")
    return _computed(network, specs, precision, engine)


def _computed(
    network: nn.Module, specs: Mapping[str, InputSpec], precision: Precision, engine: Engine
) -> tuple[nn.Module, str]:
    if isinstance(network, OnnxNetwork):
        if precision != "bfloat16":
            return (onnx_by_openvino(network) if engine == "openvino" else network), "onnx"
        if engine != "openvino":
            raise InputError(
                "onnxruntime always computes in the precision of the file; for bfloat16 choose "
                "--engine openvino (pip install 'passerby[openvino]')"
            )
    dtype = chosen_precision(precision, "cpu" if engine == "openvino" else device_of(network))
    name = str(dtype).removeprefix("torch.")
    if isinstance(network, OnnxNetwork):
        return onnx_by_openvino(network, dtype), name
    if engine == "openvino":
        return OpenVinoNetwork(network, specs, dtype), name
    return Optimised(network, dtype), name
