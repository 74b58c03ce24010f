"""Measures what clusters of N pictures cost: the numbers of docs/own_cameras.md.

python tools/measure_clusters.py 20000 [100000 ...]

Embeddings of 256 numbers are drawn at random around the means of people with 20 pictures each. Time
is the processor's, so that other work on the machine does not count.
"""

from __future__ import annotations

import resource
import sys
import time

import numpy as np

from passerby.methods.cluster_contrast import Recipe
from passerby.methods.clusters import dbscan
from passerby.ranking.jaccard import jaccard_within

WIDTH, PICTURES = 256, 20


def measure(count: int) -> None:
    """One line for `count` pictures."""
    random = np.random.default_rng(0)
    means = random.standard_normal((count // PICTURES, WIDTH), np.float32)
    x = np.repeat(means, PICTURES, 0) + random.standard_normal((count, WIDTH), np.float32)
    recipe = Recipe.small()
    before, start = _peak(), time.process_time()
    pairs = jaccard_within(x, recipe.limit, recipe.k1, recipe.k2)
    distances = time.process_time() - start
    found = dbscan(pairs, recipe.limit, recipe.least)
    whole = time.process_time() - start
    print(
        f"{count:,} pictures: {len(pairs.columns):,} pairs in {distances:.0f} s, "
        f"{found.max() + 1:,} clusters after {whole:.0f} s; "
        f"{before:.2f} GB before, {_peak():.2f} GB at most",
        flush=True,
    )


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


if __name__ == "__main__":
    for given in sys.argv[1:]:
        measure(int(given))
