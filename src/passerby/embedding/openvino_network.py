"""Networks computed by OpenVINO on the CPU, with the face of a torch module.

A network of torch is converted once, seconds; one from an ONNX file is read as it is.

Tolerance, tested: as `passerby.embedding.optimised`.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from passerby.embedding.made_up import compared, made_up
from passerby.embedding.onnx_network import OnnxNetwork
from passerby.embedding.optimised import in_parts
from passerby.types import InputError, InputSpec

LEAST_COSINE = {torch.float32: 0.99999, torch.bfloat16: 0.99}
"""Between an embedding by torch and by OpenVINO, on noise; below it the conversion has failed."""

_TYPES = {torch.float32: "f32", torch.bfloat16: "bf16"}

Compute = Callable[[Mapping[str, NDArray[Any]]], NDArray[Any]]


def has_openvino() -> bool:
    """Whether it is installed."""
    return importlib.util.find_spec("openvino") is not None


class OpenVinoNetwork(nn.Module):
    """A copy of a torch network for embedding alone; its inputs and its embedding are float32.

    Args:
        network: in eval mode, on the CPU, left as it is.
        specs: the input tensors.
        dtype: float32 or bfloat16.

    Raises:
        InputError: OpenVINO is missing, or cannot compute this network.
    """

    def __init__(
        self,
        network: nn.Module,
        specs: Mapping[str, InputSpec],
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.dtype = dtype
        self._compute = _compiled(_converted(network, specs), dtype)
        _check(network, self, specs)

    def forward(self, **inputs: Tensor) -> Tensor:
        """(B, C, H, W) each -> (B, D)."""
        return in_parts(self._embedded, inputs)

    def _embedded(self, inputs: dict[str, Tensor]) -> Tensor:
        feeds = {name: tensor.contiguous().numpy() for name, tensor in inputs.items()}
        return torch.from_numpy(self._compute(feeds))


def onnx_by_openvino(network: OnnxNetwork, dtype: torch.dtype = torch.float32) -> OnnxNetwork:
    """The same ONNX network, computed by OpenVINO.

    Args:
        network: left as it is.
        dtype: what it computes in where the file says float32.

    Raises:
        InputError: OpenVINO is missing, or cannot compute this network.
    """
    core = _core()
    try:
        model = core.read_model(network.onnx.cpu().numpy().tobytes())
        return network.computed_by("OpenVINO", _compiled(model, dtype, network.output))
    except RuntimeError as error:
        raise InputError(f"{network.source}: OpenVINO cannot compute it: {_line(error)}") from None


def _core() -> Any:
    try:
        import openvino
    except Exception as error:  # a library that is there and does not load raises other kinds
        raise InputError(f"OpenVINO needs pip install 'passerby[openvino]' ({error})") from None
    return openvino.Core()


def _converted(network: nn.Module, specs: Mapping[str, InputSpec]) -> Any:
    _core()
    import openvino

    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            return openvino.convert_model(network, example_input=made_up(specs, 2, seed=0))
    except Exception as error:
        # The converter raises many kinds; each means that it cannot do this network.
        raise InputError(f"OpenVINO cannot compute this network: {_line(error)}") from None


def _compiled(model: Any, dtype: torch.dtype, output: str | None = None) -> Compute:
    """What computes one output, the first if none is named."""
    settings = {
        "INFERENCE_PRECISION_HINT": _TYPES[dtype],
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "PERFORMANCE_HINT": "LATENCY",
        # Threads that are bound to cores wait for whoever else computes there.
        "ENABLE_CPU_PINNING": False,
    }
    compiled = _core().compile_model(model, "CPU", settings)
    port = compiled.output(0 if output is None else output)

    def compute(feeds: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        # A request of its own: one that several threads share would be refused while it computes.
        found = compiled.create_infer_request().infer(dict(feeds))
        return np.array(found[port])

    return compute


def _check(network: nn.Module, converted: OpenVinoNetwork, specs: Mapping[str, InputSpec]) -> None:
    least = LEAST_COSINE[converted.dtype]
    try:
        _, cosine = compared(network, converted, specs)
    except FloatingPointError as error:
        raise InputError(f"OpenVINO gives {error}") from None
    if not cosine > least:
        raise InputError(
            f"OpenVINO gives other embeddings than torch: least cosine {cosine:.6f}, at least "
            f"{least} is needed"
        )


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
