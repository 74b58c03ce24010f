"""What a run says of itself: where it lies, what it was made from and with."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from passerby.files import write_text
from passerby.parsing import parse_yaml, yaml_text
from passerby.types import InputError, Source
from passerby.version import VERSION

if TYPE_CHECKING:
    import torch

    from passerby.data.training_data import TrainingData
    from passerby.training.settings import Settings


def claim(out: Path, resume: bool, config: Mapping[str, Any]) -> None:
    """Makes the run's folder and writes `config.yaml`.

    Raises:
        InputError: the folder holds a run (or anything else) and `resume` is off.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file: choose a folder for the run")
    if not resume and out.is_dir() and any(out.iterdir()):
        raise InputError(
            f"{out} is not empty: choose another folder, or continue its run with --resume"
        )
    if not (out / "config.yaml").exists():
        write_text(out / "config.yaml", yaml_text({**config, "command": command()}))


def read_config(run: Path) -> dict[str, Any]:
    """What `claim` wrote; empty where there is none.

    Raises:
        InputError: the file is not the configuration of a run.
    """
    file = run / "config.yaml"
    if not file.is_file():
        return {}
    try:
        config = parse_yaml(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{file} is not the configuration of a run: {error}") from error
    if not isinstance(config, dict):
        raise InputError(f"{file} is not the configuration of a run")
    return config


def source_as_plain(source: Source | None) -> dict[str, Any] | None:
    """Where the data come from, as `config.yaml` holds it."""
    if source is None:
        return None
    root = None if source.root is None else str(source.root)
    return {"data": source.data, "root": root, "options": dict(source.options)}


def source_of(run: Path) -> Source | None:
    """Where a run's data come from; None where its `config.yaml` does not say.

    Raises:
        InputError: as `read_config`.
    """
    config = read_config(run)
    found = config.get("source")
    if isinstance(found, dict) and "data" in found:
        root = found.get("root")
        return Source(found["data"], root and Path(root), found.get("options") or {})
    # Runs of earlier versions say what kind of data it was, but not where.
    trained_on = config.get("trained_on")
    return Source(str(trained_on[0]).split()[0], None) if trained_on else None


def command() -> list[str]:
    """What was typed, without the folder that the program lies in."""
    return [Path(sys.argv[0]).stem.replace("__main__", "passerby"), *sys.argv[1:]]


def numeric_settings(settings: Settings, processes: int) -> dict[str, Any]:
    """The settings that numbers depend on; a resumed run must have the same."""
    return {
        "processes": processes,
        "precision": settings.precision,
        "accumulate": settings.accumulate,
        "clip": settings.clip,
        "compile": settings.compile,
        "sync_batchnorm": settings.sync_batchnorm,
    }


def data_fingerprint(data: TrainingData) -> str:
    """Stands for the list of training pictures, who is in them, and which are one track."""
    rows = [
        (s.name, s.person_id, s.camera_id, s.box, *([s.track_id] if s.track_id else []))
        for s in data.samples
    ]
    return hashlib.blake2b(json.dumps(rows).encode(), digest_size=16).hexdigest()


def environment(device: torch.device) -> dict[str, Any]:
    """Versions and machine, as a run states them."""
    import torch

    on_gpu = device.type == "cuda"
    return {
        "versions": {
            "passerby": VERSION,
            "python": platform.python_version(),
            "torch": str(torch.__version__),
        },
        "device": torch.cuda.get_device_name(device) if on_gpu else str(device),
        "threads": torch.get_num_threads(),
    }
