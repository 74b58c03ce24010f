"""Bilinear enlargement by compiled loops: Pillow's bytes in a third of Pillow's time.

Small crops are mostly enlarged to a network's input, and that takes longer than their decoding.
The arithmetic is Pillow's (`Resample.c`): weights as whole numbers of 22 bits, first along the
rows, rounded to bytes, then along the columns. Whether the bytes are those of the installed Pillow
is looked at once; without numba, or where they are not, there are no loops.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Loops = tuple[Callable[..., None], Callable[..., None]]
"""Along the rows, and along the columns."""

LATER = 8192
"""So many pictures are enlarged by Pillow first: compiling takes about a second."""

_BITS = 22


class Enlarging:
    """Counts the pictures of this process, and compiles the loops when they are worth it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen = 0
        self._loops: Loops | None = None
        self._tried = False

    def __call__(
        self, image: NDArray[np.uint8], height: int, width: int
    ) -> NDArray[np.uint8] | None:
        """(H, W, 3) to (height, width, 3); None: take Pillow.

        None too where a side shrinks, and for other arrays than C-ordered ones of three channels.
        """
        shape = image.shape
        if shape[2:] != (3,) or shape[0] > height or shape[1] > width:
            return None
        self._seen += 1
        if self._seen > LATER and not self._tried:
            self.compile()
        if self._loops is None or not image.flags.c_contiguous:
            return None
        return enlarged(image, height, width, self._loops)

    def compile(self) -> bool:
        """Makes the loops ready now; says whether there are any. Other threads do not wait."""
        if self._lock.acquire(blocking=False):
            try:
                if not self._tried:
                    self._loops = _checked_loops()
                    self._tried = True
            finally:
                self._lock.release()
        return self._loops is not None


enlarge = Enlarging()
"""Of this process."""


def enlarged(image: NDArray[np.uint8], height: int, width: int, loops: Loops) -> NDArray[np.uint8]:
    """(H, W, 3), C-ordered, no side greater than wanted, to (height, width, 3)."""
    along_rows, along_columns = loops
    rows = len(image)
    wide = np.empty((rows, width, 3), np.uint8)
    along_rows(image, *weights(image.shape[1], width), wide)
    made = np.empty((height, width, 3), np.uint8)
    along_columns(wide.reshape(rows, -1), *weights(rows, height), made.reshape(height, -1))
    return made


@lru_cache(maxsize=1024)
def weights(before: int, after: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[Any]]:
    """For each of `after` places: the first of `before`, how many count, and their weights.

    Weights (after, 3) are int32, 2^22 stands for one.
    """
    centres = (np.arange(after) + 0.5) * (before / after)
    first = np.maximum((centres - 0.5).astype(np.int64), 0)
    count = np.minimum((centres + 1.5).astype(np.int64), before) - first
    places = np.arange(3)
    distances = np.abs(places + first[:, None] - centres[:, None] + 0.5)
    triangle = np.where(places < count[:, None], np.maximum(1 - distances, 0.0), 0.0)
    shares = triangle / (triangle[:, 0] + triangle[:, 1] + triangle[:, 2])[:, None]
    return first, count, (0.5 + shares * 2**_BITS).astype(np.int32)


def _checked_loops() -> Loops | None:
    try:
        from numba import njit

        loops: Loops = (njit(nogil=True)(_along_rows), njit(nogil=True)(_along_columns))
        random = np.random.Generator(np.random.PCG64(0))
        for before, after in (((9, 5), (20, 11)), ((16, 8), (32, 16)), ((7, 7), (7, 30))):
            image = random.integers(0, 256, (*before, 3), np.uint8)
            size = (after[1], after[0])
            wanted = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))
            if not np.array_equal(enlarged(image, *after, loops), wanted):
                return None
    except Exception:  # numba is optional here, and so is whatever it needs to compile
        return None
    return loops


def _along_rows(
    image: NDArray[np.uint8],
    first: NDArray[np.int64],
    count: NDArray[np.int64],
    share: NDArray[np.int32],
    out: NDArray[np.uint8],
) -> None:
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            start = first[x]
            red = green = blue = np.int32(1 << (_BITS - 1))
            for i in range(count[x]):
                weight = share[x, i]
                red += np.int32(image[y, start + i, 0]) * weight
                green += np.int32(image[y, start + i, 1]) * weight
                blue += np.int32(image[y, start + i, 2]) * weight
            out[y, x, 0], out[y, x, 1], out[y, x, 2] = red >> _BITS, green >> _BITS, blue >> _BITS


def _along_columns(
    image: NDArray[np.uint8],
    first: NDArray[np.int64],
    count: NDArray[np.int64],
    share: NDArray[np.int32],
    out: NDArray[np.uint8],
) -> None:
    width = image.shape[1]
    sums = np.empty(width, np.int32)
    for y in range(out.shape[0]):
        sums[:] = np.int32(1 << (_BITS - 1))
        for i in range(count[y]):
            row, weight = image[first[y] + i], share[y, i]
            for x in range(width):
                sums[x] += np.int32(row[x]) * weight
        made = out[y]
        for x in range(width):
            made[x] = sums[x] >> _BITS
