"""The nouns of passerby: frozen shapes that every part shares, without logic."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

JUNK_ID = -1
"""Person id of pictures that are never ranked (Market-1501's `-1`: bad detections)."""

JOINT_NAMES = (
    "nose", "neck", "right_shoulder", "right_elbow", "right_wrist",
    "left_shoulder", "left_elbow", "left_wrist", "right_hip", "right_knee", "right_ankle",
    "left_hip", "left_knee", "left_ankle", "right_eye", "left_eye", "right_ear", "left_ear",
)  # fmt: skip
"""OpenPose COCO-18 order; left and right are the person's own."""


class InputError(ValueError):
    """Input that breaks a rule: one line that states the rule and what was given."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture of one person, as a data set lists it."""

    file: Path
    """The picture (or the frame that `box` is cut from)."""
    name: str
    """Path relative to the data set's root, with `/`: what result and cue files call it."""
    person_id: int
    """Label of the identity, for training and evaluation alone; -1 is junk and never ranked.
    Gallery identities without a query are distractors."""
    camera_id: int
    """Label of the camera, likewise."""
    timestamp: float | None = None
    """Seconds, on the data set's own clock (UTC epoch for one's own pictures)."""
    box: tuple[int, int, int, int] | None = None
    """x, y, width, height in pixels of `file`; None: the whole picture."""
    track_id: str | None = None
    """Pictures of one track show one person on one path."""
    person: str | None = None
    """Name of the person, as the data write it (`0002`, `anna`); None: not known, or junk."""
    camera: str | None = None
    """Name of the camera, likewise; None: not known."""


@dataclass(frozen=True)
class Source:
    """Where a data set was loaded from: what `passerby.load` was given."""

    data: str
    """Kind of data set, e.g. `market1501`."""
    root: Path | None
    """The folder or file; None: not known."""
    options: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    """The loader's own options that are not its defaults."""


@dataclass(frozen=True)
class Split:
    """A data set ready for use: each part in sorted order."""

    name: str
    """Name of the data set, e.g. `market1501`."""
    root: Path
    """Folder that the sample names are relative to."""
    train: tuple[Sample, ...]
    """Pictures of the training identities."""
    query: tuple[Sample, ...]
    """One entry for each search."""
    gallery: tuple[Sample, ...]
    """What is searched; junk included (evaluation leaves it out)."""
    multi_query: tuple[Sample, ...] = ()
    """More pictures of the queries' identities in the queries' cameras (Market's `gt_bbox`)."""
    warnings: tuple[str, ...] = ()
    """What the loader noticed, e.g. counts that differ from the published ones."""
    variant: str = ""
    """Which of several forms of the data set this is, e.g. `V1` or `new protocol, labeled`."""
    protocol: str = "single-query"
    """The protocol that the data set's published numbers follow."""
    joined: Mapping[str, Path] = field(default_factory=dict)
    """Other data sets whose pictures are among `train`: what their sample names start with
    (`passerby.data.join`), and their roots."""
    source: Source | None = field(default=None, compare=False)
    """Where it was loaded from, so that a run can be evaluated on it again; None: not known. Two
    data sets of the same pictures are equal, however they were asked for."""


@dataclass(frozen=True)
class Picture:
    """A decoded picture and what is known of the person in it; one geometry for all three."""

    image: NDArray[np.uint8]
    """(H, W, 3) RGB."""
    mask: NDArray[np.uint8] | None = None
    """(H, W), 255 = person, 0 = background."""
    joints: NDArray[np.float32] | None = None
    """(18, 3): x, y in pixels (centre of the top left pixel is 0, 0), confidence (0 = missing)."""


class CueSource(Protocol):
    """Where masks and joints come from."""

    @property
    def fingerprint(self) -> str:
        """Names the source; part of a model's fingerprint."""

    def mask(self, sample: Sample) -> NDArray[np.uint8] | None:
        """(H, W) of the sample's picture after its box, 255 = person; None: not known."""

    def joints(self, sample: Sample) -> NDArray[np.float32] | None:
        """(18, 3) in pixels of the sample's picture after its box; None: not known."""


@dataclass(frozen=True)
class InputSpec:
    """One input tensor of a method, and how its bytes become numbers."""

    height: int
    """Pixels."""
    width: int
    """Pixels."""
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    """Per channel, on the scale 0-1; its length is the number of channels. Default: ImageNet's."""
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    """Per channel: number = (byte / 255 - mean) / std."""
    erase: bool = False
    """Random erasing (`Augmentation.erase`) applies to this input."""


@dataclass(frozen=True)
class CameraChanges:
    """How far training makes pictures those of other cameras: `passerby.data.camera`.

    Each default leaves pictures as they are; `g` is a normally distributed number.
    """

    scale: tuple[float, float] = (1.0, 1.0)
    """Least and greatest share of each side that a random window keeps; it is enlarged again."""
    patch: float = 0.0
    """Probability that a piece of another picture lies over it."""
    patch_area: tuple[float, float] = (0.02, 0.3)
    """Least and greatest share of the picture that the piece covers."""
    patch_ratio: tuple[float, float] = (0.3, 3.3)
    """Least and greatest height / width of the piece."""
    gain: float = 0.0
    """Each channel times exp(gain g)."""
    gamma: float = 0.0
    """All to the power exp(gamma g)."""
    contrast: float = 0.0
    """The distance from middle grey times exp(contrast g)."""
    brightness: float = 0.0
    """Plus brightness g, where 1 is white."""
    hue: float = 0.0
    """Probability that the hue is turned."""
    hue_turn: float = 0.25
    """By up to so many radians, either way."""
    saturation: float = 0.0
    """The distance from grey times exp(saturation g)."""
    grey: float = 0.0
    """Probability of grey alone."""
    blur: float = 0.0
    """Probability of a picture out of focus."""
    blur_radius: tuple[float, float] = (0.5, 1.5)
    """Least and greatest standard deviation of that blur in pixels."""
    coarse: float = 0.0
    """Probability of a picture that is made smaller and enlarged again."""
    coarse_scale: tuple[float, float] = (0.25, 0.5)
    """Least and greatest share of each side that it is made smaller to."""
    noise: float = 0.0
    """Greatest standard deviation of noise, where 1 is white; drawn evenly from 0 on."""
    jpeg: float = 0.0
    """Probability of another compression by JPEG."""
    quality: tuple[int, int] = (20, 80)
    """Least and greatest quality of that JPEG."""


@dataclass(frozen=True)
class Augmentation:
    """What training changes in a picture, in this order; mask and joints follow the picture."""

    resize: tuple[int, int] | None = None
    """Height, width that the picture is resized to first; None: left as it is."""
    flip: float = 0.0
    """Probability of a left-right flip (left and right joints change places)."""
    pad: int = 0
    """Black pixels added on each side before the crop."""
    crop: tuple[int, int] | None = None
    """Height, width of the random crop; None: no crop."""
    camera: CameraChanges = CameraChanges()
    """What of another camera it is then given."""
    erase: float = 0.0
    """Probability of random erasing (Zhong et al. 2020), on inputs with `InputSpec.erase`."""
    erase_area: tuple[float, float] = (0.02, 0.4)
    """Least and greatest share of the input that is erased."""
    erase_ratio: tuple[float, float] = (0.3, 3.3)
    """Least and greatest height / width of what is erased."""
    erase_fill: float = 0.0
    """Value written after normalisation: 0 is the mean colour."""


class Sampler(Protocol):
    """Which pictures make up the batches of an epoch."""

    def batches(
        self, labels: NDArray[np.int64], *, seed: int, epoch: int
    ) -> Sequence[NDArray[np.int64]]:
        """Batches of indices into `labels`, a function of the arguments alone."""


@dataclass(frozen=True)
class Batch:
    """What a turn is given: tensors of B pictures."""

    inputs: dict[str, Tensor]
    """By input name, (B, C, H, W): uint8 from the loader, float32 once normalised."""
    labels: Tensor
    """(B,) int64, 0 ... identities - 1: the position of the person id in the sorted ids."""
    cameras: Tensor
    """(B,) int64 camera ids."""
    indices: Tensor
    """(B,) int64 positions in the training list."""
    boxes: dict[str, Tensor] = field(default_factory=dict)
    """By input name, (B, 4) int64 top, left, height, width to erase; height 0 erases nothing."""


Precision = Literal["float32", "bfloat16", "auto"]
"""What embeddings are computed in; `auto`: bfloat16 where the processor computes it."""

Engine = Literal["auto", "torch", "onnxruntime", "openvino"]
"""What computes a network; `auto`: the fastest that is installed, see `passerby.embedding`."""

Progress = Callable[[int, int], None]
"""Told how much of long work is done, and how much there is in all."""


@dataclass(frozen=True)
class Scores:
    """The result of ranking queries against a gallery. Shares are 0-1."""

    cmc: NDArray[np.float64]
    """(ranks,) share of the queries whose first match is at rank <= k + 1."""
    mean_ap: float
    """Mean over the queries with a match of the average precision."""
    mean_inp: float
    """Mean inverse negative penalty (Ye et al. 2021, Eq. 3): positives / rank of the last one."""
    ap: NDArray[np.float64]
    """(Q,) average precision of each query; NaN where it has no match."""
    first_match: NDArray[np.int64]
    """(Q,) 1-based rank of each query's first match; 0 where it has none."""
    unmatched: NDArray[np.int64]
    """Indices of the queries without a match: they are left out of the means."""
    average_precision: str
    """`step` or `trapezoid`: the definition behind `ap` and `mean_ap`."""
