"""A model in whole numbers of 8 bits: faster on a CPU, calibrated on the user's own pictures.

Post-training quantisation (Jacob et al.: Quantization and Training of Neural Networks for
Efficient Integer-Arithmetic-Only Inference, CVPR 2018) by ONNX Runtime's own tools: the weights of
convolutions and products in int8, each output channel with a scale of its own, and what flows
between them in uint8, with the range that it has on the pictures. The rest stays in float32.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from passerby.embedding.embedder import Embedder
from passerby.embedding.export import exported, model_note, needed
from passerby.embedding.onnx_network import METADATA, TENSOR, OnnxNetwork, note_file
from passerby.extract import embed_samples
from passerby.files import atomic, write_text
from passerby.types import CueSource, InputError, Sample

LEAST = 64
"""Pictures that it takes at least: fewer do not show the ranges."""

CALIBRATES = 256
"""Pictures that the ranges are taken from, at most."""

CHECKS = 64
"""Other pictures that are embedded by both networks, at most."""

LEAST_COSINE = 0.9
"""Of the mean between an embedding in float32 and in int8; below it the model is refused."""

OPERATORS = ("Conv", "Gemm", "MatMul")
"""What computes in int8: nearly all of the work. Sums of shortcuts and pooling stay as they are."""

_AT_ONCE = 8


@dataclass(frozen=True)
class Int8Model:
    """What was written."""

    file: Path
    """The ONNX file."""
    fingerprint: str
    """Of the new model: its embeddings are others."""
    calibrated: int
    """Pictures that the ranges were taken from."""
    checked: int
    """Other pictures that both networks embedded; 0: there were no others, but the same ones."""
    cosine: float
    """Mean cosine between their embeddings in float32 and in int8."""


def export_int8(
    model: Embedder,
    samples: Sequence[Sample],
    file: str | Path,
    *,
    cues: CueSource | None = None,
) -> Int8Model:
    """Writes a model in int8 as ONNX, with `FILE.json` beside it, and compares the two.

    Args:
        model: of torch, or from an ONNX file in float32.
        samples: at least `LEAST` pictures like those that it will see; evenly spread, up to
            `CALIBRATES` of them are taken for the ranges and `CHECKS` others for the comparison.
        file: the `.onnx` file.
        cues: where masks and joints come from, if the model wants any.

    Raises:
        InputError: ONNX is missing or cannot do this network; too few pictures, or one that cannot
            be read; embeddings that int8 does not hold.
        OSError: from the operating system.
    """
    file = Path(file)
    if file.suffix != ".onnx":
        raise InputError(f"the name of an ONNX file must end in .onnx: given {file}")
    if len(samples) < LEAST:
        raise InputError(
            f"int8 must be calibrated on at least {LEAST} pictures like those that the model will "
            f"see; given {len(samples)}"
        )
    needed()
    calibrates, checks = _spread(samples)
    whole = _as_onnx(model, file)
    content = _quantised(
        bytes(whole.network.state_dict()[TENSOR].cpu().numpy().tobytes()),
        _Feeds(whole, calibrates, cues),
        model.method.name,
    )
    note = model_note(model)
    content = _with_metadata(content, json.dumps(note))
    made = _embedder(model, content, file)
    cosine = _cosine(whole, made, checks or calibrates, cues)
    if not cosine > LEAST_COSINE:
        raise InputError(
            f"int8 does not hold this model: mean cosine {cosine:.4f} with its own embeddings, at "
            f"least {LEAST_COSINE} is needed"
        )
    with atomic(file) as temporary:
        temporary.write_bytes(content)
    note |= {"fingerprint": made.fingerprint, "sha256": hashlib.sha256(content).hexdigest()}
    write_text(note_file(file), json.dumps(note, indent=2) + "\n")
    return Int8Model(file, made.fingerprint, len(calibrates), len(checks), cosine)


def _spread(samples: Sequence[Sample]) -> tuple[list[Sample], list[Sample]]:
    """Those to calibrate on and those to check with, each evenly over the list.

    >>> [len(part) for part in _spread(list(range(1000)))]
    [256, 64]
    """
    count = min(len(samples), CALIBRATES + CHECKS)
    chosen = [samples[k * len(samples) // count] for k in range(count)]
    every = (CALIBRATES + CHECKS) // CHECKS
    if count < LEAST * every // (every - 1):
        return chosen, []
    checks = chosen[every - 1 :: every]
    return [s for k, s in enumerate(chosen) if (k + 1) % every], checks


def _as_onnx(model: Embedder, file: Path) -> Embedder:
    """The model by ONNX Runtime."""
    if isinstance(model.network, OnnxNetwork):
        return model
    return _embedder(model, exported(model, json.dumps(model_note(model))), file)


def _embedder(model: Embedder, content: bytes, file: Path) -> Embedder:
    tensor = torch.frombuffer(bytearray(content), dtype=torch.uint8)
    old = model.network
    more = (
        {"layout": old.layout, "output": old.output} if isinstance(old, OnnxNetwork) else {}
    )  # fmt: skip
    network = OnnxNetwork(tensor, model.inputs.specs, file, **more)
    return Embedder(model.method, model.recipe, network)


class _Feeds:
    """What a network is fed with for some pictures, as ONNX Runtime's calibration reads it."""

    def __init__(self, model: Embedder, samples: Sequence[Sample], cues: CueSource | None) -> None:
        kept: list[dict[str, NDArray[Any]]] = []

        def keep(feeds: dict[str, NDArray[Any]]) -> NDArray[Any]:
            kept.append(feeds)
            return np.zeros((len(next(iter(feeds.values()))), 1), np.float32)

        assert isinstance(model.network, OnnxNetwork)
        network = model.network.computed_by("calibration", keep)
        embed_samples(network, model.inputs, samples, cues=cues, batch_size=_AT_ONCE)
        self._left = iter(kept)

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        """The next batch; None: that was all."""
        return next(self._left, None)


def _quantised(content: bytes, feeds: _Feeds, source: str) -> bytes:
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory(prefix="passerby-int8-") as folder, _quiet():
        whole, folded, made = (Path(folder) / f"{name}.onnx" for name in ("f", "folded", "int8"))
        whole.write_bytes(content)
        try:
            quant_pre_process(whole, folded, skip_symbolic_shape=True)
            quantization.quantize_static(
                folded,
                made,
                feeds,
                quant_format=quantization.QuantFormat.QDQ,
                op_types_to_quantize=list(OPERATORS),
                per_channel=True,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
            )
        except Exception as error:
            # The tools raise many kinds; each means that they cannot do this network.
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"{source} cannot be converted to int8: {reason}") from error
        return made.read_bytes()


def _with_metadata(content: bytes, note: str) -> bytes:
    import onnx

    proto = onnx.load_model_from_string(content)
    onnx.helper.set_model_props(proto, {METADATA: note})
    made: bytes = proto.SerializeToString()
    return made


def _cosine(
    one: Embedder, other: Embedder, samples: Sequence[Sample], cues: CueSource | None
) -> float:
    """The mean over the pictures."""
    rows = [
        embedder.embed_samples(samples, cues=cues, batch_size=_AT_ONCE).astype(np.float64)
        for embedder in (one, other)
    ]
    rows = [r / np.maximum(np.linalg.norm(r, axis=1, keepdims=True), 1e-12) for r in rows]
    return float((rows[0] * rows[1]).sum(axis=1).mean())


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The tools advise and complain by several loggers; what counts, they raise."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
