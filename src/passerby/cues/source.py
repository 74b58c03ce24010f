"""Masks and joints that lie in files."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from passerby.cues.joints import joints_of, read_joints
from passerby.cues.masks import check_masks, folder_mask
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

    Raises:
        InputError: the folder does not exist or is not finished, or the file cannot be used.
    """

    def __init__(
        self, masks: str | Path | None = None, joints: str | Path | None = None, made_by: str = ""
    ) -> None:
        self.masks = None if masks is None else Path(masks)
        self.joints_file = None if joints is None else Path(joints)
        self.made_by = made_by
        if self.masks is not None:
            check_masks(self.masks)
        self._joints = {} if self.joints_file is None else read_joints(self.joints_file)

    @cached_property
    def fingerprint(self) -> str:
        """`files:` and a hash: of `made_by` where it is given, else of the files' content.

        Paths play no part, so that moved data keep their fingerprint. Give `made_by` where files
        are added later: their content changes, the way that they are made does not.
        """
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
    root = Path(root)
    masks = root / "masks"
    files = [root / name for name in JOINT_FILES if (root / name).exists()]
    if len(files) > 1:
        names = " and ".join(file.name for file in files)
        raise InputError(f"{root}: holds {names}, only one can be meant")
    if not masks.is_dir() and not files:
        return None
    return FileCues(masks if masks.is_dir() else None, files[0] if files else None)
