"""Where a network's starting weights come from: none, passerby's own model, a file, or ImageNet."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from passerby.methods.trunks import Trunk
from passerby.parsing import parse_json
from passerby.types import InputError

IMAGENET = {
    "resnet18": "timm/resnet18.tv_in1k",
    "resnet34": "timm/resnet34.tv_in1k",
    "resnet50": "timm/resnet50.tv_in1k",
    "resnet101": "timm/resnet101.tv_in1k",
}
"""Hub repositories that hold torchvision's first ImageNet weights, those that the papers used,
as safetensors with the same parameter names."""

OWN = Path(__file__).parents[1] / "model" / "model.safetensors"
"""Weights of the model that comes with passerby."""

PREFIXES = ("", "module.", "trunk.", "backbone.", "base.", "model.")
"""What other programs, and our own runs, write before the trunk's parameter names."""


def initialise_trunk(trunk: Trunk, name: str, weights: str) -> None:
    """Sets the starting weights of `trunk`, which is a `make_trunk(name)`.

    Args:
        trunk: changed in place.
        name: its key in `TRUNKS`.
        weights: `none` leaves the random ones; `imagenet` fetches torchvision's from the hub
            (cached there); `passerby` takes those of the model that comes with passerby; anything
            else is a run, or a file: safetensors or a PyTorch checkpoint, read without running
            its code.

    Raises:
        InputError: no such file, not a file of weights, tensors missing or of another shape, no
            ImageNet weights for this trunk, or the hub is out of reach.
    """
    if weights == "none":
        return
    file = _imagenet_file(name) if weights == "imagenet" else _file(weights)
    load_trunk(trunk, read_tensors(file), str(file))


def initialise_rest(network: nn.Module, weights: str) -> None:
    """Sets what a network has beside its `trunk`, where the file is of such a network, whole.

    Args:
        network: changed in place.
        weights: as `initialise_trunk`, which comes first; what is no file of ours changes nothing.
    """
    if weights in ("none", "imagenet"):
        return
    tensors = read_tensors(_file(weights))
    own = {n: t for n, t in network.state_dict().items() if not n.startswith("trunk.")}
    if all(name in tensors and tensors[name].shape == own[name].shape for name in own):
        network.load_state_dict({name: tensors[name] for name in own}, strict=False)


def start_fingerprint(weights: str) -> str | None:
    """Fingerprint of the model that training starts from: what `passerby` means changes.

    Args:
        weights: as `initialise_trunk`.

    Returns:
        None: no model of passerby, but random weights or somebody's file.
    """
    if weights in ("none", "imagenet"):
        return None
    file = _file(weights)
    config = file.with_name("config.json")
    if file.name != OWN.name or not config.is_file():
        return None
    try:
        found = parse_json(config.read_text(encoding="utf-8"))
    except ValueError:
        return None
    name = found.get("fingerprint") if isinstance(found, dict) else None
    return name if isinstance(name, str) else None


def _file(weights: str) -> Path:
    if weights == "passerby":
        return OWN
    place = Path(weights)
    return place / OWN.name if place.is_dir() else place


def _imagenet_file(name: str) -> Path:
    if name not in IMAGENET:
        raise InputError(
            f"--weights imagenet exists for {', '.join(IMAGENET)}; {name} takes none or a file"
        )
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(IMAGENET[name], "model.safetensors"))
    except Exception as error:  # the hub's client raises many kinds, all of which mean: not there
        raise InputError(
            f"--weights imagenet: {IMAGENET[name]} is neither cached nor within reach "
            f"({type(error).__name__}); give --weights none, or --weights FILE (.safetensors, .pth)"
        ) from error


def read_tensors(file: Path) -> dict[str, Tensor]:
    """Reads the tensors of a safetensors file or a PyTorch checkpoint, and never runs its code.

    Raises:
        InputError: no such file, or one that is neither.
    """
    if not file.is_file():
        raise InputError(
            f"--weights must be none, imagenet, passerby, a run or a file; there is no file {file}"
        )
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        loaded = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{file} contains more than plain tensors: loading it could run its code"
        ) from error
    except (SafetensorError, RuntimeError, EOFError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise InputError(f"{file} is not a file of weights: {reason}") from error
    for key in ("state_dict", "model", "network"):
        if isinstance(loaded, dict) and isinstance(loaded.get(key), dict):
            loaded = loaded[key]
    tensors = (
        {k: v for k, v in loaded.items() if isinstance(v, Tensor)}
        if isinstance(loaded, dict)
        else {}
    )
    if not tensors:
        raise InputError(f"{file} contains no named tensors")
    return tensors


def load_trunk(trunk: Trunk, tensors: dict[str, Tensor], source: str) -> None:
    """Copies the trunk's tensors, under any of `PREFIXES`; those of other parts are not looked at.

    Raises:
        InputError: when one is missing or has another shape; `fc` may be absent.
    """
    own = trunk.state_dict()
    prefix = max(PREFIXES, key=lambda p: sum(p + name in tensors for name in own))
    wanted = [n for n in own if not (n.startswith("fc.") or n.endswith("num_batches_tracked"))]
    missing = [name for name in wanted if prefix + name not in tensors]
    if missing:
        raise InputError(
            f"{source} lacks {len(missing)} of the trunk's {len(wanted)} tensors, "
            f"e.g. {missing[0]}; it has e.g. {next(iter(tensors))}"
        )
    for name in wanted:
        if tensors[prefix + name].shape != own[name].shape:
            raise InputError(
                f"{source}: {name} must be {tuple(own[name].shape)}; "
                f"it is {tuple(tensors[prefix + name].shape)}"
            )
    trunk.load_state_dict({n: tensors[prefix + n] for n in wanted}, strict=False)


def initialise_network(network: nn.Module, weights: str, may_lack: tuple[str, ...] = ()) -> None:
    """Starting weights of a whole network: `none`, or a file of an earlier run of the same one.

    Args:
        network: changed in place.
        weights: `none` leaves the random ones.
        may_lack: beginnings of names that either may lack; the network's own then stay random.

    Raises:
        InputError: no such file, or tensors that are missing, too many, or of another shape.
    """
    if weights == "none":
        return
    found = read_tensors(Path(weights))
    own = network.state_dict()
    missing = [name for name in own if name not in found and not name.startswith(may_lack)]
    unknown = [name for name in found if name not in own and not name.startswith(may_lack)]
    if missing or unknown:
        raise InputError(
            f"{weights} is not of this network: {len(missing)} of its {len(own)} tensors are "
            f"missing and {len(unknown)} too many, e.g. {(missing + unknown)[0]} (pre-train with "
            "the same attention and channels)"
        )
    taken = {name: tensor for name, tensor in found.items() if name in own}
    for name, tensor in taken.items():
        if tensor.shape != own[name].shape:
            raise InputError(
                f"{weights}: {name} must be {tuple(own[name].shape)}; it is {tuple(tensor.shape)}"
            )
    network.load_state_dict(taken, strict=False)
