"""Mask R-CNN and Keypoint R-CNN (He et al. 2017) of torchvision, as MPM-LTL extracts its masks.

The picture is padded with zeros to three times its width and height, the anchors have the areas
32^2 and 64^2 and the ratios 1:2, 1:1, 2:1, the outline is extended by 3 pixels (Zheng et al.,
"A Mask-Pooling Model With Local-Level Triplet Loss", data section). Not stated there: the input's
scale (fixed here, for these anchors fit pictures that are not scaled up), which feature maps the
anchors lie on (the two finest), the least score, and which of several people counts (the one of the
greatest score).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from passerby.cues.layouts import to_coco_18
from passerby.cues.networks import Pixels, extended
from passerby.cues.region_settings import RegionSettings
from passerby.types import InputError

PERSON = 1
"""COCO's class."""


class _FinestMaps(nn.Module):
    """A region proposal network that looks at the first few feature maps alone."""

    def __init__(self, rpn: nn.Module, maps: int) -> None:
        super().__init__()
        self.rpn = rpn
        self.maps = maps

    def forward(self, images: Any, features: dict[str, Tensor], targets: Any = None) -> Any:
        chosen = dict(list(features.items())[: self.maps])
        return self.rpn(images, chosen, targets)


class _RegionNetwork:
    """What both have in common; `kind` is torchvision's name of the network."""

    kind = ""

    def __init__(
        self, weights: str | Path = "coco", settings: RegionSettings | None = None
    ) -> None:
        self.settings = settings or RegionSettings()
        self._network = _placed(_built(self.kind, weights, self.settings), self.settings.device)
        digest = hashlib.sha256()
        for name, tensor in self._network.state_dict().items():
            digest.update(name.encode() + tensor.cpu().numpy().tobytes())
        decisive = {k: v for k, v in asdict(self.settings).items() if k != "device"}
        digest.update(f"{sorted(decisive.items())}".encode())
        self._name = f"{self.kind}:{digest.hexdigest()[:16]}"

    @property
    def fingerprint(self) -> str:
        """Torchvision's name of the network, and a hash of weights and settings."""
        return self._name

    def _people(self, picture: Pixels) -> tuple[dict[str, Tensor], int, int] | None:
        """Detections of the best person, and the picture's top and left in the padded one."""
        height, width = picture.shape[:2]
        top, left = (self.settings.pad // 2 * side for side in (height, width))
        padded = np.zeros((height + 2 * top, width + 2 * left, 3), np.uint8)
        padded[top : top + height, left : left + width] = picture
        shown = torch.from_numpy(padded).permute(2, 0, 1).float() / 255
        short, long = sorted(shown.shape[1:])
        self._network.transform.min_size = (round(self.settings.scale * short),)
        self._network.transform.max_size = round(self.settings.scale * long) + 1
        with torch.inference_mode():
            found = self._network([shown.to(self.settings.device)])[0]
        is_person = found["labels"] == PERSON
        scores = torch.where(is_person, found["scores"], -1.0)
        if len(scores) == 0 or scores.max() < self.settings.score:
            return None
        best = int(scores.argmax())
        return {name: values[best].cpu() for name, values in found.items()}, top, left


class MaskRCNN(_RegionNetwork):
    """Masks by torchvision's `maskrcnn_resnet50_fpn`.

    Args:
        weights: `coco` (torchvision fetches them), `none` (random: for tests), or a file of a
            state dict (.pth or .safetensors).
        settings: padding, anchors, scores.

    Raises:
        InputError: torchvision cannot be imported, the weights cannot be fetched or do not fit, or
            there is no such device.
    """

    kind = "maskrcnn_resnet50_fpn"

    def masks(self, pictures: Sequence[Pixels]) -> list[NDArray[np.uint8] | None]:
        """(H, W) of each picture, 255 = person; None: nobody was found."""
        return [self._mask(picture) for picture in pictures]

    def _mask(self, picture: Pixels) -> NDArray[np.uint8] | None:
        found = self._people(picture)
        if found is None:
            return None
        best, top, left = found
        height, width = picture.shape[:2]
        person = best["masks"][0, top : top + height, left : left + width].numpy()
        if not (person >= self.settings.threshold).any():
            return None
        mask = np.where(person >= self.settings.threshold, np.uint8(255), np.uint8(0))
        return extended(mask, self.settings.extend)


class KeypointRCNN(_RegionNetwork):
    """Joints by torchvision's `keypointrcnn_resnet50_fpn`; confidence = sigmoid of its score.

    Args:
        weights: as for `MaskRCNN`.
        settings: padding, anchors, scores.

    Raises:
        InputError: as for `MaskRCNN`.
    """

    kind = "keypointrcnn_resnet50_fpn"

    def joints(self, pictures: Sequence[Pixels]) -> list[NDArray[np.float32]]:
        """(18, 3) of each picture; zeros: nobody was found."""
        return [self._joints(picture) for picture in pictures]

    def _joints(self, picture: Pixels) -> NDArray[np.float32]:
        found = self._people(picture)
        if found is None:
            return np.zeros((18, 3), np.float32)
        best, top, left = found
        # torchvision counts from the corner of the top left pixel.
        points = best["keypoints"][:, :2].numpy() - np.array([left, top]) - 0.5
        sure = torch.sigmoid(best["keypoints_scores"]).numpy()
        return to_coco_18(np.column_stack([points, sure]))


def _built(kind: str, weights: str | Path, settings: RegionSettings) -> Any:
    try:
        from torchvision.models import detection
        from torchvision.models.detection.rpn import AnchorGenerator
    except Exception as error:
        # Beside a torch that it was not built for, torchvision fails with all kinds of errors.
        reason = " ".join(str(error).split())[:150]
        raise InputError(
            f"Mask R-CNN and Keypoint R-CNN need a torchvision that fits torch "
            f"{torch.__version__}; it cannot be imported: {type(error).__name__}: {reason}"
        ) from None
    given = "DEFAULT" if str(weights) == "coco" else None
    try:
        network: Any = getattr(detection, kind)(weights=given, weights_backbone=None)
    except (OSError, RuntimeError) as error:
        # No network, an interrupted download (its hash is wrong), no place to keep it.
        reason = " ".join(str(error).split())[:150]
        raise InputError(
            f"torchvision could not fetch the weights of {kind} ({reason}): give a file of them "
            "with --model"
        ) from None
    if str(weights) not in ("coco", "none"):
        _load(network, Path(weights))
    # After loading: the names of the weights change, and the head of the proposals fits as it is
    # only with three ratios.
    if len(settings.ratios) != 3:
        raise InputError(f"the networks need three anchor ratios: given {settings.ratios}")
    maps = len(settings.anchors)
    network.rpn.anchor_generator = AnchorGenerator(
        tuple((side,) for side in settings.anchors), (settings.ratios,) * maps
    )
    network.rpn = _FinestMaps(network.rpn, maps)
    return network


def _placed(network: Any, device: str) -> Any:
    try:
        return network.to(device).eval()
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"cannot compute on device {device!r}: {reason}") from None


def _load(network: nn.Module, file: Path) -> None:
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            tensors = load_file(file)
        else:
            tensors = torch.load(file, map_location="cpu", weights_only=True)
        network.load_state_dict(tensors)
    except Exception as error:
        # Missing, foreign, pickled, of other shapes: each has its own class.
        reason = " ".join(str(error).split())[:150]
        raise InputError(f"{file}: contains no weights of this network: {reason}") from None
