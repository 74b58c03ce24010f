"""Checkpoints: nested states of tensors and plain values in one safetensors file, no pickle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from passerby.files import atomic
from passerby.types import InputError

_STATE = "passerby"


def save(file: Path, state: Any) -> None:
    """Writes `state` (dicts, lists, tuples, plain values and tensors, nested) atomically.

    Raises:
        OSError: from the operating system, e.g. when the disk is full.
        TypeError: for a value of another kind.
    """
    tensors: dict[str, Tensor] = {}
    structure = _flatten(state, tensors)
    with atomic(file) as temporary:
        try:
            save_file(tensors, temporary, metadata={_STATE: json.dumps(structure)})
        except SafetensorError as error:
            raise OSError(f"could not write {file}: {error}") from error


def load(file: Path) -> Any:
    """What `save` was given, its tensors on the CPU.

    Raises:
        InputError: when the file is not one of ours.
    """
    try:
        with safe_open(file, framework="pt") as opened:
            metadata = opened.metadata() or {}
            if _STATE not in metadata:
                raise InputError(f"{file} is not a checkpoint of passerby")
            tensors = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise InputError(f"{file} cannot be read as a checkpoint: {error}") from error
    return _unflatten(json.loads(metadata[_STATE]), tensors)


def _flatten(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        name = str(len(tensors))
        # cloned: safetensors refuses tensors that share memory
        tensors[name] = value.detach().to("cpu", copy=True).contiguous()
        return {"tensor": name}
    if isinstance(value, dict):
        return {"dict": [[key, _flatten(item, tensors)] for key, item in value.items()]}
    if isinstance(value, (list, tuple)):
        return {type(value).__name__: [_flatten(item, tensors) for item in value]}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"a checkpoint holds tensors and plain values; given {type(value).__name__}")


def _unflatten(value: Any, tensors: dict[str, Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {key: _unflatten(item, tensors) for key, item in content}
    items = [_unflatten(item, tensors) for item in content]
    return tuple(items) if kind == "tuple" else items


def write_tensors(file: Path, state: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Writes named tensors as a plain safetensors file that any program reads.

    Raises:
        OSError: from the operating system.
    """
    tensors = {
        name: value.detach().to("cpu", copy=True).contiguous() for name, value in state.items()
    }
    with atomic(file) as temporary:
        try:
            save_file(tensors, temporary, metadata=metadata)
        except SafetensorError as error:
            raise OSError(f"could not write {file}: {error}") from error


def to_device(state: Any, device: torch.device) -> Any:
    """The same nested state with its tensors on `device`."""
    if isinstance(state, Tensor):
        return state.to(device)
    if isinstance(state, dict):
        return {key: to_device(item, device) for key, item in state.items()}
    if isinstance(state, (list, tuple)):
        return type(state)(to_device(item, device) for item in state)
    return state
