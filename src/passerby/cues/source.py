"""Masks and joints that lie in files."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from passerby.cues.extraction import joints_source
from passerby.cues.joints import joints_of, read_joints
from passerby.cues.masks import check_masks, folder_mask, masks_source
from passerby.cues.networks import computed_by
from passerby.types import InputError, Sample

JOINT_FILES = ("joints.json", "poses.json", "joints.parquet", "joints")
"""Names that `find_cues` knows; the last is a folder of OpenPose's files."""


class FileCues:
    """Cues from files (a `passerby.types.CueSource`).

    Args:
        masks: folder of masks in the pictures' tree; None: no masks.
        joints: file or folder of joints (`passerby.cues.joints`), read at once, so that its errors
            come early; None: no joints.
        made_by: what made the files, e.g. a network's name and version; see `fingerprint`.
        known_as: the fingerprint that they have instead, e.g. that of the networks that computed
            them, so that they count as computed.
        unfinished: a folder of masks that `passerby cues` has not finished will do.

    Raises:
        InputError: the folder does not exist or is not finished, or the file cannot be used.
    """

    def __init__(
        self,
        masks: str | Path | None = None,
        joints: str | Path | None = None,
        made_by: str = "",
        known_as: str = "",
        *,
        unfinished: bool = False,
    ) -> None:
        self.masks = None if masks is None else Path(masks)
        self.joints_file = None if joints is None else Path(joints)
        self.made_by = made_by
        self.known_as = known_as
        if self.masks is not None and not unfinished:
            check_masks(self.masks)
        self._joints = {} if self.joints_file is None else read_joints(self.joints_file)

    @cached_property
    def fingerprint(self) -> str:
        """`files:` and a hash: of `made_by` where it is given, else of the files' content.

        Paths play no part, so that moved data keep their fingerprint. Give `made_by` where files
        are added later: their content changes, the way that they are made does not.
        """
        if self.known_as:
            return self.known_as
        digest = hashlib.sha256()
        if self.made_by:
            digest.update(f"{self.masks is not None} {self._joints != {}} {self.made_by}".encode())
        else:
            if self.masks is not None:
                for file in sorted(self.masks.rglob("*.png")):
                    digest.update(f"mask {file.relative_to(self.masks).as_posix()}\n".encode())
                    digest.update(hashlib.sha256(file.read_bytes()).digest())
            if self.joints_file is not None:
                digest.update(b"joints\n")
                for file in _files_of(self.joints_file):
                    digest.update(file.read_bytes())
        return f"files:{digest.hexdigest()[:16]}"

    def mask(self, sample: Sample) -> NDArray[np.uint8] | None:
        """See `passerby.cues.masks.folder_mask`."""
        return None if self.masks is None else folder_mask(self.masks, sample)

    def joints(self, sample: Sample) -> NDArray[np.float32] | None:
        """See `passerby.cues.joints.joints_of`."""
        return None if self.joints_file is None else joints_of(self._joints, sample)


def _files_of(place: Path) -> list[Path]:
    return sorted(place.rglob("*.json")) if place.is_dir() else [place]


def find_cues(root: str | Path) -> FileCues | None:
    """The cues that lie beside the data: `masks/`, and one of `JOINT_FILES`.

    Raises:
        InputError: there are several of `JOINT_FILES`, or one cannot be used.
    """
    masks, joints = _places(Path(root))
    return None if masks is None and joints is None else FileCues(masks, joints)


def find_named_cues(
    root: str | Path, wanted: Collection[str], made_by: str = ""
) -> FileCues | None:
    """The same for embeddings that are kept: named by what made the files, not by their content.

    So cues of pictures that are added later are of the same source; and files that `passerby cues`
    wrote count as computed by their networks.

    Args:
        root: the folder.
        wanted: what the method looks at, `mask` or `joints`; other files play no part.
        made_by: what made them; empty: as they say themselves; where they do not, their content
            names them.

    Raises:
        InputError: as `find_cues`.
    """
    masks, joints = _places(Path(root))
    masks, joints = masks if "mask" in wanted else None, joints if "joints" in wanted else None
    if masks is None and joints is None:
        return None
    stated = [] if masks is None else [masks_source(masks)]
    stated += [] if joints is None else [joints_source(joints)]
    known = "" if made_by or None in stated else computed_by(filter(None, stated))
    return FileCues(masks, joints, made_by, known)


def _places(root: Path) -> tuple[Path | None, Path | None]:
    masks = root / "masks"
    files = [root / name for name in JOINT_FILES if (root / name).exists()]
    if len(files) > 1:
        names = " and ".join(file.name for file in files)
        raise InputError(f"{root}: contains {names}: keep one of them")
    return masks if masks.is_dir() else None, files[0] if files else None
