"""Cues that networks compute: what such a network looks like from outside, and its use."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from passerby.data.images import read_image
from passerby.types import InputError, Sample

Pixels = NDArray[np.uint8]
"""(H, W, 3) RGB."""


class MaskNetwork(Protocol):
    """Finds the person of a picture."""

    @property
    def fingerprint(self) -> str:
        """Names the network's weights and all settings that decide on a mask."""

    def masks(self, pictures: Sequence[Pixels]) -> list[NDArray[np.uint8] | None]:
        """(H, W) of each picture, 255 = person; None: nobody was found."""


class JointNetwork(Protocol):
    """Finds the joints of a picture's person."""

    @property
    def fingerprint(self) -> str:
        """Names the network's weights and all settings that decide on joints."""

    def joints(self, pictures: Sequence[Pixels]) -> list[NDArray[np.float32]]:
        """(18, 3) of each picture, as `passerby.types.Picture.joints`; zeros: not found."""


class ComputedCues:
    """Cues by networks, as a `passerby.types.CueSource`.

    A whole data set is better done once, to files (`passerby cues`): here every use of a picture
    computes anew, in the process that loads pictures.

    Args:
        masks: finds persons; None: no masks.
        joints: finds joints; None: no joints.

    Raises:
        InputError: neither is given.
    """

    def __init__(
        self, masks: MaskNetwork | None = None, joints: JointNetwork | None = None
    ) -> None:
        if masks is None and joints is None:
            raise InputError("computed cues need a network for masks or for joints")
        self.mask_network = masks
        self.joint_network = joints

    @property
    def fingerprint(self) -> str:
        """`computed:` and the networks' own."""
        networks = (self.mask_network, self.joint_network)
        return computed_by(one.fingerprint for one in networks if one is not None)

    def masks(self, pictures: Sequence[Pixels]) -> list[NDArray[np.uint8] | None]:
        """As `MaskNetwork.masks`; without such a network None for each picture."""
        if self.mask_network is None:
            return [None] * len(pictures)
        return self.mask_network.masks(pictures)

    def poses(self, pictures: Sequence[Pixels]) -> list[NDArray[np.float32] | None]:
        """As `JointNetwork.joints`; without such a network None for each picture."""
        if self.joint_network is None:
            return [None] * len(pictures)
        return [*self.joint_network.joints(pictures)]

    def mask(self, sample: Sample) -> NDArray[np.uint8] | None:
        """Computed from the sample's picture, after its box."""
        return self.masks([read_image(sample.file, sample.box)])[0]

    def joints(self, sample: Sample) -> NDArray[np.float32] | None:
        """Computed from the sample's picture, after its box."""
        return self.poses([read_image(sample.file, sample.box)])[0]


def computed_by(networks: Iterable[str]) -> str:
    """Fingerprint of cues by the network for masks, the one for joints, or both in this order."""
    return "computed:" + "+".join(networks)


def extended(mask: NDArray[np.uint8], pixels: int) -> NDArray[np.uint8]:
    """A mask (H, W) whose outline lies that many pixels further out, in a square sense."""
    if pixels == 0:
        return mask
    return np.array(Image.fromarray(mask).filter(ImageFilter.MaxFilter(2 * pixels + 1)))
