"""The cues of several data sets joined for training."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from passerby.cues.source import find_cues
from passerby.types import CueSource, Sample, Split


class JoinedCues:
    """Asks each data set's own cues for its own samples (a `passerby.types.CueSource`).

    Args:
        own: cues of the first data set, whose sample names have no prefix.
        joined: cues of the others, by what their sample names start with.
    """

    def __init__(self, own: CueSource | None, joined: Mapping[str, CueSource | None]) -> None:
        self.own = own
        self.joined = dict(joined)

    @property
    def fingerprint(self) -> str:
        """`joined:` and a hash of the parts' fingerprints."""
        parts = [("", self.own), *self.joined.items()]
        known = [f"{name} {cues.fingerprint if cues else ''}" for name, cues in parts]
        return f"joined:{hashlib.sha256(chr(10).join(known).encode()).hexdigest()[:16]}"

    def mask(self, sample: Sample) -> NDArray[np.uint8] | None:
        """As the sample's own data set has it."""
        cues, own = self._of(sample)
        return None if cues is None else cues.mask(own)

    def joints(self, sample: Sample) -> NDArray[np.float32] | None:
        """As the sample's own data set has it."""
        cues, own = self._of(sample)
        return None if cues is None else cues.joints(own)

    def _of(self, sample: Sample) -> tuple[CueSource | None, Sample]:
        prefix, slash, rest = sample.name.partition("/")
        if slash and prefix in self.joined:
            return self.joined[prefix], replace(sample, name=rest)
        return self.own, sample


def cues_of(split: Split) -> CueSource | None:
    """The cues that lie beside a split's pictures, those of joined data sets included.

    Raises:
        InputError: as `passerby.cues.source.find_cues`.
    """
    own = find_cues(split.root)
    joined = {prefix: find_cues(root) for prefix, root in split.joined.items()}
    if not any(joined.values()):
        return own
    return JoinedCues(own, joined)
