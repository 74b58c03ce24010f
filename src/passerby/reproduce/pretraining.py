"""The Attention Driven network's starting weights: its three networks, pre-trained at once.

The paper trains its network on ImageNet first (4.1). Rows of its tables differ in the attention
(decomposed, undivided, none), and weights of one do not fit the others.
"""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from passerby.experiment import make_recipe, train
from passerby.reproduce.wanted import Task
from passerby.terminal import say

METHOD = "attention_driven"
KINDS = ("decomposed", "plain", "none")
"""The attention of each network."""


def pretrain(task: Task, out: Path, console: Console) -> list[Path]:
    """Trains what is not trained yet, each kind in a folder of its name; goes on where it stood.

    Args:
        task: the pictures, the preset, changes to the recipes, the settings.
        out: holds the folders.
        console: where progress is shown.

    Returns:
        The folders, in the order of `KINDS`.

    Raises:
        InputError: as `passerby.experiment.train`.
        Interrupted: the user asked for it.
    """
    method = task.methods[METHOD]
    more = {**task.changes.get("", {}), **task.changes.get(METHOD, {})}
    for number, kind in enumerate(KINDS, 1):
        changes = {**more, "pretrain": True, "attention": kind}
        recipe = make_recipe(method, task.split.name, task.preset, changes)
        say(console, f"{number} of {len(KINDS)}: pre-training with attention {kind}")
        if not (out / kind / "config.json").is_file():
            train(
                method,
                task.split,
                out / kind,
                recipe=recipe,
                settings=task.settings,
                resume=True,
                evaluate=False,
                console=console,
            )
    return [out / kind for kind in KINDS]
