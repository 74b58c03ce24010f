"""A network in an ONNX file, computed by ONNX Runtime, with the face of a torch module."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from passerby.cues.onnx_session import open_session
from passerby.embedding.preprocessing import Preprocessing, no_criterion, no_stages
from passerby.method import Descriptor, Inputs, Method
from passerby.parsing import parse_json
from passerby.types import InputError, InputSpec

METADATA = "passerby"
"""Key in the file's metadata: JSON of what an Embedder needs beside the network."""

TENSOR = "onnx"
"""Name of the tensor that holds the file's bytes in a `model.safetensors`."""

_TYPES: dict[str, Any] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(uint8)": np.uint8,
}


class OnnxNetwork(nn.Module):
    """`forward(**inputs) -> (B, D)`, as a method's network.

    Args:
        content: the file's bytes as uint8.
        specs: the input tensors.
        source: names the file in messages.
        layout: `nhwc` where the file wants channels last.
        output: which of several outputs is the embedding; None: there is only one.
        device: `cpu`, or another that ONNX Runtime has a provider for, e.g. `cuda`.

    Raises:
        InputError: ONNX Runtime is missing, reads no network, or has no such device; inputs or
            outputs that do not fit.
    """

    onnx: Tensor

    def __init__(
        self,
        content: Tensor,
        specs: Mapping[str, InputSpec],
        source: str | Path = "the file",
        *,
        layout: str = "nchw",
        output: str | None = None,
        device: str = "cpu",
    ) -> None:
        super().__init__()
        self.register_buffer(TENSOR, content)
        self.source = str(source)
        self.layout = layout
        self.device = device
        self._session = _session(content, self.source, device)
        self._inputs = _matched(self._session, specs, layout, self.source)
        names = [found.name for found in self._session.get_outputs()]
        if output is None and len(names) > 1:
            raise InputError(
                f"{self.source} has the outputs {', '.join(names)}: choose one with output="
            )
        if output is not None and output not in names:
            raise InputError(f"{self.source} has the outputs {', '.join(names)}; given {output!r}")
        self.output = names[0] if output is None else output
        self._engine = "ONNX Runtime"
        self._compute: Callable[[dict[str, NDArray[Any]]], NDArray[Any]] = self._by_runtime
        batch = self._session.get_inputs()[0].shape[0]
        self._batch: int | None = batch if isinstance(batch, int) else None

    def computed_by(
        self, engine: str, compute: Callable[[dict[str, NDArray[Any]]], NDArray[Any]]
    ) -> OnnxNetwork:
        """The same network, computed otherwise.

        Args:
            engine: names what computes in messages.
            compute: inputs by the file's names to the output `output`.
        """
        made = copy.copy(self)
        made._engine, made._compute = engine, compute
        return made

    @property
    def metadata(self) -> dict[str, Any]:
        """What `passerby export` wrote into the file; empty: nothing."""
        return _said(self._session, self.source)

    def forward(self, **inputs: Tensor) -> Tensor:
        """(B, C, H, W) each -> (B, D)."""
        device = next(iter(inputs.values())).device
        feeds = {}
        for name, (own, kind) in self._inputs.items():
            values = inputs[name].permute(0, 2, 3, 1) if self.layout == "nhwc" else inputs[name]
            array = values.cpu().contiguous().numpy()
            array = np.rint(array) if kind is np.uint8 else array
            feeds[own] = np.ascontiguousarray(array.astype(kind, copy=False))
        return torch.from_numpy(self._embed(feeds)).to(device)

    def _embed(self, feeds: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
        count = len(next(iter(feeds.values())))
        size = self._batch or count
        parts = []
        for start in range(0, count, size):
            chosen = {name: array[start : start + size] for name, array in feeds.items()}
            parts.append(self._run(chosen, size))
        return np.concatenate(parts)

    def _run(self, feeds: dict[str, NDArray[Any]], size: int) -> NDArray[np.float32]:
        count = len(next(iter(feeds.values())))
        if count < size:  # a file that takes so many pictures and no fewer
            feeds = {
                name: np.resize(array, (size, *array.shape[1:])) for name, array in feeds.items()
            }
        try:
            found = self._compute(feeds)
        except Exception as error:
            # ONNX Runtime raises classes of its own that share no base but Exception.
            reason = " ".join(str(error).split())[:150]
            raise InputError(f"{self.source}: {self._engine} cannot run it: {reason}") from None
        if len(found) != size or found.ndim < 2 or found.size != size * found.shape[1]:
            raise InputError(
                f"{self.source}: the output {self.output} must be (pictures, numbers); "
                f"for {size} pictures it is {found.shape}"
            )
        return np.asarray(found.reshape(size, -1)[:count], np.float32)

    def _by_runtime(self, feeds: dict[str, NDArray[Any]]) -> NDArray[Any]:
        (found,) = self._session.run([self.output], feeds)
        return np.asarray(found)


@dataclass(frozen=True)
class OnnxRecipe:
    """What is to be known of somebody else's ONNX file."""

    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    """What it expects."""
    metric: Literal["cosine", "euclidean"] = "cosine"
    """Distance between embeddings."""
    output: str | None = None
    """Which output is the embedding; None: there is only one."""


@dataclass(frozen=True)
class Note:
    """What is known of an ONNX file beside the network."""

    plain: Mapping[str, Any]
    """`method` and `recipe`, or `preprocessing`, `metric` and `output`."""
    fingerprint: str | None
    """Of the model that the very file was exported from; None: not known."""


def read_content(file: Path) -> Tensor:
    """The file's bytes.

    Raises:
        InputError: no such file.
    """
    if not file.is_file():
        raise InputError(f"{file}: no such file")
    return torch.from_numpy(np.fromfile(file, np.uint8))


def note_file(file: Path) -> Path:
    """Where the JSON beside an ONNX file lies."""
    return file.with_name(file.name + ".json")


def read_note(file: Path, content: Tensor) -> Note:
    """What the file's metadata, else the JSON beside it, say.

    The fingerprint counts only where the JSON names this very file by its SHA-256: whoever changes
    the network (quantises it, say) changes the embeddings.

    Raises:
        InputError: neither says anything, or the JSON is damaged.
    """
    inside = _said(_session(content, str(file), "cpu"), str(file))
    beside: dict[str, Any] = {}
    if note_file(file).is_file():
        try:
            beside = dict(parse_json(note_file(file).read_text(encoding="utf-8")))
        except ValueError as error:
            raise InputError(f"{note_file(file)}: not a JSON object: {error}") from error
    plain = inside or beside
    if "method" not in plain and "preprocessing" not in plain:
        raise InputError(
            f"{file} does not say how pictures become its input: give a Preprocessing, or write "
            f'{note_file(file).name}: {{"preprocessing": {{"height": 256, "width": 128}}}}'
        )
    own = beside.get("sha256") == hashlib.sha256(content.numpy().tobytes()).hexdigest()
    return Note(plain, str(plain["fingerprint"]) if own and "fingerprint" in plain else None)


def _session(content: Tensor, source: str, device: str) -> Any:
    def providers(runtime: Any) -> list[str]:
        provider = f"{device.partition(':')[0].upper()}ExecutionProvider"
        able = runtime.get_available_providers()
        if provider not in able:
            raise InputError(
                f"this ONNX Runtime does not compute on {device}: it has {', '.join(able)}"
            )
        return [provider]

    needs = "ONNX networks need ONNX Runtime: pip install 'passerby[onnx]'"
    content_bytes = content.numpy().tobytes()
    return open_session(content_bytes, source, needs, providers, torch.get_num_threads())


def _said(session: Any, source: str) -> dict[str, Any]:
    """What `passerby export` wrote into the file; empty: nothing."""
    text = session.get_modelmeta().custom_metadata_map.get(METADATA)
    try:
        return {} if text is None else dict(parse_json(text))
    except (ValueError, TypeError) as error:
        raise InputError(
            f"{source}: its metadata {METADATA!r} is not a JSON object: {error}"
        ) from error


def _matched(
    session: Any, specs: Mapping[str, InputSpec], layout: str, source: str
) -> dict[str, tuple[str, Any]]:
    """By our input name: the file's own name and its number type."""
    own = {found.name: found for found in session.get_inputs()}
    if len(own) != len(specs) or (len(specs) > 1 and set(own) != set(specs)):
        raise InputError(
            f"{source} takes the inputs {', '.join(own)}; wanted are {', '.join(specs)}"
        )
    matched = {}
    for name, spec in specs.items():
        found = own[name] if name in own else next(iter(own.values()))
        channels = len(spec.mean)
        sides = (spec.height, spec.width)
        wanted = (channels, *sides) if layout == "nchw" else (*sides, channels)
        fits = len(found.shape) == 4 and all(
            not isinstance(size, int) or size == own_size
            for size, own_size in zip(found.shape[1:], wanted, strict=False)
        )
        if not fits or found.type not in _TYPES:
            raise InputError(
                f"{source}: its input {found.name} is {found.type} {found.shape}; the "
                f"preprocessing gives (pictures, {', '.join(map(str, wanted))}) in {layout}, of "
                f"{', '.join(_TYPES)}"
            )
        matched[name] = (found.name, _TYPES[found.type])
    return matched


def _inputs(recipe: OnnxRecipe) -> Inputs:
    return recipe.preprocessing.inputs


def _network(recipe: OnnxRecipe) -> nn.Module:
    raise InputError("an ONNX network comes from its file: Embedder.from_onnx")


def _descriptor(recipe: OnnxRecipe) -> Descriptor:
    return Descriptor(recipe.metric, f"output {recipe.output or ''}".strip() + " of an ONNX file")


METHOD = Method(
    name="onnx",
    title="a network from an ONNX file",
    recipe=OnnxRecipe,
    inputs=_inputs,
    network=_network,
    criterion=no_criterion,
    stages=no_stages,
    descriptor=_descriptor,
)
"""Not one that is trained: it stands for networks from elsewhere."""
