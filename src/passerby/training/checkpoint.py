"""Checkpoints: nested states of tensors and plain values in one safetensors file, no pickle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from passerby.files import write_tensors
from passerby.parsing import parse_json
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
    write_tensors(file, tensors, {_STATE: json.dumps(structure)})


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
        return _unflatten(parse_json(metadata[_STATE]), tensors)
    except InputError:
        raise
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read as a checkpoint: {error}") from error


def _flatten(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        name = str(len(tensors))
        tensors[name] = value
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
