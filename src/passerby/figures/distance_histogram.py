"""Distances between pictures of one person beside those of two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from passerby.figures.saving import check_target, new_figure, save_figure
from passerby.ranking.matches import check_identities
from passerby.ranking.tiles import tiles
from passerby.types import InputError, Split

BINS = 60


@dataclass(frozen=True)
class PairDistances:
    """Distances of queries to the gallery pictures that the evaluation ranks for them."""

    same: NDArray[np.float32]
    """(n,) of pairs of one person."""
    other: NDArray[np.float32]
    """(m,) of pairs of two."""
    queries: int
    """How many queries they are of."""
    of_queries: int
    """How many there are."""

    def shares(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Edges of `BINS` bins, and the share of each kind's pairs in each."""
        ends = (
            min(float(self.same.min()), float(self.other.min())),
            max(float(self.same.max()), float(self.other.max())),
        )
        edges = np.linspace(ends[0], ends[1] if ends[1] > ends[0] else ends[0] + 1, BINS + 1)
        same, other = (
            np.histogram(found, edges)[0] / len(found) for found in (self.same, self.other)
        )
        return edges, same, other


def pair_distances(
    split: Split,
    query_embeddings: NDArray[Any],
    gallery_embeddings: NDArray[Any],
    *,
    metric: str,
    most: int = 500,
    seed: int = 0,
) -> PairDistances:
    """Distances of pairs; junk, and the query's person in its own camera, are left out.

    Args:
        split: the data set.
        query_embeddings: (Q, D), in the order of `split.query`.
        gallery_embeddings: (G, D), in the order of `split.gallery`.
        metric: `euclidean`, `squared_euclidean` or `cosine`.
        most: queries, chosen at random where there are more.
        seed: of the choice.

    Raises:
        InputError: embeddings that do not fit the split, an unknown metric, most below 1, no pair
            of one person or none of two.
    """
    if most < 1:
        raise InputError(f"distances of pairs need at least one query: given {most}")
    identities = check_identities(
        (len(query_embeddings), len(gallery_embeddings)),
        [sample.person_id for sample in split.query],
        [sample.person_id for sample in split.gallery],
        [sample.camera_id for sample in split.query],
        [sample.camera_id for sample in split.gallery],
    )
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(split.query))
    chosen = np.sort(order[:most])
    same, other = [], []
    for first, block in tiles(query_embeddings[chosen], gallery_embeddings, metric):
        for row, distances in enumerate(block.cpu().numpy(), first):
            matches, ranked = identities.matches_and_ranked(int(chosen[row]))
            same.append(distances[matches])
            other.append(distances[ranked & ~matches])
    kinds = np.concatenate(same), np.concatenate(other)
    if not all(map(len, kinds)):
        raise InputError(
            f"distances need pairs of one person and of two: there are {len(kinds[0])} and "
            f"{len(kinds[1])}"
        )
    return PairDistances(*kinds, queries=len(chosen), of_queries=len(split.query))


def draw_distances(
    found: Mapping[str, PairDistances], target: str | Path, *, metric: str, title: str = ""
) -> None:
    """Draws both histograms, a panel for each label.

    Args:
        found: label -> distances.
        target: the .png or .svg, written atomically.
        metric: names the axis.
        title: above.

    Raises:
        InputError: nothing to draw, or another ending than .png or .svg.
    """
    check_target(target, "distances")
    if not found:
        raise InputError("a figure of distances needs at least one run")
    figure, panels = new_figure(len(found), height=3.5)
    for axes, (label, pairs) in zip(panels, found.items(), strict=True):
        edges, *shares = pairs.shares()
        counts = (len(pairs.same), len(pairs.other))
        for share, name, count in zip(shares, ("one person", "two persons"), counts, strict=True):
            axes.stairs(100 * share, edges, fill=True, alpha=0.5, label=f"{name} ({count:,})")
        axes.set_xlabel(f"{metric.replace('_', ' ')} distance")
        axes.set_ylabel("pairs (%)")
        axes.set_title(label, fontsize="medium")
        axes.legend(title="pairs of")
    figure.suptitle(title)
    save_figure(figure, target)
