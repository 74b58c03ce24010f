"""Another run's finished stages as the start of this one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from passerby.files import stage_files
from passerby.method import Stage
from passerby.training.provenance import read_config
from passerby.types import InputError


@dataclass(frozen=True)
class Origin:
    """Where a run starts from, when not at its beginning."""

    run: str
    """The earlier run's folder."""
    stage: str
    """The last of its stages that is taken over."""
    weights: str
    """Stands for the network and the criterion at that stage's end."""
    recipe: dict[str, Any]
    """The earlier run's: what it says of the stages taken over is what they were trained with."""


def take_over(
    source: Path,
    network: nn.Module,
    criterion: nn.Module,
    stages: Sequence[Stage],
    *,
    method: str,
    data: str,
) -> tuple[Origin, list[Stage]]:
    """Loads what an earlier run's finished stages trained, and leaves these stages out.

    Taken over are the tensors that the turns of those stages hold and do not freeze. All others
    stay as they are, so that they may be of other shapes in the earlier run.

    Args:
        source: a run, whose last finished stage is taken, but never the last of all `stages`; or
            one of its stages, `RUN/stages/NAME.safetensors`.
        network: changed in place.
        criterion: changed in place.
        stages: of this run, in order.
        method: name of this run's method; the earlier run's must be the same.
        data: fingerprint of this run's training pictures; likewise.

    Returns:
        Where the weights come from, and the stages, those taken over with no epochs left.

    Raises:
        InputError: no such run or stage, another method or other training pictures, no stage left
            to train, or a tensor that is missing or of another shape: named.
    """
    run, last = _find(source, [stage.name for stage in stages])
    config = _read_config(run)
    for name, wanted in (("method", method), ("data", data)):
        if config.get(name) != wanted:
            what = "the method" if name == "method" else "training pictures of the fingerprint"
            raise InputError(
                f"{run} was trained with {what} {config.get(name)}; it must be {wanted}"
            )
    done = stages[: last + 1]
    files = stage_files(run, done[-1].name)
    for module, file in zip((network, criterion), files, strict=True):
        _load(module, file, trained_by(done, module))
    digest = hashlib.blake2b(digest_size=16)
    for file in files:
        digest.update(file.read_bytes())
    origin = Origin(str(run), done[-1].name, digest.hexdigest(), config.get("recipe", {}))
    return origin, [*(replace(stage, epochs=0) for stage in done), *stages[last + 1 :]]


def trained_by(stages: Sequence[Stage], module: nn.Module) -> list[str]:
    """Names of the module's tensors that a turn of these stages holds and does not freeze."""
    held: set[int] = set()
    for turn in (turn for stage in stages for turn in stage.turns):
        frozen = {id(tensor) for part in turn.frozen for tensor in _tensors(part).values()}
        held |= {id(tensor) for tensor in _tensors(turn).values()} - frozen
    return [name for name, tensor in _tensors(module).items() if id(tensor) in held]


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    return dict(module.state_dict(keep_vars=True))


def _find(source: Path, names: list[str]) -> tuple[Path, int]:
    """The earlier run and the position in `names` of the last stage that is taken over."""
    if source.is_file():
        run, name = source.parent.parent, source.name.removesuffix(".safetensors")
        if name not in names[:-1] or source != stage_files(run, name)[0]:
            raise InputError(
                "a run starts from RUN or RUN/stages/NAME.safetensors with NAME one of "
                f"{', '.join(names[:-1]) or '(none: there is one stage)'}; given {source}"
            )
        return run, names.index(name)
    finished = [i for i, name in enumerate(names[:-1]) if stage_files(source, name)[0].is_file()]
    if not source.exists():
        raise InputError(f"--init-from {source}: no such run")
    if not finished:
        wanted = ", ".join(str(stage_files(source, name)[0]) for name in names[:-1])
        raise InputError(
            f"nothing to start from: none of these exists: {wanted or '(one stage only)'}"
        )
    return source, finished[-1]


def _read_config(run: Path) -> dict[str, Any]:
    config = read_config(run)
    if not config:
        raise InputError(f"{run}: not a run: config.yaml is missing")
    return config


def _load(module: nn.Module, file: Path, names: list[str]) -> None:
    try:
        found = load_file(file)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{file} cannot be read as a finished stage: {error}") from error
    own = module.state_dict()
    for name in names:
        if name not in found:
            raise InputError(f"{file} lacks {name}, which this run's stage needs")
        if found[name].shape != own[name].shape:
            raise InputError(
                f"{file}: {name} must be {tuple(own[name].shape)}; it is {tuple(found[name].shape)}"
            )
    module.load_state_dict({name: found[name] for name in names}, strict=False)
