"""The two files of a model: `model.safetensors` (weights) and `config.json` (all else it needs)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from passerby.files import stage_files, write_tensors, write_text
from passerby.parsing import parse_json
from passerby.types import InputError

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
FORMAT = 1
"""Version of `config.json`; a greater one is refused."""


@dataclass(frozen=True)
class ModelFiles:
    """What the two files hold."""

    method: str
    """Name of the method."""
    recipe: dict[str, Any]
    """The recipe's fields as plain values."""
    weights: dict[str, Tensor]
    """The network's tensors by name."""
    stands_for: str | None = None
    """Fingerprint of the model whose embeddings it gives, where that is another's."""
    fingerprint: str | None = None
    """The model's, as it was written."""


def fingerprint(config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> str:
    """32 hex digits that stand for the weights and for all that decides on an embedding.

    Embeddings of different fingerprints must not be compared.
    """
    digest = hashlib.blake2b(json.dumps(config, sort_keys=True).encode(), digest_size=16)
    for name in sorted(weights):
        tensor = weights[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def write_model(folder: Path, config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> None:
    """Writes both files, each atomically.

    Raises:
        OSError: from the operating system, e.g. when the disk is full.
    """
    write_tensors(folder / WEIGHTS, weights)
    write_text(folder / CONFIG, json.dumps({"format": FORMAT, **config}, indent=2) + "\n")


def read_model(folder: Path, stage: str | None = None) -> ModelFiles:
    """Reads both files; no code is run.

    Args:
        folder: a run, or any folder that holds both.
        stage: take the weights as this stage of the run left them; None: as the last one did.

    Raises:
        InputError: a file is missing, is not one of ours, or comes from a later version; the run
            has no such stage: those that it has are named.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such run")
    if (folder / "config.yaml").is_file() and not (folder / CONFIG).is_file():
        raise InputError(f"{folder}: this run is not finished: continue it with --resume")
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise InputError(
                f"{folder}: {name} is missing; a model's folder needs {CONFIG} and {WEIGHTS}"
            )
    file = folder / WEIGHTS if stage is None else _stage_weights(folder, stage)
    try:
        config = parse_json((folder / CONFIG).read_text(encoding="utf-8"))
        weights = {name: _at_full_width(tensor) for name, tensor in load_file(file).items()}
        files = ModelFiles(
            str(config["method"]),
            dict(config["recipe"]),
            weights,
            config.get("stands_for"),
            config.get("fingerprint"),
        )
        version = int(config["format"])
    except (ValueError, KeyError, TypeError, SafetensorError) as error:
        raise InputError(f"{folder}: not a model of passerby: {error}") from error
    if version > FORMAT:
        raise InputError(f"{folder / CONFIG} has format {version}; this version reads {FORMAT}")
    return files


def _at_full_width(tensor: Tensor) -> Tensor:
    """Weights that were written as float16 are computed with in float32."""
    return tensor.float() if tensor.dtype == torch.float16 else tensor


def _stage_weights(run: Path, stage: str) -> Path:
    file, _ = stage_files(run, stage)
    names = {found.name.partition(".")[0] for found in file.parent.glob("*.safetensors")}
    if stage not in names or not file.is_file():
        raise InputError(
            f"{run} has the stages {', '.join(sorted(names)) or '(none)'}; given {stage!r}"
        )
    return file
