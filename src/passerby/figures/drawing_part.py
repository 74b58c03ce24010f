"""The part of a finished run that draws: its network, or what only training needed."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from passerby.embedding.embedder import Embedder
from passerby.files import stage_files
from passerby.types import InputError


def drawing_part(model: Embedder, run: str | Path, ability: str) -> nn.Module:
    """The model's network where it has the ability, else the run's criterion.

    The criterion is taken as the run's last stage left it, or the stage that the model is of. That
    works where its tensors do not depend on the number of training identities, which a model does
    not know (generated_masks).

    Args:
        model: `Embedder.load(run)`.
        run: the run's folder, with its `stages/`.
        ability: name of the function that is wanted of (**inputs), e.g. `mask`.

    Raises:
        InputError: neither has it; or no stage's end there, an unreadable one, or one whose
            tensors do not fit.
    """
    if callable(getattr(model.network, ability, None)):
        return model.network
    criterion = model.method.criterion(model.recipe, model.network, 1)
    if not callable(getattr(criterion, ability, None)):
        what = ability.replace("_", " ")
        raise InputError(f"the method {model.method.name} has no {what} to draw")
    return _filled(model, Path(run), criterion)


def criterion_of(model: Embedder, run: str | Path) -> nn.Module:
    """The criterion of a run with its classifiers, as the last stage (or the model's) left it.

    The number of training identities is taken from the file: the one size in which its tensors
    differ from those of a criterion for a single person.

    Args:
        model: `Embedder.load(run)`.
        run: the run's folder, with its `stages/`.

    Raises:
        InputError: no stage's end there, an unreadable one, or one whose tensors do not fit.
    """
    criterion = model.method.criterion(model.recipe, model.network, 1)
    file = _stage_file(model, Path(run), criterion)
    own = criterion.state_dict()
    sizes = {
        size
        for name, tensor in _read(model, file).items()
        if name in own and tensor.ndim == own[name].ndim
        for size, single in zip(tensor.shape, own[name].shape, strict=True)
        if single == 1 != size
    }
    if len(sizes) == 1:
        criterion = model.method.criterion(model.recipe, model.network, sizes.pop())
    return _filled(model, Path(run), criterion)


def _filled(model: Embedder, run: Path, criterion: nn.Module) -> nn.Module:
    file = _stage_file(model, run, criterion)
    try:
        criterion.load_state_dict(_read(model, file))
    except RuntimeError as error:
        raise _unfit(model, file, error) from error
    return criterion.to(next(model.network.parameters()).device).eval()


def _stage_file(model: Embedder, run: Path, criterion: nn.Module) -> Path:
    stages = model.method.stages(model.recipe, model.network, criterion)
    names = [stage.name for stage in stages] if model.stage is None else [model.stage]
    files = [stage_files(run, name)[1] for name in names]
    there = [file for file in files if file.is_file()]
    if not there:
        raise InputError(f"{run} lacks what only training needed: {files[-1]}")
    return there[-1]


def _read(model: Embedder, file: Path) -> dict[str, Tensor]:
    try:
        return load_file(file)
    except (SafetensorError, OSError) as error:
        raise _unfit(model, file, error) from error


def _unfit(model: Embedder, file: Path, error: Exception) -> InputError:
    reason = " ".join(str(error).split())[:200]
    return InputError(f"{file} does not fit {model.method.name}: {reason}")
