"""A model as an ONNX file that says how pictures become its input."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import io
import json
import keyword
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from passerby.embedding.embedder import Embedder
from passerby.embedding.made_up import compared, made_up
from passerby.embedding.onnx_network import METADATA, OnnxNetwork, note_file
from passerby.files import atomic, write_text
from passerby.recipes import to_plain
from passerby.types import InputError

OPSET = 18
"""Version of ONNX' operators."""

LEAST_COSINE = 0.99999
"""Between an embedding by torch and by ONNX Runtime; below it the export has failed."""


@dataclass(frozen=True)
class ExportedModel:
    """What was written."""

    file: Path
    """The ONNX file."""
    inputs: tuple[str, ...]
    """Names of its inputs, each (pictures, channels, height, width) float32."""
    width: int
    """Numbers of an embedding."""
    cosine: float
    """The least between an embedding by torch and by ONNX Runtime, on made-up inputs."""


def export_onnx(model: Embedder, file: str | Path) -> ExportedModel:
    """Writes a model as ONNX, with `FILE.json` beside it, and compares the two networks.

    The file's metadata (key `passerby`) and the JSON hold method, recipe, metric, feature,
    fingerprint and, for each input, height, width, mean and std: number = (byte / 255 - mean) /
    std, RGB, (pictures, channels, height, width). `Embedder.from_onnx` reads them.

    Args:
        model: a model that torch computes.
        file: the `.onnx` file.

    Raises:
        InputError: the exporter is missing or cannot do this network, or it is ONNX already.
        FloatingPointError: ONNX Runtime gives other embeddings: nothing is written.
        OSError: from the operating system.
    """
    file = Path(file)
    if file.suffix != ".onnx":
        raise InputError(f"the name of an ONNX file must end in .onnx: given {file}")
    if isinstance(model.network, OnnxNetwork):
        raise InputError(f"this model is an ONNX file already: {model.network.source}")
    needed()
    note = {**model_note(model), "fingerprint": model.fingerprint}
    content = exported(model, json.dumps(note))
    specs = model.inputs.specs
    found = OnnxNetwork(torch.frombuffer(bytearray(content), dtype=torch.uint8), specs, file)
    width, cosine = compared(_exportable(model.network), found, specs)
    if not cosine > LEAST_COSINE:
        raise FloatingPointError(
            f"ONNX Runtime gives other embeddings than torch: least cosine {cosine:.6f}, at least "
            f"{LEAST_COSINE} is needed"
        )
    with atomic(file) as temporary:
        temporary.write_bytes(content)
    note = {**note, "sha256": hashlib.sha256(content).hexdigest()}
    write_text(note_file(file), json.dumps(note, indent=2) + "\n")
    return ExportedModel(file, tuple(specs), width, cosine)


def model_note(model: Embedder) -> dict[str, Any]:
    """What a file of the model states, but its fingerprint."""
    inputs = {
        name: {**to_plain(spec), "channels": "rgb"[: len(spec.mean)], "layout": "nchw"}
        for name, spec in model.inputs.specs.items()
    }
    return {"format": 1, **model.config, "inputs": inputs, "rule": "(byte / 255 - mean) / std"}


def needed() -> None:
    """Looks for what exporting takes.

    Raises:
        InputError: it is missing.
    """
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise InputError(f"exporting needs pip install 'passerby[onnx]' ({error})") from None


class _OtherNames(nn.ModuleDict):
    """A ModuleDict whose keys may be Python's own words, e.g. `global`.

    The exporter writes code in which modules are attributes.
    """

    def __init__(self, modules: nn.ModuleDict) -> None:
        super().__init__({f"{name}_": module for name, module in modules.items()})

    def __getitem__(self, key: str) -> nn.Module:
        return super().__getitem__(f"{key}_")

    def __contains__(self, key: str) -> bool:
        return super().__contains__(f"{key}_")

    def __iter__(self) -> Iterator[str]:
        return (name.removesuffix("_") for name in super().__iter__())


def _exportable(network: nn.Module) -> nn.Module:
    """A copy on the CPU that the exporter takes."""
    made = copy.deepcopy(network).cpu().eval()
    for module in list(made.modules()):
        for name, child in list(module.named_children()):
            if type(child) is nn.ModuleDict and any(map(keyword.iskeyword, child)):
                setattr(module, name, _OtherNames(child))
    return made


def exported(model: Embedder, note: str) -> bytes:
    """An ONNX file's bytes.

    Args:
        model: of torch.
        note: the metadata of passerby, JSON.

    Raises:
        InputError: the exporter cannot do this network.
    """
    network = _exportable(model.network)
    inputs = made_up(model.inputs.specs, 2, seed=0)
    pictures = torch.export.Dim("pictures", min=1)
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                network,
                (),
                kwargs=inputs,
                input_names=list(inputs),
                output_names=["embedding"],
                dynamic_shapes={name: {0: pictures} for name in inputs},
                opset_version=OPSET,
                dynamo=True,
                optimize=False,
                external_data=False,
            )
            assert program is not None
            proto = program.model_proto
    except Exception as error:
        # The exporter raises many kinds; each means that it cannot do this network.
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{model.method.name} cannot be exported to ONNX: {reason}") from error
    entry = proto.metadata_props.add()
    entry.key, entry.value = METADATA, note
    content: bytes = proto.SerializeToString()
    return content


@contextlib.contextmanager
def _quiet() -> Any:
    """The exporter tells of its progress by print, warnings and logging."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
