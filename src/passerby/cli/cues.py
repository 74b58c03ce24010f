"""`passerby cues masks|joints`: masks and joints of a data set, computed to files."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from passerby.cli.dataset import data_options, load_split
from passerby.cli.options import flat, parse_options, value_of
from passerby.cues.extraction import UNFINISHED, CueCounts, compute_joints, compute_masks
from passerby.cues.openpose import OpenPose, PoseSettings
from passerby.cues.region_settings import RegionSettings
from passerby.cues.segmenter import OnnxSegmenter, SegmenterSettings
from passerby.cues.source import JOINT_FILES, FileCues
from passerby.terminal import show, terminal
from passerby.training.progress import counting
from passerby.types import InputError, Sample, Split

if TYPE_CHECKING:
    from passerby.cues.networks import JointNetwork, MaskNetwork

USAGE = """usage: passerby cues masks|joints ...

Compute masks or joints of a data set's pictures to files, where training and evaluation find them.

  masks   8-bit PNG in the pictures' tree: ROOT/masks
  joints  one Parquet file: ROOT/joints.parquet

`passerby cues masks --help` explains every option."""


@dataclass(frozen=True)
class Common:
    """What both have."""

    out: Path | None = None
    """Where to write. If not given, beside the data, where training finds it."""
    model: str | None = None
    """File of the network. For mask-rcnn and keypoint-rcnn also coco (the default; torchvision
    fetches the weights) or none (random weights, for tests). If not given, openpose fetches its
    own."""
    batch_size: int = 16
    """Number of pictures computed at a time."""
    limit: int | None = None
    """Compute only this number of pictures, spread evenly over the data set, for a first look.
    Beside the data the result counts as unfinished, and training does not use it; a run without
    --limit continues it."""
    sheet: Path | None = None
    """Draw pictures with their cues to this .png."""
    sheet_pictures: int = 24
    """Number of pictures in the sheet, spread evenly."""


@dataclass(frozen=True)
class MaskOptions(Common):
    """Compute a mask of the person in each picture, to 8-bit PNG files."""

    source: Literal["onnx", "mask-rcnn"] = "onnx"
    """A segmentation network of your own (--model FILE.onnx), or torchvision's Mask R-CNN."""
    segmenter: SegmenterSettings = field(default_factory=SegmenterSettings)
    """For onnx."""
    regions: RegionSettings = field(default_factory=RegionSettings)
    """For mask-rcnn."""


@dataclass(frozen=True)
class JointOptions(Common):
    """Compute 18 joints of the person in each picture, to a Parquet file."""

    source: Literal["openpose", "keypoint-rcnn"] = "openpose"
    """An OpenPose-type network in OpenCV, or torchvision's Keypoint R-CNN."""
    pose: PoseSettings = field(default_factory=PoseSettings)
    """For openpose."""
    regions: RegionSettings = field(default_factory=RegionSettings)
    """For keypoint-rcnn."""


def run(arguments: list[str]) -> None:
    """Runs the command."""
    if arguments and arguments[0] in CUES:
        CUES[arguments[0]](arguments[1:])
        return
    show(USAGE)
    if not arguments or arguments[0] not in ("-h", "--help"):
        raise InputError(f"cues needs {' or '.join(CUES)} first")


def masks(arguments: list[str]) -> None:
    """Computes masks."""
    command, console = parse(MaskOptions, arguments, "masks"), terminal(errors=True)
    options: MaskOptions = command.cues
    split = load_split(command.data, console)
    everything = pictures_of(split)
    samples = _spread(everything, options.limit)
    out = options.out or split.root / "masks"
    whole = options.out is not None or len(samples) == len(everything)
    network = mask_network(options)
    with counting("computing masks", console) as progress:
        counts = compute_masks(
            samples, network, out, batch_size=options.batch_size, whole=whole, progress=progress
        )
    cues = FileCues(masks=out, unfinished=True)
    finish(counts, out, samples, options, cues)


def joints(arguments: list[str]) -> None:
    """Computes joints."""
    command, console = parse(JointOptions, arguments, "joints"), terminal(errors=True)
    options: JointOptions = command.cues
    split = load_split(command.data, console)
    everything = pictures_of(split)
    samples = _spread(everything, options.limit)
    out = options.out or split.root / "joints.parquet"
    whole = options.out is not None or len(samples) == len(everything)
    others = [name for name in JOINT_FILES if (split.root / name).exists() and name != out.name]
    if others and out.parent == split.root:
        raise InputError(
            f"{split.root} has joints already, in {others[0]}: choose another place with --out"
        )
    network = joint_network(options)
    with counting("computing joints", console) as progress:
        counts = compute_joints(
            samples, network, out, batch_size=options.batch_size, whole=whole, progress=progress
        )
    out = out if counts.finished else out.with_name(out.name + UNFINISHED)
    finish(counts, out, samples, options, FileCues(joints=out))


CUES: dict[str, Callable[[list[str]], None]] = {"masks": masks, "joints": joints}
"""By name: what computes them."""


def parse(kind: Any, arguments: list[str], name: str) -> Any:
    """The command line as a dataclass of the cue's options and the data set's."""
    data = data_options(value_of(arguments, "--data", "market1501"))
    fields: list[Any] = [("cues", flat(kind)), ("data", flat(data))]
    command = dataclasses.make_dataclass("Cues", fields, frozen=True)
    return parse_options(command, arguments, f"passerby cues {name}", description=kind.__doc__)


def mask_network(options: MaskOptions) -> MaskNetwork:
    """The network that the options choose.

    Raises:
        InputError: it cannot be made.
    """
    if options.source == "mask-rcnn":
        from passerby.cues.region_networks import MaskRCNN

        return MaskRCNN(options.model or "coco", options.regions)
    if options.model is None:
        raise InputError("--source onnx needs a segmentation network: --model FILE.onnx")
    return OnnxSegmenter(options.model, options.segmenter)


def joint_network(options: JointOptions) -> JointNetwork:
    """The network that the options choose.

    Raises:
        InputError: it cannot be made.
    """
    if options.source == "keypoint-rcnn":
        from passerby.cues.region_networks import KeypointRCNN

        return KeypointRCNN(options.model or "coco", options.regions)
    return OpenPose(options.model, options.pose)


def pictures_of(split: Split) -> list[Sample]:
    """All pictures of a data set once, by name."""
    parts = (split.train, split.query, split.gallery, split.multi_query)
    found = {sample.name: sample for part in parts for sample in part}
    return [found[name] for name in sorted(found)]


def finish(
    counts: CueCounts,
    out: Path,
    samples: list[Sample],
    options: Common,
    cues: FileCues,
) -> None:
    """Draws the sheet, and says what was done."""
    if options.sheet is not None:
        from passerby.figures.cue_sheet import draw_cues

        chosen = _spread(samples, options.sheet_pictures)
        title = f"{len(chosen)} of {counts.pictures} pictures; {out.name}"
        draw_cues(chosen, cues, options.sheet, title=title)
        show(f"written: {options.sheet}")
    nobody = len(counts.without_person)
    some = f" ({', '.join(counts.without_person[:3])}{' ...' if nobody > 3 else ''})"
    show(
        f"{counts.pictures} pictures, {counts.computed} of them computed now; "
        f"nobody found in {nobody}{some if nobody else ''}"
    )
    show(f"written: {out}")
    if not counts.finished:
        show(
            "only part of the data set is done: run the command again without --limit before "
            "training"
        )


def _spread(samples: list[Sample], count: int | None) -> list[Sample]:
    if count is not None and count < 1:
        raise InputError(f"--limit must be at least 1: given {count}")
    if count is None or count >= len(samples):
        return samples
    return [samples[place * len(samples) // count] for place in range(count)]
