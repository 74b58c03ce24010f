"""Files to pixels: whatever a picture file holds becomes 8-bit RGB, or an error that names it.

Orientation (EXIF) is applied. Grey, palette, CMYK and YCbCr are converted; transparent pixels lie
over white; 16-bit grey is scaled by 255 / 65535 (Pillow itself reads 16-bit colour by its high
byte); of a file with several frames, the first one counts.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from passerby.types import InputError

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif"})
"""File names that end so (in any case) are taken for pictures."""

MOST_SIDE = 16_384
"""Width and height that are read at most, in pixels."""
MOST_RATIO = 200
"""Of the longer side to the shorter one."""
MOST_SCANS = 64
"""Passes over the pixels of a JPEG. Progressive ones have about ten; each takes as long as a small
picture, and an empty one takes 42 bytes."""

_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]")
_ALPHA_MODES = frozenset({"RGBA", "LA", "PA", "RGBa", "La"})
_PLAIN_MODES = frozenset({"1", "L", "P", "CMYK", "YCbCr", "HSV", "RGBX"})
_SIXTEEN_BIT = frozenset({"I;16", "I;16B", "I;16L", "I;16N", "I"})


class PictureTooLarge(InputError):
    """A picture that would take too much memory or time."""


def is_picture(file: Path) -> bool:
    """Whether the name is that of a picture; hidden files (`._a.jpg` of macOS) are not."""
    return file.suffix.lower() in PICTURE_SUFFIXES and not file.name.startswith(".")


def read_image(
    file: str | Path,
    box: tuple[int, int, int, int] | None = None,
    *,
    most_pixels: int | None = None,
) -> NDArray[np.uint8]:
    """The picture as (H, W, 3) RGB.

    Args:
        file: the picture.
        box: x, y, width, height of the part to cut out, in pixels of the upright picture. What
            sticks out of the picture is cut off.
        most_pixels: limit on width x height; `PIL.Image.MAX_IMAGE_PIXELS` if not given.

    Raises:
        InputError: the file is missing, empty, cut short, no picture, too large (`check_size`) or
            of an unknown pixel type, or the box lies outside.
    """
    with _opened(file, most_pixels) as image:
        pixels = from_pil(image, file)
    return pixels if box is None else cut(pixels, box, file)


def from_pil(image: Image.Image, name: str | Path = "the picture") -> NDArray[np.uint8]:
    """A picture that Pillow holds as (H, W, 3) RGB; the same rules as for a file.

    Raises:
        InputError: the pixel type is unknown; names `name`.
    """
    if image.mode == "RGB" and not _may_be_turned(image):
        return np.array(image)
    return _to_rgb(ImageOps.exif_transpose(image), name)


def read_mask(file: str | Path) -> NDArray[np.uint8]:
    """A person mask as (H, W): 255 = person, 0 = background; bytes from 128 on count as person.

    Raises:
        InputError: as `read_image`, or the file does not hold one 8-bit channel, or no value of a
            mask that is not empty reaches 128 (e.g. 0 and 1: the mask would vanish).
    """
    with _opened(file) as image:
        if image.mode not in ("L", "1"):
            raise InputError(
                f"{file}: a mask must be an 8-bit picture of one channel; given Pillow mode "
                f"{image.mode}"
            )
        values = np.array(ImageOps.exif_transpose(image).convert("L"))
    if 0 < values.max() < 128:
        raise InputError(
            f"{file}: in a mask 255 is the person and 0 the background; "
            f"given values from {values.min()} to {values.max()}"
        )
    return np.where(values >= 128, np.uint8(255), np.uint8(0))


def picture_size(file: str | Path) -> tuple[int, int]:
    """Height, width of the upright picture, from the file's head alone.

    Raises:
        InputError: the file is missing, empty, no picture or too large.
    """
    with _opened(file) as image:
        width, height = image.size
        turned = _may_be_turned(image) and image.getexif().get(0x0112) in (5, 6, 7, 8)
    return (width, height) if turned else (height, width)


def cut(
    pixels: NDArray[np.uint8], box: tuple[int, int, int, int], file: str | Path
) -> NDArray[np.uint8]:
    """The part of (H, W, ...) pixels inside the box x, y, width, height; what sticks out is cut.

    Raises:
        InputError: the box lies outside or is empty; names `file`.
    """
    x, y, width, height = box
    top, left = max(y, 0), max(x, 0)
    part = pixels[top : max(y + height, 0), left : max(x + width, 0)]
    if part.size == 0:
        raise InputError(
            f"{file}: the box x {x}, y {y}, width {width}, height {height} lies outside "
            f"the picture of {pixels.shape[1]} x {pixels.shape[0]} pixels (width x height)"
        )
    return part


def check_size(image: Image.Image, name: str | Path, most_pixels: int | None = None) -> None:
    """Refuses a picture that would take too much memory or time, before it is decoded.

    Args:
        image: as `Image.open` leaves it.
        name: of the picture, for the message.
        most_pixels: limit on width x height; `PIL.Image.MAX_IMAGE_PIXELS` if not given.

    Raises:
        PictureTooLarge: it has too many pixels, a side is longer than `MOST_SIDE`, it is longer and
            narrower than `MOST_RATIO`, or has more scans than `MOST_SCANS`.
    """
    longer, shorter = max(image.size), min(image.size)
    most = Image.MAX_IMAGE_PIXELS if most_pixels is None else most_pixels
    if most is not None and longer * shorter > most:
        raise PictureTooLarge(f"{name}: has more than {most:,} pixels, the limit")
    if longer > MOST_SIDE or longer > MOST_RATIO * shorter:
        raise PictureTooLarge(
            f"{name}: a picture is at most {MOST_SIDE:,} pixels wide and high, and at most "
            f"{MOST_RATIO} times as long as it is narrow: this one has "
            f"{image.width:,} x {image.height:,}"
        )
    if isinstance(image, JpegImageFile) and image.fp is not None:
        place = image.fp.tell()
        image.fp.seek(0)
        scans = _scans(image.fp.read())
        image.fp.seek(place)
        if scans > MOST_SCANS:
            raise PictureTooLarge(
                f"{name}: a JPEG has at most {MOST_SCANS} scans: this one has {scans}"
            )


def _scans(content: bytes) -> int:
    # From marker to marker to the end of the picture: phones append films, which hold any bytes.
    count, place = 0, 2
    while (found := _MARKER.search(content, place)) and found[0] != b"\xff\xd9":
        count += found[0] == b"\xff\xda"
        place = found.end() + int.from_bytes(content[found.end() : found.end() + 2])
    return count


def _may_be_turned(image: Image.Image) -> bool:
    # Pillow reads the orientation from EXIF or XMP; PNG may give both only after decoding.
    if image.format != "JPEG":
        image.load()
    return any(
        key in image.info for key in ("exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif")
    )


def _to_rgb(image: Image.Image, file: str | Path) -> NDArray[np.uint8]:
    if image.mode == "RGB":
        return np.array(image)
    if image.mode in _ALPHA_MODES or "transparency" in image.info:
        colours = image.convert("RGBA")
        white = Image.new("RGBA", colours.size, (255, 255, 255, 255))
        return np.array(Image.alpha_composite(white, colours).convert("RGB"))
    if image.mode in _PLAIN_MODES:
        return np.array(image.convert("RGB"))
    if image.mode in _SIXTEEN_BIT:
        grey = _eight_bits(np.asarray(image), file)
        return np.repeat(grey[:, :, None], 3, axis=2)
    raise InputError(f"{file}: pixels of Pillow mode {image.mode} have no defined range of values")


def _eight_bits(values: NDArray[np.integer], file: str | Path) -> NDArray[np.uint8]:
    wide = values.astype(np.int64)
    if wide.min() < 0 or wide.max() > 65535:
        raise InputError(
            f"{file}: integer pixels must be from 0 to 65535; given {wide.min()} ... {wide.max()}"
        )
    return ((wide * 255 + 32767) // 65535).astype(np.uint8)


@contextmanager
def _opened(file: str | Path, most_pixels: int | None = None) -> Iterator[Image.Image]:
    """The open picture; whatever goes wrong while it is read becomes an `InputError`."""
    try:
        # Opening a pipe would wait for somebody to write into it.
        if not stat.S_ISREG(Path(file).stat().st_mode):
            raise InputError(f"{file}: not a regular file")
        with Image.open(file) as image:
            check_size(image, file, most_pixels)
            yield image
    except (InputError, MemoryError):
        raise
    except FileNotFoundError:
        raise InputError(f"{file}: no such file") from None
    except UnidentifiedImageError:
        empty = Path(file).stat().st_size == 0
        raise InputError(f"{file}: {'empty (0 bytes)' if empty else 'not a picture'}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise PictureTooLarge(
            f"{file}: has more than {Image.MAX_IMAGE_PIXELS:,} pixels, the limit"
        ) from None
    except Exception as error:
        # Pillow's readers raise OSError, SyntaxError, struct.error, ...: all mean a broken file.
        raise InputError(f"{file}: cannot be read: {str(error) or type(error).__name__}") from error
