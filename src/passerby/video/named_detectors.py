"""Detectors that are known by name: fetched once, and checked by their hash."""

from __future__ import annotations

import hashlib
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from passerby.data.check import cache_folder
from passerby.files import atomic, one_at_a_time
from passerby.types import InputError
from passerby.video.detector_settings import DetectorSettings

_LIMIT = 2**26
"""Bytes; more is not read."""
_TIMEOUT = 60.0
_PATIENCE = 1800.0


@dataclass(frozen=True)
class NamedDetector:
    """A network that somebody publishes."""

    address: str
    """Where it is."""
    sha256: str
    """Of the file."""
    settings: DetectorSettings
    """How it is used."""


_RELEASE = "https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0"
_YOLOX = DetectorSettings("yolox", height=416, width=416, channels="bgr", scale=1)
NAMED = {
    "yolox-tiny": NamedDetector(
        f"{_RELEASE}/yolox_tiny.onnx",
        "427cc366d34e27ff7a03e2899b5e3671425c262ea2291f88bb942bc1cc70b0f7",
        _YOLOX,
    ),
    "yolox-nano": NamedDetector(
        f"{_RELEASE}/yolox_nano.onnx",
        "c789161ed43c8269fcd4e67c67eeeb4e80c622da2eb296a20bc6007bd18a0b7d",
        _YOLOX,
    ),
}
"""YOLOX (Ge et al. 2021), as its authors export it; Apache-2.0, trained on COCO."""


def fetched(name: str, cache: Path | None = None) -> Path:
    """The file of a named detector, out of the cache or fetched into it.

    Args:
        name: of `NAMED`.
        cache: folder; None: `models` in passerby's cache (`PASSERBY_CACHE`).

    Raises:
        InputError: it cannot be fetched, or has another hash.
    """
    wanted = NAMED[name]
    target = (cache or cache_folder() / "models") / "detectors" / f"{name}.onnx"
    if not target.is_file():
        with one_at_a_time(target.with_name(f".{target.name}.lock"), _PATIENCE):
            if not target.is_file():
                content = _checked(_opened(wanted.address), wanted, wanted.address)
                with atomic(target) as temporary:
                    temporary.write_bytes(content)
    _checked(target.read_bytes(), wanted, f"{target}, which may be deleted")
    return target


def _opened(address: str) -> bytes:
    try:
        with urllib.request.urlopen(address, timeout=_TIMEOUT) as answer:
            content: bytes = answer.read(_LIMIT)
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise InputError(
            f"{address}: cannot be fetched ({reason}): fetch it elsewhere and give the file, "
            "described as docs/video.md says"
        ) from None
    return content


def _checked(content: bytes, wanted: NamedDetector, place: str) -> bytes:
    found = hashlib.sha256(content).hexdigest()
    if found != wanted.sha256:
        raise InputError(f"{place}: its SHA-256 must be {wanted.sha256}, it is {found}")
    return content
