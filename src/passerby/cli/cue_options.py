"""Masks and joints of pictures and of queries, from files or from networks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import tyro
from rich.console import Console

from passerby.terminal import say
from passerby.types import InputError, Sample

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from passerby.cues.source import FileCues
    from passerby.embedding.embedder import Embedder


@dataclass(frozen=True)
class NetworkOptions:
    """Networks that compute the cues of pictures, with the settings of `passerby cues`."""

    masks_by: str | None = None
    """Compute masks, for models that need them, with mask-rcnn or a segmentation network
    FILE.onnx, in the default settings of `passerby cues masks`."""
    joints_by: str | None = None
    """Compute joints likewise: openpose, keypoint-rcnn, or the file of an OpenPose-type network."""


@dataclass(frozen=True)
class FileOptions:
    """Files with the cues of pictures."""

    cues: Path | None = None
    """Folder with masks/ or joints, for models that need them."""
    cues_from: str | None = None
    """Name of what made these files, if they do not state it; use the same name each time. If not
    given, their content is the name, and adding a file makes it another source."""
    no_cues: tyro.conf.FlagCreatePairsOff[bool] = False
    """Use no masks and no joints."""


def with_networks(model: Embedder, options: NetworkOptions) -> Embedder:
    """The model with cues by the networks that the options name.

    Raises:
        InputError: a network that cannot be made.
    """
    if options.masks_by is None and options.joints_by is None:
        return model
    from passerby.cli.cues import JointOptions, MaskOptions, joint_network, mask_network
    from passerby.cues.networks import ComputedCues

    masks = joints = None
    if options.masks_by is not None and "mask" in model.inputs.cues:
        own = options.masks_by == "mask-rcnn"
        masks = mask_network(
            MaskOptions(source="mask-rcnn") if own else MaskOptions(model=options.masks_by)
        )
    if options.joints_by is not None and "joints" in model.inputs.cues:
        if options.joints_by == "keypoint-rcnn":
            joints = joint_network(JointOptions(source="keypoint-rcnn"))
        else:
            file = None if options.joints_by == "openpose" else options.joints_by
            joints = joint_network(JointOptions(model=file))
    return model if masks is None and joints is None else model.with_cues(
        ComputedCues(masks, joints)
    )  # fmt: skip


def with_files(model: Embedder, options: FileOptions, root: Path | None = None) -> Embedder:
    """The model with cues from the files that the options name; else those beside the pictures.

    Args:
        model: one that computes cues, or looks at none, stays as it is.
        options: from the command line.
        root: the pictures' folder; None: not known.

    Raises:
        InputError: --cues names a folder without any; two sources.
    """
    if options.no_cues and (options.cues is not None or model.cues is not None):
        raise InputError("--no-cues cannot be combined with other options for masks and joints")
    if options.cues is not None and model.cues is not None:
        raise InputError("masks and joints come from files (--cues) or from networks, not both")
    if options.cues_from is not None and options.cues is None and root is None:
        raise InputError("--cues-from says what made the files: give their folder with --cues")
    if model.cues is not None or options.no_cues:
        return model
    found = cues_in(model, options.cues, root, options.cues_from)
    return model if found is None else model.with_cues(found)


def cues_in(
    model: Embedder, folder: Path | None, root: Path | None, made_by: str | None
) -> FileCues | None:
    """The files with the cues that a model looks at; None: there are none, or it looks at none.

    Args:
        model: says which.
        folder: where they must be; None: beside the pictures, if there are any.
        root: the pictures' folder; None: not known.
        made_by: what made them, where they do not say it.

    Raises:
        InputError: the folder is without any.
    """
    place = folder or root
    if not model.inputs.cues or place is None:
        return None
    from passerby.cues.source import find_named_cues

    found = find_named_cues(place, model.inputs.cues, made_by or "")
    if found is None and folder is not None:
        wanted = " or ".join(sorted(model.inputs.cues))
        raise InputError(f"{folder}: contains no {wanted}, which this model looks at")
    return found


def embed_queries(
    model: Embedder, pictures: Sequence[Sample], folder: Path | None, console: Console
) -> NDArray[np.float32]:
    """(N, D) embeddings of pictures, with their cues; says what some of them lack.

    Args:
        model: with its source of cues.
        pictures: N of them.
        folder: the root of files with cues: pictures in it have theirs there by name.
        console: where to say it.

    Raises:
        InputError: an unreadable picture; one outside the folder, which has no cues of it.
    """
    from passerby.cues.source import FileCues

    if not isinstance(model.cues, FileCues) or folder is None:
        return model.embed_samples(pictures)
    missing: Counter[str] = Counter()
    samples = [replace(picture, name=_name(picture.file, folder)) for picture in pictures]
    found = model.embed_samples(samples, missing=missing)
    for cue, count in sorted(missing.items()):
        say(console, f"note: without {cue}: {count} of {len(pictures)}")
    return found


def _name(file: Path, folder: Path) -> str:
    try:
        return file.resolve().relative_to(folder.resolve()).as_posix()
    except ValueError:
        raise InputError(f"{file}: outside {folder}, so it has no masks or joints there") from None
