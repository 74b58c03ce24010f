"""Checkpoints of other ReID programs: what their tensors are called, and how they differ.

BagOfTricks (Luo et al. 2019, github.com/michuanhaohao/reid-strong-baseline): no ReLU in the stem
(its IBN-a networks have one: `changes={"stem_relu": True}`).
fast-reid (github.com/JDAI-CV/fast-reid): a max pool without padding that rounds up, pictures
resized bicubically; versions before mid-2020 pad it: `changes={"padded_pool": True}`.
torchreid (github.com/KaiyangZhou/deep-person-reid), its `resnet50`: last stride 2, no neck,
Euclidean distances; its OSNets (`osnet`): `fc` with BatchNorm and ReLU gives the embedding.
IBN-Net (github.com/XingangPan/IBN-Net): ImageNet's classifiers, whose pooled map is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from torch import Tensor, nn

from passerby.embedding.preprocessing import Preprocessing, no_criterion, no_stages
from passerby.method import Descriptor, Inputs, Method
from passerby.methods.layers import mean_with_mirror
from passerby.methods.trunks import make_trunk
from passerby.methods.trunks.osnet import fully_connected
from passerby.methods.trunks.resnet import ResNet
from passerby.methods.weights import read_tensors
from passerby.recipes import override
from passerby.types import InputError


@dataclass(frozen=True)
class CheckpointRecipe:
    """A trunk, pooled, with or without a fully connected layer and a BNNeck."""

    trunk: str = "resnet50"
    """One of `passerby.methods.trunks.TRUNKS`."""
    last_stride: int = 1
    """Stride of a ResNet's layer4."""
    fc: bool = False
    """A layer of 512 numbers with BatchNorm and ReLU follows the pooling."""
    stem_relu: bool = True
    """Whether a ReLU follows the first BatchNorm."""
    padded_pool: bool = True
    """The stem's max pool pads by 1; else it pads nothing and rounds its size up."""
    neck: bool = True
    """The embedding is taken after a BatchNorm."""
    mirror: bool = False
    """The embedding is the mean of the picture's and of its mirror image's."""
    metric: Literal["cosine", "euclidean"] = "cosine"
    """Distance between embeddings."""
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    """What the network expects."""


class CheckpointNetwork(nn.Module):
    """The network of a `CheckpointRecipe`."""

    def __init__(self, recipe: CheckpointRecipe) -> None:
        super().__init__()
        self.trunk = make_trunk(recipe.trunk, last_stride=recipe.last_stride)
        if isinstance(self.trunk, ResNet) and not recipe.stem_relu:
            self.trunk.relu = nn.Identity()  # type: ignore[assignment]
        if not recipe.padded_pool:
            self.trunk.maxpool = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.fc = fully_connected(self.trunk.channels) if recipe.fc else None
        self.mirror = recipe.mirror
        width = 512 if recipe.fc else self.trunk.channels
        self.neck = nn.BatchNorm1d(width) if recipe.neck else None

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, D)."""
        return mean_with_mirror(self._embed, image) if self.mirror else self._embed(image)

    def _embed(self, image: Tensor) -> Tensor:
        feature: Tensor = self.trunk(image).mean(dim=(2, 3))
        feature = feature if self.fc is None else self.fc(feature)
        return feature if self.neck is None else self.neck(feature)


@dataclass(frozen=True)
class Kind:
    """How a program names the tensors of its checkpoints."""

    recipe: CheckpointRecipe
    """Its network."""
    trunk: str
    """What stands before the trunk's names."""
    neck: tuple[str, ...]
    """What may stand before the neck's names."""
    training: tuple[str, ...]
    """Names of what only training needs start so: left over."""


KINDS = {
    "bag_of_tricks": Kind(
        CheckpointRecipe(stem_relu=False), "base.", ("bottleneck.",), ("classifier.",)
    ),
    "fastreid": Kind(
        CheckpointRecipe(padded_pool=False, preprocessing=Preprocessing(resampling="bicubic")),
        "backbone.",
        ("heads.bottleneck.0.", "heads.bnneck."),
        ("heads.weight", "heads.classifier.", "heads.cls_layer.", "pixel_mean", "pixel_std"),
    ),
    "torchreid": Kind(
        CheckpointRecipe(last_stride=2, neck=False, metric="euclidean"), "", (), ("classifier.",)
    ),
    "osnet": Kind(
        CheckpointRecipe(trunk="osnet_x1_0", fc=True, neck=False, metric="euclidean"),
        "",
        (),
        ("classifier.",),
    ),
    "ibn_net": Kind(
        CheckpointRecipe(trunk="resnet50_ibn_a", last_stride=2, neck=False), "", (), ("fc.",)
    ),
}
"""By name of the program."""


@dataclass(frozen=True)
class Loaded:
    """A network with a checkpoint's weights."""

    recipe: CheckpointRecipe
    """Which network."""
    network: CheckpointNetwork
    """With its weights."""
    left_over: tuple[str, ...]
    """Names of the checkpoint's tensors that only training needs, sorted."""


def load_checkpoint(file: Path, kind: str, changes: Mapping[str, Any] | None = None) -> Loaded:
    """Reads a checkpoint, never running its code.

    Args:
        file: `.pth`, `.pt` or `.safetensors`.
        kind: a key of `KINDS`.
        changes: fields of the kind's `CheckpointRecipe` that are another, by dotted names, e.g.
            `{"preprocessing.height": 384}`.

    Raises:
        InputError: an unknown kind, a file that is not plain tensors, tensors missing, of another
            shape, or of layers that the network does not have.
    """
    if kind not in KINDS:
        raise InputError(f"kind must be one of {', '.join(KINDS)}; given {kind!r}")
    if not file.is_file():
        raise InputError(f"{file}: no such file")
    known = KINDS[kind]
    recipe = override(known.recipe, changes or {})
    network = CheckpointNetwork(recipe)
    found = {name.removeprefix("module."): t for name, t in read_tensors(file).items()}
    wanted = {
        name: tensor
        for name, tensor in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    places = {name: _place(name, known, found) for name in wanted}
    _check(file, recipe.trunk, wanted, places, found)
    used = set(places.values())
    rest = sorted(
        name for name in found if name not in used and not name.endswith("num_batches_tracked")
    )
    foreign = [name for name in rest if not name.startswith(known.training)]
    if foreign:
        raise InputError(
            f"{file}: {len(foreign)} tensors belong to layers that {recipe.trunk} does not have; "
            f"without them its embeddings would change: {', '.join(foreign[:5])}"
            + (", ..." if len(foreign) > 5 else "")
        )
    network.load_state_dict({name: found[places[name]] for name in wanted}, strict=False)
    return Loaded(recipe, network, tuple(rest))


def _place(name: str, kind: Kind, found: Mapping[str, Tensor]) -> str:
    part, _, rest = name.partition(".")
    if part == "fc":
        return name
    prefixes = (kind.trunk,) if part == "trunk" else kind.neck or ("neck.",)
    places = [prefix + rest for prefix in prefixes]
    return next((place for place in places if place in found), places[0])


def _check(
    file: Path,
    trunk: str,
    wanted: Mapping[str, Tensor],
    places: Mapping[str, str],
    found: Mapping[str, Tensor],
) -> None:
    missing = [places[name] for name in wanted if places[name] not in found]
    if missing:
        raise InputError(
            f"{file} lacks {len(missing)} of the {len(wanted)} tensors of {trunk}, "
            f"e.g. {missing[0]}; it has e.g. {next(iter(found))} (another network? name it with "
            'changes={"trunk": ...})'
        )
    for name, tensor in wanted.items():
        given = found[places[name]]
        if given.shape != tensor.shape:
            raise InputError(
                f"{file}: {places[name]} of {trunk} must be {tuple(tensor.shape)}; it is "
                f"{tuple(given.shape)}"
            )


def _inputs(recipe: CheckpointRecipe) -> Inputs:
    return recipe.preprocessing.inputs


def _descriptor(recipe: CheckpointRecipe) -> Descriptor:
    mirror = ", mean with the mirror image's" if recipe.mirror else ""
    feature = "after the BNNeck" if recipe.neck else "after fc" if recipe.fc else "pooled"
    return Descriptor(recipe.metric, feature + mirror)


METHOD = Method(
    name="resnet_checkpoint",
    title="a network trained by another program",
    recipe=CheckpointRecipe,
    inputs=_inputs,
    network=CheckpointNetwork,
    criterion=no_criterion,
    stages=no_stages,
    descriptor=_descriptor,
)
"""Not one that is trained: it stands for networks from elsewhere."""
