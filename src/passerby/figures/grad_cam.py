"""Grad-CAM (Selvaraju et al. 2017): which places of a map a score rests on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from passerby.types import InputError

Score = Callable[[Mapping[str, Tensor]], Tensor]
"""Inputs of B pictures -> (B,), or fewer where pictures go together: scores that are explained."""

LAYERS = {
    "attention_driven": ("whole.blocks.3",),
    "feature_mask": ("lan.layers", "grn.trunk.layer4"),
    "msreid": ("attention.3", "trunk.layer4"),
}
"""By method: where its last maps of the whole picture come from, the first that a score rests on.
Elsewhere it is the last module that gives maps."""


def grad_cam(maps: Tensor, gradients: Tensor) -> Tensor:
    """Eq. 1 and 2: channels weighted by their mean gradient, summed, what lowers the score cut off.

    Args:
        maps: (B, C, h, w), A.
        gradients: (B, C, h, w), of each picture's score by its A.

    Returns:
        (B, h, w), 0 or more.
    """
    weights = gradients.mean(dim=(2, 3), keepdim=True)
    return torch.relu((weights * maps).sum(dim=1))


def explain(
    network: nn.Module,
    score: Score,
    inputs: Mapping[str, Tensor],
    *,
    method: str = "",
    layer: str | None = None,
) -> tuple[Tensor, Tensor, str]:
    """Grad-CAM of scores of a network.

    Args:
        network: in eval mode, so that pictures do not change each other.
        score: calls the network once.
        inputs: of B pictures.
        method: its key in `LAYERS`, if it has one.
        layer: dotted name of the module whose map is taken; None: see `LAYERS`.

    Returns:
        (B, h, w) maps, the scores, and the module's name.

    Raises:
        InputError: no such module, or the score does not rest on maps of it.
    """
    names = (layer,) if layer is not None else LAYERS.get(method, ())
    known = dict(network.named_modules())
    if layer is not None and layer not in known:
        raise InputError(_no_module(layer, known))
    wanted = {
        name: module for name, module in known.items() if name and (not names or name in names)
    }
    with torch.enable_grad(), _listening(wanted) as heard:
        values = score(inputs)
        order = [name for name in names if name in heard] or list(reversed(heard))
        asked = [heard[name] for name in order]
        gradients = torch.autograd.grad(values.sum(), asked, allow_unused=True) if asked else ()
    for name, gradient in zip(order, gradients, strict=True):
        if gradient is not None:
            cam = grad_cam(heard[name].detach().float(), gradient.float())
            return cam, values.detach(), name
    raise InputError(f"the score does not depend on a map of {', '.join(names) or 'the network'}")


def similarity(first: Tensor, second: Tensor, metric: str) -> Tensor:
    """(B, D) twice -> (B,): the cosine, or minus half the squared Euclidean distance.

    Grad-CAM of the distance and of its square are the same but for their scale.

    Raises:
        InputError: an unknown metric.
    """
    if metric == "cosine":
        return nn.functional.cosine_similarity(first, second)
    if metric in ("euclidean", "squared_euclidean"):
        return -(first - second).square().sum(dim=1) / 2
    raise InputError(f"the metric must be cosine or euclidean: given {metric!r}")


def pair_score(network: nn.Module, metric: str) -> Score:
    """The similarity of pictures 1 and B / 2 + 1, 2 and B / 2 + 2, and so on."""

    def score(inputs: Mapping[str, Tensor]) -> Tensor:
        first, second = network(**inputs).chunk(2)
        return similarity(first, second, metric)

    return score


def identity_score(network: Any, criterion: Any, labels: Tensor, identities: int) -> Score:
    """What the criterion's classifiers say for each picture's own identity.

    Args:
        network: with `features(**inputs)`.
        criterion: with `identity_logits(features) -> (B, identities)`.
        labels: (B,).
        identities: how many the labels were counted among.

    Raises:
        InputError: (the score does) for classifiers of another number of identities.
    """

    def score(inputs: Mapping[str, Tensor]) -> Tensor:
        logits: Tensor = criterion.identity_logits(network.features(**inputs))
        if logits.shape[1] != identities:
            raise InputError(
                f"the run was trained on {logits.shape[1]} people, but the data have {identities} "
                "training people: use the data of the training"
            )
        return logits.gather(1, labels[:, None])[:, 0]

    return score


def mean_score(network: nn.Module, means: Tensor, metric: str) -> Score:
    """The similarity with the mean embedding (B, D) of each picture's person.

    For methods that learn without classifiers.
    """
    return lambda inputs: similarity(network(**inputs), means, metric)


def _no_module(layer: str, known: Mapping[str, nn.Module]) -> str:
    """The message for a name that no module has, with those where it could have gone on."""
    inside = layer
    while inside not in known:
        inside = inside.rpartition(".")[0]
    names = ", ".join(known[inside]._modules)
    whose = f"those in {inside}" if inside else "its own"
    return f"the network has no module {layer!r}; {whose} are {names or 'none'}"


@contextmanager
def _listening(modules: Mapping[str, nn.Module]) -> Iterator[dict[str, Tensor]]:
    """Collects the maps (B, C, h, w) that modules give, in the order that they run."""
    heard: dict[str, Tensor] = {}

    def listener(name: str) -> Callable[..., None]:
        def listen(module: nn.Module, given: object, output: object) -> None:
            found = output[0] if isinstance(output, tuple) else output
            if isinstance(found, Tensor) and found.ndim == 4 and found.shape[2:].numel() > 1:
                heard.pop(name, None)
                if found.requires_grad:
                    heard[name] = found

        return listen

    hooks = [module.register_forward_hook(listener(name)) for name, module in modules.items()]
    try:
        yield heard
    finally:
        for hook in hooks:
            hook.remove()
