"""The part of a finished run that draws: its network, or what only training needed."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

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
    stages = model.method.stages(model.recipe, model.network, criterion)
    names = [stage.name for stage in stages] if model.stage is None else [model.stage]
    files = [stage_files(Path(run), name)[1] for name in names]
    there = [file for file in files if file.is_file()]
    if not there:
        raise InputError(f"{run} does not hold what only training needed: there is no {files[-1]}")
    try:
        criterion.load_state_dict(load_file(there[-1]))
    except (SafetensorError, OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{there[-1]} does not fit {model.method.name}: {reason}") from error
    return criterion.to(next(model.network.parameters()).device).eval()
