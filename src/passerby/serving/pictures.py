"""Pictures from strangers, and pictures of the gallery on their way to a browser."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Literal

from PIL import Image, UnidentifiedImageError

from passerby.data.images import PictureTooLarge, check_size, read_image
from passerby.gallery.entries import Entry
from passerby.serving.refusals import Refusal
from passerby.types import InputError

FORMATS = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
"""What is taken, by Pillow's names; the file's content decides, not what it is called."""

SIDE = 320
"""Longest side of a picture on the page, in pixels."""


def received(body: bytes, most_pixels: int) -> Image.Image:
    """A picture that was sent, decoded in memory; its size is checked before its pixels are.

    Raises:
        Refusal: 415, it is none of `FORMATS`; 413, too large (`check_size`); 422, broken.
    """
    if not body:
        raise Refusal(422, "empty file: send a picture")
    try:
        picture = Image.open(io.BytesIO(body), formats=tuple(FORMATS))
    except UnidentifiedImageError:
        raise Refusal(415, "unsupported file: send JPEG, PNG or WebP") from None
    except Image.DecompressionBombError:
        raise Refusal(413, f"the picture has more than {most_pixels:,} pixels") from None
    except Exception:
        raise Refusal(422, "the picture is broken") from None
    try:
        check_size(picture, "the picture", most_pixels)
    except PictureTooLarge as error:
        raise Refusal(413, str(error)) from None
    try:
        picture.load()
    except MemoryError:
        raise
    except Exception:
        # Pillow's readers raise OSError, SyntaxError, struct.error, ...: all mean a broken file.
        raise Refusal(422, "the picture is broken or cut short") from None
    return picture


def stored(entry: Entry, root: Path | None, most_pixels: int) -> Image.Image:
    """The picture of an entry, its box cut out; limits are those of pictures that are sent.

    Raises:
        Refusal: 404, the server was not told where pictures lie, or this one does not lie there;
            413, too large.
    """
    file = None if root is None else inside(entry.file_name, root)
    if file is None:
        raise Refusal(404, "the picture of this entry is not kept")
    try:
        return Image.fromarray(read_image(file, entry.box, most_pixels=most_pixels))
    except PictureTooLarge:
        raise Refusal(413, "the picture of this entry is larger than this server shows") from None
    except (InputError, OSError):
        raise Refusal(404, "the picture of this entry cannot be read") from None


def inside(name: str, root: Path) -> Path | None:
    """The file of that name under a folder; None: there is none, or it lies elsewhere.

    Links are followed first: what they lead out to is elsewhere.
    """
    if not name or "\0" in name:
        return None
    try:
        file = (root / name).resolve(strict=True)
        return file if file.is_relative_to(root.resolve()) and file.is_file() else None
    except (OSError, RuntimeError, ValueError):
        return None


def encoded(picture: Image.Image, kind: Literal["JPEG", "PNG"] = "JPEG") -> bytes:
    """The bytes for a browser, small; nothing of the file beside its pixels (place, camera)."""
    small = picture.convert("RGB")
    small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    small.info.clear()
    out = io.BytesIO()
    small.save(out, kind, quality=90)
    return out.getvalue()
