"""Decoded pictures kept in memory: what an epoch resized, the next ones need not read again."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

from passerby.types import Picture

_READY, _MASK, _JOINTS = 1, 2, 4


class KeptPictures:
    """Pictures of one size in memory that forked worker processes share.

    Args:
        count: pictures of the data set.
        height: of each, in pixels.
        width: of each, in pixels.
        budget: bytes; only the first pictures that fit into it are kept.
    """

    def __init__(self, count: int, height: int, width: int, budget: int) -> None:
        pixels = height * width
        each = 4 * pixels + 18 * 3 * 4 + 1
        self.count = min(count, budget // each)
        kept = self.count
        # Anonymous and shared: what one worker decodes all of them see. Pages are taken as filled.
        block = mmap.mmap(-1, max(kept * each, 1))
        parts = np.cumsum([0, kept * 18 * 3 * 4, kept * 3 * pixels, kept * pixels, kept])
        joints, images, masks, flags = (
            np.frombuffer(block, np.uint8, end - start, start)
            for start, end in zip(parts, parts[1:], strict=False)
        )
        self._joints = joints.view(np.float32).reshape(kept, 18, 3)
        self._images = images.reshape(kept, height, width, 3)
        self._masks = masks.reshape(kept, height, width)
        self._flags: NDArray[np.uint8] = flags

    def get(self, index: int) -> Picture | None:
        """The picture, to be read only; None when it is not kept (yet)."""
        flags = int(self._flags[index]) if index < self.count else 0
        if not flags & _READY:
            return None
        mask = _fixed(self._masks[index]) if flags & _MASK else None
        joints = _fixed(self._joints[index]) if flags & _JOINTS else None
        return Picture(_fixed(self._images[index]), mask, joints)

    def put(self, index: int, picture: Picture) -> None:
        """Keeps a picture if it is within the budget."""
        if index >= self.count:
            return
        self._images[index] = picture.image
        flags = _READY
        if picture.mask is not None:
            self._masks[index] = picture.mask
            flags |= _MASK
        if picture.joints is not None:
            self._joints[index] = picture.joints
            flags |= _JOINTS
        # Last, so that no other process takes a half written picture.
        self._flags[index] = flags


def _fixed(array: NDArray[Any]) -> NDArray[Any]:
    array.flags.writeable = False
    return array
