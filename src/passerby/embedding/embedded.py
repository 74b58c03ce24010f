"""Embeddings with what was known of the people beside the pixels, and where it came from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from passerby.cues.networks import ComputedCues
from passerby.types import CueSource

CueOrigin = Literal["given", "computed", "fallback"]
"""Given: by the caller or in a file; computed: by a network at once; fallback: not known."""


@dataclass(frozen=True)
class Embedded:
    """N embeddings and the origin of each picture's cues."""

    embeddings: NDArray[np.float32]
    """(N, D)."""
    cues: Mapping[str, tuple[CueOrigin, ...]]
    """By cue that the method looks at (`mask`, `joints`): N origins."""
    fingerprint: str
    """Stands for weights, preprocessing, feature and cue source."""

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """By cue: how many pictures have it from where."""
        return {cue: dict(Counter(origins)) for cue, origins in self.cues.items()}


@dataclass(frozen=True)
class CueUse:
    """Where the cues of a data set came from."""

    origin: CueOrigin
    """`fallback`: no source of cues at all."""
    source: str
    """Fingerprint of the source, e.g. of the files' content; empty: there is none."""
    pictures: int
    """That were embedded."""
    fallbacks: Mapping[str, int] = field(default_factory=dict)
    """By cue that the method looks at: pictures without it."""


def cue_use(
    wanted: Collection[str], source: CueSource | None, pictures: int, missing: Mapping[str, int]
) -> CueUse | None:
    """What a result says of the cues that it stands on; None: the method looks at none.

    Args:
        wanted: cues that the method looks at.
        source: where they came from; None: from nowhere, each was done without.
        pictures: how many were embedded.
        missing: by cue, how many of them were without it.
    """
    if not wanted:
        return None
    origin: CueOrigin = "computed" if isinstance(source, ComputedCues) else "given"
    fallbacks = {cue: missing.get(cue, 0) for cue in sorted(wanted)}
    if source is None:
        return CueUse("fallback", "", pictures, fallbacks)
    return CueUse(origin, source.fingerprint, pictures, fallbacks)
