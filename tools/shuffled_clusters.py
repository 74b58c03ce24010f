"""The control of docs/own_cameras.md: `passerby adapt` with its clusters dealt out at random.

python tools/shuffled_clusters.py --data market1501 --root pku_reid --out runs/shuffled

Takes the options of `passerby adapt`. Each epoch the pictures that are in clusters swap labels, so
that their number and sizes stay and what they say is lost.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from passerby.cli import adapt
from passerby.methods import cluster_contrast
from passerby.methods.clusters import OUTLIER, clusters


def shuffled(*given: Any) -> NDArray[np.int64]:
    """`clusters`, with the labels of those that have one permuted."""
    labels = clusters(*given)
    inside = labels != OUTLIER
    labels[inside] = np.random.default_rng(0).permutation(labels[inside])
    return labels


if __name__ == "__main__":
    cluster_contrast.clusters = shuffled  # type: ignore[assignment]
    adapt.run(sys.argv[1:])
