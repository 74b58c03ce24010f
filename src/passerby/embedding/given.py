"""Pictures of any kind that a caller gives, with their masks and joints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from passerby.cues.networks import ComputedCues
from passerby.data.images import from_pil, read_image
from passerby.data.training_data import with_cues
from passerby.embedding.embedded import CueOrigin
from passerby.method import Inputs
from passerby.types import InputError, Picture

AnyPicture = str | Path | Image.Image | NDArray[np.uint8]


def known_pictures(
    pictures: Sequence[AnyPicture],
    given: Mapping[str, Sequence[NDArray[Any] | None]],
    source: ComputedCues | None,
    inputs: Inputs,
    origins: Mapping[str, list[CueOrigin]],
    batch_size: int,
) -> Iterator[Picture]:
    """The pictures with their cues.

    Args:
        pictures: N of any kind.
        given: by `mask` and `joints`: N of what the caller knows, or None.
        source: computes the others; None: they are done without.
        inputs: says which cues it can make no use of.
        origins: by cue that is wanted: where each came from is appended.
        batch_size: pictures at a time.

    Raises:
        InputError: an unreadable picture, or cues that cannot be its own.
    """
    for start in range(0, len(pictures), batch_size):
        chosen = slice(start, start + batch_size)
        images = [_pixels(picture) for picture in pictures[chosen]]
        found = {cue: _cue(cue, images, given[cue][chosen], source) for cue in origins}
        for place, image in enumerate(images):
            one = pictures[start + place]
            name = str(one) if isinstance(one, (str, Path)) else f"picture {start + place}"
            mask, joints = (found[c][place][0] if c in found else None for c in ("mask", "joints"))
            picture = with_cues(name, image, mask, joints)
            without = inputs.without(picture)
            for cue, seen in origins.items():
                seen.append("fallback" if cue in without else found[cue][place][1])
            yield picture


def _cue(
    cue: str,
    images: Sequence[NDArray[np.uint8]],
    given: Sequence[NDArray[Any] | None],
    source: ComputedCues | None,
) -> list[tuple[NDArray[Any] | None, CueOrigin]]:
    """The masks or joints of a batch with their origins: given, else computed."""
    values: list[tuple[NDArray[Any] | None, CueOrigin]] = [(value, "given") for value in given]
    missing = [place for place, value in enumerate(given) if value is None]
    if source is not None and missing:
        compute: Any = source.masks if cue == "mask" else source.poses
        computed = compute([images[place] for place in missing])
        for place, value in zip(missing, computed, strict=True):
            values[place] = (value, "computed")
    return values


def _pixels(picture: AnyPicture) -> NDArray[np.uint8]:
    if isinstance(picture, (str, Path)):
        return read_image(picture)
    if isinstance(picture, Image.Image):
        return from_pil(picture)
    array = np.asarray(picture)
    if array.ndim != 3 or array.shape[2] != 3 or array.dtype != np.uint8 or array.size == 0:
        raise InputError(
            f"a picture array must be uint8 (H, W, 3); given {array.dtype} {array.shape}"
        )
    return array
